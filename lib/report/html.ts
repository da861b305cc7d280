/** The page of `alexnet verify --html`. */
import type { Details } from '../judge/details.ts';
import type { Worst } from '../judge/judge.ts';
import { marginText } from '../judge/margin.ts';
import type { Why } from '../judge/why.ts';
import { LABELS } from '../runtime/failures.ts';
import type { VerifyResult } from '../verify/index.ts';
import { repeatLines } from '../verify/repeats.ts';
import type { LayerRow, Verification } from '../verify/verification.ts';
import { version } from '../version.ts';
import type { Change, Difference } from './baseline.ts';
import { escapeXml } from './escape.ts';
import { cards, fact, numberCells, pageOf } from './page.ts';
import {
  bitsChart,
  channelMap,
  heatLabels,
  positionMap,
  type Strip,
  stripChart,
  ulpHistogram,
} from './plots/verification.ts';
import {
  deviceText,
  elementLine,
  exchangeText,
  layerFigures,
  measures,
  ratio,
  runName,
  scientific,
  thousands,
  whereText,
  withText,
} from './table.ts';
import { verdictLine } from './terminal.ts';

/** Layers whose details are open when the page is: the first that did not pass. */
const OPEN = 2;

/** A chart twice, for a screen and for a phone. */
const figures = async (chart: (width: number) => Promise<string>): Promise<string> =>
  `<figure class="wide">${await chart(1000)}</figure>
<figure class="narrow">${await chart(372)}</figure>`;

/** A verdict, and in small letters what there is to say about it. */
const marked = (verdict: string, note = ''): string =>
  `<span class="mark">${verdict === 'pass' ? 'ok' : verdict}</span>${note && `<small>${escapeXml(note)}</small>`}`;

/** The whole page. */
export async function htmlReport(result: VerifyResult, changed?: Difference): Promise<string> {
  const { layers, network } = result;
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
${changed ? await baselineSection(changed) : ''}
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
  const title = `${result.verdict.toUpperCase()}: ${network} on ${deviceText(result)}`;
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
    ['device', `${deviceText(result)}; ${result.placement}`],
    ...(result.towers ? [['exchanged', exchangeText(result.towers)] as const] : []),
    ['required arithmetic', result.required],
    ...(result.repeats ? [['repeated', repeatLines(result.repeats).join('. ')] as const] : []),
  ];
  return `<dl class="facts">${entries.map(([key, value]) => fact(key, value)).join('')}</dl>`;
}

async function overview(strips: readonly Strip[]): Promise<string> {
  return `<section id="overview">
<h2>Error over bound</h2>
<p class="muted">Every value’s error, divided by the most that any right evaluation could show. Darker: more values. The tick is
the largest. Exact values are not drawn.</p>
${await figures((width) => stripChart(strips, width))}
</section>`;
}

function layerTable(rows: readonly LayerRow[]): string {
  const titles = layerFigures.map(({ title }) => title);
  const body = rows.map((row) => {
    const { layer, kind, shape, introduced, verdict, reason, devices } = row;
    const numbers = layerFigures.map(({ title, of }) =>
      title === 'error/bound' && introduced ? of(row) + bar(introduced.overBound) : of(row) || '–',
    );
    return `<tr><td class="whole name"><b>${escapeXml(layer)}</b> <span class="muted">${kind} ${shape.slice(1).join('×')}${escapeXml(withText(row))}</span></td>
${numberCells(numbers, titles)}<td class="device" data-label="device">${escapeXml(devices.join(', ') || '–')}</td>
<td class="${verdict}" data-label="verdict">${marked(verdict, reason)}</td></tr>`;
  });
  return `<section id="layers">
<h2>Layers</h2>
<p class="muted">introduced: ‖device − oracle‖/‖oracle‖ given the device’s own input to the layer; accumulated: of the two chains.
bits: how many significant bits the products and sums kept.</p>
${cards('layer', titles, ['device', 'verdict'], body)}
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
<td class="${verdict}">${marked(verdict, said)}</td></tr>`;
  });
  return `<section id="runs">
<h2>Three runs</h2>
<p class="muted">Tapped: every layer is an output, so that it can be compared. Optimised: onnxruntime fuses and rewrites nodes.
Untouched: the graph as it is, whose outputs alone can be compared.</p>
${cards('graph', [], ['verdict'], rows)}
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

/** A layer's numbers in a line, where its errors are folded below. */
async function layerSection(row: LayerRow, open: boolean): Promise<string> {
  const { layer, verdict, reason, introduced, details } = row;
  const named = introduced?.named ?? '';
  const notes = [reason, whereText(row), reason.includes(named) ? '' : named]
    .filter(Boolean)
    .map((text) => `<p>${escapeXml(text)}</p>`);
  return `<details data-layer="${escapeXml(layer)}"${open ? ' open' : ''}>
<summary><b>${escapeXml(layer)}</b><span class="muted">${escapeXml(measures(row) + withText(row))}</span><span class="${verdict}">${marked(verdict)}</span></summary>
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
    return `<tr><td class="whole">[${index.join(', ')}]</td>${numberCells(cells, titles)}</tr>`;
  });
  return `<h3>Worst elements</h3>\n${cards('index', titles, [], rows)}`;
}

/** Nine digits tell float32 numbers apart. */
const digits = (value: number): string => String(Number(value.toPrecision(9)));

/** What is known about the first layer that failed. Empty where nothing failed. */
function whySection({ why }: Verification): string {
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
  const titles = ['weight', 'input', 'product'];
  const rows = largest.map(({ at, w, x, product }) => {
    const numbers = [w, x, product].map((number) => number.toPrecision(7));
    return `<tr><td class="whole">[${at.join(', ')}]</td>${numberCells(numbers, titles)}</tr>`;
  });
  return `<p>${field}Its sum has ${terms} products and is ${value.toPrecision(7)}; Σ|w·x|/|Σ w·x| = ${cancellation.toPrecision(3)}.
The largest products:</p>
${cards('position', titles, [], rows)}`;
}

/** The comparison with a saved run. */
async function baselineSection(changed: Difference): Promise<string> {
  const { file, device, versions, layers, lost } = changed;
  const release = versions['onnxruntime-node'];
  const about = `${file}: ${LABELS[device as keyof typeof LABELS] ?? device}${release ? `, onnxruntime ${release}` : ''}`;
  const said =
    lost.length === 0
      ? '<p>No layer is less accurate than it was.</p>'
      : `<p class="fail"><span class="mark">${lost.length} of ${layers.length} layers are less accurate.</span></p>`;
  const charts = layers.some(({ before, now }) => before?.bits && now?.bits)
    ? await figures((width) => bitsChart(layers, width))
    : '';
  return `<section id="baseline">
<h2>Since the baseline</h2>
<p class="muted">${escapeXml(about)}</p>
${said}
${charts}
${changesTable(layers.filter(hasChanged))}
</section>`;
}

const hasChanged = ({ before, now, lost }: Change): boolean =>
  lost !== '' ||
  before?.verdict !== now?.verdict ||
  before?.overBound !== now?.overBound ||
  before?.bits !== now?.bits;

function changesTable(changes: readonly Change[]): string {
  if (changes.length === 0) return '<p class="muted">Every error is the same, to the last digit.</p>';
  const titles = ['error/bound', 'bits', 'verdict'];
  const rows = changes.map(({ layer, before, now, lost }) => {
    const [was, is] = [before, now].map((measure) => [
      typeof measure?.overBound === 'number' ? ratio(measure.overBound) : '–',
      measure?.bits?.toFixed(1) ?? '–',
    ]);
    const cells = [
      ...is.map((text, i) => arrow(was[i], text)),
      arrow(before?.verdict ?? 'new', now?.verdict ?? 'gone'),
    ];
    const note = lost ? `<span class="mark">${escapeXml(lost)}</span>` : '';
    return `<tr><td class="whole name"><b>${escapeXml(layer)}</b></td>${numberCells(cells, titles)}<td class="whole ${lost ? 'fail' : 'muted'}">${note}</td></tr>`;
  });
  return cards('layer', titles, [''], rows);
}

const arrow = (before: string, now: string): string => (before === now ? now : `${before} → ${now}`);
