/** alexnet summary: layers, shapes, parameters, multiply-accumulates and activation memory of a network. */
import type { Command } from 'commander';
import { type NetworkSummary, summary } from '../../networks/summary.ts';
import { megabytes, right, table, thousands } from '../../report/table.ts';
import { integer, jsonOption, networkOption } from '../options.ts';
import { print } from '../output.ts';

interface Options {
  readonly network?: string;
  readonly batch: number;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('summary')
    .description('layers, shapes, parameters, multiply-accumulates and activation memory')
    .addOption(networkOption())
    .option('--batch <n>', 'images a batch', integer(1), 1)
    .addOption(jsonOption())
    .action(({ json, ...options }: Options) => {
      const found = summary(options);
      return print(json, found, () => summaryText(found));
    });
}

function summaryText({ name, title, batch, layers, total }: NetworkSummary): string {
  const figures = ({ parameters, macs, activationBytes }: NetworkSummary['total']): string[] => [
    thousands(parameters),
    thousands(macs),
    megabytes(activationBytes),
  ];
  const rows = layers.map((layer) => [layer.name, layer.kind, layer.shape.join('×'), ...figures(layer)]);
  const columns = ['layer', 'operation', 'output', ...['parameters', 'MACs', 'activations'].map(right)];
  const sums = ['total', '', '', ...figures(total)];
  const images = batch === 1 ? 'one image' : `${batch} images`;
  return `${name}: ${title}\n\n${table(columns, [...rows, sums])}\n\nfor ${images}; parameters are ${megabytes(4 * total.parameters)} in float32\n`;
}
