/** What `alexnet verify` prints: a row a layer, then the verdict in words. */

import { FALSE_ALARM } from '../bounds/products.ts';
import { marginText } from '../judge/margin.ts';
import { whyText } from '../judge/why.ts';
import { repeatLines } from '../verify/repeats.ts';
import type { LayerRow, RunReport, Verification } from '../verify/verification.ts';
import type { Difference } from './baseline.ts';
import { oneLine } from './escape.ts';
import {
  deviceText,
  elementLine,
  exchangeText,
  layerFigures,
  right,
  table,
  whereText,
  withText,
} from './table.ts';

const columns = ['layer', 'shape', ...layerFigures.map(({ title }) => right(title)), 'device', 'verdict'];

/** The table; its last lines are notes and the verdict. */
export function verificationText(result: Verification): string {
  const shown = result.layers.filter(isShown);
  const rows = shown.map((row) => [
    row.layer,
    (result.training ? row.shape : row.shape.slice(1)).join('×'),
    ...layerFigures.map(({ of }) => of(row)),
    row.devices.join('+') || '–',
    [word(row) + withText(row), row.reason].filter(Boolean).join(': '),
  ]);
  const { why, margin } = result;
  const lines = [
    ...notes(result),
    ...repeatLines(result.repeats ?? []),
    ...(margin ? [marginText(margin)] : []),
    ...(why ? whyText(why) : []),
    verdictLine(result),
  ];
  return `${table(columns, rows)}\n\n${lines.map(oneLine).join('\n')}\n`;
}

/** Of a training step, what it ends with; what lies between only where it does not agree. */
const isShown = ({ layer, kind, verdict }: LayerRow): boolean =>
  ['fail', 'suspicious'].includes(verdict) ||
  !/^step\d+\//.test(layer) ||
  ['loss', 'velocity', 'parameter'].includes(kind);

const word = ({ verdict }: LayerRow): string =>
  verdict === 'pass' ? 'ok' : verdict === 'fail' ? 'FAIL' : verdict;

const runText = ({ model, graph, optimised, level, verdict, first, reason }: RunReport): string => {
  const how = !optimised ? 'not optimised' : level === 'all' ? 'optimised' : `optimised (${level})`;
  const which = graph === 'elsewhere' ? graph : `${graph}, ${how}`;
  const found =
    verdict === 'pass' ? 'ok' : `${verdict.toUpperCase()}${first ? ` at ${first}` : ''}: ${reason}`;
  return `${model === 'training' ? 'step ' : ''}${which} ${found}`;
};

function notes(result: Verification): string[] {
  const lines = [
    ...(result.placement ? [`placement: ${result.placement}`] : []),
    'introduced: ‖device − oracle‖/‖oracle‖ given the device’s own input to the layer; accumulated: of the two chains',
    `runs: ${result.runs.map(runText).join(' · ')}`,
    ...(result.towers ? [`exchanged, ${exchangeText(result.towers)}`] : []),
  ];
  const hidden = result.layers.filter((row) => !isShown(row));
  const constant = hidden.filter(({ verdict }) => verdict === 'untested').length;
  const untested = constant > 0 ? ` (${constant} of them untested)` : '';
  const inside = `${hidden.length} values inside the steps, each judged like those of the gradients`;
  if (hidden.length > 0) lines.push(`${inside}, agree too${untested}`);
  for (const row of result.layers) {
    const { layer, introduced } = row;
    if (introduced?.named && introduced.beyond === 0)
      lines.push(
        `${layer}: beyond what any other kernel would show, within its own bound: ${introduced.named}`,
      );
    if (introduced && introduced.beyond > 0 && introduced.worst) {
      const where = whereText(row);
      lines.push(`${layer}:${where && ` ${where};`} worst at ${elementLine(introduced.worst)}`);
    }
  }
  if (result.layers.some(({ verdict, introduced }) => verdict === 'suspicious' && !introduced?.named)) {
    lines.push(
      `suspicious: within the bound, but beyond what rounding adds up to but once in ${1 / FALSE_ALARM} layers`,
    );
  }
  return lines;
}

/** PASS, SUSPICIOUS, UNTESTED or FAIL, and what it means. */
export function verdictLine(result: Verification): string {
  const { verdict, first, layers, runs, network, required } = result;
  const on = `${network} on ${deviceText(result)}`;
  const failed = layers.filter((layer) => layer.verdict === 'fail');
  if (verdict === 'fail' && failed.length === 0) {
    const run = runs.find((candidate) => candidate.verdict === 'fail');
    const where = runs[0].verdict === 'fail' ? '' : 'only when the graph is optimised: ';
    return `FAIL: ${on}: ${where}${first === null ? '' : `${first} disagrees with the oracle: `}${run?.reason}`;
  }
  if (verdict === 'fail') {
    const others = failed.length > 1 ? ` and ${failed.length - 1} more` : '';
    return `FAIL: ${on}: ${first}${others} disagree${failed.length > 1 ? '' : 's'} with the oracle: ${failed[0].reason}`;
  }
  const untested = layers.filter((layer) => layer.verdict === 'untested');
  const last = untested.at(-1);
  if (verdict === 'untested')
    return `UNTESTED: ${on}: nothing was shown of the output: ${last?.layer}: ${last?.reason}`;
  const lowest = Math.min(...layers.flatMap(({ introduced }) => introduced?.bits ?? []));
  const kept = Number.isFinite(lowest) ? `, at least ${lowest.toFixed(1)} effective bits (${required})` : '';
  const what = result.training ? 'values' : 'layers';
  const count = last
    ? `${layers.length - untested.length} of ${layers.length} ${what}`
    : `all ${layers.length} ${what}`;
  const rest = last ? `; ${untested.length} untested, the last ${last.layer}: ${last.reason}` : '';
  const word = verdict === 'suspicious' ? 'SUSPICIOUS' : 'PASS';
  return `${word}: ${on}: ${count} agree with the oracle within their bounds${kept}${rest}`;
}

/** Lines for the terminal: what was lost since the baseline. */
export function differenceText({ file, layers, lost }: Difference): string {
  if (lost.length === 0) return `baseline: no layer is less accurate than in ${file}\n`;
  const lines = layers.filter((change) => change.lost).map(({ layer, lost: what }) => `${layer}: ${what}`);
  return `${lines.map(oneLine).join('\n')}\nLOST BITS: ${lost.length} of ${layers.length} layers are less accurate than in ${file}\n`;
}
