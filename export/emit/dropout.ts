/**
 * Dropout at test time.
 *
 * ONNX         'paper': Mul by 1 − ratio; 'inverted': Identity.
 * Spec         spec/export/emit.spec.ts
 * Not emitted  Dropout: it does nothing in an inference graph, its form changed in 7, 10 and 12, and not every device
 *              has it.
 */
import type { Emit, EmitBackward, EmitTraining } from './emitter.ts';

export const paper = 'section 4.2';

export const emit: Emit<'dropout'> = (g, layer, [x]) => {
  const { name, attributes } = layer;
  if (attributes.convention === 'inverted') return g.node('Identity', [x], name, {}, paper);
  return g.node('Mul', [x, g.scalar(`${name}/keep`, 1 - attributes.ratio)], name, {}, paper);
};

/**
 * Dropout in training: y = m·x ('paper') or m·x/(1 − ratio) ('inverted') for a mask that is a graph input,
 * <layer>.mask, uint8 (N,…), 1 keep and 0 drop. Without masks there is neither mask nor scaling.
 */
export const emitTraining: EmitTraining<'dropout'> = (g, layer, [x], masked) => {
  const { name, attributes } = layer;
  if (!masked) return g.node('Identity', [x], name, {}, paper);
  const mask = g.input(`${name}.mask`, g.dims(x), 'uint8');
  const kept = g.cast(mask, `${name}/mask`, 'float32');
  const scale = attributes.convention === 'paper' ? 1 : 1 / (1 - attributes.ratio);
  const factor = g.node('Mul', [kept, g.scalar(`${name}/scale`, scale)], `${name}/factor`);
  return g.node('Mul', [x, factor], name, {}, paper);
};

/** dx = factor·dy. */
export const backward: EmitBackward<'dropout'> = (g, layer, { dy, dx: [dx] }) => {
  const factor = `${layer.name}/factor`;
  if (g.has(factor)) g.node('Mul', [dy, factor], dx);
  else g.node('Identity', [dy], dx);
};
