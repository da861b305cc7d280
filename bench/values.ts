/**
 * False alarms and false passes of `verify --values`: random small networks of the family run by PyTorch, right ones
 * and ones with a mistake, of whose values some are missing. Run: npx tsx bench/values.ts [COUNT] (200 of each).
 * With `full` for a count: three full-size networks by PyTorch and OpenCV, each dump judged on one core (Linux).
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { verify } from '../lib/index.ts';
import {
  conv,
  flatten,
  type Layer,
  linear,
  lrn,
  maxpool,
  relu,
  softmax,
} from '../reference/networks/layers.ts';
import { fullSizeDumps } from '../spec/support/full-size-dumps.ts';
import { networkOf, random, randomWeights, uniform } from '../spec/support/models.ts';
import { runTorch } from '../spec/support/pytorch.ts';

const faults: Readonly<Record<string, readonly string[]>> = {
  conv2d: ['bias forgotten', 'kernel transposed', 'one channel short', 'half the digits', 'bias twice'],
  linear: ['bias twice', 'one channel short', 'half the digits'],
  lrn: ['alpha not divided', 'k 1', 'size 3'],
  maxpool: ['average'],
  relu: ['leaky'],
};

/** A network, its weights, an input, and which of its values are there; every number hangs on the seed. */
function drawn(seed: number) {
  const next = uniform(seed * 7919 + 1);
  const below = (n: number): number => Math.floor((Math.abs(next()) * n) % n);
  const layers: Layer[] = [];
  const blocks = 1 + below(3);
  for (let i = 1; i <= blocks; i++) {
    layers.push(
      conv(`conv${i}`, 4 * (1 + below(3)), 3 + 2 * below(2), {
        pad: 1 + below(2),
        stride: i === 1 ? 1 + below(2) : 1,
      }),
    );
    layers.push(relu(`relu${i}`));
    if (below(2)) layers.push(lrn(`norm${i}`, { alpha: 0.01, k: 2, size: 5 }));
    if (i === 1) layers.push(maxpool(`pool${i}`));
  }
  layers.push(
    flatten('flatten'),
    linear('fc6', 8 + below(24)),
    relu('relu6'),
    linear('fc7', 5 + below(8)),
    softmax('prob'),
  );
  const network = networkOf([3, 24 + below(9), 24 + below(9)], ...layers);
  const names = layers.map(({ name }) => name);
  const some = names.filter((name) => below(2) || name === 'fc7');
  const keep = below(2) ? names : some;
  const input = random([1 + below(2), ...network.input], seed + 1, 2);
  const suspects = layers.filter(({ kind }) => faults[kind]);
  const { name, kind } = suspects[below(suspects.length)];
  const fault = [name, faults[kind][below(faults[kind].length)]] as const;
  return { network, weights: randomWeights(network, seed + 2), input, keep, fault };
}

/**
 * `count` right ones and as many wrong ones, and what is said of them. A mistake that moved no value (a weight of what
 * is 0 everywhere) is none: another takes its place.
 */
async function randomNetworks(count: number, folder: string): Promise<void> {
  const verdicts = new Map<string, number>();
  const add = (what: string): void => void verdicts.set(what, (verdicts.get(what) ?? 0) + 1);
  for (let first = 0, wrong = 0; wrong < count; ) {
    const cases = Array.from({ length: count - wrong }, (_, i) => drawn(first + i));
    const right = cases.map(({ fault: _, ...one }, i) => ({ ...one, name: `right${first + i}` }));
    const faulty = cases.map((one, i) => ({ ...one, name: `wrong${first + i}` }));
    const files = runTorch(folder, [...right, ...faulty]);
    for (const [i, { network, weights, input, keep, fault }] of cases.entries()) {
      const sides = { right: files[i], wrong: files[cases.length + i] };
      const moved = !readFileSync(sides.right).equals(readFileSync(sides.wrong));
      if (!moved) add('wrong without effect');
      for (const [side, values] of Object.entries(sides)) {
        if (side === 'wrong' ? !moved : first > 0) continue;
        const { verdict, layers } = await verify({ network, weights, input, values });
        add(`${side}: ${verdict}`);
        if ((side === 'wrong') === (verdict === 'fail')) continue;
        const told = layers
          .filter((row) => row.verdict !== 'pass')
          .map(({ layer, reason }) => `${layer}: ${reason}`);
        const what = side === 'wrong' ? `${fault.join(' ')}, ` : '';
        console.log(`${side} ${first + i}: ${verdict}, ${what}${keep.join(' ')}: ${told.join('; ')}`);
      }
      if (moved) wrong++;
    }
    first += cases.length;
  }
  for (const [what, times] of [...verdicts].sort()) console.log(`${what} ${times}`);
}

/** PyTorch's and OpenCV's values of whole networks: the verdict, and what judging costs from a cold start. */
function fullSize(folder: string): void {
  const judge = fileURLToPath(new URL('values-judge.ts', import.meta.url));
  for (const { network, files } of fullSizeDumps(folder)) {
    for (const engine of ['PyTorch', 'OpenCV'] as const) {
      const node = ['--import=tsx', judge, network.name, files.weights, files.x, files[engine]];
      const found = execFileSync('taskset', ['-c', '0', process.execPath, ...node], { encoding: 'utf8' });
      console.log(`${network.name}, ${engine}: ${found.trim()}`);
    }
  }
}

const folder = mkdtempSync(join(tmpdir(), 'bench-values-'));
try {
  const [what = '200'] = process.argv.slice(2);
  await (what === 'full' ? fullSize(folder) : randomNetworks(Number(what), folder));
} finally {
  rmSync(folder, { recursive: true });
}
