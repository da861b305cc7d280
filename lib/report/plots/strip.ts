/** The strip chart: error over bound of every layer at a glance. */
import type { Mark, Spec } from 'vega';
import type { Histogram } from '../../judge/details.ts';
import { caption, draw, namesAxis, power, room } from './draw.ts';

/** Exponents of the strip chart: −24 holds all that is smaller, 9 all that is larger. */
const LEAST = -24;
const MOST = 9;

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
  const cells = strips.flatMap(({ layer, overBound }) => {
    const total = overBound.counts.reduce((sum, n) => sum + n, 0);
    return overBound.counts.flatMap((n, i) => {
      if (i === 0 || n === 0) return [];
      // (edges[i−1], edges[i]] = (2^(at−1), 2^at]
      const at = i < overBound.edges.length ? Math.log2(overBound.edges[i]) : MOST;
      const shade = 0.18 + (0.82 * Math.log1p(n)) / Math.log1p(total);
      return [{ layer, at, shade, fill: at > 0 ? 'var(--bad)' : 'var(--accent)' }];
    });
  });
  const ticks = strips
    .filter(({ largest }) => !(largest <= 0))
    .map(({ layer, largest }) => ({
      layer,
      at: Number.isFinite(largest)
        ? Math.min(MOST - 0.1, Math.max(LEAST - 0.9, Math.log2(largest)))
        : MOST - 0.1,
      fill: largest <= 1 ? 'var(--ink)' : 'var(--bad)',
    }));
  const left = room(
    strips.map(({ layer }) => layer),
    width,
  );
  const height = strips.length * 18;
  const y = { scale: 'layer', field: 'layer' } as const;
  const spec: Spec = {
    width: width - left - 12,
    height,
    padding: { left, right: 12, top: 22, bottom: 42 },
    data: [
      { name: 'cells', values: cells },
      { name: 'ticks', values: ticks },
    ],
    scales: [
      {
        name: 'layer',
        type: 'band',
        domain: strips.map(({ layer }) => layer),
        range: 'height',
        padding: 0.2,
      },
      { name: 'x', type: 'linear', domain: [LEAST - 1, MOST], range: 'width', zero: false, nice: false },
    ],
    axes: [
      {
        orient: 'bottom',
        scale: 'x',
        values: [-24, -20, -16, -12, -8, -4, 0, 4, 8],
        grid: true,
        title: 'error over bound',
        encode: { labels: { update: { text: { signal: powerLabels } } } },
      },
      namesAxis(left),
    ],
    marks: [
      rect({ value: 0 }, { value: height }, 0, MOST, 'var(--bad)', 0.07),
      {
        type: 'rect',
        from: { data: 'cells' },
        encode: {
          enter: {
            x: { scale: 'x', signal: 'datum.at - 1', offset: 0.5 },
            x2: { scale: 'x', field: 'at', offset: -0.5 },
            y,
            height: { scale: 'layer', band: 1 },
            fill: { field: 'fill' },
            fillOpacity: { field: 'shade' },
          },
        },
      },
      {
        type: 'rect',
        from: { data: 'ticks' },
        encode: {
          enter: {
            x: { scale: 'x', field: 'at', offset: -1 },
            width: { value: 2 },
            y: { ...y, offset: -1 },
            height: { scale: 'layer', band: 1, offset: 2 },
            fill: { field: 'fill' },
          },
        },
      },
      rect({ value: -6 }, { value: height }, 0, 0.06, 'var(--bad)', 1),
      caption('bound', ((1 - LEAST) / (MOST - LEAST + 1)) * (width - left - 12), -10, 'center', 'var(--bad)'),
    ],
  };
  return draw(spec, 'Error over bound of every layer, as a strip chart');
}

/** Axis labels 2⁻²⁴ … 1 … 2⁸. */
const powerLabels = `datum.value == 0 ? '1' : ({${[-24, -20, -16, -12, -8, -4, 4, 8]
  .map((at) => `'${at}': '${power(at)}'`)
  .join(', ')}})['' + datum.value]`;

function rect(
  y: { value: number },
  y2: { value: number },
  from: number,
  to: number,
  fill: string,
  opacity: number,
): Mark {
  return {
    type: 'rect',
    encode: {
      enter: {
        x: { scale: 'x', value: from },
        x2: { scale: 'x', value: to },
        y,
        y2,
        fill: { value: fill },
        fillOpacity: { value: opacity },
      },
    },
  };
}
