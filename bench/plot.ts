/**
 * The contest as a picture: CPU time over that of onnxruntime-node with one thread, a panel for each network
 * and batch.
 */
import type { Mark, Spec } from 'vega';
import type { Row } from './contest.ts';

const [WIDTH, BAR, GAP] = [300, 16, 6];

/** The tick that marks onnxruntime itself is at 1; the scale is logarithmic. */
export async function plot(rows: readonly Row[], caption: string): Promise<string> {
  const vega = await import('vega');
  const panels = new Map<string, Row[]>();
  for (const row of rows) {
    const title = `${row.network}, batch ${row.batch}`;
    panels.set(title, [...(panels.get(title) ?? []), row]);
  }
  const tallest = Math.max(...[...panels.values()].map(({ length }) => length));
  const spec: Spec = {
    background: 'white',
    config: { axis: { labelLimit: 0 } },
    padding: 12,
    title: { text: caption, anchor: 'start', fontSize: 13, fontWeight: 'normal', offset: 12 },
    layout: { columns: 2, padding: { row: 34, column: 230 }, bounds: 'flush', align: 'none' },
    marks: [...panels].map(([title, panel]) => panelOf(title, panel, tallest)),
  };
  const view = new vega.View(vega.parse(spec), { renderer: 'none' });
  const svg = await view.toSVG();
  view.finalize();
  return svg;
}

function panelOf(title: string, rows: readonly Row[], tallest: number): Mark {
  const values = rows.map((row) => ({
    engine: row.threads === 1 ? row.engine : `${row.engine}, ${row.threads} threads`,
    ratio: row.ratio,
    ours: row.engine.startsWith('oracle'),
    label: `${row.ratio < 10 ? row.ratio.toFixed(1) : row.ratio.toFixed(0)}×`,
  }));
  const height = tallest * (BAR + GAP);
  const name = `rows of ${title}`;
  const middle = { scale: 'y', field: 'engine', band: 0.5 };
  return {
    type: 'group',
    title: { text: title, anchor: 'start', frame: 'group', fontSize: 12 },
    encode: { enter: { width: { value: WIDTH }, height: { value: height } } },
    data: [{ name, values: values.toSorted((a, b) => a.ratio - b.ratio) }],
    scales: [
      { name: 'x', type: 'log', domain: [0.8, 150], range: [0, WIDTH] },
      {
        name: 'y',
        type: 'band',
        domain: { data: name, field: 'engine' },
        range: [0, values.length * (BAR + GAP)],
        padding: 0.25,
      },
    ],
    axes: [
      {
        orient: 'bottom',
        scale: 'x',
        values: [1, 2, 4, 8, 16, 32, 64],
        format: '~g',
        grid: true,
        gridOpacity: 0.4,
      },
      { orient: 'left', scale: 'y', ticks: false, domain: false },
    ],
    marks: [
      {
        type: 'rect',
        from: { data: name },
        encode: {
          enter: {
            x: { scale: 'x', value: 0.8 },
            x2: { scale: 'x', field: 'ratio' },
            y: { scale: 'y', field: 'engine' },
            height: { scale: 'y', band: 1 },
            fill: [{ test: 'datum.ours', value: '#2b6cb0' }, { value: '#a0aec0' }],
          },
        },
      },
      {
        type: 'text',
        from: { data: name },
        encode: {
          enter: {
            x: { scale: 'x', field: 'ratio', offset: 4 },
            y: middle,
            baseline: { value: 'middle' },
            fontSize: { value: 10 },
            text: { field: 'label' },
          },
        },
      },
    ],
  };
}
