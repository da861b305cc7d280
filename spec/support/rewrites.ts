/** An exported bvlc-alexnet rewritten node by node into the forms of other exporters. */
import { type GraphProto, type ModelProto, type NodeProto, nodeProto } from '../../export/proto.ts';
import { valueOfTensor } from '../../lib/format/tensorproto.ts';
import { type AttributeValue, attribute, i64, tensorOf } from './onnx.ts';

export const node = (
  op: string,
  input: readonly string[],
  output: string | readonly string[],
  attributes: Readonly<Record<string, AttributeValue>> = {},
): NodeProto =>
  nodeProto(
    op,
    [...input],
    [output].flat(),
    Object.entries(attributes).map(([name, value]) => attribute(name, value)),
  );

export const graphOf = ({ graph }: ModelProto): GraphProto => graph as GraphProto;

/** The node that makes a value. */
export const makerOf = (model: ModelProto, name: string): NodeProto => {
  const found = graphOf(model).node.find(({ output }) => output.includes(name));
  if (!found) throw new Error(`no node makes ${name}`);
  return found;
};

/** Other nodes in a node's place. */
export function replace(model: ModelProto, old: NodeProto, ...nodes: readonly NodeProto[]): void {
  graphOf(model).node.splice(graphOf(model).node.indexOf(old), 1, ...nodes);
}

const initializer = (model: ModelProto, name: string) => {
  const found = graphOf(model).initializer.find((tensor) => tensor.name === name);
  if (!found) throw new Error(`no initializer is called ${name}`);
  return found;
};

export const valuesOf = (model: ModelProto, name: string): Float32Array =>
  Float32Array.from(valueOfTensor(initializer(model, name)).data as Float32Array);

/** An initializer of that name, in place of one that there may be. */
export function put(
  model: ModelProto,
  name: string,
  data: ArrayLike<number>,
  shape: readonly number[],
): string {
  const list = graphOf(model).initializer;
  const at = list.findIndex((tensor) => tensor.name === name);
  const made = tensorOf({ dtype: 'float32', shape, data: Float32Array.from(data) }, name);
  if (at < 0) list.push(made);
  else list[at] = made;
  return name;
}

export function integers(model: ModelProto, name: string, values: readonly number[]): string {
  graphOf(model).initializer.push(tensorOf(i64(values), name));
  return name;
}

export const CONVS = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];
export const FCS = ['fc6', 'fc7', 'fc8'];
export const dims = (model: ModelProto, name: string): number[] => initializer(model, name).dims;

/** A weight's or bias' largest value with its sign turned. */
export const negate =
  (name: string) =>
  (model: ModelProto): void => {
    const values = valuesOf(model, name);
    const largest = values.reduce((best, v, i) => (Math.abs(v) > Math.abs(values[best]) ? i : best), 0);
    values[largest] *= -1;
    put(model, name, values, dims(model, name));
  };

/** The bias by an Add; of a Conv as [1,K,1,1]. */
export function biasByAdd(model: ModelProto, name: string): void {
  const product = makerOf(model, name);
  const bias = product.input.pop() as string;
  if (product.opType === 'Conv') initializer(model, bias).dims = [1, ...dims(model, bias), 1, 1];
  product.output = [`${name}/bare`];
  const { node: list } = graphOf(model);
  list.splice(list.indexOf(product) + 1, 0, node('Add', [`${name}/bare`, bias], name));
}

const transposed = (w: Float32Array, [O, I]: readonly number[]): Float32Array =>
  Float32Array.from(w, (_, at) => w[(at % O) * I + Math.floor(at / O)]);

/** Place in C,H,W order of each value in H,W,C order. */
const hwcOrder = (C: number, area: number): number[] =>
  Array.from({ length: C * area }, (_, at) => (at % C) * area + Math.floor(at / C));

export function withMatMul(model: ModelProto, name: string): void {
  const gemm = makerOf(model, name);
  const [x, weight, bias] = gemm.input;
  const [O, I] = dims(model, weight);
  put(model, weight, transposed(valuesOf(model, weight), [O, I]), [I, O]);
  replace(
    model,
    gemm,
    node('MatMul', [x, weight], `${name}/bare`),
    node('Add', [bias, `${name}/bare`], name),
  );
}

/** The torch exporter's normalisation: squares, one more axis, padding, an average over channels. */
export function torchLrn(model: ModelProto, name: string): void {
  const lrn = makerOf(model, name);
  const [x] = lrn.input;
  const number = (key: string) => lrn.attribute.find((a) => a.name === key)!;
  const size = number('size').i!;
  const at = (part: string) => `${name}/${part}`;
  const below = Math.floor((size - 1) / 2);
  integers(model, at('axis'), [1]);
  integers(model, at('pads'), [0, 0, below, 0, 0, 0, 0, size - 1 - below, 0, 0]);
  for (const [part, key] of [
    ['alpha', 'alpha'],
    ['k', 'bias'],
    ['beta', 'beta'],
  ])
    put(model, at(part), [number(key).f!], []);
  replace(
    model,
    lrn,
    node('Mul', [x, x], at('squares')),
    node('Unsqueeze', [at('squares'), at('axis')], at('deep')),
    node('Pad', [at('deep'), at('pads')], at('padded')),
    node('AveragePool', [at('padded')], at('mean'), { kernel_shape: [size, 1, 1], strides: [1, 1, 1] }),
    node('Squeeze', [at('mean'), at('axis')], at('flat')),
    node('Mul', [at('flat'), at('alpha')], at('scaled')),
    node('Add', [at('scaled'), at('k')], at('sum')),
    node('Pow', [at('sum'), at('beta')], at('power')),
    node('Div', [x, at('power')], name),
  );
}

/** A convolution in two groups as two convolutions of half the channels. */
export function splitGroups(model: ModelProto, name: string): void {
  const conv = makerOf(model, name);
  const [x, weight, bias] = conv.input;
  const [K, ...rest] = dims(model, weight);
  const values = valuesOf(model, weight);
  const half = values.length / 2;
  for (const g of [0, 1])
    put(model, `${weight}${g}`, values.subarray(g * half, (g + 1) * half), [K / 2, ...rest]);
  initializer(model, bias).dims = [K, 1, 1];
  const attributes = conv.attribute.filter((a) => a.name !== 'group');
  const part = (g: number) => ({
    ...node('Conv', [`${name}/x${g}`, `${weight}${g}`], `${name}/y${g}`),
    attribute: attributes,
  });
  replace(
    model,
    conv,
    node('Split', [x], [`${name}/x0`, `${name}/x1`], { axis: 1 }),
    part(0),
    part(1),
    node('Concat', [`${name}/y0`, `${name}/y1`], `${name}/bare`, { axis: 1 }),
    node('Add', [`${name}/bare`, bias], name),
  );
}

/** Fully connected layers as convolutions, a Flatten behind the last. */
export function asConvolutions(model: ModelProto): void {
  const { node: list } = graphOf(model);
  replace(model, makerOf(model, 'flatten'));
  for (const [i, name] of FCS.entries()) {
    const gemm = makerOf(model, name);
    const [K, I] = dims(model, gemm.input[1]);
    initializer(model, gemm.input[1]).dims = i === 0 ? [K, I / 36, 6, 6] : [K, I, 1, 1];
    const input = i === 0 ? ['pool5', ...gemm.input.slice(1)] : gemm.input;
    replace(model, gemm, node('Conv', input, i === 2 ? 'fc8/map' : name));
  }
  list.splice(list.indexOf(makerOf(model, 'prob')), 0, node('Flatten', ['fc8/map'], 'fc8', { axis: 1 }));
}

/** pool5's maps transposed to H,W,C before they are flattened; `reorder`: fc6's columns with them. */
export function mapsLast(model: ModelProto, reorder: boolean): void {
  const flatten = makerOf(model, 'flatten');
  replace(
    model,
    flatten,
    node('Transpose', ['pool5'], 'pool5/hwc', { perm: [0, 2, 3, 1] }),
    node('Flatten', ['pool5/hwc'], 'flatten', { axis: 1 }),
  );
  if (!reorder) return;
  const [O, I] = dims(model, 'fc6.weight');
  const order = hwcOrder(I / 36, 36);
  const w = valuesOf(model, 'fc6.weight');
  put(
    model,
    'fc6.weight',
    w.map((_, at) => w[Math.floor(at / I) * I + order[at % I]]),
    [O, I],
  );
}

/** Everything but convolution, pooling and LRN on N,H,W,C, as tf2onnx leaves it. */
export function mapsLastAround(model: ModelProto): void {
  for (const name of ['conv1', 'conv2', 'conv3', 'conv4', 'conv5']) {
    const at = name.at(-1);
    const conv = makerOf(model, name);
    const relu = makerOf(model, `relu${at}`);
    conv.output = [`${name}/chw`];
    relu.output = [`relu${at}/hwc`];
    const { node: list } = graphOf(model);
    list.splice(list.indexOf(relu), 0, node('Transpose', [`${name}/chw`], name, { perm: [0, 2, 3, 1] }));
    list.splice(
      list.indexOf(relu) + 1,
      0,
      node('Transpose', [`relu${at}/hwc`], `relu${at}`, { perm: [0, 3, 1, 2] }),
    );
  }
}

/** x.view(x.size(0), -1) */
export function flattenByShape(model: ModelProto): void {
  integers(model, 'first', [0]);
  integers(model, 'rest', [-1]);
  replace(
    model,
    makerOf(model, 'flatten'),
    node('Shape', ['pool5'], 'pool5/shape'),
    node('Gather', ['pool5/shape', 'first'], 'pool5/N', { axis: 0 }),
    node('Concat', ['pool5/N', 'rest'], 'pool5/to', { axis: 0 }),
    node('Reshape', ['pool5', 'pool5/to'], 'flatten'),
  );
}

/** conv3 and its ReLU, and conv1's padding, by functions of the model's own. */
export function byFunction(model: ModelProto): void {
  const conv = makerOf(model, 'conv3');
  const relu = makerOf(model, 'relu3');
  const body = [
    { ...conv, input: ['x', 'w', 'b'], output: ['t'] },
    { ...relu, input: ['t'], output: ['y'] },
  ];
  const opset = [{ domain: '', version: 13 }];
  model.functions.push({
    name: 'ConvRelu',
    domain: 'own',
    input: ['x', 'w', 'b'],
    output: ['y'],
    attribute: [],
    node: body,
    opsetImport: opset,
  });
  model.opsetImport.push({ domain: 'own', version: 1 });
  replace(model, relu);
  replace(model, conv, { ...node('ConvRelu', conv.input, 'relu3'), domain: 'own' });
}

/** Values with numbers for names. */
export function unnamed(model: ModelProto): void {
  const graph = graphOf(model);
  const names = new Map(graph.node.flatMap(({ output }) => output).map((name, i) => [name, `${101 + i}`]));
  const to = (name: string) => names.get(name) ?? name;
  for (const each of graph.node)
    Object.assign(each, { name: '', input: each.input.map(to), output: each.output.map(to) });
  for (const info of graph.output) info.name = to(info.name);
  graph.valueInfo = [];
}
