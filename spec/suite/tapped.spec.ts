/** `verify --values` of files from `export --tap`, which other programs run that show their outputs alone. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { fromTensor } from '../../lib/array/value.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { exportOnnx, verify, writeTensors } from '../../lib/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { runModule } from '../support/child.ts';
import { narrow, random, randomWeights } from '../support/models.ts';
import { needsPython } from '../support/pytorch.ts';
import { recipeOf, runPython } from '../support/recipe.ts';

const network = narrow(networkNamed('alexnet2012'));
const weights = randomWeights(network, 3);
const precisions = ['float32', 'float16'] as const;

/** The recipe, with onnxruntime for Node. */
const program = `
import { createRequire } from 'node:module';
import { readTensors, writeTensors } from '@/lib/index.ts';

const ort = createRequire('@/package.json')('onnxruntime-node');
const [x] = [...(await readTensors(process.argv[2])).values()];
for (let i = 3; i < process.argv.length; i += 2) {
  const session = await ort.InferenceSession.create(process.argv[i], { logSeverityLevel: 3 });
  const outputs = await session.run({ input: new ort.Tensor('float32', x.data, x.shape) });
  const values = Object.entries(outputs).map(([name, { type, dims, data }]) => {
    const bits = data instanceof Uint16Array ? data : type === 'float16' ? new Uint16Array(data.buffer) : data;
    return [name, { dtype: type, shape: dims, data: bits }];
  });
  await writeTensors(process.argv[i + 1], new Map([['input', x], ...values]));
}`;

describe('values of a tapped file', function () {
  this.timeout(60_000);
  let folder = '';
  const at = (name: string): string => join(folder, name);
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'tapped-'));
    await writeTensors(at('weights.npz'), weights);
    writeFileSync(at('x.npy'), writeNpy(fromTensor(random([2, ...network.input], 5, 100))));
    for (const precision of precisions)
      await exportOnnx(at(`${precision}.onnx`), {
        network: 'alexnet2012',
        weights: at('weights.npz'),
        precision,
        tap: true,
      });
  });
  after(() => rmSync(folder, { recursive: true }));

  async function allPass(values: (precision: string) => string): Promise<void> {
    for (const precision of precisions) {
      const model = at(`${precision}.onnx`);
      const { verdict, required, layers } = await verify({ model, values: values(precision) });
      const told = JSON.stringify(layers.map(({ layer, reason }) => [layer, reason]));
      expect([verdict, required, layers.length], told).to.deep.equal(['pass', precision, 24]);
    }
  }

  it('onnxruntime in a Node process of its own', async () => {
    const files = precisions.flatMap((precision) => [at(`${precision}.onnx`), at(`${precision}.node.npz`)]);
    const { status, stderr } = runModule(program, { args: [at('x.npy'), ...files] });
    expect(status, stderr).to.equal(0);
    await allPass((precision) => at(`${precision}.node.npz`));
  });

  it('onnxruntime for Python, by the script of the docs', async function () {
    needsPython(this, 'onnxruntime', 'onnxruntime for Python');
    runPython(
      recipeOf('onnxruntime, and other engines that show their outputs alone'),
      precisions.map((precision) => [at(`${precision}.onnx`), at('x.npy'), at(`${precision}.python.npz`)]),
    );
    await allPass((precision) => at(`${precision}.python.npz`));
  });

  it('the file itself is judged on a device as any other', async () => {
    const { verdict } = await verify({ model: at('float32.onnx'), device: 'cpu' });
    expect(verdict).to.equal('pass');
  });
});
