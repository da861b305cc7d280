/**
 * npm run mutation [-- --survivors]: the share of wrong kernels that ONNX's own tests and this project's vectors find,
 * side by side. Exit 1 where one of ours survives.
 */
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { mutationTable, OURS } from '../spec/support/mutation-table.ts';

const data = fileURLToPath(new URL('../../shared/data/onnx-backend-tests', import.meta.url));
const has = existsSync(data);
if (!has) console.error('there is no ../shared/data/onnx-backend-tests: only our own vectors are measured');

const { text, survivors } = await mutationTable(has ? data : null);
console.log(text);
if (process.argv.includes('--survivors')) {
  for (const [title, names] of survivors) console.log(`\n${title}, survivors:\n  ${names.join('\n  ')}`);
}
const ours = survivors.get(OURS)!;
if (ours.length > 0) {
  console.error(`ours let pass: ${ours.join('; ')}`);
  process.exitCode = 1;
}
