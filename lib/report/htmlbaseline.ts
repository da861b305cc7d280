/** The HTML report's comparison with a saved run. */
import { LABELS } from '../runtime/failures.ts';
import type { Change, Difference, Measure } from './baseline.ts';
import { escapeXml } from './escape.ts';
import { bitsChart } from './plots/bits.ts';
import { ratio } from './words.ts';

/** `wide` and `narrow`: widths of the chart on a screen and on a phone. */
export async function baselineSection(changed: Difference, wide: number, narrow: number): Promise<string> {
  const { file, device, versions, layers, lost } = changed;
  const release = versions['onnxruntime-node'];
  const about = `${file}: ${LABELS[device as keyof typeof LABELS] ?? device}${release ? `, onnxruntime ${release}` : ''}`;
  const said =
    lost.length === 0
      ? '<p>No layer is less accurate than it was.</p>'
      : `<p class="fail"><span class="mark">${lost.length} of ${layers.length} layers are less accurate.</span></p>`;
  const charts = layers.some(({ before, now }) => before?.bits && now?.bits)
    ? `<figure class="wide">${await bitsChart(layers, wide)}</figure>
<figure class="narrow">${await bitsChart(layers, narrow)}</figure>`
    : '';
  return `<section id="baseline">
<h2>Since the baseline</h2>
<p class="muted">${escapeXml(about)}</p>
${said}
${charts}
${table(layers.filter(hasChanged))}
</section>`;
}

const hasChanged = ({ before, now, lost }: Change): boolean =>
  lost !== '' ||
  before?.verdict !== now?.verdict ||
  before?.overBound !== now?.overBound ||
  before?.bits !== now?.bits;

function table(changes: readonly Change[]): string {
  if (changes.length === 0) return '<p class="muted">Every error is the same, to the last digit.</p>';
  const rows = changes.map(({ layer, before, now, lost }) => {
    const cells = [
      ['error/bound', pair(before, now, ({ overBound }) => overBound, ratio)],
      [
        'bits',
        pair(
          before,
          now,
          ({ bits }) => bits,
          (bits) => bits.toFixed(1),
        ),
      ],
      [
        'verdict',
        before?.verdict === now?.verdict
          ? (now?.verdict ?? '')
          : `${before?.verdict ?? 'new'} → ${now?.verdict ?? 'gone'}`,
      ],
    ].map(([title, text]) => `<td class="number" data-label="${title}">${text}</td>`);
    const note = lost ? `<span class="mark">${escapeXml(lost)}</span>` : '';
    return `<tr><td class="whole name"><b>${escapeXml(layer)}</b></td>${cells.join('')}<td class="whole ${lost ? 'fail' : 'muted'}">${note}</td></tr>`;
  });
  return `<table class="cards"><thead><tr><th>layer</th><th class="number">error/bound</th><th class="number">bits</th><th class="number">verdict</th><th></th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`;
}

function pair(
  before: Measure | null,
  now: Measure | null,
  take: (measure: Measure) => number | null,
  write: (value: number) => string,
): string {
  const words = [before, now].map((measure) => {
    const value = measure && take(measure);
    return value === null ? '–' : write(value);
  });
  return words[0] === words[1] ? words[0] : words.join(' → ');
}
