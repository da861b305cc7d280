/** The pictures that were wrong, as the page of `alexnet evaluate --html` shows them. */
import type { Evaluation, Mistake } from '../evaluate/index.ts';
import type { DecodeOptions } from '../image/decode.ts';
import { escapeXml } from './escape.ts';
import { drawing, openPhotos, type Shown, thumbnailOf, type Unshown } from './photo.ts';
import { percent, thousands } from './table.ts';

export interface MistakeOptions extends DecodeOptions {
  readonly threads?: number;
}

/** Files are read again, in threads; one that can no longer be shown says so in its place. */
export async function mistakesSection(
  { mistakes, count, top1, names }: Evaluation,
  options: MistakeOptions = {},
): Promise<string> {
  const wrong = count - top1.right;
  const shown =
    mistakes.length < wrong
      ? `the ${mistakes.length} most confident`
      : 'all of them, the most confident first';
  const figures = (await thumbnails(mistakes, options)).map((made, n) => figure(mistakes[n], names, made));
  return `<section>
<h2>Wrong</h2>
<p class="muted">${thousands(wrong)} of ${thousands(count)} pictures were taken for another class; here are ${shown}.</p>
<div class="thumbnails">
${figures.join('\n')}
</div>
</section>`;
}

async function thumbnails(
  mistakes: readonly Mistake[],
  { threads = 4, ...how }: MistakeOptions,
): Promise<(Shown | Unshown)[]> {
  const files = mistakes.filter(({ picture }) => 'file' in picture).length;
  const pool = files > 0 ? openPhotos<Shown>(Math.min(threads, files), how) : undefined;
  try {
    return await Promise.all(
      mistakes.map(({ picture }) => (pool ? pool.run(picture) : thumbnailOf(picture, how))),
    );
  } finally {
    await pool?.close();
  }
}

function figure(
  { picture, truth, predicted, probability }: Mistake,
  names: readonly string[],
  made: Shown | Unshown,
): string {
  const [right, given] = [truth, predicted].map((k) => escapeXml(names[k]));
  const image =
    'error' in made
      ? `<p class="fail"><span class="mark">${escapeXml(made.error)}</span></p>`
      : drawing(`${names[truth]}, taken for ${names[predicted]}`, made, 96);
  return `<figure>${image}
<figcaption><b>${right}</b>, taken for <b>${given}</b>: ${percent(probability)}<br>${escapeXml(picture.name)}</figcaption></figure>`;
}
