/** A file's own weights against those that it should have. */
import { expect } from 'chai';
import { buildModel } from '../../../export/index.ts';
import type { ValueInfo } from '../../../lib/onnx/model.ts';
import { builtModel } from '../../../lib/onnx/read.ts';
import { pairOf } from '../../../lib/verify/pairing.ts';
import { conv, flatten, linear } from '../../../reference/networks/layers.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import { networkOf, randomWeights } from '../../support/models.ts';

const network = networkOf([2, 4, 3], conv('conv', 3, 2), flatten('flat'), linear('fc', 4));
const weights = randomWeights(network, 3);

/** What is said of a file that was made from other weights: one value of fc.weight is changed. */
function unlike(
  change: (v: number) => number,
  precision: 'float32' | 'float16' = 'float32',
  given = weights,
): Map<string, string> {
  const other = new Map(weights);
  const values = Float32Array.from(dense(weights.get('fc.weight')!));
  values[5] = change(values[5]);
  other.set('fc.weight', tensor(values, weights.get('fc.weight')!.shape));
  const { unlike: found } = pairOf(builtModel(buildModel(network, other, { precision })), network, given);
  return new Map(found);
}

describe('given weights and those of the file', () => {
  it('float32: 2⁻²³ of a value is a rounding on the way, 2⁻²¹ is another weight', () => {
    expect([...unlike((v) => v * (1 + 2 ** -23))]).to.deep.equal([]);
    expect([...unlike((v) => v * (1 - 2 ** -23))]).to.deep.equal([]);
    const said = "the file's fc.weight differs from the given one in 1 of 72 values, by up to ";
    for (const sign of [1, -1])
      expect(unlike((v) => v * (1 + sign * 2 ** -21)).get('fc')).to.match(
        new RegExp(`^${said}\\d\\.\\de-7 at \\[0, 5\\]$`),
      );
    expect(unlike(() => Number.NaN).get('fc')).to.equal(`${said}Infinity at [0, 5]`);
  });

  it('one channel of them is told', () => {
    const other = new Map(weights);
    const w = weights.get('conv.weight')!;
    const values = Float32Array.from(dense(w), (v, i) => (Math.floor(i / 8) === 1 ? v + 0.5 : v));
    other.set('conv.weight', tensor(values, w.shape));
    const { unlike: found } = pairOf(builtModel(buildModel(network, other)), network, weights);
    expect(found.get('conv')).to.match(
      / in 8 of 24 values, by up to 5\.0e-1 at \[1, .*\], all in output channel 1$/,
    );
  });

  it('float16: 2⁻¹¹ of a value is a rounding, 2⁻⁹ is another weight', () => {
    expect([...unlike((v) => v, 'float16')]).to.deep.equal([]);
    expect(unlike((v) => v * (1 + 2 ** -8), 'float16').get('fc')).to.include('1 of 72 values');
    // 1.5 times the smallest float16: the nearest is a rounding, 0 is another weight
    const w = weights.get('fc.weight')!;
    const small = Float32Array.from(dense(w), (v, i) => (i === 5 ? 1.5 * 2 ** -24 : v));
    const given = new Map([...weights, ['fc.weight', tensor(small, w.shape)]]);
    expect([...unlike(() => 2 ** -24, 'float16', given)]).to.deep.equal([]);
    expect(unlike(() => 0, 'float16', given).get('fc')).to.include('1 of 72 values');
  });

  it('inputs of a fully connected layer in the order H,W,C are told from other weights', () => {
    const other = new Map(weights);
    const w = weights.get('fc.weight')!;
    // 3 maps of 3×2: column c·6 + p of the given weights is column p·3 + c of the file's
    const moved: Tensor = tensor(new Float32Array(w.size), w.shape);
    for (let k = 0; k < 4; k++)
      for (let c = 0; c < 3; c++) for (let p = 0; p < 6; p++) moved.set(k, p * 3 + c, w.get(k, c * 6 + p));
    other.set('fc.weight', moved);
    const { unlike: found } = pairOf(builtModel(buildModel(network, other)), network, weights);
    expect([...found]).to.deep.equal([
      ['fc', "the file's fc.weight is the given one with its inputs in the order H,W,C"],
    ]);
  });
});

describe('the input of a file', () => {
  const file = builtModel(buildModel(network, weights));
  const of = (change: (inputs: readonly ValueInfo[]) => readonly ValueInfo[]) => () => {
    const graph = { ...file.model.graph, inputs: change(file.model.graph.inputs) };
    return pairOf({ ...file, model: { ...file.model, graph } }, network, weights);
  };

  it('is one, a float, of the network’s shape', () => {
    expect(of((inputs) => inputs)().input).to.deep.include({ name: 'input', half: false, mapsLast: false });
    expect(of(() => [])).to.throw('the model has 0 inputs (): one is needed');
    expect(of(([one]) => [one, { ...one, name: 'other' }])).to.throw(
      'the model has 2 inputs (input, other): one is needed',
    );
    expect(of(([one]) => [{ ...one, dtype: 'int64' }])).to.throw(
      "the model's input 'input' is int64: test takes float32 or float16",
    );
    expect(of(([one]) => [{ ...one, dtype: 'float16' }])().input.half).to.equal(true);
    expect(of(([one]) => [{ ...one, shape: [1, 2, 4, 4] }])).to.throw(
      'the model takes [N,2,4,4], test takes [N,2,4,3]',
    );
    expect(of(([one]) => [{ ...one, shape: [5, 4, 3, 2] }])().input).to.deep.include({
      mapsLast: true,
      batch: 5,
    });
  });
});
