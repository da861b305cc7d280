import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { dataTypes } from '../../export/dtypes.ts';
import { buildModel, joined, producer, tap } from '../../export/index.ts';
import {
  decodeModel,
  encodeModel,
  type ModelProto,
  type TensorProto,
  tensorProto,
} from '../../export/proto.ts';
import { modelFile } from '../../export/write.ts';
import { forward, inputsOf, shapes } from '../../lib/fast/oracle.ts';
import { valueOfTensor } from '../../lib/format/tensorproto.ts';
import { cifarAlexnet } from '../../reference/networks/cifar.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { tensor } from '../../reference/tensor.ts';
import { narrow, random, randomWeights, run, runFile } from '../support/models.ts';
import { introduced } from '../support/random-bounds.ts';

const network = narrow(cifarAlexnet);
const weights = randomWeights(network, 1);
const input = random([2, ...network.input], 2);

describe('export/model', () => {
  it('explains itself: network, source of the weights, preprocessing, labels, and what the caller adds', () => {
    const { model } = buildModel(network, weights, {
      weightsSource: 'seed 1',
      labels: ['a', 'b'],
      metadata: { note: 'text' },
    });
    expect(Object.fromEntries(model.metadataProps.map(({ key, value }) => [key, value]))).to.deep.equal({
      network: 'cifar-alexnet',
      'weights.source': 'seed 1',
      preprocess: JSON.stringify(network.preprocess),
      labels: '["a","b"]',
      note: 'text',
    });
    expect(model.irVersion).to.equal(8);
    expect(model.opsetImport).to.deep.equal([{ domain: '', version: 13 }]);
    const sections = new Map(model.graph!.node.map((node) => [node.name, node.docString]));
    expect(sections.get('norm1')).to.equal('section 3.3');
    expect(sections.get('relu1')).to.equal('section 3.1');
  });

  it('has no key of metadata for what it is not told', () => {
    const keys = (options: object) =>
      buildModel(network, weights, options).model.metadataProps.map(({ key }) => key);
    expect(keys({})).to.deep.equal(['network', 'preprocess']);
    expect(keys({ weightsSource: 'a' })).to.deep.equal(['network', 'preprocess', 'weights.source']);
    expect(keys({ labels: ['a'] })).to.deep.equal(['network', 'preprocess', 'labels']);
  });

  it('refuses a model beyond 2 GB, which external data make small', () => {
    // views of one block: 2³¹ bytes in all, without the memory for them
    const block = new Uint8Array(2 ** 24);
    const tensorAt = (i: number): TensorProto =>
      tensorProto({ name: `w${i}`, dims: [block.length], dataType: dataTypes.uint8, rawData: block });
    const { model } = buildModel(network, weights);
    const large = (count: number): ModelProto => ({
      ...model,
      graph: { ...model.graph!, initializer: Array.from({ length: count }, (_, i) => tensorAt(i)) },
    });
    expect(() => modelFile(large(128))).to.throw(
      /^a model of 21474\d{5} bytes exceeds protobuf's 2 GB: use ext/,
    );
    expect(modelFile(large(127)).byteLength).to.be.below(2 ** 31);
    const { byteLength, external } = modelFile(large(128), 'm.data');
    expect(byteLength).to.be.below(1e5);
    expect(external!.byteLength).to.be.within(2 ** 31, 2 ** 31 + 100);
  });

  it('names this package and its version as the producer', () => {
    const { name, version } = JSON.parse(
      fs.readFileSync(new URL('../../package.json', import.meta.url), 'utf8'),
    );
    expect(producer).to.deep.equal({ name, version });
    const { model } = buildModel(network, weights);
    expect([model.producerName, model.producerVersion]).to.deep.equal([name, version]);
  });

  it('calls values as the layers, and gives every one its shape', () => {
    for (const batch of ['dynamic', 5] as const) {
      const { graph } = buildModel(network, weights, { batch }).model;
      const infos = [...graph!.input, ...graph!.valueInfo, ...graph!.output];
      const known = new Map(
        infos.map(({ name, type }) => [
          name,
          type!.tensorType!.shape!.dim.map((d) => d.dimValue ?? d.dimParam),
        ]),
      );
      for (const [name, [, ...shape]] of shapes(network))
        expect(known.get(name), name).to.deep.equal([batch === 5 ? 5 : 'N', ...shape]);
      for (const { output } of graph!.node) expect(known.has(output[0]), output[0]).to.equal(true);
      expect(graph!.input.map(({ name }) => name)).to.deep.equal(['input']);
      expect(graph!.output.map(({ name }) => name)).to.deep.equal(['prob']);
    }
  });

  it('decodes to what was built, and onnx-proto alone would have written the same model', () => {
    for (const precision of ['float32', 'float16'] as const) {
      const file = buildModel(network, weights, { precision, lrn: 'decomposed' });
      const bytes = joined(file.chunks());
      expect(bytes.length).to.equal(file.byteLength);
      const read = decodeModel(bytes);
      expect(read).to.deep.equal(decodeModel(encodeModel(file.model)));
      const tensor = read.graph!.initializer.find(({ name }) => name === 'conv1.bias')!;
      expect(valueOfTensor(tensor).data.length).to.equal(4);
      if (precision === 'float32')
        expect(valueOfTensor(tensor).data).to.deep.equal(weights.get('conv1.bias')!.data);
    }
  });

  it('float16: float32 at both ends, float16 between, close to the oracle', async () => {
    for (const name of ['torchvision', 'cifar-alexnet']) {
      const net = narrow(networkNamed(name));
      const w = randomWeights(net, 4);
      const x = random([2, ...net.input], 5);
      const file = buildModel(net, w, { precision: 'float16' });
      const elemType = (value: { type?: { tensorType?: { elemType?: number } } }) =>
        value.type!.tensorType!.elemType;
      expect(file.model.graph!.input.map(elemType)).to.deep.equal([1]);
      expect(file.model.graph!.output.map(elemType)).to.deep.equal([1]);
      const initializers = file.model.graph!.initializer.filter((t) => /weight|bias/.test(t.name!));
      expect(initializers.length).to.be.above(0);
      expect(initializers.every((t) => t.dataType === 10)).to.equal(true);
      const last = net.layers.at(-1)!.name;
      const y = (await runFile(joined(file.chunks()), x)).get(last)!;
      const exact = forward(net, w, x, { precision: 'float64' });
      expect(y.shape).to.deep.equal(exact.shape);
      const scale = Math.max(...exact.data.map(Math.abs));
      // about 25 roundings of 2⁻¹¹ in a row, first order, relative to the largest output
      for (let i = 0; i < y.data.length; i++)
        expect(Math.abs(y.data[i] - exact.data[i])).to.be.at.most(25 * 2 ** -11 * scale);
      const overflow = new Map(w).set('conv1.bias', tensor(new Float32Array(4).fill(1e5), [4]));
      expect(() => buildModel(net, overflow, { precision: 'float16' })).to.throw(
        /^conv1\.bias: 100000 does not fit/,
      );
    }
  });

  it('external data: small model, weights in the second file at multiples of 4096, same results', async () => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alexnet-'));
    try {
      const file = buildModel(network, weights, { externalData: 'net.bin' });
      expect(file.external!.location).to.equal('net.bin');
      fs.writeFileSync(path.join(folder, 'net.onnx'), joined(file.chunks()));
      fs.writeFileSync(path.join(folder, 'net.bin'), joined(file.external!.chunks()));
      expect(fs.statSync(path.join(folder, 'net.bin')).size).to.equal(file.external!.byteLength);
      const { graph } = decodeModel(joined(file.chunks()));
      const outside = graph!.initializer.filter(({ dataLocation }) => dataLocation === 1);
      expect(outside.length).to.be.above(5);
      for (const { externalData } of outside)
        expect(Number(externalData.find(({ key }) => key === 'offset')!.value) % 4096).to.equal(0);
      expect(() => valueOfTensor(outside[0])).to.throw(/external file/);
      const y = (await runFile(path.join(folder, 'net.onnx'), input)).get('prob')!;
      const inside = (await run(network, weights, input, { tapped: false })).get('prob')!;
      expect(y.data).to.deep.equal(inside.data);
    } finally {
      fs.rmSync(folder, { recursive: true });
    }
    for (const name of ['../x', '/x', 'a/b', '', '..', 'a\\b'])
      expect(() => buildModel(network, weights, { externalData: name })).to.throw(/bare file name/);
  });

  it('refuses options and weights that make no sense, in one line', () => {
    const refused = (options: object, reason: RegExp) =>
      expect(() => buildModel(network, weights, options)).to.throw(reason);
    refused({ opset: 12 }, /^opset must be an integer from 13 to 25 \(= 12\)$/);
    refused({ opset: 99 }, /^opset must/);
    refused({ batch: 0 }, /^batch must be a positive integer or 'dynamic' \(= 0\)$/);
    refused({ batch: 1.5 }, /^batch must/);
    refused({ lrn: 'fast' }, /^lrn must be/);
    refused({ precision: 'float8' }, /^precision must be/);
    const missing = new Map(weights);
    missing.delete('conv2.weight');
    expect(() => buildModel(network, missing)).to.throw(
      /^cifar-alexnet: there are no weights 'conv2.weight'$/,
    );
    const wrong = new Map(weights).set('conv2.bias', random([3], 1));
    expect(() => buildModel(network, wrong)).to.throw(/^conv2.bias: the shape must be \[8\] \(= \[3\]\)$/);
    const more = new Map(weights).set('conv9.bias', random([3], 1));
    expect(() => buildModel(network, more)).to.throw(/^cifar-alexnet: no layer has weights 'conv9.bias'$/);
  });

  it('writes layers without a bias', async () => {
    const without = new Map([...weights].filter(([name]) => !name.endsWith('.bias')));
    const values = await run(network, without, input);
    values.set('input', input);
    for (const [index, layer] of network.layers.entries()) {
      const inputs = inputsOf(network, index).map((name) => values.get(name)!);
      const y = values.get(layer.name)!;
      // largest error over the layer's derived bound (bounds.ts)
      expect(introduced(layer, inputs, y, without), layer.name).to.be.at.most(1);
    }
  });
});

describe('export/tap', () => {
  const file = buildModel(network, weights);

  it('adds every intermediate value as an output, from bytes and from the object alike', async () => {
    const whole = joined(file.chunks());
    const names = file.model.graph!.node.map(({ output }) => output[0]);
    for (const tapped of [tap(whole), tap(file.model)]) {
      const outputs = await runFile(tapped, input);
      expect([...outputs.keys()].sort()).to.deep.equal([...names].sort());
    }
    expect(decodeModel(tap(whole)).graph!.output[0].name).to.equal('prob');
  });

  it('adds only the named values, and refuses names that no node makes', async () => {
    const outputs = await runFile(tap(file.model, ['conv1', 'prob', 'pool1']), input);
    expect([...outputs.keys()]).to.deep.equal(['prob', 'conv1', 'pool1']);
    expect(() => tap(file.model, ['input'])).to.throw(/^tap: no node makes a value 'input'$/);
    expect(() => tap(file.model, ['conv99'])).to.throw(/'conv99'/);
  });

  it('makes one output of a name that is given twice, or that is an output already', async () => {
    const twice = tap(tap(file.model, ['conv1', 'conv1', 'prob']), ['conv1', 'prob', 'pool1']);
    expect(decodeModel(twice).graph!.output.map(({ name }) => name)).to.deep.equal([
      'prob',
      'conv1',
      'pool1',
    ]);
    expect([...(await runFile(twice, input)).keys()]).to.deep.equal(['prob', 'conv1', 'pool1']);
  });

  it('taps files of others, which say no shapes, and leaves integer values alone', async () => {
    const bare = { ...file.model, graph: { ...file.model.graph!, valueInfo: [] } };
    const extra = [
      { name: 'size', opType: 'Shape', input: ['conv1'], output: ['size'], attribute: [] },
      { name: 'back', opType: 'Reshape', input: ['conv1', 'size'], output: ['back'], attribute: [] },
    ];
    const { node } = bare.graph;
    const at = node.findIndex(({ name }) => name === 'conv1') + 1;
    const rest = node
      .slice(at)
      .map((n) => ({ ...n, input: n.input.map((i) => (i === 'conv1' ? 'back' : i)) }));
    const model = { ...bare, graph: { ...bare.graph, node: [...node.slice(0, at), ...extra, ...rest] } };
    const outputs = await runFile(tap(encodeModel(model)), input);
    expect([...outputs.keys()]).to.include.members(['conv1', 'back', 'relu1', 'fc8', 'prob']);
    expect([...outputs.keys()]).not.to.include('size');
    const plain = await runFile(tap(file.model), input);
    expect(outputs.get('fc8')!.data).to.deep.equal(plain.get('fc8')!.data);
  });

  it('keeps what it does not know: a field of a later version survives', () => {
    const later = Buffer.concat([joined(file.chunks()), Uint8Array.of(0xf2, 0x07, 2, 104, 105)]);
    const tapped = tap(later);
    expect(Buffer.from(tapped.subarray(-5))).to.deep.equal(Buffer.from([0xf2, 0x07, 2, 104, 105]));
  });

  it('refuses what is not a model', () => {
    expect(() => tap(Buffer.from('no model'))).to.throw(/not a valid protobuf file/);
    expect(() => tap(new Uint8Array(0))).to.throw(/^tap: the file has no graph$/);
  });
});
