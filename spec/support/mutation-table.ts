/** The mutation score of ONNX's tests and of this project's vectors, side by side, as a Markdown table. */
import { mutants } from '../mutants.ts';
import { onnxProbes, ownProbes, type Probe, type Score, score } from './mutation.ts';

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

/** `data` is the folder of ONNX's tests, null where there is none. */
export async function mutationTable(data: string | null): Promise<MutationTable> {
  const onnx = async (...folders: string[]): Promise<Probe[]> =>
    data === null ? [] : onnxProbes(folders.map((folder) => `${data}/${folder}`));
  const own = ownProbes();
  const sets: readonly TestSet[] = [
    { title: 'ONNX node tests', probes: await onnx('node'), by: 'tolerance' },
    { title: 'with pytorch-converted', probes: await onnx('node', 'pytorch-converted'), by: 'tolerance' },
    { title: 'ours, same tolerance', probes: own, by: 'tolerance' },
    { title: OURS, probes: own, by: 'bound' },
  ];
  const names = [...new Set(mutants.map(({ operation }) => operation))];
  const scores = sets.map(({ probes, by }) => names.map((operation) => score(operation, probes, by)));
  const survivors = sets.map(({ title }, s) => {
    const list = names.flatMap((name, i) => scores[s][i].survivors.map((mutant) => `${name}: ${mutant}`));
    return [title, list] as const;
  });
  return { text: tableOf(sets, names, scores), survivors: new Map(survivors) };
}

function tableOf(
  sets: readonly TestSet[],
  names: readonly string[],
  scores: readonly (readonly Score[])[],
): string {
  const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const lines = [
    row(['operation', 'wrong kernels', ...sets.map(({ title }) => title)]),
    row(['---', '---:', ...sets.map(() => '---:')]),
  ];
  for (const [i, operation] of names.entries()) {
    const all = mutants.filter((mutant) => mutant.operation === operation).length;
    const cells = sets.map(({ probes }, s) => {
      const tests = probes.filter((probe) => probe.operation === operation).length;
      return tests === 0 ? 'no test' : `${scores[s][i].killed} (${tests} ${tests === 1 ? 'test' : 'tests'})`;
    });
    lines.push(row([operation, `${all}`, ...cells]));
  }
  const totals = scores.map((list) => {
    const killed = list.reduce((sum, one) => sum + one.killed, 0);
    return `**${killed} (${Math.floor((100 * killed) / mutants.length)} %)**`;
  });
  lines.push(row(['**all**', `**${mutants.length}**`, ...totals]));
  return lines.join('\n');
}
