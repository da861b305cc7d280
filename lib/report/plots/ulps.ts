/** The histogram of a layer's errors in ULP. */
import type { Spec } from 'vega';
import type { Histogram } from '../../judge/details.ts';
import { draw, power } from './draw.ts';

/** Number of values by error in ULP, powers of two, counts on a logarithmic scale. */
export function ulpHistogram({ edges, counts }: Histogram): Promise<string> {
  const last = Math.max(
    3,
    counts.findLastIndex((n) => n > 0),
  );
  const bars = counts.slice(0, last + 1).map((n, i) => ({
    label: i < edges.length ? edgeLabel(edges[i]) : 'more',
    n,
    height: Math.log10(1 + n),
    fill: i <= 1 ? 'var(--good)' : 'var(--accent)',
  }));
  const tallest = Math.max(1, Math.ceil(Math.max(...bars.map(({ height }) => height))));
  const every = Math.ceil(bars.length / 12);
  const spec: Spec = {
    width: 300,
    height: 120,
    padding: { left: 48, right: 12, top: 8, bottom: 42 },
    data: [{ name: 'bars', values: bars }],
    scales: [
      { name: 'x', type: 'band', domain: bars.map(({ label }) => label), range: 'width', padding: 0.12 },
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
        encode: {
          labels: {
            update: { text: { signal: "datum.value == 0 ? '0' : format(pow(10, datum.value), '~s')" } },
          },
        },
      },
      {
        orient: 'bottom',
        scale: 'x',
        values: bars.filter((_, i) => i % every === 0).map(({ label }) => label),
        title: 'error in ULP, up to',
      },
    ],
    marks: [
      {
        type: 'rect',
        from: { data: 'bars' },
        encode: {
          enter: {
            x: { scale: 'x', field: 'label' },
            width: { scale: 'x', band: 1 },
            y: { scale: 'y', field: 'height' },
            y2: { scale: 'y', value: 0 },
            fill: { field: 'fill' },
          },
        },
      },
    ],
  };
  return draw(spec, 'Histogram of errors in ULP');
}

const edgeLabel = (edge: number): string =>
  edge === 0.5 ? '½' : edge < 1024 ? String(edge) : power(Math.log2(edge));
