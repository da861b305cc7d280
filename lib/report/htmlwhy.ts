/** In the HTML report: what is known about the first layer that failed, and the three runs of the model. */

import type { Why } from '../judge/why.ts';
import type { Verification } from '../verify/verify.ts';
import { escapeXml } from './escape.ts';
import { elementLine, runName } from './words.ts';

/** Empty where nothing failed. */
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

/** Tapped, tapped and optimised, untouched: which of them agree. */
export function runsSection({ runs }: Verification): string {
  const rows = runs.map((run) => {
    const { verdict, first, reason } = run;
    const said = [first ?? '', reason].filter(Boolean).join(': ');
    return `<tr><td class="whole name"><b>${runName(run)}</b></td>
<td class="${verdict}"><span class="mark">${verdict === 'pass' ? 'ok' : verdict}</span>${said ? `<small>${escapeXml(said)}</small>` : ''}</td></tr>`;
  });
  return `<section id="runs">
<h2>Three runs</h2>
<p class="muted">Tapped: every layer is an output, so that it can be compared. Optimised: onnxruntime fuses and rewrites nodes.
Untouched: the graph as it is, whose outputs alone can be compared.</p>
<table class="cards"><thead><tr><th>graph</th><th>verdict</th></tr></thead><tbody>
${rows.join('\n')}
</tbody></table>
</section>`;
}
