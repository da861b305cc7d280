/** What `verify` finds: a row a value, a report a run, the verdict. */
import type { Shape, Tensor } from '../../reference/tensor.ts';
import type { Requirement } from '../bounds/arithmetic.ts';
import type { Details } from '../judge/details.ts';
import type { Comparison, Verdict } from '../judge/judge.ts';
import type { Margin } from '../judge/margin.ts';
import type { Why } from '../judge/why.ts';
import type { Executor } from '../runtime/failures.ts';
import type { Evidence } from './bundle.ts';
import type { Repeat, Way } from './provider.ts';

export interface LayerReport {
  /** Name of the layer, node or gradient. */
  readonly layer: string;
  /** The layer's kind, or an ONNX operator. */
  readonly kind: string;
  readonly shape: Shape;
  readonly verdict: Verdict;
  /** One line: why not `pass`; empty if it is. */
  readonly reason: string;
  /** Layers that a dump lacks and that were judged together with this one, from the last value that is there. */
  readonly through?: readonly string[];
  /** Error that this layer introduced; null where there was nothing to compare. */
  readonly introduced: Comparison | null;
  /** ‖device − oracle‖ / ‖oracle‖ of the two chains. */
  readonly accumulated: number | null;
  /** For reports: how the introduced errors are distributed. */
  readonly details?: Details;
}

export interface LayerRow extends LayerReport {
  /** Devices that ran this layer's nodes: CPU, CUDA, WebGPU. */
  readonly devices: readonly string[];
}

export interface RunReport extends Way {
  /** Of verify --graph: which of its models. */
  readonly model?: 'gradients' | 'training';
  readonly optimised: boolean;
  readonly verdict: Verdict;
  /** One line: why not `pass`; empty if it is. */
  readonly reason: string;
  /** First layer that failed in this run. */
  readonly first: string | null;
  /** Layers that were not the same bit for bit in every repetition. */
  readonly unstable: readonly string[];
}

export interface Verification {
  /** Name of the network, or of the graph. */
  readonly network: string;
  readonly input: Shape;
  /** Whose arithmetic was assumed. */
  readonly device: Executor;
  /** `norm1 norm2 on CPU, 22 of 24 on WebGPU`. */
  readonly placement: string;
  readonly required: Requirement;
  readonly layers: readonly LayerRow[];
  /** The same model in several ways, because tapping hides what fusion breaks. */
  readonly runs: readonly RunReport[];
  readonly verdict: Verdict;
  /** First layer that failed. */
  readonly first: string | null;
  /** That layer taken apart; null where nothing failed, or a fault was seen before any number. */
  readonly why: Why | null;
  /** What rounding can do to the answer; null where there are no classes. */
  readonly margin: Margin | null;
  /** What --repeat adds. */
  readonly repeats?: readonly Repeat[];
  /** What --endpoint adds. */
  readonly served?: ServedBy;
  /** What --towers adds. */
  readonly towers?: Towers;
  /** What --graph adds. */
  readonly training?: Training;
  /** The device's and the oracle's values by layer, with the input as 'input'. */
  readonly values: {
    readonly device: ReadonlyMap<string, Tensor>;
    readonly oracle: ReadonlyMap<string, Tensor>;
    /** Of those that the device stored as halves. */
    readonly types?: ReadonlyMap<string, 'float16' | 'bfloat16'>;
  };
  /** The first failing layer as the device met it, for a bug report; null as `why` is. */
  readonly evidence: Evidence | null;
}

/** Whom the values are from, and how long it took. */
export interface ServedBy {
  readonly address: string;
  /** The server's words. */
  readonly model: string;
  readonly platform: string;
  /** Images a request takes at most; null where the server does not say. */
  readonly maxBatch: number | null;
  /** Of the requests that were sent. */
  readonly images: number;
  /** Median of the requests. */
  readonly milliseconds: number;
  readonly requests: number;
}

/** What two devices exchanged in the first run. */
export interface Towers {
  /** The first tower's and the second's. */
  readonly devices: readonly string[];
  readonly images: number;
  readonly exchanges: readonly Exchanged[];
  /** Of all exchanges. */
  readonly bytes: number;
  /** What section 3.2 and the released source exchange. */
  readonly paper: number;
}

/** What one tower sent the other before a layer. */
export interface Exchanged {
  readonly before: string;
  /** The layer whose maps, from 'from' up to 'to', they are. */
  readonly value: string;
  readonly from: number;
  readonly to: number;
  readonly sender: number;
  readonly receiver: number;
  readonly bytes: number;
  /** Whether it is a gradient, which goes back. */
  readonly back: boolean;
  /** Whether it is in the paper's layout. */
  readonly paper: boolean;
}

export interface Training {
  readonly graph: 'gradients' | 'training';
  readonly labels: readonly number[];
  /** 'none', or where the masks are from. */
  readonly dropout: string;
  readonly steps?: number;
  readonly rule?: string;
  readonly learningRate?: number;
  readonly momentum?: number;
  readonly weightDecay?: number;
}

/** fail if any layer does; else untested if the output is, as then nothing was shown; else suspicious if any is. */
export function overall(layers: readonly LayerReport[], runs: readonly RunReport[] = []): Verdict {
  if ([...layers, ...runs].some(({ verdict }) => verdict === 'fail')) return 'fail';
  if (layers.at(-1)?.verdict === 'untested') return 'untested';
  return layers.some(({ verdict }) => verdict === 'suspicious') ? 'suspicious' : 'pass';
}
