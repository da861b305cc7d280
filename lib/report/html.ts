/** The page of `alexnet verify --html`. */
import { marginText } from '../judge/margin.ts';
import { LABELS } from '../runtime/failures.ts';
import type { VerifyResult } from '../verify/index.ts';
import type { LayerRow } from '../verify/verification.ts';
import { version } from '../version.ts';
import type { Difference } from './baseline.ts';
import { escapeXml } from './escape.ts';
import { baselineSection } from './htmlbaseline.ts';
import { layerSection, whySection } from './htmllayers.ts';
import { fact, pageOf } from './page.ts';
import { heatLabels } from './plots/heat.ts';
import { type Strip, stripChart } from './plots/strip.ts';
import { scientific } from './table.ts';
import { verdictLine } from './text.ts';
import { bitsOf, ratio, runName } from './words.ts';

/** Layers whose details are open when the page is: the first that did not pass. */
const OPEN = 2;
/** Widths of the charts that come twice, for a screen and for a phone. */
const WIDE = 1000;
const NARROW = 372;

/** The whole page. */
export async function htmlReport(result: VerifyResult, changed?: Difference): Promise<string> {
  const { layers, network, device } = result;
  const strips = layers.flatMap(({ layer, details, introduced }): Strip[] =>
    details && introduced ? [{ layer, overBound: details.overBound, largest: introduced.overBound }] : [],
  );
  const open = new Set(layers.filter(({ verdict }) => verdict !== 'pass').slice(0, OPEN));
  const sections: string[] = [];
  for (const row of layers) sections.push(await layerSection(row, open.has(row)));
  const header = `<h1>alexnet verify</h1>
${verdictBlock(result, changed)}
${facts(result)}`;
  const main = `${strips.length > 0 ? await overview(strips) : ''}
${whySection(result)}
${changed ? await baselineSection(changed, WIDE, NARROW) : ''}
${layerTable(layers)}
<section id="details">
<h2>Layer by layer</h2>
<p class="muted">Each layer is recomputed in float64 from the device’s own input to it, so that what is shown is the error
that this layer introduced. 1 ULP is the distance between neighbouring numbers of the stored format; a correctly rounded
result is within ½.</p>
${legend()}
${sections.join('\n')}
</section>
${runsSection(result)}
${devices(result)}`;
  const title = `${result.verdict.toUpperCase()}: ${network} on ${LABELS[device]}`;
  return pageOf({ title, header, main });
}

function verdictBlock(result: VerifyResult, changed?: Difference): string {
  const lost = changed?.lost.length ?? 0;
  const verdict = result.verdict === 'pass' && lost > 0 ? 'fail' : result.verdict;
  const [word, ...rest] = verdictLine(result).split(': ');
  const shown = result.verdict === 'pass' && lost > 0 ? 'LOST BITS' : word;
  const note = lost > 0 ? `. Less accurate than the baseline: ${changed?.lost.join(', ')}.` : '';
  const answer = result.margin
    ? `<p class="muted">${escapeXml(sentence(marginText(result.margin)))}</p>`
    : '';
  return `<div class="verdict ${verdict}"><strong>${escapeXml(shown)}</strong><p>${escapeXml(rest.join(': ') + note)}</p>${answer}</div>`;
}

const sentence = (text: string): string => `${text[0].toUpperCase()}${text.slice(1)}.`;

function facts(result: VerifyResult): string {
  const entries: readonly (readonly [string, string])[] = [
    ['network', result.network],
    ['model', result.model ?? 'exported for this run'],
    ['weights', result.weights],
    ['input', `${result.inputSource} (${result.input.join('×')})`],
    ['device', `${LABELS[result.device]}; ${result.placement}`],
    ['required arithmetic', result.required],
  ];
  return `<dl class="facts">${entries.map(([key, value]) => fact(key, value)).join('')}</dl>`;
}

async function overview(strips: readonly Strip[]): Promise<string> {
  return `<section id="overview">
<h2>Error over bound</h2>
<p class="muted">Every value’s error, divided by the most that any right evaluation could show. Darker: more values. The tick is
the largest. Exact values are not drawn.</p>
<figure class="wide">${await stripChart(strips, WIDE)}</figure>
<figure class="narrow">${await stripChart(strips, NARROW)}</figure>
</section>`;
}

function layerTable(rows: readonly LayerRow[]): string {
  const titles = ['introduced', 'accumulated', 'error/bound', 'bits'];
  const body = rows.map((row) => {
    const { layer, kind, shape, introduced, accumulated, verdict, reason, devices } = row;
    const numbers = [
      introduced ? scientific(introduced.relativeError) : '–',
      accumulated === null ? '–' : scientific(accumulated),
      introduced ? ratio(introduced.overBound) + bar(introduced.overBound) : '–',
      bitsOf(row) || '–',
    ];
    const cells = numbers.map((text, i) => `<td class="number" data-label="${titles[i]}">${text}</td>`);
    const word = verdict === 'pass' ? 'ok' : verdict;
    return `<tr><td class="whole name"><b>${escapeXml(layer)}</b> <span class="muted">${kind} ${shape.slice(1).join('×')}</span></td>
${cells.join('')}<td class="device" data-label="device">${escapeXml(devices.join(', ') || '–')}</td>
<td class="${verdict}" data-label="verdict"><span class="mark">${word}</span>${reason ? `<small>${escapeXml(reason)}</small>` : ''}</td></tr>`;
  });
  const head = ['layer', ...titles, 'device', 'verdict'].map(
    (title) => `<th${titles.includes(title) ? ' class="number"' : ''}>${title}</th>`,
  );
  return `<section id="layers">
<h2>Layers</h2>
<p class="muted">introduced: ‖device − oracle‖/‖oracle‖ given the device’s own input to the layer; accumulated: of the two chains.
bits: how many significant bits the products and sums kept.</p>
<table class="cards"><thead><tr>${head.join('')}</tr></thead><tbody>
${body.join('\n')}
</tbody></table>
</section>`;
}

/** error over bound from 2⁻²⁴ to 1, on a logarithmic scale. */
function bar(overBound: number): string {
  const share = overBound <= 0 ? 0 : Math.min(1, Math.max(0.03, 1 + Math.log2(overBound) / 24));
  const fill = overBound <= 1 ? '' : ';--fill:var(--bad)';
  const width = Number.isFinite(share) ? share : 1;
  return `<span class="bar"><i style="--share:${(100 * width).toFixed(0)}%${fill}"></i></span>`;
}

function legend(): string {
  const items = heatLabels.map((label, i) => [label, `var(--heat${i})`] as const);
  const all = [...items, ['beyond the bound', 'var(--bad)'] as const];
  const spans = all.map(([label, fill]) => `<span><i style="--fill:${fill}"></i>${label}</span>`);
  return `<div class="legend"><span>error over bound in the maps:</span>${spans.join('')}</div>`;
}

/** Tapped, tapped and optimised, untouched: which of them agree. */
function runsSection({ runs }: VerifyResult): string {
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

function devices({ layers, placement }: VerifyResult): string {
  const groups = new Map<string, string[]>();
  for (const row of layers) {
    const where = row.devices.join(' and ') || 'unknown';
    groups.set(where, [...(groups.get(where) ?? []), row.layer]);
  }
  const items = [...groups].map(([where, names]) => fact(where, names.join(' ')));
  return `<section id="devices">
<h2>Devices</h2>
<p>${escapeXml(placement)}</p>
<dl class="facts">${items.join('')}</dl>
<p class="muted" style="margin-top:24px">alexnet-oracle ${escapeXml(version)}, node ${escapeXml(process.versions.node)}. As onnxruntime’s own profile
tells which device ran each node.</p>
</section>`;
}
