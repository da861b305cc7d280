/**
 * False alarms and false passes of `verify --values`: random small networks of the family run by PyTorch, right ones
 * and ones with a mistake, of whose values some are missing. Run: npx tsx bench/values.ts [COUNT] (200 of each).
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
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
import { networkOf, random, randomWeights, uniform } from '../spec/support/models.ts';
import { runTorch } from '../spec/support/pytorch.ts';

const count = Number(process.argv[2] ?? 200);
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

const folder = mkdtempSync(join(tmpdir(), 'bench-values-'));
try {
  const cases = Array.from({ length: count }, (_, seed) => drawn(seed));
  const right = cases.map(({ fault: _, ...one }, i) => ({ ...one, name: `right${i}` }));
  const wrong = cases.map((one, i) => ({ ...one, name: `wrong${i}` }));
  const files = runTorch(folder, [...right, ...wrong]);
  const verdicts = new Map<string, number>();
  for (const [i, values] of files.entries()) {
    const { network, weights, input, keep, fault } = cases[i % count];
    const { verdict, layers } = await verify({ network, weights, input, values });
    // a mistake that moved no value (a weight of what is 0 everywhere) is none
    const isSame = i >= count && readFileSync(values).equals(readFileSync(files[i - count]));
    const side = i < count ? 'right' : isSame ? 'wrong without effect' : 'wrong';
    verdicts.set(`${side}: ${verdict}`, (verdicts.get(`${side}: ${verdict}`) ?? 0) + 1);
    if (i < count ? verdict === 'fail' : verdict !== 'fail' && !isSame) {
      const told = layers
        .filter((row) => row.verdict !== 'pass')
        .map(({ layer, reason }) => `${layer}: ${reason}`);
      console.log(
        `${side} ${i % count}: ${verdict}, ${i < count ? '' : `${fault.join(' ')}, `}${keep.join(' ')}: ${told.join('; ')}`,
      );
    }
  }
  for (const [what, times] of [...verdicts].sort()) console.log(`${what} ${times}`);
} finally {
  rmSync(folder, { recursive: true });
}
