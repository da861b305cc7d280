/** Puts measured figures into documents: what is between `<!-- NAME -->` and `<!-- end -->` is replaced. */
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { ColdRow } from './cold.ts';
import type { Row } from './contest.ts';
import type { LayerRow } from './layers.ts';
import type { BatchRow, GradientRow, SizeRow } from './scaling.ts';

export interface Results {
  readonly machine: {
    readonly processor: string;
    readonly cores: number;
    readonly memoryGB: number;
    readonly node: string;
    readonly kernelGigaflops: { readonly float64: number; readonly float32: number };
  };
  readonly rounds?: number;
  /** The machine's one-minute load before and after: 0 is idle. */
  readonly load?: readonly [number, number];
  readonly rows?: readonly Row[];
  readonly layers?: readonly LayerRow[];
  readonly batches?: readonly BatchRow[];
  readonly sizes?: readonly SizeRow[];
  readonly gradients?: readonly GradientRow[];
  readonly cold?: readonly ColdRow[];
}

const file = fileURLToPath(new URL('../docs/performance.md', import.meta.url));

type Cell = string | number | null;
export const markdown = (titles: readonly string[], rows: readonly (readonly Cell[])[]): string =>
  [titles, titles.map((_, i) => (i === 0 ? '---' : '--:')), ...rows]
    .map((row) => `| ${row.map((cell) => cell ?? '–').join(' | ')} |`)
    .join('\n');

/** Every table by its name. */
export function tables(results: Results): Record<string, string> {
  const { machine, rows = [], layers = [], batches = [], sizes = [], gradients = [], cold = [] } = results;
  const { float64, float32 } = machine.kernelGigaflops;
  const [before, after] = results.load ?? [0, 0];
  return {
    machine:
      `${machine.processor}, ${machine.cores} cores, ${machine.memoryGB} GB; Node ${machine.node}; load ${before} before and ` +
      `${after} after; medians of ${results.rounds} rounds. The multiply kernel alone, operands in the first-level cache: ` +
      `${float64} GFLOP/s with float64 sums, ${float32} with float32 sums (128 bits).`,
    contest: markdown(
      [
        'network, batch',
        'engine',
        'threads',
        'CPU ms',
        'ratio',
        'least',
        'wall ms',
        'least wall ms',
        'peak MB',
      ],
      rows.map((row) => [
        `${row.network}, ${row.batch}`,
        ...[
          row.engine,
          row.threads,
          row.cpuMs,
          row.ratio.toFixed(2),
          row.leastRatio.toFixed(2),
          row.wallMs,
          row.bestWallMs,
          row.peakMB,
        ],
      ]),
    ),
    layers: markdown(
      ['layer', 'CPU ms', 'GFLOP/s', 'share of the kernel', 'million multiply-adds', 'kB'],
      layers.map((row) => [
        `${row.network} ${row.layer}`,
        row.cpuMs,
        ...(row.megaMacs ? [row.gigaflops, row.shareOfPeak.toFixed(2), row.megaMacs] : [null, null, null]),
        row.kilobytes,
      ]),
    ),
    batches: markdown(
      ['batch', 'threads', 'CPU ms', 'CPU ms an image', 'wall ms'],
      batches.map((row) => [row.batch, row.threads, row.cpuMs, row.cpuMsPerImage, row.wallMs]),
    ),
    sizes: markdown(
      ['image', 'million multiply-adds', 'CPU ms', 'CPU ms a thousand million'],
      sizes.map((row) => [`${row.size}²`, row.megaMacs, row.cpuMs, row.cpuMsPerGigaMac]),
    ),
    gradients: markdown(
      ['layer', 'forward GFLOP/s', 'dw', 'dx'],
      gradients.map((row) => [row.layer, row.forward, row.dw, row.dx]),
    ),
    cold: markdown(
      ['process', 'CPU ms', 'wall ms'],
      cold.map((row) => [row.command, row.cpuMs, row.wallMs]),
    ),
  };
}

/** A document's text with the blocks of these names replaced. Throws where it has no such block. */
export function withBlocks(text: string, blocks: Readonly<Record<string, string>>): string {
  return Object.entries(blocks).reduce((all, [name, content]) => {
    const block = new RegExp(`(<!-- ${name} -->\n)[\\s\\S]*?(<!-- end -->)`);
    if (!block.test(all)) throw new Error(`the document has no block <!-- ${name} -->`);
    return all.replace(block, (_, start, end) => `${start}${content}\n${end}`);
  }, text);
}

/** The document's text with every table replaced. */
export const filled = (text: string, results: Results): string => withBlocks(text, tables(results));

export function updateDocument(results: Results): void {
  writeFileSync(file, filled(readFileSync(file, 'utf8'), results));
}
