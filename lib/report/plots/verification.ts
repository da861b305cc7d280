/**
 * The charts of `alexnet verify --html`: error over bound of all layers at a glance, one layer's errors by size and by
 * place, and effective bits since a baseline.
 */
import type { Mark, Spec } from 'vega';
import type { Details, Histogram } from '../../judge/details.ts';
import type { Change } from '../baseline.ts';
import { caption, mark, namesAxis, plotSvg, powerOfTwo, room } from './draw.ts';

/** Exponents of the strip chart: −24 holds all that is smaller, 9 all that is larger. */
const LEAST = -24;
const MOST = 9;
const POWERS = [-24, -20, -16, -12, -8, -4, 0, 4, 8];
/** Axis labels 2⁻²⁴ … 1 … 2⁸. */
const powerLabels = `({${POWERS.map((at) => `'${at}': '${at === 0 ? 1 : powerOfTwo(at)}'`).join(', ')}})['' + datum.value]`;

export interface Strip {
  readonly layer: string;
  readonly overBound: Histogram;
  /** Largest error over bound. */
  readonly largest: number;
}

/**
 * One row a layer: how many values have which error over bound, on a logarithmic scale, the largest as a tick. What is
 * right of 1 is beyond the bound. Exact values are not drawn.
 */
export function stripChart(strips: readonly Strip[], width: number): Promise<string> {
  const names = strips.map(({ layer }) => layer);
  const left = room(names, width);
  const height = strips.length * 18;
  const y = { scale: 'layer', field: 'layer' } as const;
  const spec: Spec = {
    width: width - left - 12,
    height,
    padding: { left, right: 12, top: 22, bottom: 42 },
    data: [
      { name: 'cells', values: strips.flatMap(cellsOf) },
      { name: 'ticks', values: strips.filter(({ largest }) => !(largest <= 0)).map(tickOf) },
    ],
    scales: [
      { name: 'layer', type: 'band', domain: names, range: 'height', padding: 0.2 },
      { name: 'x', type: 'linear', domain: [LEAST - 1, MOST], range: 'width', zero: false, nice: false },
    ],
    axes: [
      {
        orient: 'bottom',
        scale: 'x',
        values: POWERS,
        grid: true,
        title: 'error over bound',
        encode: { labels: { update: { text: { signal: powerLabels } } } },
      },
      namesAxis(left),
    ],
    marks: [
      beyond(0, height, MOST, 0.07),
      mark('rect', 'cells', {
        x: { scale: 'x', signal: 'datum.at - 1', offset: 0.5 },
        x2: { scale: 'x', field: 'at', offset: -0.5 },
        y,
        height: { scale: 'layer', band: 1 },
        fill: { field: 'fill' },
        fillOpacity: { field: 'shade' },
      }),
      mark('rect', 'ticks', {
        x: { scale: 'x', field: 'at', offset: -1 },
        width: 2,
        y: { ...y, offset: -1 },
        height: { scale: 'layer', band: 1, offset: 2 },
        fill: { field: 'fill' },
      }),
      beyond(-6, height, 0.06, 1),
      caption('bound', ((1 - LEAST) / (MOST - LEAST + 1)) * (width - left - 12), -10, 'center', 'var(--bad)'),
    ],
  };
  return plotSvg(spec, 'Error over bound of every layer, as a strip chart');
}

/** Cell (2^(at−1), 2^at] of the histogram, the darker the more values it holds. */
function cellsOf({ layer, overBound: { edges, counts } }: Strip) {
  const total = counts.reduce((sum, n) => sum + n, 0);
  return counts.flatMap((n, i) => {
    if (i === 0 || n === 0) return [];
    const at = i < edges.length ? Math.log2(edges[i]) : MOST;
    const shade = 0.18 + (0.82 * Math.log1p(n)) / Math.log1p(total);
    return [{ layer, at, shade, fill: at > 0 ? 'var(--bad)' : 'var(--accent)' }];
  });
}

function tickOf({ layer, largest }: Strip) {
  const at = Number.isFinite(largest) ? Math.max(LEAST - 0.9, Math.log2(largest)) : MOST;
  return { layer, at: Math.min(MOST - 0.1, at), fill: largest <= 1 ? 'var(--ink)' : 'var(--bad)' };
}

/** The part of the plane from the bound to 2^`to` times it. */
const beyond = (y: number, y2: number, to: number, fillOpacity: number): Mark =>
  mark('rect', null, {
    x: { scale: 'x', value: 0 },
    x2: { scale: 'x', value: to },
    y,
    y2,
    fill: 'var(--bad)',
    fillOpacity,
  });

/** Effective bits of each layer in the baseline (ring) and now (dot). */
export function bitsChart(changes: readonly Change[], width: number): Promise<string> {
  const rows = changes.flatMap(({ layer, before, now, lost }) =>
    Number.isFinite(before?.bits ?? Number.NaN) && Number.isFinite(now?.bits ?? Number.NaN)
      ? [{ layer, before: before!.bits!, now: now!.bits!, fill: lost ? 'var(--bad)' : 'var(--accent)' }]
      : [],
  );
  const names = rows.map(({ layer }) => layer);
  const left = room(names, width);
  const y = { scale: 'layer', field: 'layer', band: 0.5 };
  const colour = { field: 'fill' };
  const dot = (field: string, colours: object): Mark =>
    mark('symbol', 'rows', { x: { scale: 'x', field }, y, size: 50, ...colours });
  const spec: Spec = {
    width: width - left - 16,
    height: rows.length * 22,
    padding: { left, right: 16, top: 8, bottom: 42 },
    data: [{ name: 'rows', values: rows }],
    scales: [
      { name: 'layer', type: 'band', domain: names, range: 'height' },
      {
        name: 'x',
        domain: { data: 'rows', fields: ['before', 'now'] },
        range: 'width',
        zero: false,
        nice: true,
      },
    ],
    axes: [
      { orient: 'bottom', scale: 'x', grid: true, title: 'effective bits: ○ baseline, ● now', tickCount: 6 },
      namesAxis(left),
    ],
    marks: [
      mark('rule', 'rows', {
        x: { scale: 'x', field: 'before' },
        x2: { scale: 'x', field: 'now' },
        y,
        stroke: colour,
        strokeWidth: 2,
      }),
      dot('before', { fill: 'var(--ground)', stroke: colour, strokeWidth: 1.5 }),
      dot('now', { fill: colour }),
    ],
  };
  return plotSvg(spec, `Effective bits in the baseline and now of ${rows.length} layers`);
}

/** Number of values by error in ULP, powers of two, counts on a logarithmic scale. */
export function ulpHistogram({ edges, counts }: Histogram): Promise<string> {
  const last = counts.findLastIndex((n) => n > 0);
  const bars = counts.slice(0, Math.max(3, last) + 1).map((n, i) => ({
    label: i < edges.length ? edgeLabel(edges[i]) : 'more',
    n,
    height: Math.log10(1 + n),
    fill: i <= 1 ? 'var(--good)' : 'var(--accent)',
  }));
  const labels = bars.map(({ label }) => label);
  const tallest = Math.max(1, Math.ceil(Math.max(...bars.map(({ height }) => height))));
  const every = Math.ceil(bars.length / 12);
  const signal = "datum.value == 0 ? '0' : format(pow(10, datum.value), '~s')";
  const spec: Spec = {
    width: 300,
    height: 120,
    padding: { left: 48, right: 12, top: 8, bottom: 42 },
    data: [{ name: 'bars', values: bars }],
    scales: [
      { name: 'x', type: 'band', domain: labels, range: 'width', padding: 0.12 },
      { name: 'y', type: 'linear', domain: [0, tallest], range: 'height' },
    ],
    axes: [
      {
        orient: 'left',
        scale: 'y',
        grid: true,
        domain: false,
        ticks: false,
        values: Array.from({ length: tallest + 1 }, (_, i) => i),
        encode: { labels: { update: { text: { signal } } } },
      },
      {
        orient: 'bottom',
        scale: 'x',
        values: labels.filter((_, i) => i % every === 0),
        title: 'error in ULP, up to',
      },
    ],
    marks: [
      mark('rect', 'bars', {
        x: { scale: 'x', field: 'label' },
        width: { scale: 'x', band: 1 },
        y: { scale: 'y', field: 'height' },
        y2: { scale: 'y', value: 0 },
        fill: { field: 'fill' },
      }),
    ],
  };
  return plotSvg(spec, 'Histogram of errors in ULP');
}

const edgeLabel = (edge: number): string =>
  edge === 0.5 ? '½' : edge < 1024 ? String(edge) : powerOfTwo(Math.log2(edge));

/** Upper edges of the heat maps' classes; the colours are --heat0 (exact) … --heat5, and --bad beyond the bound. */
const HEAT = [0, 1e-4, 1e-3, 1e-2, 1e-1, 1] as const;
/** Words for the classes, up to the bound. */
export const heatLabels = ['exact', '≤ 10⁻⁴', '≤ 10⁻³', '≤ 0.01', '≤ 0.1', '≤ 1'] as const;

const heatColour = (value: number): string => {
  const at = HEAT.findIndex((edge) => value <= edge);
  return at < 0 ? 'var(--bad)' : `var(--heat${at})`;
};

/**
 * Cells in row-major order, the largest error over bound of each as a colour. `first` and `last` name the cells at
 * the ends.
 */
function heatMap(values: readonly number[], columns: number, label: string, first: string, last?: string) {
  const cell = Math.max(4, Math.min(18, Math.floor(300 / columns)));
  const height = Math.ceil(values.length / columns) * cell;
  const paths = new Map<string, string>();
  for (const [i, value] of values.entries()) {
    const colour = heatColour(value);
    const x = (i % columns) * cell;
    const y = Math.floor(i / columns) * cell;
    paths.set(colour, `${paths.get(colour) ?? ''}M${x},${y}h${cell - 1}v${cell - 1}h${1 - cell}z`);
  }
  const spec: Spec = {
    width: Math.max(columns * cell, 120),
    height,
    padding: { left: 4, right: 4, top: 18, bottom: 18 },
    data: [{ name: 'cells', values: [...paths].map(([fill, path]) => ({ fill, path })) }],
    marks: [
      mark('path', 'cells', { path: { field: 'path' }, fill: { field: 'fill' } }),
      caption(first, 0, -6, 'left'),
      ...(last === undefined ? [] : [caption(last, columns * cell, height + 13, 'right')]),
    ],
  };
  return plotSvg(spec, label);
}

/** Largest error over bound of each channel, 32 in a row. */
export function channelMap({ per, overBound }: NonNullable<Details['channels']>): Promise<string> {
  const label = 'Largest error over bound of each channel';
  const last = `${overBound.length * per - 1}`;
  return heatMap(overBound, Math.min(32, overBound.length), label, 'channel 0', last);
}

/** Largest error over bound by position in the plane. */
export function positionMap({ shape, per, overBound }: NonNullable<Details['positions']>): Promise<string> {
  const cell = per[0] * per[1] === 1 ? '' : `; a cell is ${per[0]}×${per[1]}`;
  return heatMap(overBound, shape[1], 'Largest error over bound by position', `top left${cell}`);
}
