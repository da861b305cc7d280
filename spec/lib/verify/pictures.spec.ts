/** What a graph does to pictures before its first layer: values, bounds and names of the steps, by hand. */
import { expect } from 'chai';
import {
  averageBehind,
  averageOf,
  averaging,
  matchedAround,
  preprocessed,
  shapesAround,
  stepsOf,
} from '../../../lib/verify/pictures.ts';
import type { Values } from '../../../lib/verify/subject.ts';
import type { Pixels } from '../../../reference/input/pixels.ts';
import { networkNamed } from '../../../reference/networks/index.ts';
import { g, near, t, u } from '../../support/hand.ts';
import { f32 } from '../../support/onnx.ts';

const pixels: Pixels = {
  preprocess: {
    ...networkNamed('torchvision').preprocess,
    ...{ resize: { mode: 'warp', size: 1 }, crop: { size: 1, offset: 'floor' }, range: 1 },
    ...{ mean: [0.5, 0.25, 0.75], deviation: [0.5, 0.25, 2] },
  },
};
const STEPS = ['image/planes', 'image/range', 'image/mean', 'input'];
// a picture of one pixel: 51/255 = 1/5, 102/255 = 2/5, 1
const picture = t([1, 1, 1, 3], 51, 102, 255);

describe('what is made of pictures', () => {
  it('a value a step, in the storage that is asked for', () => {
    const double = preprocessed(pixels, picture, 'float64');
    expect([...double.keys()]).to.deep.equal(['image', ...STEPS]);
    near(double.get('image/range')!.data, [0.2, 0.4, 1]);
    near(double.get('image/mean')!.data, [-0.3, 0.15, 0.25]);
    near(double.get('input')!.data, [-0.6, 0.6, 0.125]);
    const single = preprocessed(pixels, picture);
    for (const name of STEPS) {
      expect(double.get(name)!.data, name).to.be.instanceOf(Float64Array);
      expect(single.get(name)!.data, name).to.be.instanceOf(Float32Array);
    }
    expect(single.get('image/range')!.data[0]).to.equal(Math.fround(0.2));
  });

  it('bounds: none for copies, one rounding for a difference and for a quotient', () => {
    const values = preprocessed(pixels, picture);
    const there: Values = (name) => f32([...values.get(name)!.data], values.get(name)!.shape);
    const bounds = stepsOf(pixels, picture, () => true, 'cpu')
      .computations(new Map())
      .map(({ makes: [{ name }], judge }) => {
        const [judged] = judge(there);
        return [name, [...(judged as { bounds: { bound: Float64Array } }).bounds.bound]] as const;
      });
    const [planes, range, mean, input] = bounds.map(([, bound]) => bound);
    expect(bounds.map(([name]) => name)).to.deep.equal(STEPS);
    expect(planes).to.deep.equal([0, 0, 0]);
    near(range, [0.2 * g(1), 0.4 * g(1), g(1)]);
    const [x, y] = ['image/range', 'image/mean'].map((name) => [...values.get(name)!.data]);
    near(
      mean,
      [0.5, 0.25, 0.75].map((by, i) => Math.abs(x[i] - by) * g(1)),
    );
    near(
      input,
      [0.5, 0.25, 2].map((by, i) => Math.abs(y[i] / by) * g(1)),
    );
  });

  it('steps that nobody has are walked through: what the first may be off by comes to the next', () => {
    const [last] = stepsOf(pixels, picture, (name) => name === 'input', 'cpu')
      .computations(new Map())
      .slice(-1);
    expect(last.reads).to.deep.equal(['image']);
    expect(last.through).to.deep.equal(['image/planes', 'image/range', 'image/mean']);
    const [judged] = last.judge(() => ({
      dtype: 'uint8',
      shape: picture.shape,
      data: Uint8Array.of(51, 102, 255),
    }));
    const { exact, bounds } = judged as { exact: { data: Float64Array }; bounds: { bound: Float64Array } };
    near(exact.data, [-0.6, 0.6, 0.125]);
    // (u·(x/255) + u·|mean's|)/deviation + u·|input|, to first order but for MOVED = 1 + 2⁻⁶ a step
    const first = [(0.2 + 0.3) / 0.5 + 0.6, (0.4 + 0.15) / 0.25 + 0.6, (1 + 0.25) / 2 + 0.125].map(
      (v) => v * u,
    );
    for (const [i, bound] of bounds.bound.entries())
      expect(bound / first[i], `${i}`).to.be.within(1, (1 + 2 ** -6) ** 2);
  });

  it('nodes belong to the step whose value they lead to; a step that no node makes is a fault', () => {
    const nodes = ['image/float32', 'image/planes', 'image/mean', 'input', 'conv1'].map((name) => ({
      ...{ name: `node of ${name}`, op: 'X', inputs: [], outputs: [name] },
    }));
    const layers = {
      ...{ values: new Map([['conv1', 'conv1']]), nodes: new Map([['conv1', 'conv1']]) },
      ...{ faults: new Map(), tail: ['softmax'] },
    };
    const match = matchedAround(layers as never, pixels, nodes as never);
    expect([...match.values]).to.deep.equal(
      ['image/planes', 'image/mean', 'input', 'conv1'].map((name) => [name, name]),
    );
    expect(match.tail).to.deep.equal(['softmax']);
    const ten = { preprocess: networkNamed('torchvision').preprocess, views: 10 } as const;
    const of = matchedAround(layers as never, ten, nodes as never);
    expect(of.tail).to.deep.equal([]);
    expect([...of.faults.keys()]).to.deep.equal(['image/views', 'image/range', 'probabilities']);
    expect([...match.faults]).to.deep.equal([['image/range', 'the file has no such step']]);
    expect(Object.fromEntries(match.nodes)).to.deep.equal({
      'image/float32': 'image/planes',
      'image/planes': 'image/planes',
      'image/mean': 'image/mean',
      'image/mean/by': 'image/mean',
      ...{ input: 'input', conv1: 'conv1' },
    });
  });

  it('shapes around the network’s own, and the softmax that logits get before they are averaged', () => {
    const network = networkNamed('torchvision');
    const ten: Pixels = { preprocess: network.preprocess, views: 10 };
    const around = [...shapesAround(network, ten, 2)];
    expect(around.slice(0, 5)).to.deep.equal([
      ['image', [2, 256, 256, 3]],
      ['image/planes', [2, 3, 256, 256]],
      ...['image/views', 'image/range', 'image/mean'].map((name) => [name, [20, 3, 224, 224]]),
    ]);
    expect(around.find(([name]) => name === 'conv1')![1]).to.deep.equal([20, 64, 55, 55]);
    expect(around.at(-1)).to.deep.equal(['probabilities', [2, 1000]]);
    const one = [...shapesAround(network, { preprocess: network.preprocess })];
    expect(one[0]).to.deep.equal(['image', [1, 224, 224, 3]]);
    expect(one.at(-1)).to.deep.equal(['fc8', [1, 1000]]);
    expect([...shapesAround(network, undefined, 3)][0]).to.deep.equal(['input', [3, 3, 224, 224]]);
    expect(averaging(network, ten).layers.at(-1)).to.include({
      kind: 'softmax',
      name: 'probabilities/softmax',
    });
    expect(averaging(network, { preprocess: network.preprocess })).to.equal(network);
    const softened = networkNamed('caffenet');
    expect(averaging(softened, { preprocess: softened.preprocess, views: 10 })).to.equal(softened);
  });

  it('the average of ten views: nine additions and a division; of one view there is none', () => {
    // ten views of one picture in two classes: 1 … 10 and 10 … 1
    const y = t([10, 2], ...Array.from({ length: 10 }, (_, v) => [v + 1, 10 - v]).flat());
    expect([...averageOf(y, 10).data].map((v) => Number(v.toFixed(12)))).to.deep.equal([5.5, 5.5]);
    const two = t([20, 2], ...y.data, ...y.data.map((v) => 2 * v));
    near(averageOf(two, 10).data, [5.5, 5.5, 11, 11]);
    const path = { reads: ['prob'] };
    expect(averageBehind(pixels, { half: false, path }, () => ({ exact: y }), 'cpu')).to.deep.equal([]);
    const [average] = averageBehind(
      { ...pixels, views: 10 },
      { half: false, path },
      () => ({ exact: y }),
      'cpu',
    );
    const [judged] = average.judge(() => f32([0]));
    near((judged as { bounds: { bound: Float64Array } }).bounds.bound, [5.5 * g(10), 5.5 * g(10)]);
    // stored as float16: half a unit of 2⁻¹⁰·4 more
    const [half] = averageBehind({ ...pixels, views: 10 }, { half: true, path }, () => ({ exact: y }), 'cpu');
    const [loose] = half.judge(() => f32([0]));
    const more = 2 ** -11 * 5.5 + 2 ** -25;
    near((loose as { bounds: { bound: Float64Array } }).bounds.bound, [
      5.5 * g(10) + more,
      5.5 * g(10) + more,
    ]);
    // what is not known of the views: the mean of it
    const ones = t([10, 2], ...new Array(20).fill(1));
    const reach = () => ({ exact: y, doubt: { bound: ones, deviation: ones } });
    const [doubted] = averageBehind({ ...pixels, views: 10 }, { half: false, path }, reach, 'cpu');
    const [unsure] = doubted.judge(() => f32([0]));
    const wide = 5.5 * g(10) + 1 + 2 ** -6;
    near((unsure as { bounds: { bound: Float64Array } }).bounds.bound, [wide, wide]);
  });
});
