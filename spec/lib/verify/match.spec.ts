/** Which steps of a graph are which layers: an exported file, and the same with something missing, added or turned. */
import { expect } from 'chai';
import { joined } from '../../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../../export/proto.ts';
import { modelOf } from '../../../lib/networks/modelfile.ts';
import { productsOf } from '../../../lib/onnx/products.ts';
import { readModel } from '../../../lib/onnx/read.ts';
import { partOf } from '../../../lib/verify/bundle.ts';
import { match } from '../../../lib/verify/match.ts';
import type { Network } from '../../../reference/networks/layers.ts';
import { graphOf, makerOf, node, replace } from '../../support/rewrites.ts';
import { names, network, weights } from '../../support/small-network.ts';

const exported = joined(modelOf(network, weights, { source: 'random', passing: true }).chunks());

async function matched(
  change: (model: ModelProto) => void = () => {},
  net: Network = network,
  mapsLast = false,
) {
  const proto = decodeModel(exported);
  change(proto);
  const model = await readModel(encodeModel(proto), 'm.onnx');
  return match(net, model.graph, productsOf(model), { input: 'input', mapsLast });
}
/** A node taken out: what read its value reads its input. */
function without(model: ModelProto, name: string): void {
  const gone = makerOf(model, name);
  replace(model, gone);
  for (const { input } of graphOf(model).node)
    for (const [i, read] of input.entries()) if (read === name) input[i] = gone.input[0];
}
/** A node put behind a value: what read that reads the node. */
function behind(model: ModelProto, name: string, op: string): void {
  const nodes = graphOf(model).node;
  const at = nodes.indexOf(makerOf(model, name));
  for (const { input } of nodes)
    for (const [i, read] of input.entries()) if (read === name) input[i] = 'extra';
  nodes.splice(at + 1, 0, node(op, [name], 'extra'));
}
const faults = (found: Awaited<ReturnType<typeof matched>>) => Object.fromEntries(found.faults);

describe('a file laid beside a network', () => {
  it('each layer is the value that has its name', async () => {
    const found = await matched();
    expect(Object.fromEntries(found.values)).to.deep.equal(
      Object.fromEntries(['input', ...names].map((n) => [n, n])),
    );
    expect([...found.products.keys()]).to.deep.equal(['conv1', 'fc2', 'fc3']);
    expect([found.faults.size, found.mapsLast.size, found.tail.length, found.bandLrn.size]).to.deep.equal([
      0, 0, 0, 0,
    ]);
    expect([...found.nativeLrn]).to.deep.equal(['norm1']);
    for (const name of names) expect(found.nodes.get(name), name).to.equal(name);
  });

  it('a layer that is missing is told with what comes next, one too many with what reads it', async () => {
    expect(faults(await matched((model) => without(model, 'relu1')))).to.deep.equal({
      relu1: 'the file has no Relu here (next is LRN)',
    });
    expect(faults(await matched((model) => without(model, 'norm1')))).to.deep.equal({
      norm1: 'the file has no LRN here (next is MaxPool)',
    });
    expect(faults(await matched((model) => behind(model, 'relu1', 'Exp')))).to.deep.equal({
      norm1: "norm1 reads the output of Exp ('extra'), not of relu1",
    });
    // what passes its values on is nobody’s fault
    const passed = await matched((model) => behind(model, 'relu1', 'Identity'));
    expect([faults(passed), passed.values.get('relu1')]).to.deep.equal([{}, 'relu1']);
  });

  it('another activation, or pool, stands in the place of the right one', async () => {
    const found = await matched((model) => {
      makerOf(model, 'relu1').opType = 'Tanh';
    });
    expect([faults(found), found.values.get('relu1')]).to.deep.equal([{}, 'relu1']);
  });

  it('layers that change nothing at test time may be missing', async () => {
    const layers = network.layers.map((layer) =>
      layer.kind === 'dropout'
        ? { ...layer, attributes: { ...layer.attributes, convention: 'inverted' as const } }
        : layer,
    );
    const found = await matched((model) => without(model, 'drop2'), { ...network, layers });
    expect(faults(found)).to.deep.equal({});
    expect(found.values.get('drop2')).to.equal('relu2');
    // the paper's halves them
    expect(faults(await matched((model) => without(model, 'drop2')))).to.have.property('drop2');
  });

  it('what follows the last layer is its tail', async () => {
    const found = await matched((model) => {
      const graph = graphOf(model);
      graph.node.push(node('Exp', ['fc3'], 'end'));
      graph.output = [{ ...graph.output[0], name: 'end' }];
    });
    expect(found.tail.map(({ nodes, to }) => [nodes.map(({ op }) => op), to])).to.deep.equal([
      [['Exp'], 'end'],
    ]);
    expect(faults(found)).to.deep.equal({});
  });

  it('another network is one line: the layer, what is there, what should be', async () => {
    const conv = network.layers[0];
    const two = {
      ...network,
      layers: [conv, { ...conv, name: 'conv1b' }, ...network.layers.slice(1)],
    } as Network;
    const error = await matched(undefined, two).catch((e: Error) => e);
    expect((error as Error).message).to.match(
      /^conv1b?: the file has .* where tiny has Conv: it is another network; without --network its nodes are verified one by one$/,
    );
  });

  it('a network that branches is matched by names', async () => {
    const layers = network.layers.map((layer) =>
      layer.name === 'relu2' ? { ...layer, inputs: ['conv1'] } : layer,
    ) as Network['layers'];
    const found = await matched(undefined, { ...network, layers });
    expect(Object.fromEntries(found.values)).to.include({ relu2: 'relu2', fc3: 'fc3' });
    expect([...found.products.keys()]).to.deep.equal(['conv1', 'fc2', 'fc3']);
  });
});

describe('the part of a model between two values', () => {
  it('has the nodes, constants and inputs that lead there, and no other', () => {
    const part = partOf(decodeModel(exported), ['pool1', 'input'], 'fc2').graph!;
    expect(part.node.flatMap(({ output }) => output))
      .to.include('fc2')
      .and.to.not.include('pool1');
    expect(part.node.flatMap(({ output }) => output)).to.not.include('relu2');
    expect(part.input.map(({ name }) => name)).to.deep.equal(['pool1']);
    expect(part.output.map(({ name }) => name)).to.deep.equal(['fc2']);
    expect(part.initializer.map(({ name }) => name)).to.include.members(['fc2.weight', 'fc2.bias']);
    expect(part.initializer.map(({ name }) => name)).to.not.include.members(['conv1.weight']);
    expect(part.valueInfo).to.deep.equal([]);
    const whole = partOf(decodeModel(exported), ['input'], 'conv1').graph!;
    expect(whole.input.map(({ name }) => name)).to.deep.equal(['input']);
    expect(whole.node.map(({ opType }) => opType)).to.deep.equal(['Conv']);
  });
});
