/**
 * The values of a graph that goes forward and back, as computations: every layer's value, the loss, and every
 * gradient, each recomputed from the device's own operands. Names are the graph's: conv1, loss, dconv1,
 * dconv1.weight, dinput.
 */
import type { Network } from '../../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../../reference/oracle.ts';
import { type Batch, recordLayer, trunk } from '../../../reference/training/gradient.ts';
import { arithmetic } from '../../bounds/arithmetic.ts';
import { type BackwardPass, type BoundsContext, type Judged, summed } from '../../bounds/bounds.ts';
import { scaledByMask } from '../../bounds/elementwise.ts';
import { lossBounds } from '../../bounds/loss.ts';
import { judgedGradients, judgedOutput } from '../../bounds/operations.ts';
import { operations } from '../../fast/index.ts';
import { type Computation, making, tensorOf, type Values } from '../subject.ts';

interface ForwardAndBack extends Pick<Batch, 'labels' | 'dropout'>, Pick<BackwardPass, 'ties'> {
  readonly network: Network;
  /** The device's own at this step. */
  readonly weights: Weights;
  /** Names that the graph should have; others are not judged. */
  readonly wanted: ReadonlySet<string>;
  /** What the loss's gradient is multiplied by. */
  readonly factor: number;
  readonly context: BoundsContext;
}

/** In the order in which the graph computes them. */
export function forwardAndBack(pass: ForwardAndBack): Computation[] {
  const net = trunk(pass.network);
  const all = [
    ...net.layers.map((_, at) => forward(pass, net, at)),
    lossOf(pass, net.layers[net.layers.length - 1].name),
    ...backward(pass, net),
  ];
  return all.map((one) => making(one, pass.wanted)).filter(({ makes }) => makes.length > 0);
}

function forward({ weights, dropout, context }: ForwardAndBack, net: Network, at: number): Computation {
  const layer = net.layers[at];
  const reads = inputsOf(net, at);
  const call = (values: Values) => ({ layer, inputs: reads.map((name) => tensorOf(values(name))), weights });
  const common = { reads, makes: [{ name: layer.name, kind: layer.kind }] };
  if (layer.kind !== 'dropout') {
    return { ...common, judge: (values) => [judgedOutput(call(values), context)], layer: call };
  }
  return {
    ...common,
    judge(values) {
      const how = { precision: 'float64', operations } as const;
      const { y } = recordLayer(layer, call(values).inputs, weights, dropout, how);
      const device = arithmetic[context.device];
      return [{ exact: y, bounds: scaledByMask(layer.attributes, y, dropout !== 'none', device) }];
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
  const shared = (name: string): boolean => (readers.get(name)?.length ?? 0) > 1;
  const { reads, back } = goingBack(pass, net);
  const computations: Computation[] = [];
  for (const [at, { name, kind }] of [...net.layers.entries()].reverse()) {
    const inputs = inputsOf(net, at);
    const operands = [...inputs, `${name}.weight`, `${name}.bias`];
    const parts = [inputs.length, inputs.length + 1, ...inputs.keys()].filter((i) => !shared(operands[i]));
    computations.push({
      reads: reads(at),
      makes: parts.map((i) => ({ name: `d${operands[i]}`, kind: `gradient of ${kind}` })),
      judge(values) {
        const found = back(at, values, inputs.some(shared));
        return parts.map((i) => found[i] ?? null);
      },
    });
    for (const input of new Set(inputs.filter(shared))) {
      const of = readers.get(input)!;
      if (of[0].at !== at) continue;
      computations.push({
        reads: of.flatMap((reader) => reads(reader.at)),
        makes: [{ name: `d${input}`, kind: `gradient of ${kind}` }],
        judge(values) {
          const found = of.map((reader) => back(reader.at, values, true)[reader.i] as Judged);
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

/** One layer's way back: what it reads, and its gradients; what several computations need is kept. */
function goingBack({ weights, dropout, ties, wanted, context }: ForwardAndBack, net: Network) {
  const kept = new Map<number, readonly (Judged | null)[]>();
  const reads = (at: number): string[] => {
    const { name } = net.layers[at];
    return [...inputsOf(net, at), name, `d${name}`];
  };
  function back(at: number, values: Values, keep: boolean): readonly (Judged | null)[] {
    const known = kept.get(at);
    if (known) return known;
    const layer = net.layers[at];
    const names = inputsOf(net, at);
    const pass = {
      inputs: names.map((name) => tensorOf(values(name))),
      weights,
      y: tensorOf(values(layer.name)),
      dy: tensorOf(values(`d${layer.name}`)),
      mask: dropout === 'none' ? undefined : dropout.get(layer.name),
      ties,
      wanted: { dx: names.some((name) => wanted.has(`d${name}`)) },
    };
    const found = judgedGradients(layer, pass, context);
    if (keep) kept.set(at, found);
    return found;
  }
  return { reads, back };
}
