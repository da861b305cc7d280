/** The course of a training run: errors and loss against epochs, as a drawing and as a page that loads itself anew. */
import type { Spec } from 'vega';
import { escapeXml } from '../escape.ts';
import { numberCells, pageOf } from '../page.ts';
import { mark, plotSvg, standalone } from './draw.ts';

const WIDTH = 760;
const HEIGHT = 340;
/** Seconds after which a page of a run that goes on loads itself anew. */
const RELOAD = 10;

/** One epoch, as it is drawn. Errors are shares, 0 to 1; validation is null where there was none after it. */
interface EpochPoint {
  readonly epoch: number;
  readonly learningRate: number;
  readonly loss: number;
  readonly error1: number;
  readonly validation: { readonly loss: number; readonly error1: number; readonly error5: number } | null;
}

interface Series {
  readonly name: string;
  readonly colour: string;
  /** In per cent. */
  readonly at: (record: EpochPoint) => number | undefined;
}

const percent = (share: number | undefined): number | undefined =>
  share === undefined ? undefined : 100 * share;

const series: readonly Series[] = [
  { name: 'training, top-1', colour: 'var(--muted)', at: ({ error1 }) => percent(error1) },
  { name: 'validation, top-1', colour: 'var(--accent)', at: ({ validation }) => percent(validation?.error1) },
  { name: 'validation, top-5', colour: 'var(--good)', at: ({ validation }) => percent(validation?.error5) },
];

/** Error in per cent against epochs; an SVG with its own colours, light and dark. */
export async function curveSvg(title: string, history: readonly EpochPoint[]): Promise<string> {
  const values = history.flatMap((record) =>
    series.flatMap(({ name, at }) => {
      const error = at(record);
      return error === undefined || !Number.isFinite(error) ? [] : [{ name, epoch: record.epoch, error }];
    }),
  );
  const known = series.filter(({ name }) => values.some((value) => value.name === name));
  const epochs = Math.max(1, ...history.map(({ epoch }) => epoch));
  const place = { x: { scale: 'x', field: 'epoch' }, y: { scale: 'y', field: 'error' } } as const;
  const colour = { scale: 'colour', field: 'name' };
  const spec: Spec = {
    width: WIDTH - 70,
    height: HEIGHT - 110,
    padding: { left: 54, right: 16, top: 54, bottom: 56 },
    title: { text: title, anchor: 'start', color: 'var(--ink)', fontSize: 13, offset: 30 },
    data: [{ name: 'errors', values }],
    scales: [
      { name: 'x', domain: [0, epochs], range: 'width', nice: true },
      { name: 'y', domain: { data: 'errors', field: 'error' }, range: 'height', zero: true, nice: true },
      {
        name: 'colour',
        type: 'ordinal',
        domain: known.map(({ name }) => name),
        range: known.map(({ colour }) => colour),
      },
    ],
    axes: [
      { orient: 'bottom', scale: 'x', title: 'epoch', tickMinStep: 1 },
      { orient: 'left', scale: 'y', grid: true, title: 'error, %' },
    ],
    legends: [
      {
        fill: 'colour',
        orient: 'none',
        direction: 'horizontal',
        // above the plot: nothing is drawn there
        legendX: 0,
        legendY: -24,
        columnPadding: 18,
        labelColor: 'var(--ink)',
        symbolType: 'circle',
        symbolSize: 60,
      },
    ],
    marks: [
      {
        type: 'group',
        from: { facet: { name: 'line', data: 'errors', groupby: 'name' } },
        marks: [mark('line', 'line', { ...place, stroke: colour, strokeWidth: 2 })],
      },
      mark('symbol', 'errors', { ...place, fill: colour, size: 14 }),
    ],
  };
  return standalone(await plotSvg(spec, `${title}: error against epochs, ${history.length} epochs`));
}

/** The page; it loads itself anew while the run goes on. */
export function curvePage(
  title: string,
  svg: string,
  history: readonly EpochPoint[],
  running: boolean,
): string {
  const share = (error: number | undefined): string =>
    error === undefined ? '' : `${(100 * error).toFixed(2)} %`;
  const rows = history.toReversed().map(({ epoch, learningRate, loss, error1, validation: held }) => {
    const training = [epoch, learningRate.toPrecision(3), loss.toFixed(4), share(error1)];
    const validated = [held?.loss.toFixed(4) ?? '', share(held?.error1), share(held?.error5)];
    return `<tr>${numberCells([...training.map(String), ...validated])}</tr>`;
  });
  const heads = ['epoch', 'learning rate', 'loss', 'error', 'validation loss', 'top-1 error', 'top-5 error'];
  return pageOf({
    title,
    ...(running ? { reload: RELOAD } : {}),
    header: `<h1>alexnet train</h1><p>${escapeXml(title)}${running ? '' : ', ended'}</p>`,
    main: `<figure>${svg}</figure>
<section><h2>Epochs</h2>
<table><thead><tr>${heads.map((head) => `<th class="number">${head}</th>`).join('')}</tr></thead>
<tbody>
${rows.join('\n')}
</tbody></table></section>`,
  });
}
