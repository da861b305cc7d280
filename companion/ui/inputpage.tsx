/** From the photo to the numbers that the network gets, step by step. */
import { useMemo } from 'preact/hooks';
import { paint, reach } from '../../lib/picture/colour.ts';
import type { Image } from '../../reference/input/preprocess.ts';
import { useAnswer } from './answer.ts';
import type { Looking } from './looking.ts';
import { usePalette } from './palette.ts';
import { opaque, Raster } from './raster.tsx';
import { formatView } from './view.ts';

function Step({
  title,
  image,
  children,
}: {
  title: string;
  image?: Image;
  children: preact.ComponentChildren;
}) {
  const pixels = useMemo(() => image && opaque(image.data), [image]);
  return (
    <li>
      <h3>{title}</h3>
      <div class="map still" style={{ aspectRatio: image ? `${image.width} / ${image.height}` : '1' }}>
        {image && pixels && (
          <Raster width={image.width} height={image.height} pixels={pixels} label={title} />
        )}
      </div>
      {children}
    </li>
  );
}

export function InputPage({ scene, view, ask }: Omit<Looking, 'change'>) {
  const way = useAnswer(ask, 'way', null, 'way');
  const input = useAnswer(ask, 'maps', { layer: 'input', side: 'value', k: 0 }, 'input');
  const palette = usePalette();
  const { photo, crop, network } = scene;
  const { resize, channels, range, mean, deviation, meanImage } = network.preprocess;
  const [C, H, W] = network.input;
  const scale = input ? reach(input.data) : 1;
  const how = {
    none: 'It is taken as it is.',
    warp: `It is warped to ${resize.size} × ${resize.size}, whatever its shape was.`,
    shorter: `Its shorter side becomes ${resize.size} pixels.`,
  };
  return (
    <section class="part" aria-label="From photo to input">
      <h2>From photo to input</h2>
      <p>
        Section 2: “Given a rectangular image, we first rescaled the image such that the shorter side was of
        length 256, and then cropped out the central 256×256 patch from the resulting image. We did not
        pre-process the images in any other way, except for subtracting the mean activity over the training
        set from each pixel.” {network.name} does this:
      </p>
      <ol class="way">
        <Step title="The photo, upright" image={photo}>
          <p class="hint">
            {photo.width} × {photo.height} pixels, turned as its EXIF orientation says, over white where it is
            transparent.
          </p>
        </Step>
        <Step title="Resized" image={way?.resized}>
          <p class="hint">
            {how[resize.mode]} Pillow's antialiased bilinear filter, in its 8-bit arithmetic.
          </p>
        </Step>
        <Step title="The central square" image={way?.square}>
          <p class="hint">Crops are cut from it: at random in training, the ten views in a test.</p>
        </Step>
        <Step title="The crop at the centre" image={crop}>
          <p class="hint">
            {crop.width} × {crop.height}: what the network sees.
          </p>
        </Step>
      </ol>
      <h3>Minus the mean, {deviation.every((d) => d === 1) ? 'not divided' : 'divided by the deviation'}</h3>
      <p>
        Values from 0 to {range}, in the order {channels}.{' '}
        {meanImage === 'required' ? 'A mean image' : `The mean colour, ${mean.join(', ')},`} is subtracted
        {deviation.every((d) => d === 1) ? '' : `, and the rest divided by ${deviation.join(', ')}`}. Orange
        is above the mean, blue below.
      </p>
      <div class="views three">
        {Array.from({ length: C }, (_, c) => (
          <figure key={channels[c]}>
            <a
              class="map"
              style={{ aspectRatio: `${W} / ${H}` }}
              href={formatView({ ...view, page: 'walk', layer: 'input', map: c, row: 0, column: 0 })}
              aria-label={`Channel ${channels[c]} in the walk`}
            >
              <Raster
                width={W}
                height={H}
                pixels={paint(input?.data ?? [], c * H * W, H * W, scale, palette)}
              />
            </a>
            <figcaption>{{ R: 'red', G: 'green', B: 'blue' }[channels[c]]}</figcaption>
          </figure>
        ))}
      </div>
    </section>
  );
}
