/** Tiny data sets for training: CIFAR-10's format with pictures whose class shows in their colour. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { words } from '../../reference/random.ts';

const RECORD = 3073;

/** Records: label i mod 10, noise, and a brighter colour plane or third of the picture for each label. */
function records(count: number, seed: number): Buffer {
  const bytes = Buffer.alloc(count * RECORD);
  const noise = words(seed, 1, count * RECORD);
  for (let i = 0; i < count; i++) {
    const label = i % 10;
    bytes[i * RECORD] = label;
    for (let p = 0; p < 3072; p++) {
      const lit =
        Math.floor(p / 1024) === label % 3 && Math.floor((p % 1024) / 256) === Math.floor(label / 3);
      bytes[i * RECORD + 1 + p] = (noise[i * RECORD + p] % 100) + (lit ? 150 : 30);
    }
  }
  return bytes;
}

/** A folder with `train` and `test` records. */
export function tinyCifar(folder: string, train = 40, test = 20): string {
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'data_batch_1.bin'), records(train, 1));
  writeFileSync(join(folder, 'test_batch.bin'), records(test, 2));
  return folder;
}

/** A temporary folder that is removed after the specs of the file. */
export function temporary(): string {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-train-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
}
