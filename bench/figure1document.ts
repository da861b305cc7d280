/** What came out of bench/figure1.ts, as text and as the paper's drawing. */
import type { Mark, Spec } from 'vega';
import { plotSvg, standalone } from '../lib/report/plots/draw.ts';
import { markdown } from './document.ts';
import type { RunRecord } from './experiments.ts';
import { mean } from './statistics.ts';

export const neurons = ['relu', 'tanh'] as const;
export type Neuron = (typeof neurons)[number];
/** How a net begins, see figure1.ts. */
export const starts = ['caffe', 'kaiming'] as const;
export type Start = (typeof starts)[number];

export interface Results {
  readonly start: Start;
  /** The learning rate that is fastest for each. */
  readonly best: Readonly<Record<Neuron, number>>;
  /** Of the search with seed 0, then of the other seeds. */
  readonly records: readonly RunRecord[];
}

/** The training error whose crossing is timed. */
const TARGET = 0.25;

/**
 * Epochs of training until the error is 25 %, or null. An epoch's error is the mean over its steps while it
 * learned, so it stands at the epoch's middle; in between, straight lines.
 */
export function crossingOf(errors: readonly number[]): number | null {
  const below = errors.findIndex((error) => error <= TARGET);
  if (below === -1) return null;
  if (below === 0) return 0.5;
  const [before, after] = [errors[below - 1], errors[below]];
  return below - 0.5 + (before - TARGET) / (before - after);
}

export const errorsOf = ({ epochs }: RunRecord): number[] => epochs.map(({ error }) => error);

/** figure1-kaiming-relu-0.02-0: kind of neuron and rate. */
function settingOf({ key }: RunRecord): { neuron: Neuron; rate: number } {
  const [, , neuron, rate] = key.split('-');
  return { neuron: neuron as Neuron, rate: Number(rate) };
}

/** The runs of a kind of neuron at its best rate, by seed. */
function finalRuns({ best, records }: Results, neuron: Neuron): RunRecord[] {
  return records
    .filter((record) => settingOf(record).neuron === neuron && settingOf(record).rate === best[neuron])
    .sort((a, b) => a.seed - b.seed);
}

const crossings = (results: Results, neuron: Neuron): (number | null)[] =>
  finalRuns(results, neuron).map((record) => crossingOf(errorsOf(record)));

/** Epochs to 25 %, the mean over the seeds; null where one of them never gets there. */
function meanCrossing(results: Results, neuron: Neuron): number | null {
  const all = crossings(results, neuron);
  return all.includes(null) ? null : mean(all as number[]);
}

/**
 * How often longer tanh takes: of the means, and the least and the most of pairs with the same seed. Infinite
 * where tanh never gets there; NaN where ReLU does not.
 */
export function factorOf(results: Results): { factor: number; least: number; most: number } {
  const [relu, tanh] = [crossings(results, 'relu'), crossings(results, 'tanh')];
  const ratio = (slow: number | null, fast: number | null): number =>
    (slow ?? Number.POSITIVE_INFINITY) / (fast ?? Number.NaN);
  const pairs = relu.map((epochs, seed) => ratio(tanh[seed], epochs));
  const factor = ratio(meanCrossing(results, 'tanh'), meanCrossing(results, 'relu'));
  return { factor, least: Math.min(...pairs), most: Math.max(...pairs) };
}

const words = { relu: 'ReLU', tanh: 'tanh' } as const;
const fixed = (value: number | null): string => (value === null ? 'never' : value.toFixed(1));

/** How the search for a rate ended at one of them. */
function searchCell(record: RunRecord | undefined): string {
  if (!record) return '';
  const crossing = crossingOf(errorsOf(record));
  if (crossing !== null) return fixed(crossing);
  return record.ended === 'diverged' ? 'diverges' : `> ${record.epochs.length}`;
}

/** Markdown. */
export function textOf(results: Results): string {
  const { factor, least, most } = factorOf(results);
  const search = results.records.filter(({ seed }) => seed === 0);
  const rates = [...new Set(search.map((record) => settingOf(record).rate))].sort((a, b) => a - b);
  const found = (neuron: Neuron, rate: number) =>
    search.find((record) => settingOf(record).neuron === neuron && settingOf(record).rate === rate);
  const device = [...new Set(results.records.map((record) => record.device))].join(', ');
  return [
    `tanh takes **${factor.toFixed(1)} times** as many epochs to 25 % training error as ReLU (seeds: ${least.toFixed(1)} to ` +
      `${most.toFixed(1)}); the paper says six. Device: ${device}.`,
    '',
    markdown(
      ['neurons', 'learning rate', 'epochs to 25 %, mean', 'each seed'],
      neurons.map((neuron) => [
        words[neuron],
        results.best[neuron],
        fixed(meanCrossing(results, neuron)),
        crossings(results, neuron).map(fixed).join(', '),
      ]),
    ),
    '',
    'Epochs to 25 % at every rate that was tried, seed 0 (`>`: not there yet when another had been for an epoch):',
    '',
    markdown(
      ['neurons', ...rates.map(String)],
      neurons.map((neuron) => [words[neuron], ...rates.map((rate) => searchCell(found(neuron, rate)))]),
    ),
  ].join('\n');
}

const [WIDTH, HEIGHT] = [760, 420];

/** Training error against epochs, every seed; ReLU solid and tanh dashed as in the paper, both crossings marked. */
export async function figureOf(results: Results): Promise<string> {
  const runs = neurons.flatMap((neuron) => finalRuns(results, neuron));
  const points = runs.flatMap((record) =>
    record.epochs.map(({ error }, e) => ({
      key: record.key,
      neuron: words[settingOf(record).neuron],
      epoch: e + 0.5,
      error,
    })),
  );
  const there = neurons.filter((neuron) => meanCrossing(results, neuron) !== null);
  const crossed = there.map((neuron) => ({
    neuron: words[neuron],
    epoch: meanCrossing(results, neuron),
    error: TARGET,
    label: `${words[neuron]}: ${fixed(meanCrossing(results, neuron))}`,
  }));
  const { factor } = factorOf(results);
  const title = `Training error on CIFAR-10: tanh takes ${factor.toFixed(1)} times as long to 25 % (the paper: 6 times)`;
  const spec: Spec = {
    width: WIDTH - 90,
    height: HEIGHT - 90,
    padding: { left: 74, right: 16, top: 34, bottom: 56 },
    title: { text: title, anchor: 'start', frame: 'group', color: 'var(--ink)', fontSize: 13 },
    data: [
      { name: 'points', values: points },
      { name: 'crossings', values: crossed },
    ],
    scales: [
      { name: 'x', domain: { data: 'points', field: 'epoch' }, range: 'width', zero: true, nice: true },
      { name: 'y', domain: [0, 0.8], range: 'height' },
      { name: 'colour', type: 'ordinal', domain: ['ReLU', 'tanh'], range: ['var(--accent)', 'var(--bad)'] },
    ],
    axes: [
      { orient: 'bottom', scale: 'x', title: 'epochs' },
      { orient: 'left', scale: 'y', grid: true, title: 'training error rate', format: '.2f' },
    ],
    legends: [{ stroke: 'colour', orient: 'top-right', labelColor: 'var(--ink)', symbolType: 'stroke' }],
    marks: [...linesOf(), ...crossingMarks()],
  };
  return standalone(await plotSvg(spec, title));
}

const at = { x: { scale: 'x', field: 'epoch' }, y: { scale: 'y', field: 'error' } };

/** A line for each run. */
const linesOf = (): Mark[] => [
  {
    type: 'group',
    from: { facet: { name: 'run', data: 'points', groupby: 'key' } },
    marks: [
      {
        type: 'line',
        from: { data: 'run' },
        encode: {
          enter: {
            ...at,
            stroke: { scale: 'colour', field: 'neuron' },
            strokeWidth: { value: 1.5 },
            strokeDash: [{ test: "datum.neuron === 'tanh'", value: [5, 3] }, { value: [1, 0] }],
          },
        },
      },
    ],
  },
];

/** 25 %, and where the means cross it. */
const crossingMarks = (): Mark[] => [
  {
    type: 'rule',
    encode: {
      enter: {
        x: { value: 0 },
        x2: { signal: 'width' },
        y: { scale: 'y', value: TARGET },
        stroke: { value: 'var(--muted)' },
        strokeDash: { value: [2, 3] },
      },
    },
  },
  {
    type: 'symbol',
    from: { data: 'crossings' },
    encode: { enter: { ...at, fill: { scale: 'colour', field: 'neuron' }, size: { value: 60 } } },
  },
  {
    type: 'text',
    from: { data: 'crossings' },
    encode: {
      enter: {
        ...at,
        text: { field: 'label' },
        dx: { value: 8 },
        dy: { value: -8 },
        fill: { value: 'var(--ink)' },
        fontSize: { value: 12 },
      },
    },
  },
];
