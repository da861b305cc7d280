/**
 * ai.onnx.preview.training: Momentum, Adam, Adagrad, version 1.
 *
 * Inputs R (learning rate), T (update count), then all X, all gradients G, all states; outputs the new X, then the new
 * states. The penalty is norm_coefficient·X, added to G. Equations as in ONNX's Operators.md; T = 0 is the
 * first update.
 */
import type { Value } from '../../array/value.ts';
import { floatData, only } from '../value.ts';
import { power } from './arithmetic.ts';
import { type Call, type Kernel, type Operators, operator } from './kernel.ts';

/** One element's new x and new states. */
type Step = (x: number, g: number, states: readonly number[]) => readonly number[];

/** The step that `of` makes of R and T, over every tensor of the groups X, G, states… that follow them. */
const optimiser =
  (states: number, of: (call: Call, R: number, T: number) => Step): Kernel =>
  (call) => {
    const [R, T, ...tensors] = call.inputs();
    const groups = 2 + states;
    const count = tensors.length / groups;
    if (!Number.isInteger(count) || count < 1) {
      throw new Error(`it has ${call.given.length} inputs, not 2 + ${groups}·n`);
    }
    const step = of(call, only(R), only(T));
    const results: Value[][] = Array.from({ length: 1 + states }, () => []);
    for (let k = 0; k < count; k++) {
      const group = Array.from({ length: groups }, (_, i) => tensors[i * count + k]);
      const [x] = group;
      if (group.some((v) => v.shape.join() !== x.shape.join()))
        throw new Error('X, G and states differ in shape');
      const [X, G, ...S] = group.map(floatData);
      const Y = results.map(() => new Float64Array(X.length));
      for (let i = 0; i < X.length; i++) {
        const old = S.map((state) => state[i]);
        for (const [r, value] of step(X[i], G[i], old).entries()) Y[r][i] = value;
      }
      for (const [r, y] of Y.entries()) results[r].push(call.floats(x, y));
    }
    return results.flat();
  };

const momentum = optimiser(1, (call, R, T) => {
  const alpha = call.float('alpha');
  const scale = T > 0 ? call.float('beta') : 1;
  const decay = call.float('norm_coefficient');
  if (!call.has('mode')) throw new Error("attribute 'mode' is missing");
  const mode = call.word('mode', 'standard', 'nesterov');
  return (x, g, [v]) => {
    const gradient = decay * x + g;
    const velocity = alpha * v + scale * gradient;
    return [x - R * (mode === 'standard' ? velocity : gradient + alpha * velocity), velocity];
  };
});

const adagrad = optimiser(1, (call, R, T) => {
  const decay = call.float('norm_coefficient', 0);
  const epsilon = call.float('epsilon', 1e-6);
  const rate = R / (1 + T * call.float('decay_factor', 0));
  return (x, g, [h]) => {
    const gradient = decay * x + g;
    const squares = h + gradient * gradient;
    return [x - (rate * gradient) / (Math.sqrt(squares) + epsilon), squares];
  };
});

const adam = optimiser(2, (call, R, T) => {
  const alpha = call.float('alpha', 0.9);
  const beta = call.float('beta', 0.999);
  const epsilon = call.float('epsilon', 1e-6);
  const decay = call.float('norm_coefficient', 0);
  const after = call.float('norm_coefficient_post', 0);
  const rate = T > 0 ? (R * Math.sqrt(1 - power(beta, T))) / (1 - power(alpha, T)) : R;
  return (x, g, [v, h]) => {
    const gradient = decay * x + g;
    const mean = alpha * v + (1 - alpha) * gradient;
    const squares = beta * h + (1 - beta) * gradient * gradient;
    return [(1 - after) * (x - (rate * mean) / (Math.sqrt(squares) + epsilon)), mean, squares];
  };
});

export const operators: Operators = {
  Momentum: operator('1', momentum, 'alpha beta mode norm_coefficient'),
  Adagrad: operator('1', adagrad, 'decay_factor epsilon norm_coefficient'),
  Adam: operator('1', adam, 'alpha beta epsilon norm_coefficient norm_coefficient_post'),
};
