/**
 * The values of a graph that goes forward and back, as computations: every layer's value, the loss, and every
 * gradient, each recomputed from the device's own operands. Names are the graph's: conv1, loss, dconv1,
 * dconv1.weight, dinput.
 */
import type { Layer, Network } from '../../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../../reference/oracle.ts';
import type { Tensor } from '../../../reference/tensor.ts';
import { type Masks, recordLayer, trunk } from '../../../reference/training/gradient.ts';
import { arithmetic } from '../../bounds/arithmetic.ts';
import { type Context, type Judged, type JudgedGradients, summed } from '../../bounds/bounds.ts';
import { scaledByMask } from '../../bounds/elementwise.ts';
import { lossBounds } from '../../bounds/loss.ts';
import { backwardOf, forwardOf } from '../../bounds/operations.ts';
import { operations } from '../../fast/index.ts';
import { type Computation, tensorOf, type Values } from '../subject.ts';

export interface ForwardAndBack {
  readonly network: Network;
  /** The device's own at this step. */
  readonly weights: Weights;
  readonly labels: ArrayLike<number>;
  readonly dropout: Masks | 'none';
  /** Names that the graph should have; others are not judged. */
  readonly wanted: ReadonlySet<string>;
  /** What the loss's gradient is multiplied by. */
  readonly factor: number;
  readonly context: Context;
}

/** In the order in which the graph computes them. */
export function forwardAndBack(pass: ForwardAndBack): Computation[] {
  const net = trunk(pass.network);
  const all = [
    ...net.layers.map((_, at) => forward(pass, net, at)),
    lossOf(pass, net.layers[net.layers.length - 1].name),
    ...backward(pass, net),
  ];
  return all.map((one) => only(one, pass.wanted)).filter(({ makes }) => makes.length > 0);
}

/** The computation without the values that nobody wants. */
function only(computation: Computation, wanted: ReadonlySet<string>): Computation {
  const { makes } = computation;
  const kept = [...makes.keys()].filter((i) => wanted.has(makes[i].name));
  return {
    ...computation,
    makes: kept.map((i) => makes[i]),
    judge(values) {
      const judged = computation.judge(values);
      return kept.map((i) => judged[i]);
    },
  };
}

function forward({ weights, dropout, context }: ForwardAndBack, net: Network, at: number): Computation {
  const layer = net.layers[at];
  const reads = inputsOf(net, at);
  const inputsIn = (values: Values): Tensor[] => reads.map((name) => tensorOf(values(name)));
  const common = { reads, makes: [{ name: layer.name, kind: layer.kind }] };
  if (layer.kind !== 'dropout') {
    return {
      ...common,
      judge: (values) => [forwardOf(layer, inputsIn(values), weights, context)],
      layer: (values) => ({ layer, inputs: inputsIn(values), weights }),
    };
  }
  return {
    ...common,
    judge(values) {
      const { y } = recordLayer(layer, inputsIn(values), weights, dropout, {
        precision: 'float64',
        operations,
      });
      return [scaledByMask(layer.attributes, y, dropout !== 'none', arithmetic[context.device])];
    },
  };
}

function lossOf({ labels, factor, context }: ForwardAndBack, logits: string): Computation {
  return {
    reads: [logits],
    makes: [
      { name: 'loss', kind: 'loss' },
      { name: `d${logits}`, kind: 'gradient of loss' },
    ],
    judge(values) {
      const { loss, dlogits } = lossBounds(tensorOf(values(logits)), labels, factor, context.device);
      return [loss, dlogits];
    },
  };
}

/**
 * From the last layer to the first: its parameters' gradients and those of what it alone reads, then the sums for
 * values that several layers read, at the first of their readers.
 */
function backward(pass: ForwardAndBack, net: Network): Computation[] {
  const readers = readersOf(net);
  const shared = (name: string): boolean => readers.get(name)!.length > 1;
  const going = new Going(pass, net);
  const computations: Computation[] = [];
  for (let at = net.layers.length - 1; at >= 0; at--) {
    const { name, kind } = net.layers[at];
    const inputs = inputsOf(net, at);
    const parts = [
      { name: `d${name}.weight`, of: (found: JudgedGradients) => found.dw },
      { name: `d${name}.bias`, of: (found: JudgedGradients) => found.db },
      ...inputs.map((input, i) => ({ name: `d${input}`, of: (found: JudgedGradients) => found.dxs[i] })),
    ].filter((part) => pass.wanted.has(part.name) && !inputs.some((i) => `d${i}` === part.name && shared(i)));
    computations.push({
      reads: going.reads(at),
      makes: parts.map((part) => ({ name: part.name, kind: `gradient of ${kind}` })),
      judge(values) {
        const found = going.back(at, values, inputs.some(shared));
        return parts.map(({ of }) => of(found) ?? null);
      },
    });
    for (const input of new Set(inputs.filter(shared))) {
      const of = readers.get(input)!;
      if (of[0].at !== at) continue;
      computations.push({
        reads: of.flatMap((reader) => going.reads(reader.at)),
        makes: [{ name: `d${input}`, kind: `gradient of ${kind}` }],
        judge(values) {
          const found = of.map((reader) => going.back(reader.at, values, true).dxs[reader.i] as Judged);
          return [summed(found, arithmetic[pass.context.device])];
        },
      });
    }
  }
  return computations;
}

/** Who reads a value: layers, and as which of their inputs. */
function readersOf(net: Network): ReadonlyMap<string, readonly { at: number; i: number }[]> {
  const readers = new Map<string, { at: number; i: number }[]>();
  for (const at of net.layers.keys())
    for (const [i, name] of inputsOf(net, at).entries())
      readers.set(name, [...(readers.get(name) ?? []), { at, i }]);
  return readers;
}

/** Goes back through one layer at a time; what several computations need is computed once and kept. */
class Going {
  readonly #kept = new Map<number, JudgedGradients>();
  readonly #pass: ForwardAndBack;
  readonly #net: Network;

  constructor(pass: ForwardAndBack, net: Network) {
    this.#pass = pass;
    this.#net = net;
  }

  reads(at: number): string[] {
    const { name } = this.#net.layers[at];
    return [...inputsOf(this.#net, at), name, `d${name}`];
  }

  back(at: number, values: Values, keep: boolean): JudgedGradients {
    const kept = this.#kept.get(at);
    if (kept) return kept;
    const { weights, dropout, wanted, context } = this.#pass;
    const layer: Layer = this.#net.layers[at];
    const names = inputsOf(this.#net, at);
    const pass = {
      inputs: names.map((name) => tensorOf(values(name))),
      weights,
      y: tensorOf(values(layer.name)),
      dy: tensorOf(values(`d${layer.name}`)),
      mask: dropout === 'none' ? undefined : dropout.get(layer.name),
      wanted: { dx: names.some((name) => wanted.has(`d${name}`)) },
    };
    const found = backwardOf(layer, pass, context);
    if (keep) this.#kept.set(at, found);
    return found;
  }
}
