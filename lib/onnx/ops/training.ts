/**
 * ai.onnx.preview.training: Momentum, Adam, Adagrad, version 1.
 *
 * Inputs R (learning rate), T (update count), then all X, all gradients G, all states; outputs the new X, then the new
 * states. The penalty is norm_coefficient·X, added to G. Equations as in ONNX's Operators.md; T = 0 is the
 * first update.
 */
import type { FloatDType } from '../../array/dtype.ts';
import type { Value } from '../../array/value.ts';
import { floatData, floats, scalar } from '../value.ts';
import { power } from './arithmetic.ts';
import type { Context } from './kernel.ts';
import { float, type Inputs, type Kernel, type Operators, operator, required, text } from './kernel.ts';

/** One element's new x and new states. */
type Step = (x: number, g: number, states: readonly number[]) => readonly number[];

/** `step` over every tensor of the groups X, G, states… that follow R and T. */
function update(inputs: Inputs, states: number, step: Step, { precision }: Context): Value[] {
  const groups = 2 + states;
  const count = (inputs.length - 2) / groups;
  if (!Number.isInteger(count) || count < 1)
    throw new Error(`it has ${inputs.length} inputs, not 2 + ${groups}·n`);
  const results: Value[][] = Array.from({ length: 1 + states }, () => []);
  for (let k = 0; k < count; k++) {
    const group = Array.from({ length: groups }, (_, i) => required(inputs, 2 + i * count + k));
    const [x] = group;
    if (group.some((v) => v.shape.join() !== x.shape.join()))
      throw new Error('X, G and states differ in shape');
    const [X, G, ...S] = group.map(floatData);
    const Y = results.map(() => new Float64Array(X.length));
    for (let i = 0; i < X.length; i++) {
      const now = step(
        X[i],
        G[i],
        S.map((state) => state[i]),
      );
      for (const [r, value] of now.entries()) Y[r][i] = value;
    }
    for (const [r, y] of Y.entries()) results[r].push(floats(x.dtype as FloatDType, y, x.shape, precision));
  }
  return results.flat();
}

const momentum: Kernel = (inputs, context) => {
  const { node } = context;
  const [R, T] = [0, 1].map((i) => scalar(required(inputs, i)));
  const [alpha, beta, decay] = ['alpha', 'beta', 'norm_coefficient'].map((name) => {
    if (!node.attributes.has(name)) throw new Error(`attribute '${name}' is missing`);
    return float(node, name, 0);
  });
  const mode = text(node, 'mode', '');
  if (mode !== 'standard' && mode !== 'nesterov') throw new Error(`mode '${mode}' is not known`);
  const scale = T > 0 ? beta : 1;
  return update(
    inputs,
    1,
    (x, g, [v]) => {
      const gradient = decay * x + g;
      const velocity = alpha * v + scale * gradient;
      return [x - R * (mode === 'standard' ? velocity : gradient + alpha * velocity), velocity];
    },
    context,
  );
};

const adagrad: Kernel = (inputs, context) => {
  const { node } = context;
  const [R, T] = [0, 1].map((i) => scalar(required(inputs, i)));
  const decay = float(node, 'norm_coefficient', 0);
  const epsilon = float(node, 'epsilon', 1e-6);
  const rate = R / (1 + T * float(node, 'decay_factor', 0));
  return update(
    inputs,
    1,
    (x, g, [h]) => {
      const gradient = decay * x + g;
      const squares = h + gradient * gradient;
      return [x - (rate * gradient) / (Math.sqrt(squares) + epsilon), squares];
    },
    context,
  );
};

const adam: Kernel = (inputs, context) => {
  const { node } = context;
  const [R, T] = [0, 1].map((i) => scalar(required(inputs, i)));
  const [alpha, beta] = [float(node, 'alpha', 0.9), float(node, 'beta', 0.999)];
  const epsilon = float(node, 'epsilon', 1e-6);
  const decay = float(node, 'norm_coefficient', 0);
  const after = float(node, 'norm_coefficient_post', 0);
  const rate = T > 0 ? (R * Math.sqrt(1 - power(beta, T))) / (1 - power(alpha, T)) : R;
  return update(
    inputs,
    2,
    (x, g, [v, h]) => {
      const gradient = decay * x + g;
      const mean = alpha * v + (1 - alpha) * gradient;
      const squares = beta * h + (1 - beta) * gradient * gradient;
      return [(1 - after) * (x - (rate * mean) / (Math.sqrt(squares) + epsilon)), mean, squares];
    },
    context,
  );
};

export const operators: Operators = {
  Momentum: operator('1', momentum, 'alpha beta mode norm_coefficient'),
  Adagrad: operator('1', adagrad, 'decay_factor epsilon norm_coefficient'),
  Adam: operator('1', adam, 'alpha beta epsilon norm_coefficient norm_coefficient_post'),
};
