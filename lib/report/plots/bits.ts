/** Effective bits in a baseline and now. */
import type { Mark, Spec } from 'vega';
import type { Change } from '../baseline.ts';
import { draw, namesAxis, room } from './draw.ts';

/** Effective bits of each layer in the baseline (ring) and now (dot). */
export function bitsChart(changes: readonly Change[], width: number): Promise<string> {
  const rows = changes.flatMap(({ layer, before, now, lost }) =>
    Number.isFinite(before?.bits ?? Number.NaN) && Number.isFinite(now?.bits ?? Number.NaN)
      ? [{ layer, before: before!.bits!, now: now!.bits!, fill: lost ? 'var(--bad)' : 'var(--accent)' }]
      : [],
  );
  const left = room(
    rows.map(({ layer }) => layer),
    width,
  );
  const y = { scale: 'layer', field: 'layer', band: 0.5 } as const;
  const spec: Spec = {
    width: width - left - 16,
    height: rows.length * 22,
    padding: { left, right: 16, top: 8, bottom: 42 },
    data: [{ name: 'rows', values: rows }],
    scales: [
      { name: 'layer', type: 'band', domain: rows.map(({ layer }) => layer), range: 'height' },
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
      {
        type: 'rule',
        from: { data: 'rows' },
        encode: {
          enter: {
            x: { scale: 'x', field: 'before' },
            x2: { scale: 'x', field: 'now' },
            y,
            stroke: { field: 'fill' },
            strokeWidth: { value: 2 },
          },
        },
      },
      dot('before', {
        fill: { value: 'var(--ground)' },
        stroke: { field: 'fill' },
        strokeWidth: { value: 1.5 },
      }),
      dot('now', { fill: { field: 'fill' } }),
    ],
  };
  return draw(spec, `Effective bits in the baseline and now of ${rows.length} layers`);
}

const dot = (field: string, colours: object): Mark => ({
  type: 'symbol',
  from: { data: 'rows' },
  encode: {
    enter: {
      x: { scale: 'x', field },
      y: { scale: 'layer', field: 'layer', band: 0.5 },
      size: { value: 50 },
      ...colours,
    },
  },
});
