/**
 * Which steps of an ONNX graph compute which layers of a network.
 *
 * Both are chains, and they are laid side by side so that the least is left over: a step that has a layer's form is
 * that layer (`forms`), one that passes its values on belongs to none. What a layer computes is not looked at here:
 * its values are compared, whatever nodes make them.
 */
import type { Kind, Layer, Network } from '../../reference/networks/layers.ts';
import { inputsOf } from '../../reference/oracle.ts';
import { InputError } from '../errors.ts';
import type { Graph } from '../onnx/model.ts';
import { orderAfter, type Product, type Products } from '../onnx/products.ts';
import { longestChain, type Step } from '../onnx/steps.ts';

export interface Match {
  /** Name of the ONNX value that holds each layer's output. */
  readonly values: ReadonlyMap<string, string>;
  /** Layers whose maps, flattened or not, lie in the order H,W,C in that value. */
  readonly mapsLast: ReadonlySet<string>;
  /** Layer by the names of the nodes that compute it and of their outputs. */
  readonly nodes: ReadonlyMap<string, string>;
  /** Where a layer has weights, by layer. */
  readonly products: ReadonlyMap<string, Product>;
  /** What the file lacks or has too much, by layer: a disagreement before any number is compared. */
  readonly faults: ReadonlyMap<string, string>;
  /** Whether a layer is computed by one native LRN node. */
  readonly nativeLrn: ReadonlySet<string>;
  /** Whether a convolution sums its windows: a product with a band matrix. */
  readonly bandLrn: ReadonlySet<string>;
  /** What follows the last layer. */
  readonly tail: readonly Step[];
}

// ---- the forms of each kind of layer -----------------------------------------------------------------------------

const opsOf = ({ nodes }: Step): readonly string[] => nodes.map(({ op }) => op);
const only =
  (...ops: readonly string[]) =>
  (step: Step): boolean =>
    step.nodes.length === 1 && step.product === undefined && ops.includes(step.nodes[0].op);
const has = (step: Step, ...ops: readonly string[]): boolean => opsOf(step).some((op) => ops.includes(op));

/** x / (k + α·mean(x²))^β, written out in whatever way. */
const normalises = (step: Step): boolean =>
  step.nodes.length > 3 && has(step, 'Div', 'Pow') && !has(step, 'Exp');
const isFlat = (step: Step): boolean =>
  only('Flatten', 'Reshape', 'Squeeze')(step) ||
  (step.nodes.length > 1 && step.nodes.at(-1)!.op === 'Reshape');
const isProduct = ({ product }: Step): boolean => product !== undefined;
const isPool = only('MaxPool', 'AveragePool', 'GlobalMaxPool', 'GlobalAveragePool');
const isActivation = only(
  ...'Relu Tanh Sigmoid Clip Max Abs Neg LeakyRelu PRelu Elu Selu Celu Gelu HardSigmoid Softplus'.split(' '),
);

interface Form {
  /** What the layer's operator is called, for messages. */
  readonly called: string;
  readonly is: (step: Step, layer: Layer) => boolean;
  /** What stands in its place in a wrong file: it is compared, and found wrong. */
  readonly instead?: (step: Step) => boolean;
}

const forms: { readonly [K in Kind]: Form } = {
  conv2d: { called: 'Conv', is: ({ product }) => product?.nodes.some(({ op }) => op === 'Conv') ?? false },
  linear: { called: 'Gemm', is: isProduct },
  lrn: { called: 'LRN', is: (step) => only('LRN')(step) || normalises(step) },
  mapnorm: { called: 'normalisation', is: normalises, instead: only('LRN') },
  maxpool: { called: 'MaxPool', is: only('MaxPool'), instead: isPool },
  avgpool: { called: 'AveragePool', is: only('AveragePool'), instead: isPool },
  adaptiveavgpool: {
    called: 'AveragePool',
    is: (step, { attributes }) =>
      only(
        'AveragePool',
        ...(`${(attributes as { size: unknown }).size}` === '1,1' ? ['GlobalAveragePool'] : []),
      )(step),
    instead: isPool,
  },
  relu: { called: 'Relu', is: only('Relu', 'Clip', 'Max'), instead: isActivation },
  tanh: { called: 'Tanh', is: only('Tanh'), instead: isActivation },
  sigmoid: { called: 'Sigmoid', is: only('Sigmoid'), instead: isActivation },
  softmax: {
    called: 'Softmax',
    is: (step) => only('Softmax')(step) || (has(step, 'Exp') && has(step, 'Div')),
    instead: only('LogSoftmax', 'Sigmoid'),
  },
  dropout: {
    called: 'Dropout',
    is: (step, { attributes }) =>
      (attributes as { convention: string }).convention === 'paper'
        ? only('Dropout', 'Mul', 'Div')(step)
        : only('Dropout', 'Identity')(step),
  },
  flatten: { called: 'Flatten', is: isFlat },
  concat: { called: 'Concat', is: only('Concat') },
  split: { called: 'Split', is: only('Split', 'Slice') },
};

/** Layers that change nothing at test time, so that a file may do without them. */
const dispensable = (layer: Layer): boolean =>
  layer.kind === 'flatten' ||
  layer.kind === 'adaptiveavgpool' ||
  (layer.kind === 'dropout' && layer.attributes.convention === 'inverted');

/** Whether a step passes its values on, in another shape or order at most; padding belongs to what follows. */
function passes(step: Step, next: Step | undefined): boolean {
  if (step.neutral || only('Identity', 'Cast', 'Dropout', 'Unsqueeze')(step) || isFlat(step)) return true;
  if (only('Pad')(step)) return next !== undefined && (isProduct(next) || isPool(next));
  return only('Transpose')(step) && orderAfter(step.nodes[0]) !== undefined;
}

// ---- laying the chains side by side ------------------------------------------------------------------------------

/** A layer, a step, or both. */
interface Pairing {
  readonly layer?: Layer;
  readonly step?: Step;
  readonly cost: number;
}

/** Costs: what is left over costs one, a layer with weights more than all that a wrong file leaves over around it. */
const LEFT = 1;
const WEIGHTED = 4;
const NAMED = -0.25;
/** So that of two ways that leave nothing over, the one with more pairs is taken. */
const PAIRED = -0.01;

const isWeighted = ({ kind }: Layer): boolean => kind === 'conv2d' || kind === 'linear';
const named = ({ to, nodes }: Step, { name }: Layer): boolean =>
  to === name || nodes.some((node) => node.name === name);

function costOfPair(layer: Layer, step: Step): number {
  const form = forms[layer.kind];
  const bonus = PAIRED + (named(step, layer) ? NAMED : 0);
  if (form.is(step, layer)) return bonus;
  const instead = form.instead?.(step) || (named(step, layer) && !isWeighted(layer) && !isProduct(step));
  return instead ? LEFT + bonus : Number.POSITIVE_INFINITY;
}

/** The pairing of least cost (Needleman and Wunsch 1970); steps behind the last layer cost nothing. */
function sideBySide(layers: readonly Layer[], steps: readonly Step[]): Pairing[] {
  const costs = Array.from({ length: layers.length + 1 }, () => new Float64Array(steps.length + 1));
  const ways = (i: number, j: number): readonly Pairing[] => {
    const layer = layers[i];
    const step = steps[j];
    const missing = dispensable(layer) ? 0 : isWeighted(layer) ? WEIGHTED : LEFT;
    const alone = { layer, cost: missing + costs[i + 1][j] };
    if (!step) return [alone];
    return [
      { layer, step, cost: costOfPair(layer, step) + costs[i + 1][j + 1] },
      { step, cost: (passes(step, steps[j + 1]) ? 0 : LEFT) + costs[i][j + 1] },
      alone,
    ];
  };
  const best = (i: number, j: number): Pairing => ways(i, j).reduce((a, b) => (b.cost < a.cost ? b : a));
  for (let i = layers.length - 1; i >= 0; i--)
    for (let j = steps.length; j >= 0; j--) costs[i][j] = best(i, j).cost;
  const pairings: Pairing[] = [];
  for (let i = 0, j = 0; i < layers.length; ) {
    const pairing = best(i, j);
    pairings.push(pairing);
    if (pairing.layer) i++;
    if (pairing.step) j++;
  }
  return pairings;
}

// ---- what it means -----------------------------------------------------------------------------------------------

/**
 * `mapsLast`: the input's maps are fed as N,H,W,C. A network that branches is matched by the names of its values.
 * Throws InputError where a layer with weights is not there.
 */
export function match(
  network: Network,
  graph: Graph,
  { products, constants }: Products,
  { input, mapsLast }: { readonly input: string; readonly mapsLast: boolean },
): Match {
  const chained = network.layers.every(
    ({ inputs }, at) => !inputs || inputs.join() === (network.layers[at - 1]?.name ?? 'input'),
  );
  const steps = chained ? longestChain(graph, input, products, constants) : [];
  const pairings = chained ? sideBySide(network.layers, steps) : byName(network.layers, graph, products);
  if (pairings.some(({ layer, step }) => layer && !step && isWeighted(layer)))
    throw notThis(network, pairings, steps);
  const found: Found = {
    values: new Map([['input', input]]),
    mapsLast: new Set(mapsLast ? ['input'] : []),
    nodes: new Map(),
    products: new Map(),
    faults: new Map(),
    nativeLrn: new Set(),
    bandLrn: new Set(),
  };
  let order = mapsLast ? 'HWC' : 'CHW';
  let extra: Step | undefined;
  for (const [at, { layer, step }] of pairings.entries()) {
    if (step) order = step.nodes.reduce((known, node) => orderAfter(node) ?? known, order);
    if (!layer) {
      if (!passes(step!, pairings[at + 1]?.step)) extra = step;
      else if (!extra && !only('Pad')(step!)) passOn(step!, order, found);
      continue;
    }
    const { name, kind } = layer;
    const [before] = inputsOf(network, network.layers.indexOf(layer));
    if (step) {
      if (extra) found.faults.set(name, `${name} reads the output of ${titleOf(extra)}, not of ${before}`);
      extra = undefined;
      if (kind === 'linear') order = 'CHW';
      if (order === 'HWC') found.mapsLast.add(name);
      take(layer, step, found);
    } else if (dispensable(layer) && found.values.has(before)) {
      found.values.set(name, found.values.get(before)!);
      if (found.mapsLast.has(before)) found.mapsLast.add(name);
    } else
      found.faults.set(name, `the file has no ${forms[kind].called} here (next is ${nextOf(pairings, at)})`);
  }
  return { ...found, tail: steps.slice(pairings.filter(({ step }) => step).length) };
}

interface Found {
  readonly values: Map<string, string>;
  readonly mapsLast: Set<string>;
  readonly nodes: Map<string, string>;
  readonly products: Map<string, Product>;
  readonly faults: Map<string, string>;
  readonly nativeLrn: Set<string>;
  readonly bandLrn: Set<string>;
}

/** The layer before takes the value that is passed on: another shape, or what a Reshape around a node restores. */
function passOn({ to }: Step, order: string, { values, mapsLast }: Found): void {
  const [name, value] = [...values].at(-1)!;
  if (name === 'input' || name === value) return;
  values.set(name, to);
  if (order === 'HWC') mapsLast.add(name);
  else mapsLast.delete(name);
}

/** Layers whose values have their names. */
function byName(layers: readonly Layer[], { nodes }: Graph, products: readonly Product[]): Pairing[] {
  return layers.map((layer) => {
    const { name } = layer;
    const maker = nodes.find(({ outputs }) => outputs.includes(name));
    const product = products.find(({ output }) => output === name);
    const step = maker && {
      nodes: product?.nodes ?? [maker],
      from: '',
      to: name,
      ...(product ? { product } : {}),
    };
    return { layer, cost: 0, ...(step ? { step } : {}) };
  });
}

/** Notes that a step is that layer. */
function take({ name, kind }: Layer, step: Step, found: Found): void {
  const { values, products, faults, nativeLrn, bandLrn, nodes } = found;
  values.set(name, step.to);
  if (step.product) {
    products.set(name, step.product);
    if (step.product.bias === undefined && !faults.has(name)) faults.set(name, 'the file adds no bias here');
  }
  if (kind === 'lrn' && step.nodes[0].op === 'LRN') nativeLrn.add(name);
  if (kind === 'lrn' && has(step, 'Conv')) bandLrn.add(name);
  // onnxruntime calls a node that it rewrote by its output
  for (const each of step.nodes.flatMap((node) => [node.name, ...node.outputs])) nodes.set(each, name);
}

const titleOf = (step: Step): string => {
  const ops = [...new Set(opsOf(step))];
  const words = ops.length > 3 ? `${ops.slice(0, 2).join(', ')} … ${ops.at(-1)}` : ops.join(', ');
  return `${words} ('${step.to}')`;
};

const nextOf = (pairings: readonly Pairing[], at: number): string => {
  const next = pairings.slice(at + 1).find(({ step }) => step)?.step;
  return next ? opsOf(next)[0] : 'the end';
};

/** The first place where the chains part, in one line. */
function notThis({ name }: Network, pairings: readonly Pairing[], steps: readonly Step[]): InputError {
  let j = 0;
  for (const [at, { layer, step }] of pairings.entries()) {
    const [there] = [step ?? steps[j]];
    if (step) j++;
    const right = layer
      ? step
        ? forms[layer.kind].is(step, layer)
        : dispensable(layer)
      : passes(step!, pairings[at + 1]?.step);
    if (right) continue;
    const next = layer ?? pairings.slice(at).find((pairing) => pairing.layer)?.layer;
    const found = there ? titleOf(there) : 'nothing more';
    return new InputError(
      `${next?.name}: the file has ${found} where ${name} has ${next ? forms[next.kind].called : 'its end'}: ` +
        'it is another network; without --network its nodes are verified one by one',
    );
  }
  return new InputError(`it is not ${name}; without --network its nodes are verified one by one`);
}
