/**
 * Right ONNX graphs of AlexNet's family, drawn from a seed: every operator that the verifier has a bound for, in the
 * forms that exporters write. Shapes are followed, so that each graph is one that onnxruntime runs.
 */
import { sizeOf } from '../../../reference/tensor.ts';
import { graph, info, modelBytes } from '../onnx.ts';
import * as layers from './layers.ts';
import { Maker, type Precision } from './maker.ts';
import * as others from './others.ts';

const steps: readonly (readonly [number, layers.Step])[] = [
  [6, layers.conv],
  [5, layers.activation],
  [4, layers.pool],
  [4, layers.normalise],
  [2, layers.dropout],
  [3, layers.flatten],
  [5, layers.linear],
  [2, layers.softmax],
  [5, others.arithmetic],
  [2, others.reduce],
  [1, others.transpose],
  [2, others.split],
  [2, others.slice],
  [2, others.pad],
  [2, others.concat],
  [1, others.squeeze],
  [1, others.topK],
  [1, others.power],
  [1, others.scaled],
  [2, others.selected],
  [1, layers.otherConv],
  [1, layers.drawn],
];
const weighted = steps.flatMap(([times, step]) => Array.from({ length: times }, () => step));

/** The file of a graph: 5 to 16 steps from one picture, one to three outputs, nodes in any order. */
export function generatedGraph(seed: number, precision: Precision): Uint8Array {
  const m = new Maker(seed);
  const batch = m.pick<string | number>(['N', -1, 1, 2, 3]);
  const shape = [typeof batch === 'number' && batch > 0 ? batch : 1, m.int(1, 6), m.int(4, 14), m.int(4, 14)];
  const isCast = precision === 'float16' && m.chance(0.5);
  m.add('input', shape, isCast ? 'float32' : precision);
  if (isCast) m.add(m.cast('input', precision), shape, precision);
  const all = precision === 'float16' ? [...weighted, others.cast, others.cast] : weighted;
  for (let left = m.int(5, 16), tries = 0; left > 0 && tries < 200; tries++) {
    const recent = m.values.slice(-3);
    const x = m.pick(m.chance(0.8) ? recent : m.values);
    if (sizeOf(x.shape) < 6000 && m.pick(all)(m, x) !== false) left--;
  }
  const made = m.values.slice(isCast ? 2 : 1);
  const outputs = [
    made[made.length - 1],
    ...made
      .slice(0, -1)
      .filter(() => m.chance(0.1))
      .slice(0, 2),
  ];
  const nodes = m.chance(0.3) ? [...m.nodes].reverse() : m.nodes;
  const [N, ...rest] = [batch, ...shape.slice(1)];
  const inputs = [info('input', isCast ? 'float32' : precision, [N, ...rest])];
  const infos = outputs.map(({ name, dtype }) => info(name, dtype));
  return modelBytes(graph(nodes, inputs, infos, m.initializers), m.opset);
}
