/**
 * The convolutions and fully connected layers of a graph, in whatever form a file has them, with their weights.
 *
 *   Conv, Gemm, MatMul   constant weights and bias, behind whatever nodes make them, times Gemm's alpha and beta
 *   … + Add              the bias that the node itself does not have
 *   Split, Convs, Concat a convolution in groups
 *   H,W,C                a matrix whose input was flattened in that order: what lies behind it was transposed to it
 */
import { sizeOf } from '../../reference/tensor.ts';
import { zerosOf } from '../array/dtype.ts';
import {
  floatValue,
  type LazyValue,
  type NumericValue,
  narrowed,
  type Value,
  widen,
} from '../array/value.ts';
import { constantsOf } from './constants.ts';
import type { Model, Node } from './model.ts';

export interface Product {
  /** In the order of the graph; the last one makes `output`. */
  readonly nodes: readonly Node[];
  readonly input: string;
  readonly output: string;
  /** Names of the tensors; no bias where the file adds none. */
  readonly weight: string;
  readonly bias?: string;
}

export interface Products {
  readonly products: readonly Product[];
  /** Their weights and biases, or all initializers of a graph without any. */
  readonly tensors: ReadonlyMap<string, LazyValue>;
  /** Weights that lie as (in, out). */
  readonly inOut: ReadonlySet<string>;
  /** Weights of matrices whose inputs are maps flattened in the order H,W,C. */
  readonly mapsLast: ReadonlySet<string>;
  /** What the graph computes whatever it is fed. */
  readonly constants: ReadonlyMap<string, Value>;
}

interface Found extends Omit<Product, 'weight' | 'bias'> {
  readonly kind: 'conv' | 'matrix';
  readonly weight: Part;
  readonly bias?: Part;
  readonly inOut?: boolean;
}

/** A constant: the name of the initializer that it comes from, and its own. */
interface Part extends LazyValue {
  readonly name: string;
  readonly value: string;
}

/** Throws InputError where a constant cannot be computed. */
export function productsOf(model: Model): Products {
  const wires = wiringOf(model);
  const alone = new Map(
    model.graph.nodes.flatMap((node) => productOf(node, wires)).map((p) => [p.output, p]),
  );
  const biased = [...alone.values()].map((product) => withBias(product, wires));
  const parts = new Map(biased.map((product) => [product.output, product]));
  for (const node of model.graph.nodes) {
    const whole = node.op === 'Concat' ? grouped(node, parts, wires) : undefined;
    if (!whole) continue;
    for (const name of node.inputs) parts.delete(name);
    const { output } = whole;
    parts.set(output, withBias(whole, wires));
  }
  const tensors = new Map<string, Part>();
  /** A name of its own for each tensor, the same for one that several nodes read. */
  const called = (part: Part): string => {
    const same = (other: Part | undefined) =>
      other?.value === part.value && other.shape.join() === part.shape.join();
    let { name } = part;
    for (let i = 2; tensors.has(name) && !same(tensors.get(name)); i++) name = `${part.value}#${i}`;
    tensors.set(name, part);
    return name;
  };
  const inOut = new Set<string>();
  const mapsLast = new Set<string>();
  const place = new Map(model.graph.nodes.map((node, i) => [node, i]));
  const last = ({ nodes }: Found): number => place.get(nodes.at(-1)!)!;
  const ordered = [...parts.values()].sort((a, b) => last(a) - last(b));
  const products = ordered.map(({ nodes, input, output, ...found }): Product => {
    const weight = called(found.weight);
    if (found.inOut) inOut.add(weight);
    if (found.kind === 'matrix' && wires.isMapsLast(input)) mapsLast.add(weight);
    return { nodes, input, output, weight, ...(found.bias ? { bias: called(found.bias) } : {}) };
  });
  if (products.length === 0)
    for (const name of wires.constants.keys()) {
      const part = constant(name, wires);
      if (part) called(part);
    }
  return { products, tensors, inOut, mapsLast, constants: wires.constants };
}

// ---- the graph's wires -------------------------------------------------------------------------------------------

interface Wiring {
  readonly constants: ReadonlyMap<string, Value>;
  readonly producer: ReadonlyMap<string, Node>;
  /** The node that alone reads a value. */
  readonly reader: (name: string) => Node | undefined;
  /** Whether a value's maps were transposed to H,W,C. */
  readonly isMapsLast: (name: string) => boolean;
}

/** Nodes that pass each value on in its place, or make another of it alone. */
const ELEMENTWISE = new Set(
  'Identity Cast Dropout Relu Clip Max Tanh Sigmoid LeakyRelu Add Sub Mul Div Flatten Reshape Squeeze Unsqueeze'.split(
    ' ',
  ),
);

/** Transposes between the orders N,C,H,W and N,H,W,C. */
export function orderAfter({ op, attributes }: Node): 'CHW' | 'HWC' | undefined {
  const perm = attributes.get('perm');
  if (op !== 'Transpose' || perm?.kind !== 'ints') return undefined;
  return { '0,2,3,1': 'HWC', '0,3,1,2': 'CHW' }[perm.value.join()] as 'HWC' | 'CHW' | undefined;
}

function wiringOf(model: Model): Wiring {
  const { nodes } = model.graph;
  const constants = constantsOf(model);
  const producer = new Map(nodes.flatMap((node) => node.outputs.map((name) => [name, node] as const)));
  const readers = new Map<string, Node[]>();
  for (const node of nodes)
    for (const name of new Set(node.inputs)) readers.set(name, [...(readers.get(name) ?? []), node]);
  return {
    constants,
    producer,
    reader: (name) => (readers.get(name)?.length === 1 ? readers.get(name)![0] : undefined),
    isMapsLast(name) {
      for (let at: string | undefined = name; at !== undefined; ) {
        const node = producer.get(at);
        const order = node && orderAfter(node);
        if (order) return order === 'HWC';
        at =
          node && ELEMENTWISE.has(node.op) ? node.inputs.find((input) => !constants.has(input)) : undefined;
      }
      return false;
    },
  };
}

/** A numeric constant; undefined for a value that depends on what is fed. */
function constant(name: string, { constants, producer }: Wiring, factor = 1): Part | undefined {
  const value = constants.get(name);
  if (!value || value.dtype === 'string') return undefined;
  const { shape } = value;
  const read = (): NumericValue => narrowed(value as NumericValue);
  let origin = name;
  for (let node = producer.get(origin); node && node.inputs.length > 0; node = producer.get(origin))
    [origin] = node.inputs;
  if (factor === 1) return { name: origin, value: name, dtype: value.dtype, shape, read };
  const scaled = (): NumericValue => {
    const values = widen(read()).map((v) => v * factor);
    return floatValue(values, shape);
  };
  const dtype = value.dtype === 'float64' ? 'float64' : 'float32';
  return { name: origin, value: `${name} × ${factor}`, dtype, shape, read: scaled };
}

// ---- forms -------------------------------------------------------------------------------------------------------

function productOf(node: Node, wires: Wiring): Found[] {
  const { op, domain, inputs, outputs, attributes } = node;
  if (domain !== '' || !['Conv', 'Gemm', 'MatMul'].includes(op) || wires.constants.has(inputs[0])) return [];
  const number = (name: string, usual: number): number => {
    const given = attributes.get(name);
    return given?.kind === 'float' || given?.kind === 'int' ? given.value : usual;
  };
  if (op === 'Gemm' && number('transA', 0) !== 0) return [];
  if (op === 'Conv' && isSquare(wires.producer.get(inputs[0]))) return []; // LRN's window sum, no layer's weights
  const [alpha, beta] = op === 'Gemm' ? [number('alpha', 1), number('beta', 1)] : [1, 1];
  const weight = constant(inputs[1], wires, alpha);
  if (!weight || weight.shape.length < 2) return [];
  const bias = inputs[2] ? constant(inputs[2], wires, beta) : undefined;
  const inOut = op === 'MatMul' || (op === 'Gemm' && number('transB', 0) === 0);
  const kind = op === 'Conv' ? 'conv' : 'matrix';
  const K = weight.shape[inOut ? 1 : 0];
  const found = { kind, nodes: [node], input: inputs[0], output: outputs[0], weight, inOut } as const;
  return [bias ? { ...found, bias: repeated(bias, K) } : found];
}

/** x·x. */
const isSquare = (node: Node | undefined): boolean => node?.op === 'Mul' && node.inputs[0] === node.inputs[1];

/** One value a neuron, where the file has one for all of them. */
function repeated(bias: Part, K: number): Part {
  if (sizeOf(bias.shape) !== 1 || K === 1) return bias;
  const read = (): NumericValue => {
    const [value] = widen(bias.read());
    return floatValue(new Float32Array(K).fill(value), [K]);
  };
  return { ...bias, dtype: 'float32', shape: [K], read };
}

/** The product with the Add behind it that gives it its bias, if there is one. */
function withBias(product: Found, wires: Wiring): Found {
  const { kind, nodes, output, weight, inOut, bias } = product;
  if (bias) return product;
  const next = wires.reader(output);
  const moved = next && kind === 'conv' && orderAfter(next) === 'HWC' ? next : undefined;
  const sum = moved ? wires.reader(moved.outputs[0]) : next;
  if (sum?.op !== 'Add' || sum.domain !== '') return product;
  const added = sum.inputs.map((name) => constant(name, wires)).find((part) => part !== undefined);
  const axis = kind === 'conv' && !moved ? -3 : -1;
  const K = weight.shape[inOut ? 1 : 0];
  const fits = added?.shape.every(
    (extent, i) => extent === 1 || (extent === K && i === added.shape.length + axis),
  );
  if (!added || !fits) return product;
  const all = [...nodes, ...(moved ? [moved] : []), sum];
  return { ...product, nodes: all, output: sum.outputs[0], bias: repeated(added, K) };
}

/** The convolution in groups that a Concat of convolutions makes, each of which reads some channels of one value. */
function grouped(node: Node, parts: ReadonlyMap<string, Found>, wires: Wiring): Found | undefined {
  const found = node.inputs.map((name) => parts.get(name));
  if (found.length < 2 || !found.every((part): part is Found => part?.kind === 'conv')) return undefined;
  const sources = found.map(({ input }) => wires.producer.get(input));
  const [first] = sources;
  const whole = first && ['Split', 'Slice'].includes(first.op) ? first.inputs[0] : undefined;
  if (!whole || !sources.every((source) => source?.op === first!.op && source.inputs[0] === whole))
    return undefined;
  const biases = found.flatMap(({ bias }) => bias ?? []);
  const nodes = [...new Set(sources as Node[]), ...found.flatMap((part) => part.nodes), node];
  const about = { kind: 'conv', nodes, input: whole, output: node.outputs[0] } as const;
  const weight = stacked(found.map((part) => part.weight));
  return biases.length === found.length ? { ...about, weight, bias: stacked(biases) } : { ...about, weight };
}

/** Arrays one after the other along their first axis. */
function stacked(parts: readonly Part[]): Part {
  const [{ name, value, dtype, shape }] = parts;
  const rows = parts.reduce((sum, part) => sum + part.shape[0], 0);
  const whole = [rows, ...shape.slice(1)];
  const read = (): NumericValue => {
    const data = zerosOf(dtype, sizeOf(whole));
    let at = 0;
    for (const part of parts) {
      const values = part.read().data;
      data.set(values as never, at);
      at += values.length;
    }
    return { dtype, shape: whole, data };
  };
  return { name, value, dtype, shape: whole, read };
}
