/** Whose value is whose: names of other engines, what is said of those that mean nothing, values written over. */
import { expect } from 'chai';
import type { NumericValue } from '../../../../lib/array/value.ts';
import type { Graph } from '../../../../lib/onnx/model.ts';
import {
  gradientNames,
  inPlace,
  nameDump,
  nodeNames,
  torchNames,
} from '../../../../lib/verify/dump/names.ts';
import {
  conv,
  flatten,
  type Layer,
  linear,
  type Network,
  relu,
} from '../../../../reference/networks/layers.ts';
import { f32, i64 } from '../../../support/onnx.ts';

const layers = [conv('conv1', 4, 3), relu('relu1'), flatten('flat'), linear('fc2', 5), relu('relu2')];
const network = { name: 'n', input: [3, 6, 6], layers } as unknown as Network;
const own = ['input', ...layers.map(({ name }) => name)];
const itself = new Map(own.map((name) => [name, name]));
const entries = (map: ReadonlyMap<string, string>) => Object.fromEntries(map);
/** A dump of these names, each with a value of its own. */
const dumped = (...names: string[]) => new Map(names.map((name, i) => [name, f32([i]) as NumericValue]));

describe('names of a dump', () => {
  it('are brought to ours: as given, as the first table says, without what engines put around them', () => {
    const tables = [
      itself,
      new Map([
        ['features.0', 'conv1'],
        ['conv1', 'relu1'],
      ]),
    ];
    const of = (...found: string[]) => entries(nameDump(dumped(...found), own, tables).names);
    expect(of('conv1', 'relu2')).to.deep.equal({ conv1: 'conv1', relu2: 'relu2' });
    expect(of('features.0')).to.deep.equal({ conv1: 'features.0' });
    for (const name of [
      'onnx_node!conv1',
      'onnx_node_output_0!conv1',
      'module.conv1',
      'model.conv1',
      'conv1:0',
    ])
      expect(of(name), name).to.deep.equal({ conv1: name });
    expect(of('onnx_node!module.features.0:0')).to.deep.equal({ conv1: 'onnx_node!module.features.0:0' });
    const given = new Map([
      ['a', 'fc2'],
      ['conv1', 'relu1'],
    ]);
    expect(entries(nameDump(dumped('a', 'conv1'), own, tables, given).names)).to.deep.equal({
      fc2: 'a',
      relu1: 'conv1',
    });
  });

  it('that mean nothing are told with the nearest two', () => {
    const { names, unmatched } = nameDump(dumped('conv1', 'Conv2', 'flatt', '::'), own, [itself]);
    expect(entries(names)).to.deep.equal({ conv1: 'conv1' });
    expect(unmatched).to.deep.equal([
      "not compared: 'Conv2' (nearest: conv1, fc2)",
      "not compared: 'flatt' (nearest: flat, input)",
      "not compared: '::'",
    ]);
  });

  it('two of one value, names that are not there, and none at all are refused', () => {
    const of = (found: string[], given?: ReadonlyMap<string, string>) => () =>
      nameDump(dumped(...found), own, [itself], given);
    expect(of(['conv1', 'module.conv1'])).to.throw(
      "'conv1' and 'module.conv1' are both conv1, with different values: leave one out, or say which in --names",
    );
    const same = new Map(['conv1', 'module.conv1'].map((name) => [name, f32([1]) as NumericValue]));
    expect(entries(nameDump(same, own, [itself]).names)).to.deep.equal({ conv1: 'conv1' });
    expect(of(['conv1'], new Map([['conv', 'conv1']]))).to.throw(
      "--names: the values have no 'conv' (nearest: conv1)",
    );
    expect(of(['conv1'], new Map([['conv1', 'fc']]))).to.throw("--names: there is no 'fc' (nearest: fc2, ");
    const six = ['q', 'w', 'x', 'y', 'z', 'k'].map((letter) => letter.repeat(9));
    expect(of(six)).to.throw(/^no value has a name that is known: not compared: 'q{9}'.*'z{9}'/);
    expect(of(six)).to.not.throw(/k{9}/);
  });
});

describe('names that engines have', () => {
  it('PyTorch’s two sequences, with and without a pool between', () => {
    expect(entries(torchNames(network))).to.deep.equal({
      'features.0': 'conv1',
      'features.1': 'relu1',
      'classifier.0': 'fc2',
      'classifier.1': 'relu2',
    });
    const pool = { name: 'pool', kind: 'adaptiveavgpool', attributes: { size: [1, 1] } } as unknown as Layer;
    const pooled = { ...network, layers: [layers[0], pool, ...layers.slice(2)] };
    expect(entries(torchNames(pooled))).to.deep.equal({
      'features.0': 'conv1',
      avgpool: 'pool',
      'classifier.0': 'fc2',
      'classifier.1': 'relu2',
    });
    // no flatten: the first fully connected layer begins the second sequence
    const plain = { ...network, layers: [layers[0], layers[3]] };
    expect(entries(torchNames(plain))).to.deep.equal({ 'features.0': 'conv1', 'classifier.0': 'fc2' });
  });

  it('gradients’ and updates’, by module and by layer', () => {
    const names = entries(gradientNames({ ...network, layers: [layers[3]] }));
    expect(names).to.deep.equal({
      'classifier.0': 'fc2',
      'classifier.0.weight.grad': 'dfc2.weight',
      'classifier.0.bias.grad': 'dfc2.bias',
      fc2: 'fc2',
      'fc2.weight.grad': 'dfc2.weight',
      'fc2.bias.grad': 'dfc2.bias',
      'step1/dfc2.weight': 'dfc2.weight',
      'step1/dfc2.bias': 'dfc2.bias',
      'step1/fc2.weight': 'fc2.weight.next',
      'step1/fc2.bias': 'fc2.bias.next',
      'step1/fc2.weight.velocity': 'fc2.weight.velocity.next',
      'step1/fc2.bias.velocity': 'fc2.bias.velocity.next',
    });
  });

  it('nodes’ by their first outputs', () => {
    const node = (name: string, ...outputs: string[]) => ({ name, outputs });
    const graph = { nodes: [node('A', 'a', 'b'), node('', 'c'), node('D', 'd')] } as unknown as Graph;
    expect(
      entries(
        nodeNames(
          graph,
          new Map([
            ['a', 'ours'],
            ['b', 'not'],
            ['c', 'nor'],
          ]),
        ),
      ),
    ).to.deep.equal({
      A: 'ours',
    });
  });
});

describe('values that were written over in place', () => {
  const dump = (values: Record<string, NumericValue>) => new Map(Object.entries(values));
  const value = (...v: number[]) => f32(v) as NumericValue;
  const of = (values: Record<string, NumericValue>, net = network) => {
    const { names, notes } = inPlace(
      net,
      new Map(Object.keys(values).map((name) => [name, name])),
      dump(values),
    );
    return { names: entries(names), notes };
  };

  it('nothing below 0 and no activation beside it: it is the activation’s', () => {
    expect(of({ conv1: value(0, 1), fc2: value(0, 2) })).to.deep.equal({
      names: { relu1: 'conv1', relu2: 'fc2' },
      notes: [
        "'conv1' is taken for relu1: nothing in it is below 0, and there is no other relu1",
        "'fc2' is taken for relu2: nothing in it is below 0, and there is no other relu2",
      ],
    });
    const kept = { names: { conv1: 'conv1' }, notes: [] };
    expect(of({ conv1: value(-1, 1) })).to.deep.equal(kept);
    expect(of({ conv1: value(Number.NaN, 1) })).to.deep.equal(kept);
    expect(of({ conv1: i64([1, 1]) as NumericValue })).to.deep.equal(kept);
    expect(of({ flat: value(1) })).to.deep.equal({ names: { flat: 'flat' }, notes: [] });
  });

  it('both there and the same: that is said', () => {
    const both = { conv1: 'conv1', relu1: 'relu1' };
    expect(of({ conv1: value(0, 1), relu1: value(0, 1) })).to.deep.equal({
      names: both,
      notes: ["'conv1' and 'relu1' are the same: one that works in place wrote over what was not copied"],
    });
    expect(of({ conv1: value(0, 1), relu1: value(0, 2) })).to.deep.equal({ names: both, notes: [] });
  });

  it('an activation of another value, or of no weights, is not meant', () => {
    const other = { ...network, layers: [layers[0], { ...layers[1], inputs: ['input'] }] } as Network;
    expect(of({ conv1: value(1) }, other).names).to.deep.equal({ conv1: 'conv1' });
    const same = { ...network, layers: [layers[0], { ...layers[1], inputs: ['conv1'] }] } as Network;
    expect(of({ conv1: value(1) }, same).names).to.deep.equal({ relu1: 'conv1' });
    const behind = { ...network, layers: [flatten('f'), relu('r')] } as Network;
    expect(of({ f: value(1) }, behind).names).to.deep.equal({ f: 'f' });
  });
});
