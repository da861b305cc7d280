/** npm run conformance: runs all conformance tests on both engines and writes docs/conformance.md. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { conform } from '../lib/conform/index.ts';
import { writeVectors } from '../lib/conform/vectors.ts';
import { conformanceDoc, operatorsOf, type Results } from '../spec/support/conformance-doc.ts';
import { tallied, tallyText } from '../spec/support/generated/tally.ts';
import { mutationTable } from '../spec/support/mutation-table.ts';
import { readLeft, readResults, section, withSection } from './self/document.ts';

const data = fileURLToPath(new URL('../../shared/data/onnx-backend-tests', import.meta.url));
const target = fileURLToPath(new URL('../docs/conformance.md', import.meta.url));

async function onBoth(folder: string): Promise<Results> {
  const oracle = await conform([folder]);
  const onnxruntime = await conform([folder], { engine: 'onnxruntime' });
  for (const { engine, seconds, passed, tests } of [oracle, onnxruntime]) {
    console.log(`${engine}: ${passed} of ${tests.length} passed in ${seconds.toFixed(1)} s`);
  }
  return { oracle, onnxruntime };
}

const vectors = mkdtempSync(join(tmpdir(), 'alexnet-vectors-'));
await writeVectors(vectors);
const own = await onBoth(vectors);
rmSync(vectors, { recursive: true });
const { text } = await mutationTable(data);
const generated = tallyText(500, await tallied(500));
const document = conformanceDoc(await onBoth(data), own, await operatorsOf(data), text, generated);
writeFileSync(target, withSection(document, section(readResults(), readLeft())));
console.log(target);
