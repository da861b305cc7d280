/** The page of `alexnet predict --html`: each photo, what of it the network gets, and the classes as bars. */
import type { Guess, Prediction } from '../classify/classifier.ts';
import type { Predicted } from '../classify/predict.ts';
import type { DecodeOptions } from '../image/decode.ts';
import { describeChoice } from '../runtime/devices.ts';
import { inOrder } from '../runtime/threads.ts';
import { escapeXml } from './escape.ts';
import { fact, pageOf } from './page.ts';
import { drawing, openPhotos, type Photo, type Unshown } from './photo.ts';
import { percent, thousands } from './table.ts';

interface Options extends DecodeOptions {
  readonly threads?: number;
}

/** The whole page; photos are read again, in threads. One that can no longer be shown says so in its place. */
export async function predictionsHtml(predicted: Predicted, options: Options = {}): Promise<string> {
  const { network, weights, device, predictions, preprocess, views } = predicted;
  const { threads = Math.min(4, predictions.length), ...decoding } = options;
  const photos = openPhotos<Photo>(threads, { ...decoding, preprocess, views });
  const failed = predictions.filter(({ error }) => error !== undefined).length;
  const facts = [
    ['network', network],
    ['weights', weights],
    ['device', device ? describeChoice(device)[0] : 'the oracle'],
    ['views', views === 1 ? 'the centre' : 'ten, averaged'],
    ['photos', thousands(predictions.length)],
    ...(failed > 0 ? [['could not be read', thousands(failed)]] : []),
  ];
  try {
    const sections: string[] = [];
    const made = inOrder(predictions, 2 * photos.count, async (prediction) => {
      const { image, error } = prediction;
      return section(
        prediction,
        error === undefined ? await photos.run({ name: image, file: image }) : { error },
      );
    });
    for await (const one of made) sections.push(one);
    return pageOf({
      title: `alexnet predict: ${network}`,
      header: `<h1>alexnet predict</h1>\n<dl class="facts">${facts.map(([k, v]) => fact(k, v)).join('')}</dl>`,
      main: sections.join('\n'),
    });
  } finally {
    await photos.close();
  }
}

function section({ image, guesses = [] }: Prediction, made: Photo | Unshown): string {
  return `<section>
<h2>${escapeXml(image)}</h2>
${'error' in made ? `<p class="fail"><span class="mark">${escapeXml(made.error)}</span></p>` : ''}
<div class="plots">
${'error' in made ? '' : figuresOf(made)}
${guesses.length > 0 ? bars(guesses) : ''}
</div>
</section>`;
}

function figuresOf({ width, height, small, windows, view }: Photo): string {
  const outlines = windows.map((window) => {
    const [x, w] = [window.x, window.width].map((share) => (share * small.width).toFixed(2));
    const [y, h] = [window.y, window.height].map((share) => (share * small.height).toFixed(2));
    const at = `x="${x}" y="${y}" width="${w}" height="${h}" fill="none"`;
    return `<rect ${at} stroke="#000" stroke-opacity=".5" stroke-width="4"/><rect ${at} stroke="#fff" stroke-width="1.5"/>`;
  });
  const mirrors = windows.length > 1 ? ', and its mirror images' : '';
  return `<figure>${drawing('the photo', small, 224, outlines.join(''))}
<figcaption>${width}×${height}; the network gets what is outlined${mirrors}</figcaption></figure>
<figure>${drawing('the view at the centre', view, 224)}
<figcaption>${view.width}×${view.height}, the view at the centre</figcaption></figure>`;
}

function bars(guesses: readonly Guess[]): string {
  const rows = guesses.map(({ name, probability }) => {
    const share = `--share:${(100 * probability).toFixed(1)}%`;
    return `<tr><td class="name">${escapeXml(name)}</td><td class="number">${percent(probability)}</td>
<td style="width:40%"><span class="bar"><i style="${share}"></i></span></td></tr>`;
  });
  return `<table><thead><tr><th>class</th><th class="number">probability</th><th></th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`;
}
