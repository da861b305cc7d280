/** Labels and dropout masks of a training step: read, checked, or drawn. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import type { NumericValue } from '../../../../lib/array/value.ts';
import { writeNpy } from '../../../../lib/format/npy.ts';
import { feedsOf } from '../../../../lib/verify/training/graphs.ts';
import { readLabels, readMasks } from '../../../../lib/verify/training/labels.ts';
import { networkNamed } from '../../../../reference/networks/index.ts';
import { t } from '../../../support/hand.ts';
import { refusal } from '../../../support/onnx.ts';
import { writeNpz } from '../../../support/tensor-bytes.ts';

const folder = mkdtempSync(join(tmpdir(), 'alexnet-labels-'));
after(() => rmSync(folder, { recursive: true }));

function written(name: string, bytes: Uint8Array): string {
  const file = join(folder, name);
  writeFileSync(file, bytes);
  return file;
}

const NET = networkNamed('cifar-alexnet');
const ints = (dtype: 'int64' | 'int32', values: number[]): NumericValue =>
  dtype === 'int64'
    ? { dtype, shape: [values.length], data: BigInt64Array.from(values, BigInt) }
    : { dtype, shape: [values.length], data: Int32Array.from(values) };

describe('verify --graph: labels and masks', () => {
  it("labels are NumPy's integers of any width, one an image", async () => {
    for (const dtype of ['int32', 'int64'] as const) {
      const file = written(`${dtype}.npy`, writeNpy(ints(dtype, [3, 9])));
      expect([...(await readLabels(NET, 2, file, 0)).labels]).to.deep.equal([3, 9]);
      expect(await refusal(() => readLabels(NET, 3, file, 0))).to.match(/npy: 2 labels for 3 images/);
    }
    const far = written('far.npy', writeNpy(ints('int32', [3, 10])));
    expect(await refusal(() => readLabels(NET, 2, far, 0))).to.match(/label 1 is 10: .* classes are 0 to 9/);
    expect([...(await readLabels(NET, 2, [0, 9], 0)).labels]).to.deep.equal([0, 9]);
    for (const wrong of [-1, 1.5, 10])
      expect(await refusal(() => readLabels(NET, 1, [wrong], 0))).to.include(`label 0 is ${wrong}: `);
    const values = ints('int32', [1, 2, 3, 4]);
    for (const [name, bytes] of [
      ['two.npz', writeNpz([['a', values] as const, ['b', values] as const])],
      ['square.npy', writeNpy({ ...values, shape: [2, 2] })],
      ['half.npy', writeNpy({ dtype: 'float16', shape: [4], data: new Uint16Array(4) })],
    ] as const) {
      expect(await refusal(() => readLabels(NET, 4, written(name, bytes), 0))).to.match(
        /labels must be one array \[N\] of integers/,
      );
    }
  });

  it('labels that are not given are drawn from the seed, and said', async () => {
    const [a, b, c] = await Promise.all([0, 0, 1].map((seed) => readLabels(NET, 50, undefined, seed)));
    expect([...a.labels])
      .to.deep.equal([...b.labels])
      .and.not.deep.equal([...c.labels]);
    expect(a.source).to.match(/drawn from seed 0/);
    expect(new Set(a.labels).size).to.be.within(7, 10);
    // the largest of 50 is 9, unless with (9/10)^50 = 0.5 %
    expect(Math.max(...a.labels)).to.equal(9);
  });

  it('masks are called as the dropout layers; each that is missing, too much or no mask is refused', async () => {
    const mask = (size: number, value = 1): NumericValue => ({
      dtype: 'uint8',
      shape: [2, size],
      data: new Uint8Array(2 * size).fill(value),
    });
    const file = (name: string, arrays: [string, NumericValue][]): string => written(name, writeNpz(arrays));
    const right = file('right.npz', [
      ['drop7', mask(1440)],
      ['drop8', mask(192, 0)],
    ]);
    const masks = await readMasks(NET, 2, right);
    expect(masks === 'none' ? [] : [...masks.keys()]).to.deep.equal(['drop7', 'drop8']);
    expect(await readMasks(NET, 2, 'none')).to.equal('none');
    const missing = file('missing.npz', [['drop7', mask(1440)]]);
    expect(await refusal(() => readMasks(NET, 2, missing))).to.match(/there is no mask 'drop8'/);
    const extra = file('extra.npz', [['drop6', mask(4)]]);
    expect(await refusal(() => readMasks(NET, 2, extra))).to.match(/'drop6' is not a dropout layer/);
    const two = file('two.npz', [
      ['drop7', mask(1440, 2)],
      ['drop8', mask(192)],
    ]);
    expect(await refusal(() => readMasks(NET, 2, two))).to.match(/only 0 and 1/);
    const narrow = file('narrow.npz', [
      ['drop7', mask(7)],
      ['drop8', mask(192)],
    ]);
    expect(await refusal(() => readMasks(NET, 2, narrow))).to.match(
      /'drop7' is \[2,7\]: a mask must be \[2,1440\]/,
    );
  });

  it('masks in memory: of every layer, in its size; bytes or truths; none for a network without dropout', async () => {
    const given = new Map([
      ['drop7', new Uint8Array(2880)],
      ['drop8', new Uint8Array(384).fill(1)],
    ]);
    expect(await readMasks(NET, 2, given)).to.equal(given);
    const refused = (masks: Map<string, Uint8Array>, network = NET) =>
      refusal(() => readMasks(network, 2, masks));
    expect(await refused(new Map([...given].slice(1)))).to.equal("the masks: there is no mask 'drop7'");
    expect(await refused(new Map([...given, ['drop8', new Uint8Array(383)]]))).to.match(/^the masks: /);
    expect(await refused(given, networkNamed('cifar10-full'))).to.match(/cifar10-full has no dropout/);
    const bytes = (dtype: 'bool' | 'int32') =>
      [...given].map(([name, data]) => {
        const value = {
          dtype,
          shape: [2, data.length / 2],
          data: dtype === 'bool' ? data : Int32Array.from(data),
        };
        return [name, value as NumericValue] as const;
      });
    const truths = await readMasks(NET, 2, written('bool.npz', writeNpz(bytes('bool'))));
    expect(truths === 'none' ? null : truths.get('drop8')).to.deep.equal(given.get('drop8'));
    const whole = written('int32.npz', writeNpz(bytes('int32')));
    expect(await refusal(() => readMasks(NET, 2, whole))).to.match(
      /'drop7' is int32: a mask must be uint8 or bool/,
    );
  });

  it('what a graph is fed: masks as (N, size), and only what it has inputs for', async () => {
    const wants = (...inputs: string[]) => ({ kind: 'gradients', inputs: new Set(inputs) }) as never;
    const dropout = new Map([['drop7', Uint8Array.of(1, 0, 1, 1, 0, 0)]]);
    const batch = { input: t([2, 1, 1, 4], 1, 2, 3, 4, 5, 6, 7, 8), labels: [1, 0], dropout };
    const weights = new Map([['fc.weight', t([1, 4], 1, 2, 3, 4)]]);
    const feeds = feedsOf(wants('input', 'labels', 'fc.weight', 'drop7.mask'), batch, weights);
    expect(feeds.get('drop7.mask')).to.deep.include({ dtype: 'uint8', shape: [2, 3] });
    expect(feeds.get('labels')).to.deep.equal({ dtype: 'int32', shape: [2], data: Int32Array.of(1, 0) });
    expect([...feedsOf(wants('input'), batch, weights).keys()]).to.deep.equal(['input']);
    expect(await refusal(async () => feedsOf(wants('drop8.mask'), batch, weights))).to.match(
      /takes dropout masks \(drop8\.mask\): give them with --dropout/,
    );
    expect(await refusal(async () => feedsOf(wants('temperature'), batch, weights))).to.match(
      /input 'temperature' is none that a gradients graph/,
    );
  });
});
