/**
 * Stochastic gradient descent with momentum and weight decay, as four sources write it. ε learning rate, µ momentum,
 * λ weight decay, g the gradient of the loss, w weight, v momentum; ε and λ are a parameter's own (`factors`).
 *
 *   paper, as-run   v ← µv − λεw − εg     w ← w + v      section 5; weights.cu of the authors' source
 *   caffe           v ← µv + ε(g + λw)    w ← w − v      sgd_solver.cpp
 *   pytorch         v ← µv + g + λw       w ← w − εv     torch.optim.SGD without dampening
 *
 * For a constant ε the weights (not the biases, see below) take the same path under all four: paper's v is minus
 * Caffe's, and −ε times PyTorch's.
 * After ε drops, PyTorch's steps shrink at once, the others' over some ten steps.
 *
 * Clash   biases. paper and pytorch: as weights. as-run and caffe: twice the rate and no decay (Caffe's lr_mult 2,
 *         decay_mult 0; as-run: 0.02 next to 0.01, and never lowered: schedule.ts).
 * Frozen  a parameter whose rate is 0 stays as it is, its momentum too (cuda-convnet: `if (_epsW > 0)`).
 *
 * Arithmetic is float64; v is rounded once to its storage, then w ← w + v reads the v that was stored and is
 * rounded once.
 */
import { dense, precisionOf, type Storage, type Tensor, tensor, zeros } from '../tensor.ts';

export const rules = ['paper', 'as-run', 'caffe', 'pytorch'] as const;
export type Rule = (typeof rules)[number];

export type Parameters = ReadonlyMap<string, Tensor>;

/** What a parameter multiplies ε and λ by. */
export interface Factor {
  readonly rate: number;
  readonly decay: number;
}

export interface Hyper {
  readonly rule: Rule;
  /** ε. */
  readonly learningRate: number;
  /** µ, default 0.9. */
  readonly momentum?: number;
  /** λ, default 0.0005. */
  readonly weightDecay?: number;
  /** By parameter (`conv1.weight`); those not named have what the rule says. Rate 0: frozen. */
  readonly factors?: ReadonlyMap<string, Factor>;
}

/** The factors of a parameter where nothing else is said. */
export function defaultFactor(rule: Rule, parameter: string): Factor {
  const plain = rule === 'paper' || rule === 'pytorch' || !parameter.endsWith('.bias');
  return plain ? { rate: 1, decay: 1 } : { rate: 2, decay: 0 };
}

/** ε, µ and λ of one parameter. */
export interface Coefficients {
  readonly learningRate: number;
  readonly momentum: number;
  readonly weightDecay: number;
}

export function coefficientsOf(hyper: Hyper, parameter: string): Coefficients {
  const { rule, learningRate, momentum = 0.9, weightDecay = 0.0005, factors } = hyper;
  const factor = factors?.get(parameter) ?? defaultFactor(rule, parameter);
  const own = {
    learningRate: learningRate * factor.rate,
    momentum,
    weightDecay: weightDecay * factor.decay,
  };
  for (const [name, value] of Object.entries(own)) {
    if (!(value >= 0 && value < Infinity)) {
      throw new RangeError(`optimiser: ${name} of ${parameter} must be at least 0 (= ${value})`);
    }
  }
  return own;
}

/** The next w and v of one parameter, stored as w and v are. */
export function update(
  rule: Rule,
  w: Storage,
  v: Storage,
  g: Storage,
  { learningRate, momentum, weightDecay }: Coefficients,
): { w: Storage; v: Storage } {
  const nextW = w.slice() as Storage;
  const nextV = v.slice() as Storage;
  if (learningRate === 0) return { w: nextW, v: nextV };
  const e = learningRate;
  const m = momentum;
  const d = weightDecay;
  if (rule === 'caffe') {
    for (let i = 0; i < w.length; i++) nextV[i] = m * v[i] + e * (g[i] + d * w[i]);
    for (let i = 0; i < w.length; i++) nextW[i] = w[i] - nextV[i];
  } else if (rule === 'pytorch') {
    for (let i = 0; i < w.length; i++) nextV[i] = m * v[i] + (g[i] + d * w[i]);
    for (let i = 0; i < w.length; i++) nextW[i] = w[i] - e * nextV[i];
  } else {
    for (let i = 0; i < w.length; i++) nextV[i] = m * v[i] - d * e * w[i] - e * g[i];
    for (let i = 0; i < w.length; i++) nextW[i] = w[i] + nextV[i];
  }
  return { w: nextW, v: nextV };
}

/** Momenta of 0, shaped and stored as the weights. */
export const zeroMomenta = (weights: Parameters): Map<string, Tensor> =>
  new Map([...weights].map(([name, w]) => [name, zeros(w.shape, precisionOf(w))]));

/**
 * The next weights and momenta of a network. Throws, naming the parameter, where a gradient or a momentum
 * does not fit.
 */
export function updateAll(
  weights: Parameters,
  momenta: Parameters,
  gradients: Parameters,
  hyper: Hyper,
): { weights: Map<string, Tensor>; momenta: Map<string, Tensor> } {
  if (!rules.includes(hyper.rule)) {
    throw new RangeError(`optimiser: unknown rule '${hyper.rule}' (there are: ${rules.join(', ')})`);
  }
  const next = { weights: new Map<string, Tensor>(), momenta: new Map<string, Tensor>() };
  for (const [name, w] of weights) {
    const fitting = (of: string, t: Tensor | undefined): Storage => {
      if (t?.shape.join() !== w.shape.join()) {
        throw new RangeError(
          `optimiser: ${of} of ${name} must be shaped [${w.shape}] (= [${t?.shape ?? 'none'}])`,
        );
      }
      return dense(t);
    };
    const v = fitting('momentum', momenta.get(name));
    const g = fitting('gradient', gradients.get(name));
    const updated = update(hyper.rule, dense(w), v, g, coefficientsOf(hyper, name));
    next.weights.set(name, tensor(updated.w, w.shape));
    next.momenta.set(name, tensor(updated.v, w.shape));
  }
  return next;
}
