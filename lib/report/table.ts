/** Plain text tables for a terminal, and numbers as every report writes them, those of a layer among them. */
import type { Worst } from '../judge/judge.ts';
import { axesOf, PARAMETER_AXES, patternText } from '../judge/pattern.ts';
import { LABELS } from '../runtime/failures.ts';
import type { LayerRow, RunReport, Towers, Verification } from '../verify/verification.ts';
import { harmless, oneLine } from './escape.ts';

/** A title over a column of words, or over one of numbers, which is flush right. */
type Column = string | { readonly title: string; readonly align?: 'left' | 'right' };

export const right = (title: string): Column => ({ title, align: 'right' });

/** Columns padded to their widest cell, two spaces between; no trailing spaces; the titles first. */
export function table(columns: readonly Column[], rows: readonly (readonly string[])[]): string {
  const titles = columns.map((column) => (typeof column === 'string' ? column : column.title));
  const lines = [titles, ...rows].map((cells) => cells.map((cell) => harmless(oneLine(cell))));
  const widths = titles.map((_, c) => lines.reduce((most, cells) => Math.max(most, cells[c].length), 0));
  const pad = (cell: string, c: number): string => {
    const column = columns[c];
    const isRight = typeof column === 'object' && column.align === 'right';
    return isRight ? cell.padStart(widths[c]) : cell.padEnd(widths[c]);
  };
  return lines.map((cells) => cells.map(pad).join('  ').trimEnd()).join('\n');
}

/** 60,965,224. */
export const thousands = (value: number): string => value.toLocaleString('en-US');

/** Where it ran: WebGPU, or of two towers CPU and WebGPU. */
export const deviceText = ({ device, towers }: Pick<Verification, 'device' | 'towers'>): string =>
  towers ? towers.devices.join(' and ') : LABELS[device];

/** 'bytes for 2 images: conv3 173,056 each way, …', and how that compares with the paper's layout. */
export function exchangeText({ exchanges, images, bytes, paper }: Towers): string {
  const places = [...new Set(exchanges.map(({ before }) => before))].map((layer) => {
    const [one, other] = exchanges.filter(({ before, back }) => before === layer && !back);
    return `${layer} ${thousands(one.bytes)} ${other ? 'each way' : `to tower ${one.receiver}`}`;
  });
  const more = new Set(exchanges.filter((one) => !one.paper).map(({ before }) => before));
  const why = more.size > 0 ? `: ${[...more].join(' ')} read maps across the border` : '';
  const layout = `paper's layout ${thousands(paper)}${why}`;
  const gradients = exchanges.reduce((sum, one) => sum + (one.back ? one.bytes : 0), 0);
  const back = gradients > 0 ? `, ${thousands(gradients)} of them gradients on their way back` : '';
  const batch = images === 1 ? '1 image' : `${images} images`;
  return `bytes for ${batch}: ${places.join(', ')}; ${thousands(bytes)} in all${back}, the ${layout}`;
}

/** Two significant digits in scientific notation, e.g. 1.2e-7; 0 for 0. */
export const scientific = (value: number): string => (value === 0 ? '0' : value.toExponential(1));

/** 243.9 MB. */
export const megabytes = (bytes: number): string => `${(bytes / 1e6).toFixed(1)} MB`;

/** 41.30 %; a dash for the share of nothing. */
export const percent = (share: number | null): string =>
  share === null ? '–' : `${(100 * share).toFixed(2)} %`;

/** 2 d 3 h, 3 h 20 min, 4 min 10 s. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  const units = [
    ['d', 86_400],
    ['h', 3600],
    ['min', 60],
    ['s', 1],
  ] as const;
  const first = units.findIndex(([, size]) => whole >= size);
  if (first < 0) return '0 s';
  const [, largest] = units[first];
  return units
    .slice(first, first + 2)
    .map(([unit, size], i) => `${Math.floor((i === 0 ? whole : whole % largest) / size)} ${unit}`)
    .join(' ');
}

/** [0, 3, 1, 2]: 1.5 on the device, 1.25 in the oracle; error 2.5e-1, bound 1.0e-6. */
export const elementLine = ({ index, device, oracle, error, bound }: Worst): string =>
  `[${index.join(', ')}]: ${device} on the device, ${oracle} in the oracle; error ${scientific(error)}, bound ${scientific(bound)}`;

/** Where a layer's values are beyond their bounds, if that is not everywhere: 'all in output channel 5'. */
export const whereText = (row: LayerRow): string =>
  row.introduced?.pattern ? patternText(row.introduced.pattern, row.shape, axisNames(row)) : '';

function axisNames({ layer, kind, shape }: LayerRow): readonly string[] {
  if (/\.(weight|bias)\b/.test(layer)) return PARAMETER_AXES;
  if (/^(columns|rows|crop)$/.test(kind)) return ['image', 'row', 'column', 'colour'];
  const channel = /^(gradient|parameter|velocity)/.test(kind) ? 'channel' : 'output channel';
  return axesOf(shape, channel);
}

/** ' with relu1 pool1': the layers that a dump lacks and that were judged together with this one. */
export const withText = ({ through }: LayerRow): string => (through ? ` with ${through.join(' ')}` : '');

/** Which of the three runs: tapped, not optimised. */
export const runName = ({ graph, optimised }: RunReport): string =>
  `${graph}, ${optimised ? 'optimised' : 'not optimised'}`;

/** error over bound: two digits. */
export const ratio = (value: number): string =>
  value === 0 ? '0' : value < 0.001 || value >= 1000 ? scientific(value) : value.toPrecision(2);

/** 21.3, or '' where the operation has no products. */
export function bitsOf({ introduced }: LayerRow): string {
  if (introduced?.bits === null || introduced?.bits === undefined) return '';
  return introduced.arithmetic === 'undetermined' ? 'undetermined' : introduced.bits.toFixed(1);
}

/** The columns of figures in every table of layers. */
export const layerFigures: readonly { readonly title: string; of(row: LayerRow): string }[] = [
  { title: 'introduced', of: ({ introduced }) => (introduced ? scientific(introduced.relativeError) : '–') },
  { title: 'accumulated', of: ({ accumulated }) => (accumulated === null ? '–' : scientific(accumulated)) },
  { title: 'error/bound', of: ({ introduced }) => (introduced ? ratio(introduced.overBound) : '–') },
  { title: 'bits', of: bitsOf },
];

/** error/bound 0.11, 21.3 effective bits, introduced 1.2e-7, accumulated 3.4e-7, on CPU. */
export function measures(row: LayerRow): string {
  const { introduced, accumulated, devices } = row;
  const parts: string[] = [];
  if (introduced) {
    parts.push(`error/bound ${ratio(introduced.overBound)}`);
    if (bitsOf(row)) parts.push(`${bitsOf(row)} effective bits`);
    parts.push(`introduced ${scientific(introduced.relativeError)}`);
  }
  if (accumulated !== null) parts.push(`accumulated ${scientific(accumulated)}`);
  if (devices.length > 0) parts.push(`on ${devices.join(' and ')}`);
  return parts.join(', ');
}
