/** Heat maps: where in the channels and in the plane a layer's errors are. */
import type { Spec } from 'vega';
import type { Details } from '../../judge/details.ts';
import { caption, draw } from './draw.ts';

/** Upper edges of the heat maps' classes; the colours are --heat0 (exact) … --heat5, and --bad beyond the bound. */
const HEAT = [0, 1e-4, 1e-3, 1e-2, 1e-1, 1] as const;

const heatColour = (value: number): string => {
  const at = HEAT.findIndex((edge) => value <= edge);
  return at < 0 ? 'var(--bad)' : `var(--heat${at})`;
};

/** Cells in row-major order, the largest error over bound of each as a colour. */
export function heatMap(
  values: readonly number[],
  columns: number,
  label: string,
  { first = 'channel', per = 1 } = {},
): Promise<string> {
  const rows = Math.ceil(values.length / columns);
  const cell = Math.max(4, Math.min(18, Math.floor(300 / columns)));
  const paths = new Map<string, string>();
  for (const [i, value] of values.entries()) {
    const colour = heatColour(value);
    const x = (i % columns) * cell;
    const y = Math.floor(i / columns) * cell;
    paths.set(colour, `${paths.get(colour) ?? ''}M${x},${y}h${cell - 1}v${cell - 1}h${1 - cell}z`);
  }
  const height = rows * cell;
  const ends =
    first === 'channel'
      ? [
          caption('channel 0', 0, -6, 'left'),
          caption(`${values.length * per - 1}`, columns * cell, height + 13, 'right'),
        ]
      : [caption(first, 0, -6, 'left')];
  const spec: Spec = {
    width: Math.max(columns * cell, 120),
    height,
    padding: { left: 4, right: 4, top: 18, bottom: 18 },
    data: [{ name: 'cells', values: [...paths].map(([fill, path]) => ({ fill, path })) }],
    marks: [
      {
        type: 'path',
        from: { data: 'cells' },
        encode: { enter: { path: { field: 'path' }, fill: { field: 'fill' } } },
      },
      ...ends,
    ],
  };
  return draw(spec, label);
}

/** Largest error over bound of each channel, 32 in a row. */
export const channelMap = ({ per, overBound }: NonNullable<Details['channels']>): Promise<string> =>
  heatMap(overBound, Math.min(32, overBound.length), 'Largest error over bound of each channel', { per });

/** Largest error over bound by position in the plane. */
export const positionMap = ({ shape, per, overBound }: NonNullable<Details['positions']>): Promise<string> =>
  heatMap(overBound, shape[1], 'Largest error over bound by position', {
    first: per[0] * per[1] === 1 ? 'top left' : `top left; a cell is ${per[0]}×${per[1]}`,
  });

/** Words for the classes of the heat maps, up to the bound. */
export const heatLabels = ['exact', '≤ 10⁻⁴', '≤ 10⁻³', '≤ 0.01', '≤ 0.1', '≤ 1'] as const;
