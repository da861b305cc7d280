/** The answer: the likeliest classes, and what they hang on. */
import { useMemo } from 'preact/hooks';
import { paint, reach } from '../../lib/picture/colour.ts';
import { useAnswer } from './answer.ts';
import { ClassChoice } from './classchoice.tsx';
import { Kernels } from './kernels.tsx';
import { held, type Looking } from './looking.ts';
import { NearestPictures } from './nearest.tsx';
import { Occlusion } from './occlusion.tsx';
import { usePalette } from './palette.ts';
import { largest, lossOf, percent, short } from './rank.ts';
import { opaque, Raster } from './raster.tsx';

export function AnswerPage({ scene, view: asked, change, ask }: Looking) {
  const view = held(asked, scene);
  const { k } = view;
  return (
    <>
      <section class="part" aria-label="The answer">
        <h2>The answer</h2>
        <Likeliest probabilities={scene.probabilities} classes={scene.classes} />
        <p>
          What follows asks what speaks for <ClassChoice classes={scene.classes} k={k} change={change} />,
          whose loss, −log p, is {short(lossOf(scene, k))}. The forward pass took {scene.took.toFixed(0)} ms
          on one thread.
        </p>
      </section>
      <div class="pair">
        <Occlusion key={k} scene={scene} k={k} ask={ask} />
        <Saliency scene={scene} k={k} ask={ask} />
      </div>
      <Kernels key={`${k}`} scene={scene} view={view} ask={ask} />
      <NearestPictures ask={ask} />
      <TenViews scene={scene} k={k} ask={ask} />
    </>
  );
}

interface Ranked {
  readonly probabilities: Float64Array;
  readonly classes: readonly string[];
}

/** The five likeliest classes, with bars. */
export function Likeliest({ probabilities, classes }: Ranked) {
  return (
    <ol class="likeliest">
      {largest(probabilities, 5).map((k) => (
        <li key={k}>
          <span class="label">{classes[k]}</span>
          <meter value={probabilities[k]} aria-label={classes[k]} />
          <data class="number" value={probabilities[k]} title={String(probabilities[k])}>
            {percent(probabilities[k])}
          </data>
        </li>
      ))}
    </ol>
  );
}

type Asked = Pick<Looking, 'scene' | 'ask'> & { readonly k: number };

/** Gradient × input: what each pixel adds to the class's share, as far as a straight line tells. */
function Saliency({ scene, k, ask }: Asked) {
  const palette = usePalette();
  const question = { layer: 'input', k };
  const x = useAnswer(ask, 'maps', { ...question, side: 'value' }, 'value');
  const dx = useAnswer(ask, 'maps', { ...question, side: 'gradient' }, `gradient ${k}`);
  const [, C, H, W] = scene.shapes.get('input')!;
  const pixels = useMemo(() => {
    const share = new Float64Array(H * W);
    if (x && dx) for (let i = 0; i < C * H * W; i++) share[i % (H * W)] -= x.data[i] * dx.data[i];
    return paint(share, 0, share.length, reach(share), palette);
  }, [x, dx, C, H, W, palette]);
  return (
    <section class="part" aria-label="Gradient times input">
      <h3>Gradient × input</h3>
      <div class="map still" style={{ aspectRatio: `${W} / ${H}` }}>
        <Raster width={W} height={H} pixels={pixels} label="Pixels for the class orange, against it blue" />
      </div>
      <p class="hint">
        Each pixel times how the loss changes with it. Orange speaks for the class, blue against it.
      </p>
    </section>
  );
}

function TenViews({ scene, k, ask }: Asked) {
  const found = useAnswer(ask, 'views', null, 'views');
  const { classes } = scene;
  return (
    <section class="part" aria-label="Ten views">
      <h2>Ten views</h2>
      <p>
        Section 4.1: “At test time, the network makes a prediction by extracting five 224 × 224 patches (the
        four corner patches and the center patch) as well as their horizontal reflections (hence ten patches
        in all), and averaging the predictions made by the network's softmax layer on the ten patches.”
      </p>
      <div class="views">
        {found?.views.map(({ image, probabilities }, at) => {
          const [best] = largest(probabilities, 1);
          return (
            <figure key={names[at]}>
              <div class="map still" style={{ aspectRatio: `${image.width} / ${image.height}` }}>
                <Raster width={image.width} height={image.height} pixels={opaque(image.data)} />
              </div>
              <figcaption>
                {names[at]}
                <br />
                {classes[best]}, {percent(probabilities[best])}
              </figcaption>
            </figure>
          );
        })}
      </div>
      {found && (
        <p>
          The mean gives {classes[k]} <b>{percent(found.mean[k])}</b>; the centre alone{' '}
          {percent(scene.probabilities[k])}.
        </p>
      )}
    </section>
  );
}

const corners = ['top left', 'top right', 'bottom left', 'bottom right', 'centre'];
const names = [...corners, ...corners.map((name) => `${name}, mirrored`)];
