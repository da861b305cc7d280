/** Command lines run in this process, in a folder of their own that goes after the suite. */
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { writeTensors } from '../../lib/disk/tensors.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { runHere } from './child.ts';
import { narrow as narrowed, randomWeights } from './models.ts';
import { readNpz } from './tensor-bytes.ts';

export function commandLines() {
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  const path = (name: string): string => join(folder, name);
  const run = (line: string) => runHere(line.split(' '), folder);

  /** What the line prints with --json, after it ended as it should. */
  async function json(line: string, status = 0) {
    const { status: ended, out, err } = await run(`${line} --json`);
    expect(ended, `${line}: ${err}`).to.equal(status);
    return JSON.parse(out);
  }

  /** The one line that it says on stderr where it is refused. */
  async function refused(line: string, status = 2): Promise<string> {
    const { status: ended, out, err } = await run(line);
    expect([ended, out], `${line}: ${err}`).to.deep.equal([status, '']);
    return err;
  }

  /** Whether --device decides: on no machine are both the CPU and CUDA what `auto` takes. */
  async function heedsDevice(line: string): Promise<boolean> {
    const cpu = await run(`${line} --json --device cpu`);
    const cuda = await run(`${line} --json --device cuda`);
    const missing = /^alexnet: --device cuda does not work here/m.test(cuda.err);
    const on = ({ out }: { out: string }, device: string) =>
      new RegExp(`"(device|engine)":"[^"]*${device}"`, 'i').test(out);
    return on(cpu, 'cpu') && (missing || on(cuda, 'cuda'));
  }

  return {
    folder,
    heedsDevice,
    path,
    run,
    json,
    refused,
    bytes: (name: string): Buffer => readFileSync(path(name)),
    text: (name: string): string => readFileSync(path(name), 'utf8'),
    write: (name: string, content: string | Uint8Array): void => writeFileSync(path(name), content),
    npz: (name: string) => readNpz(readFileSync(path(name)), name),
  };
}

/** Random weights of the network at narrow widths, in a file. */
export async function narrowWeights(path: string, network: Network, seed: number): Promise<Network> {
  const narrow = narrowed(network);
  await writeTensors(path, randomWeights(narrow, seed));
  return narrow;
}
