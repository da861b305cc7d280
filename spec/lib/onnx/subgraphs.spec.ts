/** Subgraphs whose values are called as others around them, in files whose nodes are in no order. */
import { expect } from 'chai';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import {
  type AttributeValue,
  bool,
  f32,
  graph,
  i64,
  info,
  list,
  modelBytes,
  type NodeText,
  open,
  tensorOf,
} from '../../support/onnx.ts';

const add = (a: string, b: string, y: string): NodeText => ({ op: 'Add', inputs: [a, b], outputs: [y] });
const pair = (name: string) => info(name, 'float32', [2]);
const inner = (nodes: readonly NodeText[], inputs: Parameters<typeof graph>[1], outputs: typeof inputs) =>
  graph(nodes.toReversed(), inputs, outputs);

/** a = −x, b from a by a subgraph, y = b + a. */
function around(
  op: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Readonly<Record<string, AttributeValue>>,
): Uint8Array {
  const nodes: readonly NodeText[] = [
    { op: 'Neg', inputs: ['x'], outputs: ['a'] },
    { op, inputs, outputs, attributes },
    add('b', 'a', 'y'),
  ];
  const initializers = [
    tensorOf(bool([1], []), 'yes'),
    tensorOf(i64([3], []), 'three'),
    tensorOf(f32([0, 0]), 'zeros'),
    tensorOf(f32([1, 2, 3, 4, 5, 6], [3, 2]), 'rows'),
  ];
  return modelBytes(graph(nodes.toReversed(), [pair('x')], [pair('y')], initializers));
}

describe('subgraphs whose names are taken around them, nodes in reverse', () => {
  const x = [1, -2];
  const branch = inner([add('a', 'a', 'y'), add('y', 'a', 'rows'), add('rows', 'y', 'b')], [], [pair('b')]);
  const body = inner(
    [
      add('y', 'a', 'zeros'),
      add('zeros', 'zeros', 'b'),
      { op: 'Identity', inputs: ['yes'], outputs: ['rows'] },
    ],
    [info('three', 'int64', []), info('yes', 'bool', []), pair('y')],
    [info('rows', 'bool', []), pair('b')],
  );
  const scan = inner([add('zeros', 'x', 'y'), add('y', 'a', 'b')], [pair('zeros'), pair('x')], [pair('b')]);
  const files: [op: string, bytes: Uint8Array, y?: number[]][] = [
    // b = 3a + 2a
    ['If', around('If', ['yes'], ['b'], { then_branch: branch, else_branch: branch }), [-6, 12]],
    // b ← 2(b + a), three times from 0: 14a
    ['Loop', around('Loop', ['three', 'yes', 'zeros'], ['b'], { body }), [-15, 30]],
    // the oracle has no Scan, what it reads is read all the same
    ['Scan', around('Scan', ['zeros', 'rows'], ['b'], { body: scan, num_scan_inputs: 1 })],
  ];
  for (const [op, bytes, y] of files) {
    it(`${op}: in order`, async () => {
      const model = await open(bytes);
      expect(model.graph.nodes.map((node) => node.op)).to.deep.equal(['Neg', op, 'Add']);
      const feeds = new Map([['x', f32(x)]]);
      if (y) expect(list(evaluateGraph(model, feeds).get('y')!)).to.deep.equal(y);
    });
  }

  it('a cycle through what a subgraph reads is one', async () => {
    const reads = inner([add('y', 'y', 'b')], [], [pair('b')]);
    const file = around('If', ['yes'], ['b'], { then_branch: reads, else_branch: branch });
    const error = await open(file).catch((e: Error) => e);
    expect((error as Error).message).to.contain('its nodes form a cycle');
  });
});
