/**
 * npm run mutation [-- --survivors]: the share of wrong kernels that ONNX's own tests and this project's vectors find,
 * side by side, as a Markdown table. Exit 1 where one of ours survives.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mutants } from './mutants.ts';
import { onnxProbes, ownProbes, type Probe, score } from './support/mutation.ts';

const data = fileURLToPath(new URL('../../shared/data/onnx-backend-tests/', import.meta.url));
const has = existsSync(data);
if (!has) console.error('there is no ../shared/data/onnx-backend-tests: only our own vectors are measured');

const sets: readonly { title: string; probes: readonly Probe[]; by: 'tolerance' | 'bound' }[] = [
  { title: 'ONNX node tests', probes: has ? await onnxProbes([`${data}node`]) : [], by: 'tolerance' },
  {
    title: 'with pytorch-converted',
    probes: has ? await onnxProbes([`${data}node`, `${data}pytorch-converted`]) : [],
    by: 'tolerance',
  },
  { title: 'ours, same tolerance', probes: ownProbes(), by: 'tolerance' },
  { title: 'ours, derived bounds', probes: ownProbes(), by: 'bound' },
];

const names = [...new Set(mutants.map(({ operation }) => operation))];
const scores = names.map((operation) => sets.map(({ probes, by }) => score(operation, probes, by)));
const count = (operation: string): number =>
  mutants.filter((mutant) => mutant.operation === operation).length;
const tests = (s: number, operation: string): number =>
  sets[s].probes.filter((probe) => probe.operation === operation).length;

const row = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
console.log(row(['operation', 'wrong kernels', ...sets.map(({ title }) => title)]));
console.log(row(['---', ...sets.map(() => '---:'), '---:']));
for (const [i, operation] of names.entries()) {
  const cells = scores[i].map(({ killed }, s) =>
    tests(s, operation) === 0 ? 'no test' : `${killed} (${tests(s, operation)} tests)`,
  );
  console.log(row([operation, `${count(operation)}`, ...cells]));
}
const killed = sets.map((_, s) => scores.reduce((sum, row) => sum + row[s].killed, 0));
const share = (k: number): string => `**${k} (${Math.round((100 * k) / mutants.length)} %)**`;
console.log(row(['**all**', `**${mutants.length}**`, ...killed.map(share)]));

const survivors = (s: number): string[] =>
  names.flatMap((name, i) => scores[i][s].survivors.map((m) => `${name}: ${m}`));
if (process.argv.includes('--survivors')) {
  for (const [s, { title }] of sets.entries())
    console.log(`\n${title}, survivors:\n  ${survivors(s).join('\n  ')}`);
}
if (survivors(3).length > 0) {
  console.error(`ours let pass: ${survivors(3).join('; ')}`);
  process.exitCode = 1;
}
