/** Right graphs, and the same with one wrong node, through verify's graph mode on the CPU: what it says of them. */
import { planted, verified } from './faults.ts';
import { generatedGraph } from './graph.ts';

export interface Tally {
  /** How many graphs of each element type have each verdict: 'float32 pass'. */
  readonly verdicts: ReadonlyMap<string, number>;
  /** How many planted faults were noticed, missed, or change nothing that could be noticed. */
  readonly met: ReadonlyMap<string, number>;
  /** One line on each false alarm and each fault that was missed. */
  readonly wrong: readonly string[];
}

/** Seeds `first` … `first + count − 1`; every other graph is in float16. */
export async function tallied(count: number, first = 0): Promise<Tally> {
  const verdicts = new Map<string, number>();
  const met = new Map<string, number>();
  const wrong: string[] = [];
  for (let seed = first; seed < first + count; seed++) {
    const precision = seed % 2 === 0 ? 'float32' : 'float16';
    const bytes = generatedGraph(seed, precision);
    const { verdict, layers, runs } = await verified(bytes);
    add(verdicts, `${precision} ${verdict}`);
    const row = [...layers, ...runs].find((one) => one.verdict === 'fail');
    if (row) wrong.push(`${seed} ${precision}: ${'layer' in row ? row.layer : row.graph}: ${row.reason}`);
    const fault = await planted(bytes, seed);
    add(met, fault.met);
    if (fault.met === 'missed') wrong.push(`${seed} ${precision}: missed: ${fault.fault}`);
  }
  return { verdicts, met, wrong };
}

const add = (of: Map<string, number>, key: string) => of.set(key, (of.get(key) ?? 0) + 1);

/** In words, for docs/conformance.md. */
export function tallyText(count: number, { verdicts, met, wrong }: Tally): string {
  const of = (verdict: string) =>
    ['float32', 'float16'].map((type) => verdicts.get(`${type} ${verdict}`) ?? 0);
  const sum = (verdict: string) => of(verdict).reduce((a, b) => a + b);
  const [pass, untested] = [of('pass'), of('untested')].map((counts) => counts.join(' and '));
  const number = (how: string) => met.get(how) ?? 0;
  return `${count} right graphs of AlexNet's family, half in float32 and half in float16, through \`alexnet verify FILE\` on onnxruntime's CPU:
**${sum('fail')} called wrong**; ${pass} pass, of ${untested} nothing is shown of the output, which is constant or overflows. Of the same graphs with one wrong node (another
operator, another attribute, an operand that is missing) ${number('noticed')} are noticed and **${number('missed')} missed**; in ${number('equal')} the fault changes its node's value by
less than a hundredth, or the graph cannot be run.${wrong.map((line) => `\n- ${line}`).join('')}`;
}
