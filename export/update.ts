/**
 * One step of gradient descent with momentum and weight decay, ε a run-time scalar, r and d a parameter's own factors.
 *
 *   paper    v ← µv − rε(dλw + g)     w ← w + v       section 5, and cuda-convnet's with rates per layer
 *   caffe    v ← µv + rε(dλw + g)     w ← w − v       sgd_solver.cpp
 *   pytorch  v ← µv + dλw + g         w ← w − rεv     torch.optim.SGD without dampening
 *
 * The first two multiply the loss's gradient by ∓ε once, so that every gradient below it comes scaled.
 */
import type { GraphBuilder } from './graph.ts';

export type UpdateRule = 'paper' | 'caffe' | 'pytorch';

export interface Descent {
  readonly rule: UpdateRule;
  /** µ. */
  readonly momentum: number;
  /** λ. */
  readonly weightDecay: number;
  /** r and d of a parameter; 1 and 1 where it is not named. r = 0: frozen. */
  readonly factors: ReadonlyMap<string, { readonly rate: number; readonly decay: number }>;
}

/** Where a gradient is: as a value, or as the product dyᵀ·x, not made yet. */
export type GradientSource = { readonly value: string } | { readonly dy: string; readonly x: string };

export const factorsOf = ({ factors }: Descent, parameter: string): { rate: number; decay: number } =>
  factors.get(parameter) ?? { rate: 1, decay: 1 };

const sign = { paper: -1, caffe: 1 } as const;

/** The scalar by which the loss's gradient is multiplied; undefined for 1. */
export function emitLossFactor(g: GraphBuilder, { rule }: Descent, learningRate: string): string | undefined {
  if (rule === 'pytorch') return undefined;
  if (rule === 'caffe') return learningRate;
  return g.node('Mul', [learningRate, g.scalar('step/minus', -1)], 'step/factor');
}

/**
 * Adds `<parameter>.next` and `<parameter>.velocity.next`; the inputs `<parameter>` and
 * `<parameter>.velocity` must be there.
 */
export function emitUpdate(
  g: GraphBuilder,
  descent: Descent,
  parameter: string,
  gradient: GradientSource,
  learningRate: string,
): void {
  const { rule, momentum } = descent;
  const { rate } = factorsOf(descent, parameter);
  const v = `${parameter}.velocity`;
  const next = `${v}.next`;
  const before = withDecay(g, descent, parameter, learningRate);
  const scale = rule === 'pytorch' ? 1 : rate;
  if ('dy' in gradient) {
    const beta = momentum === 0 ? 1 : momentum;
    const inputs = [gradient.dy, gradient.x, ...before];
    g.node('Gemm', inputs, next, { transA: 1, alpha: scale, ...(before.length > 0 ? { beta } : {}) });
  } else {
    const own = scale === 1 ? gradient.value : scaled(g, gradient.value, scale, `${v}/own`);
    const kept = before.map((x) => (momentum === 0 ? x : scaled(g, x, momentum, `${v}/kept`)));
    if (kept.length > 0) g.node('Add', [...kept, own], next);
    else g.node('Identity', [own], next);
  }
  if (rule === 'paper') g.node('Add', [parameter, next], `${parameter}.next`);
  else if (rule === 'caffe') g.node('Sub', [parameter, next], `${parameter}.next`);
  else {
    const step = rate === 1 ? learningRate : rated(g, learningRate, rate);
    g.node('Sub', [parameter, g.node('Mul', [next, step], `${v}/step`)], `${parameter}.next`);
  }
}

/**
 * [v + cw/µ], of which µ times is the first two terms of the rule: one pass over the weights less than µv +
 * cw. For µ = 0 it is [cw], or nothing without decay.
 */
function withDecay(g: GraphBuilder, descent: Descent, parameter: string, learningRate: string): string[] {
  const { rule, weightDecay, momentum } = descent;
  const { rate, decay } = factorsOf(descent, parameter);
  const lambda = (weightDecay * decay) / (momentum || 1);
  const velocity = momentum === 0 ? [] : [`${parameter}.velocity`];
  if (lambda === 0) return velocity;
  const coefficient =
    rule === 'pytorch'
      ? shared(g, `step/decay ${lambda}`, lambda)
      : rated(g, learningRate, sign[rule] * lambda * rate);
  const decayed = g.node('Mul', [parameter, coefficient], `${parameter}/decayed`);
  if (momentum === 0) return [decayed];
  return [g.node('Add', [...velocity, decayed], `${parameter}/before`)];
}

/** The learning rate times a constant, made once for all parameters that use it. */
function rated(g: GraphBuilder, learningRate: string, factor: number): string {
  const name = `step/rate ${factor}`;
  return g.has(name) ? name : g.node('Mul', [learningRate, g.scalar(`${name}/factor`, factor)], name);
}

const shared = (g: GraphBuilder, name: string, value: number): string =>
  g.has(name) ? name : g.scalar(name, value);

const scaled = (g: GraphBuilder, x: string, factor: number, name: string): string =>
  g.node('Mul', [x, shared(g, `step/times ${factor}`, factor)], name);
