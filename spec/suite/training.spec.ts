import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import * as ort from 'onnxruntime-node';
import { buildGradients, joined, trainingTargets } from '../../export/index.ts';
import type { NumericValue } from '../../lib/array/value.ts';
import { networks } from '../../reference/networks/index.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { shapes, weightShapes } from '../../reference/oracle.ts';
import { narrow, onSmallPictures, random, randomWeights, uniform } from '../support/models.ts';
import { needsPython } from '../support/pytorch.ts';
import { readNpz, writeNpz } from '../support/tensor-bytes.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alexnet-training-'));
after(() => fs.rmSync(folder, { recursive: true }));

const BATCH = 2;

/** See spec/export/training.spec.ts; eight layers deep, sums of thousands: √10,000·u. */
const TOLERANCE = 6e-6;

const script = `
import json, sys
import numpy as np
sys.path.insert(0, sys.argv[1])
from make import logits
import torch
import torch.nn.functional as F
for job in json.load(open(sys.argv[2])):
    arrays = np.load(job['inputs'])
    parameters = {n: torch.tensor(arrays[n], dtype=torch.float64, requires_grad=True)
                  for n in arrays.files if n.endswith(('.weight', '.bias'))}
    masks = {n: arrays[n] for n in arrays.files if n.endswith('.mask')}
    x = torch.tensor(arrays['input'], dtype=torch.float64, requires_grad=True)
    loss = F.cross_entropy(logits(job['net'], x, parameters, masks), torch.tensor(arrays['labels'].astype('i8')))
    loss.backward()
    out = {'d' + n: p.grad.numpy() for n, p in parameters.items()}
    np.savez(job['outputs'], loss=loss.detach().numpy(), dinput=x.grad.numpy(), **out)
`;

/** Feeds of a narrow network: weights, a batch, labels and masks, all from the seed. */
function feedsOf(network: Network): Map<string, NumericValue> {
  const feeds = new Map<string, NumericValue>();
  const float = (name: string, { data, shape }: ReturnType<typeof random>) =>
    feeds.set(name, { dtype: 'float32', shape, data: data as Float32Array<ArrayBuffer> });
  float('input', random([BATCH, ...network.input], 5, 2));
  for (const [name, weight] of randomWeights(network, 9)) float(name, weight);
  feeds.set('labels', { dtype: 'int32', shape: [BATCH], data: Int32Array.of(3, 11) });
  const next = uniform(77);
  for (const layer of network.layers) {
    if (layer.kind !== 'dropout') continue;
    const shape = shapes(network, BATCH).get(layer.name)!;
    const data = new Uint8Array(shape[0] * shape[1]).map(() => (next() > 0 ? 1 : 0));
    feeds.set(`${layer.name}.mask`, { dtype: 'uint8', shape, data });
  }
  return feeds;
}

interface Job {
  readonly network: Network;
  readonly feeds: Map<string, NumericValue>;
  readonly outputs: string;
}

/** PyTorch's gradients for all networks, in files. */
function pytorch(): Job[] {
  const jobs = networks.map((wide): Job & { inputs: string } => {
    const network = onSmallPictures(narrow(wide));
    const feeds = feedsOf(network);
    const inputs = path.join(folder, `${wide.name}-in.npz`);
    fs.writeFileSync(inputs, writeNpz(feeds));
    return { network, feeds, inputs, outputs: path.join(folder, `${wide.name}-out.npz`) };
  });
  const list = path.join(folder, 'jobs.json');
  fs.writeFileSync(
    list,
    JSON.stringify(jobs.map(({ network, inputs, outputs }) => ({ net: network, inputs, outputs }))),
  );
  const maker = fileURLToPath(new URL('../../fixtures/export/training/', import.meta.url));
  const { status, stderr } = spawnSync('/usr/bin/python3', ['-B', '-c', script, maker, list], {
    encoding: 'utf8',
  });
  expect(status, stderr).to.equal(0);
  return jobs;
}

function distance(a: Float32Array, b: Float64Array): number {
  expect(a.length).to.equal(b.length);
  const error = a.reduce((sum, v, i) => sum + (v - b[i]) ** 2, 0);
  const norm = b.reduce((sum, v) => sum + v * v, 0);
  return Math.sqrt(error / (norm || 1));
}

describe('gradients of every network at narrow widths', function () {
  this.timeout(300_000);
  let jobs: Job[];

  before(function () {
    needsPython(this, 'torch', 'python3-torch');
    jobs = pytorch();
  });

  for (const [index, { name }] of networks.entries()) {
    for (const target of trainingTargets) {
      it(`${name}, graph for a ${target}: every parameter's and the input's are PyTorch's, on the CPU`, async () => {
        const { network, feeds, outputs } = jobs[index];
        const file = joined(buildGradients(network, { batch: BATCH, target }).chunks());
        const session = await ort.InferenceSession.create(file, { logSeverityLevel: 3 });
        const given = Object.fromEntries(
          session.inputNames.map((input) => {
            const { dtype, data, shape } = feeds.get(input)!;
            return [input, new ort.Tensor(dtype as 'float32', data as Float32Array, shape)];
          }),
        );
        const found = await session.run(given);
        await session.release();
        const exact = readNpz(fs.readFileSync(outputs));
        expect(exact.size).to.equal(weightShapes(network).size + 2);
        for (const [value, { data }] of exact)
          expect(distance(found[value].data as Float32Array, data as Float64Array), value).to.be.below(
            TOLERANCE,
          );
      });
    }
  }
});
