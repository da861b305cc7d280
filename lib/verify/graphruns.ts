/** Any ONNX graph's three runs put into words, and the outputs of the untouched one judged. */
import { type Tensor, tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import type { Value } from '../array/value.ts';
import { relativeDifference } from '../judge/judge.ts';
import { evaluateNode } from '../onnx/evaluate.ts';
import type { Model, Node } from '../onnx/model.ts';
import { asTensor, numbers } from '../onnx/value.ts';
import { CHAINS, disturb, type RunReport, stability } from './runs.ts';
import type { LayerReport } from './walk.ts';

export type Values = ReadonlyMap<string, Value>;

/** Whether two values are the same numbers; NaN equals NaN, −0 is not +0. */
export function sameNumbers(a: Value, b: Value): boolean {
  if (a.dtype === 'string' || b.dtype === 'string') return false;
  const [A, B] = [numbers(a), numbers(b)];
  if (A.length !== B.length) return false;
  for (let i = 0; i < A.length; i++) if (!Object.is(A[i], B[i])) return false;
  return true;
}

/** A run whose nodes were compared one by one. */
export function tappedReport(
  layers: readonly LayerReport[],
  optimised: boolean,
  unstable: readonly string[],
): RunReport {
  const failed = layers.find(({ verdict }) => verdict === 'fail');
  const head = { graph: 'tapped', optimised, level: optimised ? 'all' : 'disabled', unstable } as const;
  if (!failed) return { ...head, ...stability(unstable) };
  return { ...head, verdict: 'fail', reason: failed.reason, first: failed.layer };
}

export interface Untouched {
  readonly values: Values;
  readonly unstable: readonly string[];
  /** Outputs that a tapped run, whose nodes were compared, has computed to the same bits. */
  readonly tapped: readonly Values[];
  readonly model: Model;
  /** All nodes that depend on what is fed, in order. */
  readonly nodes: readonly Node[];
  /** The oracle's own values. */
  readonly chain: Values;
  /** Tier 2's expected error, or the bound, by value. */
  readonly expected: ReadonlyMap<string, Float64Array>;
}

/**
 * The outputs of the graph as it is, optimised: as a tapped run has them, or within what right rounding
 * carries there.
 */
export function untouchedReport(run: Untouched): RunReport {
  const { values, unstable, tapped, chain } = run;
  const head = { graph: 'untouched', optimised: true, level: 'all', unstable } as const;
  const open = [...values].filter(([name, y]) => {
    const seen = (one: Values): boolean => sameNumbers(one.get(name) as Value, y);
    return isFloat(y.dtype) && !tapped.some((one) => one.has(name) && seen(one));
  });
  const allowed = open.length === 0 ? new Map<string, number>() : allowance(run);
  for (const [name, y] of open) {
    const difference = relativeDifference(asTensor(y), asTensor(chain.get(name) as Value));
    const most = allowed.get(name) ?? 0;
    if (difference <= most) continue;
    const reason = `off by ${difference.toExponential(1)} of the output, right rounding carries at most ${most.toExponential(1)}`;
    return { ...head, verdict: 'fail', reason, first: name };
  }
  return { ...head, ...stability(unstable) };
}

/** By value: the largest relative difference that expected rounding errors make in some chains with random signs. */
function allowance({ model, nodes, chain, expected }: Untouched): Map<string, number> {
  const allowed = new Map<string, number>();
  for (let draw = 0; draw < CHAINS; draw++) {
    const values = new Map<string, Value>([...model.graph.initializers, ...chain]);
    for (const node of nodes) {
      for (const [name, made] of evaluateNode(model, node, values, 'float32')) {
        const y = isFloat(made.dtype) ? copy(asTensor(made)) : null;
        if (y) disturb(y, expected.get(name), draw, name);
        values.set(name, y ? ({ ...made, data: y.data } as Value) : made);
        if (!y) continue;
        const difference = relativeDifference(y, asTensor(chain.get(name) as Value));
        allowed.set(name, Math.max(difference, allowed.get(name) ?? 0));
      }
    }
  }
  return allowed;
}

const copy = (t: Tensor): Tensor => tensor(t.data.slice() as Float32Array, t.shape);
