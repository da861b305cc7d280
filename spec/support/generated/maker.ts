/** What generated graphs are made with: chance, names, and the nodes and values so far. */
import { dataTypes } from '../../../export/dtypes.ts';
import { toFloat16 } from '../../../export/float16.ts';
import type { TensorProto } from '../../../export/proto.ts';
import type { Shape } from '../../../reference/tensor.ts';
import { random, uniform } from '../models.ts';
import { type AttributeValue, bool, f32, i64, type NodeText, tensorOf } from '../onnx.ts';

export type Precision = 'float32' | 'float16';

export type Attributes = Record<string, AttributeValue>;

export interface Made {
  readonly name: string;
  readonly shape: Shape;
  readonly dtype: Precision;
}

/** Names that files have, and names that break what takes them for something else. */
const oddNames = [
  'conv1',
  '__proto__',
  'a b',
  'x/y:0',
  'constructor',
  '"q"',
  '7',
  'ü·',
  '::error',
  'tab\t',
  'n0',
  'v1',
  'y.weight',
];

/** What a graph is made with: chance, and the nodes so far. */
export class Maker {
  readonly nodes: NodeText[] = [];
  readonly initializers: TensorProto[] = [];
  readonly values: Made[] = [];
  readonly opset: number;
  readonly #next: () => number;
  #seed: number;
  #names = 0;

  constructor(seed: number) {
    const next = uniform(Math.imul(seed + 1, 2654435761));
    for (let i = 0; i < 20; i++) next();
    this.#next = () => (next() + 1) / 2;
    this.#seed = seed * 1000;
    this.opset = this.int(13, 21);
  }

  /** From `low` to `high`, both among them. */
  int(low: number, high: number): number {
    return low + Math.floor(this.#next() * (high - low + 1));
  }
  chance = (p: number): boolean => this.#next() < p;
  pick = <T>(of: readonly T[]): T => of[this.int(0, of.length - 1)];
  /** A multiple of 1/16, exact in every type. */
  number = (low: number, high: number): { float: number } => ({ float: this.int(low * 16, high * 16) / 16 });

  name(): string {
    const odd = oddNames[this.#names];
    return `${odd !== undefined && this.chance(0.3) ? odd : 'value'}${this.chance(0.5) || odd === undefined ? this.#names++ : `_${this.#names++}`}`;
  }

  /** Whole numbers of a graph's shapes and axes. */
  ints(data: readonly number[], shape: Shape = [data.length]): string {
    return this.#initializer(tensorOf(i64(data, shape)));
  }
  flag = (value: boolean): string => this.#initializer(tensorOf(bool([Number(value)], [])));

  /** Random weights; float16 ones now and then by a Cast in the graph. */
  weights(shape: Shape, dtype: Precision, scale = 1, offset = 0): string {
    const data = (random(shape, this.#seed++, scale).data as Float32Array).map((v) => v + offset);
    if (dtype === 'float32') return this.#initializer(tensorOf(f32([...data], shape)));
    if (this.chance(0.2)) return this.cast(this.#initializer(tensorOf(f32([...data], shape))), dtype);
    const rawData = new Uint8Array(toFloat16(data).buffer);
    return this.#initializer({
      ...tensorOf(f32([])),
      dataType: dataTypes.float16,
      dims: [...shape],
      rawData,
    });
  }
  cast(name: string, dtype: Precision): string {
    const [y] = this.node('Cast', [name], { to: dataTypes[dtype] });
    return y;
  }

  node(op: string, inputs: readonly string[], attributes: Attributes = {}, outputs = 1): string[] {
    const names = Array.from({ length: outputs }, () => this.name());
    this.nodes.push({
      op,
      inputs,
      outputs: names,
      attributes,
      name: this.chance(0.3) ? '' : `${op} ${this.nodes.length}`,
    });
    return names;
  }

  make(
    dtype: Precision,
    shape: Shape,
    op: string,
    inputs: readonly string[],
    attributes: Attributes = {},
  ): true {
    return this.add(this.node(op, inputs, attributes)[0], shape, dtype);
  }
  add(name: string, shape: Shape, dtype: Precision): true {
    this.values.push({ name, shape, dtype });
    return true;
  }

  #initializer(tensor: TensorProto): string {
    const name = `w${this.initializers.length}`;
    this.initializers.push({ ...tensor, name });
    return name;
  }
}
