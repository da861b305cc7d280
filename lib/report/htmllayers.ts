/** Single layers in the page: the numbers of each in a line, where its errors are folded below, and why one failed. */

import type { Details } from '../judge/details.ts';
import type { Worst } from '../judge/judge.ts';
import type { Why } from '../judge/why.ts';
import type { LayerRow, Verification } from '../verify/verification.ts';
import { escapeXml } from './escape.ts';
import { channelMap, positionMap } from './plots/heat.ts';
import { ulpHistogram } from './plots/ulps.ts';
import { scientific, thousands } from './table.ts';
import { elementLine, measures, ratio } from './words.ts';

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

/** What is known about the first layer that failed. Empty where nothing failed. */
export function whySection({ why }: Verification): string {
  if (!why) return '';
  const { layer, worst, explanation } = why;
  return `<section id="why">
<h2>Why ${escapeXml(layer)}</h2>
${matchList(explanation, layer)}
<p>Worst element ${escapeXml(elementLine(worst))}.</p>
${sumBehind(why)}
</section>`;
}

function matchList({ matches, tried, known }: Why['explanation'], layer: string): string {
  if (matches.length > 0) {
    const items = matches.map((match) => `<li><strong>${escapeXml(match)}</strong></li>`);
    return `<p>The device’s values of ${escapeXml(layer)} are what this mistake makes of its input:</p><ul>${items.join('')}</ul>`;
  }
  if (known === 0) return '';
  const left = tried < known ? ` (${tried} were tried)` : '';
  return `<p>None of the ${known} known mistakes explains its values${left}.</p>`;
}

function sumBehind({ sum, receptiveField }: Why): string {
  if (!sum) return '';
  const { terms, value, cancellation, largest } = sum;
  const field = receptiveField
    ? `It sees rows ${receptiveField.rows.join('–')} and columns ${receptiveField.columns.join('–')} of its input. `
    : '';
  const titles = ['position', 'weight', 'input', 'product'];
  const rows = largest.map(({ at, w, x, product }) => {
    const cells = [w, x, product].map(
      (number, i) => `<td class="number" data-label="${titles[i + 1]}">${number.toPrecision(7)}</td>`,
    );
    return `<tr><td class="whole">[${at.join(', ')}]</td>${cells.join('')}</tr>`;
  });
  const head = titles.map((title, i) => `<th${i > 0 ? ' class="number"' : ''}>${title}</th>`).join('');
  return `<p>${field}Its sum has ${terms} products and is ${value.toPrecision(7)}; Σ|w·x|/|Σ w·x| = ${cancellation.toPrecision(3)}.
The largest products:</p>
<table class="cards"><thead><tr>${head}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`;
}
