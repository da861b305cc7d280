/** A model for onnxruntime: its large weights in a file beside it, small ones inside. */
import { readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { expect } from 'chai';
import { prepared } from '../../../lib/runtime/prepared.ts';
import { f32, graph, info, modelBytes, tensorOf } from '../../support/onnx.ts';

/** y = x + w, w of so many float32 numbers. */
const model = (count: number) => {
  const w = tensorOf(f32(new Array<number>(count).fill(1.5)), 'w');
  return modelBytes(graph([{ op: 'Add', inputs: ['x', 'w'] }], [info('x')], [info('y')], [w]));
};

describe('a model that is prepared', () => {
  it('from a mebibyte on weights lie beside it, as they are, once for the model with taps and without', async () => {
    const large = 2 ** 18;
    const { folder } = await prepared(model(large), { taps: ['y'] });
    try {
      const sizes = readdirSync(folder!).map((name) => statSync(join(folder!, name)).size);
      expect(sizes).to.have.length(3);
      const data = readdirSync(folder!).find((name) => statSync(join(folder!, name)).size >= 4 * large)!;
      const floats = readFileSync(join(folder!, data)).subarray(-4 * large);
      expect([floats.readFloatLE(0), floats.readFloatLE(4 * large - 4)]).to.deep.equal([1.5, 1.5]);
      for (const size of sizes.sort((a, b) => a - b).slice(0, 2)) expect(size).to.be.within(1, 1000);
    } finally {
      rmSync(folder!, { recursive: true });
    }
    expect((await prepared(model(large - 1), {})).folder).to.equal(undefined);
  });
});
