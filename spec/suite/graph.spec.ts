import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../export/proto.ts';
import { fromTensor, type Value } from '../../lib/array/value.ts';
import { InputError } from '../../lib/errors.ts';
import { writeNpy } from '../../lib/format/npy.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { evaluateGraph } from '../../lib/onnx/evaluate.ts';
import { readModel } from '../../lib/onnx/read.ts';
import { examine } from '../../lib/verify/engine.ts';
import { verify } from '../../lib/verify/index.ts';
import { nodesOf } from '../../lib/verify/nodes.ts';
import type { Provider } from '../../lib/verify/provider.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { narrow, random } from '../support/models.ts';
import { graph, info, modelBytes } from '../support/onnx.ts';

describe('verify on any graph', function () {
  this.timeout(180_000);
  const network = narrow(networkNamed('cifar-alexnet'));
  const bytes = joined(modelOf(network, initialise(network, 2, 'kaiming'), { source: 'seed 2' }).chunks());
  let folder: string;
  const write = (name: string, change: (model: ModelProto) => void = () => {}): string => {
    const model = decodeModel(bytes);
    model.metadataProps = [];
    change(model);
    writeFileSync(join(folder, name), encodeModel(model));
    return join(folder, name);
  };
  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-graph-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('three runs pass, repeated bit for bit', async () => {
    const { verdict, runs, layers } = await verify({ model: write('right.onnx'), device: 'cpu', repeat: 3 });
    expect(verdict).to.equal('pass');
    expect(runs.map((run) => [run.graph, run.optimised, run.verdict, run.unstable.length])).to.deep.equal([
      ['tapped', false, 'pass', 0],
      ['tapped', true, 'pass', 0],
      ['untouched', true, 'pass', 0],
    ]);
    expect(layers.length).to.be.above(20);
  });

  it('BatchNormalization with the statistics of the batch has no bound, with given ones it passes', async () => {
    const verdicts = async (attributes: Record<string, number>, outputs = ['y']) => {
      const vectors = ['scale', 'bias', 'mean', 'variance'];
      const model = join(folder, 'normal.onnx');
      const node = { op: 'BatchNormalization', inputs: ['x', ...vectors], outputs, attributes };
      const after = { op: 'Relu', inputs: ['y'], outputs: ['z'] };
      const inputs = [
        info('x', 'float32', [2, 3, 4, 5]),
        ...vectors.map((name) => info(name, 'float32', [3])),
      ];
      writeFileSync(
        model,
        modelBytes(graph([node, after], inputs, [info('z', 'float32', [2, 3, 4, 5])]), 15),
      );
      const vector = (name: string, values: number[]) => {
        const file = join(folder, `${name}.npy`);
        writeFileSync(file, writeNpy(fromTensor(tensor(Float32Array.from(values), [3]))));
        return `${name}=${file}`;
      };
      const input = [
        vector('scale', [1, -2, 0.5]),
        vector('bias', [0, 1, -1]),
        vector('mean', [0.1, -0.2, 0.3]),
        vector('variance', [0.3, 0.4, 0.2]),
      ];
      const { verdict, layers } = await verify({ model, device: 'cpu', input });
      return [verdict, ...layers.map((row) => row.verdict)];
    };
    expect(await verdicts({})).to.deep.equal(['pass', 'pass', 'pass']);
    const three = ['untested', 'untested', 'untested'];
    expect(await verdicts({ training_mode: 1 }, ['y', 'm', 'v'])).to.deep.equal(['pass', ...three, 'pass']);
  });

  it('a node that is not repeatable is said to be so: Dropout that draws', async () => {
    const drop = graph(
      [
        { op: 'Constant', inputs: [], outputs: ['ratio'], attributes: { value_float: 0.5 } },
        { op: 'Equal', inputs: ['ratio', 'ratio'], outputs: ['training'] },
        { op: 'Dropout', inputs: ['x', 'ratio', 'training'], outputs: ['y'] },
      ],
      [info('x', 'float32', [1, 400])],
      [info('y', 'float32', [1, 400])],
    );
    const model = join(folder, 'drop.onnx');
    writeFileSync(model, modelBytes(drop));
    const { runs } = await verify({ model, device: 'cpu', repeat: 2 });
    expect(runs.map(({ unstable }) => unstable)).to.deep.equal([['y'], ['y'], ['y']]);
  });

  it("the engine's own fault is taken apart: LRN whose running sum goes below 0", async () => {
    const lrn = graph(
      [
        {
          op: 'LRN',
          inputs: ['x'],
          outputs: ['y'],
          attributes: { size: 5, alpha: 0.5, beta: 0.75, bias: 1.5 },
        },
      ],
      [info('x', 'float32', [1, 32, 1, 2])],
      [info('y', 'float32', [1, 32, 1, 2])],
    );
    const model = join(folder, 'lrn.onnx');
    writeFileSync(model, modelBytes(lrn));
    const x = random([1, 32, 1, 2], 1);
    x.data[4] = 1e6;
    writeFileSync(join(folder, 'x.npy'), writeNpy(fromTensor(x)));
    const result = await verify({ model, device: 'cpu', input: `x=${join(folder, 'x.npy')}` });
    expect([result.verdict, result.first, result.why?.layer, result.why?.kind]).to.deep.equal([
      'fail',
      'y',
      'y',
      'lrn',
    ]);
    expect(result.layers[0].reason).to.include("the engine's own fault");
    expect(result.why?.explanation.matches).to.deep.equal([]);
  });

  it('the outputs of an untouched run may differ by what rounding carries, and by no more', async () => {
    const model = await readModel(bytes, 'm.onnx');
    const x = random([1, ...network.input], 3, 100);
    const feeds = new Map<string, Value>([['input', { dtype: 'float32', shape: x.shape, data: x.data }]]);
    const chain = new Map<string, Value>(feeds);
    const trace = (_: unknown, outputs: ReadonlyMap<string, Value>) => {
      for (const [name, value] of outputs) chain.set(name, value);
    };
    evaluateGraph(model, feeds, { trace });
    const [{ name }] = model.graph.outputs;
    const subject = nodesOf({ bytes, model, feeds, device: 'cpu' }, chain);
    /** The oracle's own values for a device's, but for the untouched run's output. */
    const judged = async (factor: number) => {
      const own = chain.get(name)!;
      const data = Float32Array.from(own.data as Float32Array, (v) => v * factor);
      const outputs = new Map<string, Value>([[name, { ...own, data }]]);
      const provider: Provider = {
        device: 'cpu',
        ways: [
          { graph: 'tapped', level: 'disabled' },
          { graph: 'untouched', level: 'all' },
        ],
        run: async (_, { graph }) => ({
          values: graph === 'tapped' ? chain : outputs,
          placement: null,
          unstable: [],
        }),
        [Symbol.asyncDispose]: async () => {},
      };
      const { runs, placement, rows } = await examine(subject, provider);
      expect([runs[0].verdict, placement, rows[0].devices]).to.deep.equal(['pass', '', []]);
      return runs[1].verdict;
    };
    expect([await judged(1), await judged(1 + 2 ** -22), await judged(1.01)]).to.deep.equal([
      'pass',
      'pass',
      'fail',
    ]);
    // what runs as it is must run when it is optimised too
    const refusing: Provider = {
      device: 'cpu',
      ways: [
        { graph: 'tapped', level: 'disabled' },
        { graph: 'tapped', level: 'all' },
      ],
      run: async (_, { level }) => {
        if (level === 'all') throw new InputError('onnxruntime cannot use it');
        return { values: chain, placement: null, unstable: [] };
      },
      [Symbol.asyncDispose]: async () => {},
    };
    const { runs } = await examine(subject, refusing);
    expect(runs.map(({ verdict, reason }) => [verdict, reason])).to.deep.equal([
      ['pass', ''],
      ['fail', 'onnxruntime cannot use it'],
    ]);
  });
});
