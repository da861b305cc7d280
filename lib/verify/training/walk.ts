/**
 * Goes forward and back through a network and compares a device's values with the oracle's: every layer's
 * value and every gradient recomputed from the device's own operands (what was introduced), and against the
 * oracle's chain (accumulated).
 */
import type { Layer, Network } from '../../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../../reference/oracle.ts';
import { dense, type Tensor } from '../../../reference/tensor.ts';
import { type Masks, recordLayer, trunk } from '../../../reference/training/gradient.ts';
import { arithmetic } from '../../bounds/arithmetic.ts';
import { type Bounds, type Context, type Judged, summed } from '../../bounds/bounds.ts';
import { scaledByMask } from '../../bounds/elementwise.ts';
import { lossBounds } from '../../bounds/loss.ts';
import { backwardOf, boundsOf } from '../../bounds/operations.ts';
import { operations } from '../../fast/index.ts';
import { layerDetails } from '../../judge/details.ts';
import { type Comparison, compare, relativeDifference } from '../../judge/judge.ts';
import type { LayerReport } from '../walk.ts';

/** Values by the names that the graphs give them: conv1, dconv1, dconv1.weight, dinput, loss. */
export type Named = (name: string) => Tensor | undefined;

export interface TrainingWalk {
  readonly network: Network;
  /** The device's own at this step. */
  readonly weights: Weights;
  readonly labels: ArrayLike<number>;
  readonly dropout: Masks | 'none';
  readonly device: Named;
  readonly oracle: Named;
  /** Names that the graph should have; others are not judged. */
  readonly wanted: ReadonlySet<string>;
  /** What the loss's gradient is multiplied by. */
  readonly factor: number;
  readonly context: Context;
  /** Whether these values were judged before, bit for bit. */
  readonly known?: (names: readonly string[]) => boolean;
  /** Sees each value's bounds. */
  readonly observe?: (name: string, bounds: Bounds) => void;
}

/** A report for each wanted value, in the order in which the graph computes them. */
export function trainingWalk(walk: TrainingWalk): LayerReport[] {
  const net = trunk(walk.network);
  const logits = net.layers[net.layers.length - 1].name;
  return [
    ...net.layers.flatMap((_, at) => forwardRow(walk, net, at)),
    ...lossRows(walk, logits),
    ...backRows(walk, net),
  ];
}

const present = (values: readonly (Tensor | undefined)[]): values is readonly Tensor[] =>
  values.every((value) => value !== undefined);

function forwardRow(walk: TrainingWalk, net: Network, at: number): LayerReport[] {
  const { device, weights, dropout, context, known } = walk;
  const layer = net.layers[at];
  const names = inputsOf(net, at);
  if (known?.([...names, layer.name])) return [];
  const inputs = names.map(device);
  return row(walk, layer.name, layer.kind, present(inputs), () => {
    const xs = inputs as readonly Tensor[];
    const exact = recordLayer(layer, xs, weights, dropout, { precision: 'float64', operations }).y;
    if (layer.kind !== 'dropout') return { exact, bounds: boundsOf(layer, xs, exact, weights, context) };
    return scaledByMask(layer.attributes, exact, dropout !== 'none', arithmetic[context.device]);
  });
}

function lossRows(walk: TrainingWalk, logits: string): LayerReport[] {
  const { device, labels, factor, context, known } = walk;
  if (known?.([logits, 'loss', `d${logits}`])) return [];
  const z = device(logits);
  const judged = z && lossBounds(z, labels, factor, context.device);
  return [
    ...row(walk, 'loss', 'loss', judged !== undefined, () => judged!.loss),
    ...row(walk, `d${logits}`, 'gradient of loss', judged !== undefined, () => judged!.dlogits),
  ];
}

/**
 * From the last layer to the first: its parameters' gradients, then those of the values whose readers are all
 * done.
 */
function backRows(walk: TrainingWalk, net: Network): LayerReport[] {
  const rows: LayerReport[] = [];
  const parts = new Map<string, (Judged | null)[]>();
  const readers = firstReaders(net);
  for (let at = net.layers.length - 1; at >= 0; at--) {
    const layer = net.layers[at];
    const inputs = inputsOf(net, at);
    const own = [`d${layer.name}.weight`, `d${layer.name}.bias`].filter((name) => walk.wanted.has(name));
    const needs = inputs.some((name) => walk.wanted.has(`d${name}`));
    if (own.length === 0 && !needs) continue;
    const made = [...own, ...inputs.map((name) => `d${name}`)].filter((name) => walk.wanted.has(name));
    const once = inputs.every((name) => readers.get(name)?.only);
    if (once && walk.known?.([...inputs, layer.name, `d${layer.name}`, ...made])) continue;
    const found = going(walk, layer, inputs, needs);
    const kind = `gradient of ${layer.kind}`;
    for (const name of own) {
      const part = name.endsWith('.weight') ? 'dw' : 'db';
      rows.push(...row(walk, name, kind, found !== null, () => found![part] as Judged));
    }
    for (const [i, name] of inputs.entries())
      parts.set(name, [...(parts.get(name) ?? []), found?.dxs[i] ?? null]);
    for (const name of new Set(inputs)) {
      if (readers.get(name)?.first !== at) continue;
      const all = parts.get(name)!;
      parts.delete(name);
      const sum = (): Judged => summed((all as Judged[]).reverse(), arithmetic[walk.context.device]);
      rows.push(...row(walk, `d${name}`, kind, !all.includes(null), sum));
    }
  }
  return rows;
}

/** The first layer that reads each value, and whether it is read only once. */
function firstReaders(net: Network): ReadonlyMap<string, { first: number; only: boolean }> {
  const readers = new Map<string, { first: number; only: boolean }>();
  for (const at of net.layers.keys()) {
    for (const name of inputsOf(net, at)) {
      const known = readers.get(name);
      readers.set(name, known ? { ...known, only: false } : { first: at, only: true });
    }
  }
  return readers;
}

interface Going {
  readonly dxs: readonly (Judged | null)[];
  readonly dw?: Judged;
  readonly db?: Judged;
}

/** Null where the device lacks an operand. */
function going(walk: TrainingWalk, layer: Layer, names: readonly string[], needs: boolean): Going | null {
  const { device, weights, dropout, context } = walk;
  const inputs = names.map(device);
  const [y, dy] = [device(layer.name), device(`d${layer.name}`)];
  if (!present(inputs) || !y || !dy) return null;
  const mask = dropout === 'none' ? undefined : dropout.get(layer.name);
  return backwardOf(layer, { inputs, weights, y, dy, mask, wanted: { dx: needs } }, context);
}

/** The report of one value, if it is wanted. */
function row(
  walk: TrainingWalk,
  name: string,
  kind: string,
  fed: boolean,
  judge: () => Judged,
): LayerReport[] {
  if (!walk.wanted.has(name)) return [];
  const y = walk.device(name);
  if (!y || !fed) {
    const reason = y ? 'its operands could not be read' : 'the model has no such value';
    const shape = walk.oracle(name)?.shape ?? [];
    return [{ layer: name, kind, shape, verdict: 'fail', reason, introduced: null, accumulated: null }];
  }
  const { exact, bounds } = judge();
  walk.observe?.(name, bounds);
  return [report({ name, kind }, y, { exact, bounds }, walk.oracle(name), walk.context)];
}

/**
 * Where 0 is within every bound nothing can be told: gradients of a loss that is all but 0 are below
 * float32's range.
 */
function orVanishing(found: Comparison, exact: Tensor, { bound }: Bounds): Comparison {
  if (found.verdict !== 'fail' || found.beyond > 0) return found;
  const E = dense(exact);
  if (!bound.every((limit, i) => Math.abs(E[i]) <= limit)) return found;
  return { ...found, verdict: 'untested', reason: 'too small to be told from 0: this tests nothing' };
}

/** Values for whose errors histograms are drawn: those of more elements take longer than the comparison. */
const DETAILED = 1 << 22;

/** Compares one value. */
export function report(
  { name, kind }: { readonly name: string; readonly kind: string },
  y: Tensor,
  { exact, bounds }: Judged,
  chain: Tensor | undefined,
  { operands }: Context,
): LayerReport {
  const head = { layer: name, kind, shape: exact.shape };
  if (y.shape.join() !== exact.shape.join()) {
    const reason = `shape [${y.shape}] on the device, [${exact.shape}] in the oracle`;
    return { ...head, verdict: 'fail', reason, introduced: null, accumulated: null };
  }
  const introduced = orVanishing(compare(y, exact, bounds, operands), exact, bounds);
  const { verdict, reason } = introduced;
  const accumulated = chain ? relativeDifference(y, chain) : null;
  const details = exact.size > DETAILED ? undefined : layerDetails(y, exact, bounds, false);
  return { ...head, verdict, reason, introduced, accumulated, details };
}
