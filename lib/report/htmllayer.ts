/** One layer of the HTML report: its numbers in a line, and folded below it where its errors are. */

import type { Details } from '../judge/details.ts';
import type { Worst } from '../judge/judge.ts';
import type { LayerRow } from '../verify/verify.ts';
import { escapeXml } from './escape.ts';
import { channelMap, positionMap } from './plots/heat.ts';
import { ulpHistogram } from './plots/ulps.ts';
import { scientific, thousands } from './table.ts';
import { measures, ratio } from './words.ts';

export async function layerSection(row: LayerRow, open: boolean): Promise<string> {
  const { layer, verdict, reason, introduced, details } = row;
  const named = introduced?.named ?? '';
  const notes = [reason, reason.includes(named) ? '' : named]
    .filter(Boolean)
    .map((text) => `<p>${escapeXml(text)}</p>`);
  return `<details data-layer="${escapeXml(layer)}"${open ? ' open' : ''}>
<summary><b>${escapeXml(layer)}</b><span class="muted">${escapeXml(measures(row))}</span><span class="${verdict}"><span class="mark">${verdict === 'pass' ? 'ok' : verdict}</span></span></summary>
<div class="inside">
${notes.join('')}
${details ? await distribution(details) : '<p class="muted">Nothing could be compared.</p>'}
</div>
</details>`;
}

async function distribution(details: Details): Promise<string> {
  const { ulps, channels, positions, worst, unbounded } = details;
  const total = ulps.counts.reduce((sum, n) => sum + n, 0);
  const promised =
    unbounded > 0
      ? `<p class="muted">No bound can be promised for ${thousands(unbounded)} more values.</p>`
      : '';
  if (ulps.counts[0] === total) {
    return `<p class="muted">All ${thousands(total)} values are exact.</p>${promised}`;
  }
  const plots = [figure(`Error in ULP: ${thousands(total)} values`, await ulpHistogram(ulps))];
  if (channels) {
    const title = channels.per === 1 ? 'By channel' : `By channel, ${channels.per} a cell`;
    plots.push(figure(`${title}: largest error over bound`, await channelMap(channels)));
  }
  if (positions) plots.push(figure('By position: largest error over bound', await positionMap(positions)));
  return `<div class="plots">${plots.join('')}</div>${promised}${worstTable(worst)}`;
}

const figure = (title: string, svg: string): string => `<figure><h3>${escapeXml(title)}</h3>${svg}</figure>`;

function worstTable(worst: readonly Worst[]): string {
  if (worst.length === 0) return '';
  const titles = ['device', 'oracle', 'error', 'bound', 'error/bound'];
  const rows = worst.map(({ index, device, oracle, error, bound }) => {
    const over = bound === 0 ? Number.POSITIVE_INFINITY : error / bound;
    const cells = [digits(device), digits(oracle), scientific(error), scientific(bound), ratio(over)];
    const numbers = cells.map((text, i) => `<td class="number" data-label="${titles[i]}">${text}</td>`);
    return `<tr><td class="whole">[${index.join(', ')}]</td>${numbers.join('')}</tr>`;
  });
  const head = titles.map((title) => `<th class="number">${title}</th>`).join('');
  return `<h3>Worst elements</h3>
<table class="cards"><thead><tr><th>index</th>${head}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`;
}

/** Nine digits tell float32 numbers apart. */
const digits = (value: number): string => String(Number(value.toPrecision(9)));
