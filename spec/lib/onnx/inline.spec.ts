import { expect } from 'chai';
import type { AttributeProto, FunctionProto } from '../../../export/proto.ts';
import { InputError } from '../../../lib/errors.ts';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import { attribute, bool, f32, graph, info, modelBytes, type NodeText, open } from '../../support/onnx.ts';

const nodesOf = (nodes: readonly NodeText[]) => graph(nodes, [], []).node;
const reference = (name: string, of: string, type: number): AttributeProto => ({
  ...attribute(name, 0),
  i: undefined,
  type,
  refAttrName: of,
});

const f = (
  name: string,
  input: string[],
  output: string[],
  nodes: FunctionProto['node'],
  version = 13,
): FunctionProto => ({
  name,
  domain: 'own',
  input,
  output,
  attribute: ['slope'],
  node: nodes,
  opsetImport: [{ domain: '', version }],
});

const withFunctions = (g: ReturnType<typeof graph>, functions: FunctionProto[]): Uint8Array =>
  modelBytes(g, 13, {
    functions,
    opsetImport: [
      { domain: '', version: 13 },
      { domain: 'own', version: 1 },
    ],
  });

describe('model-local functions', () => {
  const leaky = f(
    'Leaky',
    ['a'],
    ['r'],
    [
      ...nodesOf([{ op: 'Neg', inputs: ['a'], outputs: ['t'] }]),
      {
        ...nodesOf([{ op: 'LeakyRelu', inputs: ['t'], outputs: ['r'] }])[0],
        attribute: [reference('alpha', 'slope', 1)],
      },
    ],
  );
  const twice = f(
    'Twice',
    ['a'],
    ['r'],
    [
      ...nodesOf([
        { op: 'Leaky', domain: 'own', inputs: ['a'], outputs: ['t'], attributes: { slope: 0.5 } },
        { op: 'Leaky', domain: 'own', inputs: ['t'], outputs: ['r'] },
      ]),
    ],
  );
  const main = (nodes: readonly NodeText[]) => graph(nodes, [info('t'), info('c', 'bool', [])], [info('y')]);
  const feeds = (c = 1) =>
    new Map([
      ['t', f32([-2, 3])],
      ['c', bool([c], [])],
    ]);
  const y = async (bytes: Uint8Array, c = 1) => [
    ...evaluateGraph(await open(bytes), feeds(c)).get('y')!.data,
  ];
  const own = (op: string, inputs: string[], outputs: string[], attributes = {}): NodeText => ({
    op,
    domain: 'own',
    inputs,
    outputs,
    attributes,
  });

  it('are run with the names and attributes of each call; an attribute not given is the default', async () => {
    // Leaky(−2, 3; ½) = (2, −1.5); without slope: α = 0.01
    const once = withFunctions(main([own('Leaky', ['t'], ['y'], { slope: 0.5 })]), [leaky]);
    expect(await y(once)).to.deep.equal([2, -1.5]);
    const nested = withFunctions(main([own('Twice', ['t'], ['y'])]), [leaky, twice]);
    expect(await y(nested)).to.deep.equal([Math.fround(-2 * Math.fround(0.01)), 1.5]);
  });

  it('with subgraphs see the call’s values', async () => {
    const branch = (op: string) => graph([{ op, inputs: ['a'], outputs: ['b'] }], [], [info('b')]);
    const choose = f(
      'Choose',
      ['cond', 'a'],
      ['r'],
      nodesOf([
        {
          op: 'If',
          inputs: ['cond'],
          outputs: ['r'],
          attributes: { then_branch: branch('Neg'), else_branch: branch('Abs') },
        },
      ]),
    );
    const bytes = withFunctions(main([own('Choose', ['c', 't'], ['y'])]), [choose]);
    expect(await y(bytes, 1)).to.deep.equal([2, -3]);
    expect(await y(bytes, 0)).to.deep.equal([2, 3]);
  });

  const refusal = async (bytes: Uint8Array): Promise<string> => {
    const error: Error = await open(bytes).then(
      () => new Error('it did not fail'),
      (e) => e,
    );
    expect(error).to.be.instanceOf(InputError);
    return error.message;
  };

  it('that call themselves, explode, or are of another opset are refused', async () => {
    const loop = f('Loop1', ['a'], ['r'], nodesOf([own('Loop1', ['a'], ['r'])]));
    expect(await refusal(withFunctions(main([own('Loop1', ['t'], ['y'])]), [loop]))).to.contain(
      'call one another',
    );
    const bombs = Array.from({ length: 40 }, (_, i) =>
      f(
        `B${i}`,
        ['a'],
        ['r'],
        nodesOf(
          i === 0
            ? [{ op: 'Neg', inputs: ['a'], outputs: ['r'] }]
            : [own(`B${i - 1}`, ['a'], ['t']), own(`B${i - 1}`, ['t'], ['r'])],
        ),
      ),
    );
    expect(await refusal(withFunctions(main([own('B39', ['t'], ['y'])]), bombs))).to.contain(
      'more than 100000 nodes',
    );
    const old = f('Old', ['a'], ['r'], nodesOf([{ op: 'Softmax', inputs: ['a'], outputs: ['r'] }]), 11);
    expect(await refusal(withFunctions(main([own('Old', ['t'], ['y'])]), [old]))).to.contain(
      "is of opset 11 of 'ai.onnx'",
    );
  });
});
