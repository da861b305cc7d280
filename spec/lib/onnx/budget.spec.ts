import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { evaluateGraph } from '../../../lib/onnx/evaluate.ts';
import type { Attribute } from '../../../lib/onnx/model.ts';
import { f32, graph, i64, info, modelBytes, open, refusal } from '../../support/onnx.ts';

describe("the evaluator's budget", () => {
  /** Constants of a MiB each, all outputs. */
  const constants = (count: number) => {
    const names = Array.from({ length: count }, (_, i) => `y${i}`);
    const nodes = names.map((name) => ({ op: 'ConstantOfShape', inputs: ['s'], outputs: [name] }));
    return graph(
      nodes,
      [info('s', 'int64', [1])],
      names.map((name) => info(name)),
    );
  };
  const mib = new Map([['s', i64([2 ** 18])]]);

  it('counts the bytes of all values', async () => {
    const model = await open(modelBytes(constants(8)));
    const message = await refusal(async () => evaluateGraph(model, mib, { maxMemory: 4 }));
    expect(message).to.match(/ConstantOfShape.*over 4 MiB, its budget \(raise --max-memory\)$/);
    expect(evaluateGraph(model, mib, { maxMemory: 8 }).size).to.equal(8);
  });

  it('but not those that are no longer needed', async () => {
    const nodes = Array.from({ length: 20 }, (_, i) => ({
      op: 'Neg',
      inputs: [`v${i}`],
      outputs: [`v${i + 1}`],
    }));
    const model = await open(modelBytes(graph(nodes, [info('v0')], [info('v20')])));
    const feeds = new Map([['v0', f32(new Array<number>(2 ** 18).fill(1))]]);
    expect(evaluateGraph(model, feeds, { maxMemory: 4 }).size).to.equal(1);
  });

  it('what a loop gathers too', async () => {
    const body = graph(
      [{ op: 'ConstantOfShape', inputs: ['s'], outputs: ['scan'] }],
      [info('i', 'int64', []), info('c', 'bool', [])],
      [info('c', 'bool', []), info('scan')],
    );
    const loop = { op: 'Loop', inputs: ['m', ''], outputs: ['y'], attributes: { body } };
    const inputs = [info('s', 'int64', [1]), info('m', 'int64', [])];
    const model = await open(modelBytes(graph([loop], inputs, [info('y')])));
    const feeds = (m: number) => new Map([...mib, ['m', i64([m], [])]]);
    expect(evaluateGraph(model, feeds(2), { maxMemory: 8 }).get('y')!.shape).to.deep.equal([2, 2 ** 18]);
    const message = await refusal(async () => evaluateGraph(model, feeds(1000), { maxMemory: 8 }));
    expect(message).to.match(/over 8 MiB, its budget \(raise --max-memory\)$/);
  });

  it('refuses before it allocates: strings, integers', async () => {
    const long = 700_000_000;
    const s = new Map([['s', i64([long])]]);
    const strings = { op: 'ConstantOfShape', inputs: ['s'] };
    const texts = await open(modelBytes(graph([strings], [info('s', 'int64', [1])], [info('y', 'string')])));
    const value: Value = { dtype: 'string', shape: [1], data: ['x'] };
    (texts.graph.nodes[0].attributes as Map<string, Attribute>).set('value', { kind: 'tensor', value });
    expect(await refusal(async () => evaluateGraph(texts, s))).to.match(/strings take over .* \(raise .*\)$/);
    const range = { op: 'Range', inputs: ['a', 'b', 'c'] };
    const ends = ['a', 'b', 'c'].map((name) => info(name, 'int64', []));
    const model = await open(modelBytes(graph([range], ends, [info('y', 'int64')])));
    const feeds = new Map([0, long, 1].map((v, i) => [ends[i].name!, i64([v], [])]));
    expect(await refusal(async () => evaluateGraph(model, feeds))).to.match(/Range.*raise --max-memory/);
  });

  it('zeros of a constant are not written, but every other value is, NaN and −0 too', async () => {
    for (const fill of [0, -0, Number.NaN, 2]) {
      const node = { op: 'ConstantOfShape', inputs: ['s'], attributes: { value: f32([fill]) } };
      const model = await open(modelBytes(graph([node], [info('s', 'int64', [1])], [info('y')])));
      const y = evaluateGraph(model, new Map([['s', i64([2])]])).get('y')!;
      expect(Object.is(y.data[1], fill), `${fill}`).to.equal(true);
    }
  });

  it('counts the nodes that run, and the time', async () => {
    const model = await open(modelBytes(constants(8)));
    const nodes = await refusal(async () => evaluateGraph(model, mib, { maxNodes: 7 }));
    expect(nodes).to.contain('the run executes more than 7 nodes, its budget (raise --max-nodes)');
    expect(evaluateGraph(model, mib, { maxNodes: 8 }).size).to.equal(8);
    const time = await refusal(async () => evaluateGraph(model, mib, { maxSeconds: 1e-9 }));
    expect(time).to.match(/of CPU time, its budget \(raise --max-seconds\)$/);
  });
});
