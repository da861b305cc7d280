/** The mutation score of ONNX's tests and of this project's vectors, side by side, as a Markdown table. */
import { mutants } from '../../lib/judge/mistakes/index.ts';
import { onnxProbes, ownProbes, type Probe, type Score, score } from './mutation.ts';
import { gradientMistakes, gradientProbes, gradientScore } from './mutation-gradients.ts';

interface TestSet {
  readonly title: string;
  readonly probes: readonly Probe[];
  readonly by: 'tolerance' | 'bound';
}

export interface MutationTable {
  readonly text: string;
  /** Names of the wrong kernels that each set lets pass, by its title. */
  readonly survivors: ReadonlyMap<string, readonly string[]>;
}

export const OURS = 'ours, derived bounds';
const SAME = 'ours, same tolerance';

/** `data` is the folder of ONNX's tests, null where there is none. */
export async function mutationTable(data: string | null): Promise<MutationTable> {
  const onnx = async (...folders: string[]): Promise<Probe[]> =>
    data === null ? [] : onnxProbes(folders.map((folder) => `${data}/${folder}`));
  const own = ownProbes();
  const sets: readonly TestSet[] = [
    { title: 'ONNX node tests', probes: await onnx('node'), by: 'tolerance' },
    { title: 'with pytorch-converted', probes: await onnx('node', 'pytorch-converted'), by: 'tolerance' },
    { title: SAME, probes: own, by: 'tolerance' },
    { title: OURS, probes: own, by: 'bound' },
  ];
  const names = [...new Set(mutants.map(({ operation }) => operation))];
  const scores = sets.map(({ probes, by }) => names.map((operation) => score(operation, probes, by)));
  const survivors = sets.map(({ title }, s) => {
    const list = names.flatMap((name, i) => scores[s][i].survivors.map((mutant) => `${name}: ${mutant}`));
    return [title, list] as const;
  });
  const gradients = gradientRows();
  const ours = new Map(survivors);
  for (const title of [OURS, SAME]) ours.set(title, [...ours.get(title)!, ...gradients.survivors]);
  return { text: tableOf(sets, names, scores, gradients), survivors: ours };
}

interface GradientRows {
  readonly rows: readonly (readonly [operation: string, mistakes: number, killed: number, tests: number])[];
  readonly survivors: readonly string[];
}

/** Gradients: ours alone has tests of them, and by the tolerance alone. */
function gradientRows(): GradientRows {
  const probes = gradientProbes();
  const names = [...new Set(gradientMistakes.map(({ operation }) => operation))].sort();
  const scores = names.map((operation) => gradientScore(operation, probes));
  const rows = names.map((operation, i) => {
    const { killed, survivors } = scores[i];
    const tests = probes.filter((probe) => probe.operation === operation).length;
    return [operation, killed + survivors.length, killed, tests] as const;
  });
  const survivors = names.flatMap((name, i) => scores[i].survivors.map((one) => `${name} gradient: ${one}`));
  return { rows, survivors };
}

const testsOf = (killed: number, tests: number): string =>
  tests === 0 ? 'no test' : `${killed} (${tests} ${tests === 1 ? 'test' : 'tests'})`;

function tableOf(
  sets: readonly TestSet[],
  names: readonly string[],
  scores: readonly (readonly Score[])[],
  gradients: GradientRows,
): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = [
    row(['operation', 'wrong kernels', ...sets.map(({ title }) => title)]),
    row(['---', '---:', ...sets.map(() => '---:')]),
  ];
  const total = (all: number, killed: readonly number[]): void => {
    const shares = killed.map((k) => `**${k} (${Math.floor((100 * k) / all)} %)**`);
    lines.push(row(['**all**', `**${all}**`, ...shares]));
  };
  for (const [i, operation] of names.entries()) {
    const all = mutants.filter((mutant) => mutant.operation === operation).length;
    const cells = sets.map(({ probes }, s) =>
      testsOf(scores[s][i].killed, probes.filter((probe) => probe.operation === operation).length),
    );
    lines.push(row([operation, `${all}`, ...cells]));
  }
  total(
    mutants.length,
    scores.map((list) => list.reduce((sum, one) => sum + one.killed, 0)),
  );
  for (const [operation, all, killed, tests] of gradients.rows) {
    const ours = testsOf(killed, tests);
    lines.push(row([`${operation} gradient`, `${all}`, 'no test', 'no test', ours, ours]));
  }
  const sum = (k: 1 | 2): number => gradients.rows.reduce((s, one) => s + one[k], 0);
  total(sum(1), [0, 0, sum(2), sum(2)]);
  return lines.join('\n');
}
