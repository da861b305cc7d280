/** What bench/gpu-check.ts found, as a table for people. */
import type { Gpu } from '../../lib/runtime/hardware.ts';
import type { Found, Question } from './parts.ts';

export interface Row extends Found {
  readonly question: Question;
  readonly seconds: number;
}

export interface Report {
  readonly machine: {
    readonly processor: string;
    readonly gpus: readonly Gpu[];
    readonly node: string;
    readonly onnxruntime?: string;
    readonly command: string;
    readonly date: string;
  };
  readonly rows: readonly Row[];
}

/** A head with card and command, then a row a step. */
export function markdown({ machine, rows }: Report): string {
  const cards = machine.gpus.map(({ name, driver }) => `${name} (driver ${driver ?? 'none'})`).join(', ');
  const head =
    `${cards || 'no GPU'}, ${machine.processor}, Node ${machine.node}, onnxruntime-node ${machine.onnxruntime}, ` +
    `${machine.date}: \`${machine.command}\``;
  return [
    head,
    '',
    line(['step', 'result', 's', 'found']),
    line(['---', '---', '---:', '---']),
    ...rows.map(lineOf),
    '',
  ].join('\n');
}

export const lineOf = ({ question, ok, seconds, says }: Row): string =>
  line([titleOf(question), ok === null ? '' : ok ? 'ok' : 'NOT OK', String(seconds), says]);

const line = (cells: readonly string[]): string =>
  `| ${cells.map((cell) => cell.replaceAll('|', '\\|').replaceAll('\n', ' ')).join(' | ')} |`;

const titles: Readonly<Record<Question['part'], string>> = {
  diagnosis: 'doctor',
  right: 'verify',
  tf32: 'verify with TF32 on',
  switched: 'TF32 switched off in the process',
  planted: 'a planted fault',
  determinism: 'determinism',
  speed: 'images/s',
  peer: 'images/s beside PyTorch',
  step: 'training step beside PyTorch',
};

function titleOf({ part, network, device, precision, input, graph, tf32 }: Question): string {
  const how = [graph, precision, input && `${input} input`, tf32 && part !== 'tf32' && 'TF32'].filter(
    Boolean,
  );
  return [titles[part], network, ...how, device && `on ${device}`].filter(Boolean).join(' ');
}

/** The document with the report between two marks that name its card. */
export function withReport(document: string, report: Report): string {
  const card = report.machine.gpus[0]?.name ?? 'no GPU';
  const start = `<!-- gpu check: ${card} -->\n`;
  const end = '<!-- end of gpu check -->\n';
  const section = `${start}${markdown(report)}${end}`;
  const at = document.indexOf(start);
  if (at < 0) return `${document.trimEnd()}\n\n${section}`;
  const after = document.indexOf(end, at) + end.length;
  return document.slice(0, at) + section + document.slice(after);
}
