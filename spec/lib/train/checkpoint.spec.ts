import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import {
  CHECKPOINT,
  checkpointIn,
  damaged,
  type Progress,
  readCheckpoint,
  saveCheckpoint,
} from '../../../lib/train/checkpoint.ts';
import { csvOf } from '../../../lib/train/folder.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { tensor } from '../../../reference/tensor.ts';
import { scheduleStart } from '../../../reference/training/schedule.ts';
import { refusal } from '../../support/data-fixtures.ts';
import { readSafetensors, writeSafetensors } from '../../support/tensor-bytes.ts';
import { temporary } from '../../support/training-data.ts';

const record = {
  epoch: 1,
  learningRate: 0.1,
  loss: 2.5,
  error1: 0.25,
  error5: 0,
  validation: null,
  seconds: 1.234,
};

const progress: Progress = {
  version: 1,
  options: { network: 'cifar-alexnet', seed: 2 ** 53 - 1 },
  network: 'cifar-alexnet',
  preprocess: networkNamed('cifar-alexnet').preprocess,
  schedule: { kind: 'plateau', rate: 0.01, divisor: 10, patience: 3, drops: 3 },
  distortion: null,
  colours: null,
  seed: 2 ** 53 - 1,
  batch: 8,
  epochs: 3,
  classes: ['"', 'ü'],
  data: '40 abc',
  scheduleState: scheduleStart,
  epoch: 1,
  stepInEpoch: 2,
  steps: 7,
  sums: { loss: 0.1 + 0.2, wrong1: 3, wrong5: 1 },
  epochSeconds: 0,
  history: [record],
  best: { epoch: 1, error1: 1 / 3 },
  logBytes: 12,
};

const values = (...numbers: number[]) => tensor(Float32Array.from(numbers), [numbers.length]);
const state = {
  weights: new Map([['conv1.weight', values(1, -0, 1e-45)]]),
  momenta: new Map([['conv1.weight', values(3e38, 0.1, -1)]]),
};

describe('checkpoints', () => {
  const folder = temporary();
  const file = join(folder, CHECKPOINT);

  it('come back to the last bit', async () => {
    expect(checkpointIn(folder)).to.equal(null);
    await saveCheckpoint(folder, progress, state);
    expect(checkpointIn(folder)).to.equal(file);
    const found = readCheckpoint(file);
    expect(found.progress).to.deep.equal(progress);
    const bits = ({ data }: { data: ArrayLike<number> }) =>
      new Uint32Array(Float32Array.from(data).buffer).join();
    for (const part of ['weights', 'momenta'] as const) {
      expect(bits(found.state[part].get('conv1.weight')!)).to.equal(bits(state[part].get('conv1.weight')!));
    }
  });

  it('are refused in one line where they are damaged or none', async () => {
    await saveCheckpoint(folder, progress, state);
    const bytes = readFileSync(file);
    const { tensors, metadata } = readSafetensors(bytes);
    const refused = async (change: Uint8Array) => {
      writeFileSync(file, change);
      return refusal(async () => readCheckpoint(file));
    };
    expect(await refused(bytes.subarray(0, bytes.length - 1))).to.match(/truncated/);
    expect(await refused(writeSafetensors(tensors))).to.match(/no checkpoint of a training run$/);
    const told = (text: string) => refused(writeSafetensors(tensors, new Map([['training', text]])));
    expect(await told('{')).to.match(/not valid JSON$/);
    expect(await told('null')).to.match(/version undefined, not 1$/);
    expect(await told(JSON.stringify({ ...progress, steps: -1 }))).to.match(/incomplete$/);
    tensors.delete('conv1.weight.velocity');
    expect(await refused(writeSafetensors(tensors, metadata))).to.match(/no momentum for conv1\.weight$/);
  });

  it('a NaN or an infinity in a parameter or a momentum is found', () => {
    expect(damaged(state)).to.equal(null);
    for (const bad of [Number.NaN, Infinity, -Infinity]) {
      const broken = new Map([['fc8.bias', values(1, bad)]]);
      expect(damaged({ weights: broken, momenta: state.momenta })).to.equal(
        'fc8.bias is not a number any more',
      );
      for (const momenta of [broken, new Map([['fc8.bias', values(bad, 1)]])])
        expect(damaged({ weights: state.weights, momenta })).to.equal(
          'the momentum of fc8.bias is not a number any more',
        );
    }
  });

  it('so is a weight that no step of less than 1 changes any more', () => {
    const grown = (w: number) => damaged({ ...state, weights: new Map([['fc8.bias', values(1, w)]]) });
    expect(grown(-1e15)).to.equal('a weight of fc8.bias has grown to -1.0e+15');
    expect(Math.fround(2 ** 24 - 1 + 0.6)).not.to.equal(2 ** 24 - 1);
    expect(Math.fround(2 ** 24 + 0.9)).to.equal(2 ** 24);
    expect(grown(2 ** 24)).to.match(/has grown/);
    expect(grown(2 ** 24 - 1)).to.equal(null);
  });

  it('epochs as CSV have a row each', () => {
    const validation = { loss: 1, error1: 0.5, error5: 0.125 };
    expect(
      csvOf([record, { ...record, epoch: 2, validation }])
        .split('\n')
        .slice(1),
    ).to.deep.equal(['1,0.1,2.5,0.25,0,,,,1.23', '2,0.1,2.5,0.25,0,1,0.5,0.125,1.23', '']);
  });
});
