/** Training a network that is given in full and not by name. */
import { join } from 'node:path';
import { expect } from 'chai';
import { InputError } from '../../lib/errors.ts';
import { readCheckpoint } from '../../lib/train/checkpoint.ts';
import { type TrainResult, train } from '../../lib/train/index.ts';
import { loadWeights } from '../../lib/weights/load.ts';
import { cifarAlexnet } from '../../reference/networks/cifar.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { temporary, tinyCifar } from '../support/training-data.ts';

describe('training a definition of one’s own', function () {
  this.timeout(180_000);
  const folder = temporary();
  const data = tinyCifar(join(folder, 'data'), 8, 4);
  const plain: Network = {
    ...cifarAlexnet,
    name: 'mine',
    layers: cifarAlexnet.layers.filter(({ kind }) => kind !== 'lrn'),
  };
  const options = {
    data,
    width: 0.05,
    batch: 4,
    seed: 3,
    device: 'cpu',
    threads: 1,
    schedule: 'constant',
  } as const;

  let first: TrainResult;

  it('trains it, goes on with it, and ends as a run in one piece', async () => {
    const whole = await train({ ...options, network: plain, epochs: 2, out: join(folder, 'whole') });
    expect(whole.network).to.equal('mine');
    const out = join(folder, 'parts');
    first = await train({ ...options, network: plain, epochs: 1, out });
    await train({ ...options, network: plain, epochs: 2, out, resume: true });
    const [a, b] = [whole.files.checkpoint, join(out, 'checkpoint.safetensors')].map(
      (path) => readCheckpoint(path).state.weights,
    );
    for (const [name, { data: values }] of a) expect(b.get(name)!.data, name).to.deep.equal(values);
  });

  it('is not what the network of that kind by name becomes', async () => {
    const named = await train({
      ...options,
      network: 'cifar-alexnet',
      epochs: 1,
      out: join(folder, 'named'),
    });
    expect(first.history[0].loss).not.to.equal(named.history[0].loss);
  });

  it('other layers are refused: under the name of a known network, and where a run goes on', async () => {
    const refused = async (network: Network, more: object, reason: RegExp) => {
      const error = await train({ ...options, network, epochs: 3, ...more }).catch((e: Error) => e);
      expect(error).to.be.instanceOf(InputError);
      expect((error as Error).message).to.match(reason);
    };
    await refused(
      { ...plain, name: 'cifar-alexnet' },
      { out: join(folder, 'x') },
      /give them a name of their own/,
    );
    const other = { ...cifarAlexnet, name: 'mine' };
    await refused(other, { out: join(folder, 'parts'), resume: true }, /was made with other layers/);
  });

  it('its weights are taken for a known network with a note', async () => {
    const { notes, network } = await loadWeights(join(folder, 'parts', 'weights.safetensors'));
    expect(network.name).to.equal('cifar-alexnet');
    expect(notes.join()).to.match(/of a network 'mine': taken for cifar-alexnet, whose layers may be others/);
  });

  it('without the definition, a run of it cannot go on', async () => {
    const error = await train({ ...options, epochs: 3, out: join(folder, 'parts'), resume: true }).catch(
      (e: Error) => e,
    );
    expect((error as Error).message).to.match(/unknown network 'mine'/);
  });
});
