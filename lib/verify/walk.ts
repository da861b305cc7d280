/**
 * Walks a network layer by layer and compares a device's values with the oracle's: every layer recomputed from the
 * device's own input to it (what this layer introduced), and against the oracle's own chain (what has accumulated).
 */
import type { Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../reference/oracle.ts';
import type { Shape, Tensor } from '../../reference/tensor.ts';
import type { Bounds, Context } from '../bounds/bounds.ts';
import { type Details, layerDetails } from '../judge/details.ts';
import { type Comparison, relativeDifference, type Verdict } from '../judge/judge.ts';
import { judgeLayer } from '../judge/layer.ts';

export interface LayerReport {
  readonly layer: string;
  /** The layer's kind, or an ONNX operator. */
  readonly kind: string;
  readonly shape: Shape;
  readonly verdict: Verdict;
  /** One line: why not `pass`; empty if it is. */
  readonly reason: string;
  /** Error that this layer introduced; null where there was nothing to compare. */
  readonly introduced: Comparison | null;
  /** ‖device − oracle‖ / ‖oracle‖ of the two chains. */
  readonly accumulated: number | null;
  /** For reports: how the introduced errors are distributed. */
  readonly details?: Details;
}

export interface Walk {
  readonly network: Network;
  readonly weights: Weights;
  /** The device's value of a layer, or 'input'; undefined where it has none. */
  readonly device: (layer: string) => Tensor | undefined;
  /** The oracle's own chain. */
  readonly oracle: (layer: string) => Tensor;
  /** Disagreements found before any number was compared. */
  readonly faults: ReadonlyMap<string, string>;
  readonly context: (layer: Layer) => Context;
  /** Sees each layer's ŷ and bounds. */
  readonly observe?: (layer: Layer, exact: Tensor, bounds: Bounds) => void;
}

/** One report a layer, in the network's order. */
export function walk({ network, weights, device, oracle, faults, context, observe }: Walk): LayerReport[] {
  return network.layers.map((layer, at) => {
    const y = device(layer.name);
    const inputs = inputsOf(network, at).map(device);
    const expected = oracle(layer.name);
    const head = { layer: layer.name, kind: layer.kind, shape: expected.shape };
    const fault = faults.get(layer.name);
    if (fault !== undefined || !y || !inputs.every((x) => x !== undefined)) {
      const reason = fault ?? 'its input could not be read';
      return { ...head, verdict: 'fail', reason, introduced: null, accumulated: null };
    }
    if (y.shape.join() !== expected.shape.join()) {
      const reason = `shape [${y.shape}] on the device, [${expected.shape}] in the oracle`;
      return { ...head, verdict: 'fail', reason, introduced: null, accumulated: null };
    }
    const about = context(layer);
    let details: Details | undefined;
    const introduced = judgeLayer(layer, inputs, y, weights, about, (exact, bounds) => {
      observe?.(layer, exact, bounds);
      details = layerDetails(y, exact, bounds, about.half);
    });
    const { verdict, reason } = introduced;
    return { ...head, verdict, reason, introduced, accumulated: relativeDifference(y, expected), details };
  });
}
