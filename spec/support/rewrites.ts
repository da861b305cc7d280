/**
 * An exported bvlc-alexnet rewritten into the forms in which other exporters write the same function, each with a fault
 * that this form can have, and the layer at which the fault must show.
 */
import { type GraphProto, type ModelProto, type NodeProto, nodeProto } from '../../export/proto.ts';
import { valueOfTensor } from '../../lib/format/tensorproto.ts';
import { type AttributeValue, attribute, f32, i64, tensorOf } from './onnx.ts';

export interface Form {
  readonly name: string;
  /** Changes the exported model without changing what it computes. */
  readonly rewrite: (model: ModelProto) => void;
  /** Changes the rewritten model's function. */
  readonly fault: (model: ModelProto) => void;
  /** The first layer that is wrong then. */
  readonly layer: string;
}

const node = (
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

const graphOf = ({ graph }: ModelProto): GraphProto => graph as GraphProto;

/** The node that makes a value. */
export const makerOf = (model: ModelProto, name: string): NodeProto => {
  const found = graphOf(model).node.find(({ output }) => output.includes(name));
  if (!found) throw new Error(`no node makes ${name}`);
  return found;
};

/** Other nodes in a node's place. */
function replace(model: ModelProto, old: NodeProto, ...nodes: readonly NodeProto[]): void {
  graphOf(model).node.splice(graphOf(model).node.indexOf(old), 1, ...nodes);
}

const initializer = (model: ModelProto, name: string) => {
  const found = graphOf(model).initializer.find((tensor) => tensor.name === name);
  if (!found) throw new Error(`no initializer is called ${name}`);
  return found;
};

const valuesOf = (model: ModelProto, name: string): Float32Array =>
  Float32Array.from(valueOfTensor(initializer(model, name)).data as Float32Array);

/** An initializer of that name, in place of one that there may be. */
function put(model: ModelProto, name: string, data: Iterable<number>, shape: readonly number[]): string {
  const list = graphOf(model).initializer;
  const at = list.findIndex((tensor) => tensor.name === name);
  const made = tensorOf(f32([...data], shape), name);
  if (at < 0) list.push(made);
  else list[at] = made;
  return name;
}

function integers(model: ModelProto, name: string, values: readonly number[]): string {
  graphOf(model).initializer.push(tensorOf(i64(values), name));
  return name;
}

const CONVS = ['conv1', 'conv2', 'conv3', 'conv4', 'conv5'];
const FCS = ['fc6', 'fc7', 'fc8'];
const dims = (model: ModelProto, name: string): number[] => initializer(model, name).dims;

/** A weight's or bias' largest value with its sign turned. */
const negate =
  (name: string) =>
  (model: ModelProto): void => {
    const values = valuesOf(model, name);
    const largest = values.reduce((best, v, i) => (Math.abs(v) > Math.abs(values[best]) ? i : best), 0);
    values[largest] *= -1;
    put(model, name, values, dims(model, name));
  };

/** The bias by an Add; of a Conv as [1,K,1,1]. */
function biasByAdd(model: ModelProto, name: string): void {
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

function withMatMul(model: ModelProto, name: string): void {
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
function torchLrn(model: ModelProto, name: string): void {
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
function splitGroups(model: ModelProto, name: string): void {
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
function asConvolutions(model: ModelProto): void {
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
function mapsLast(model: ModelProto, reorder: boolean): void {
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
function mapsLastAround(model: ModelProto): void {
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
function flattenByShape(model: ModelProto): void {
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
function byFunction(model: ModelProto): void {
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
function unnamed(model: ModelProto): void {
  const graph = graphOf(model);
  const names = new Map(graph.node.flatMap(({ output }) => output).map((name, i) => [name, `${101 + i}`]));
  const to = (name: string) => names.get(name) ?? name;
  for (const each of graph.node)
    Object.assign(each, { name: '', input: each.input.map(to), output: each.output.map(to) });
  for (const info of graph.output) info.name = to(info.name);
  graph.valueInfo = [];
}

export const forms: readonly Form[] = [
  {
    name: 'the bias of a convolution by Add',
    rewrite: (model) => void CONVS.map((name) => biasByAdd(model, name)),
    fault: negate('conv3.bias'),
    layer: 'conv3',
  },
  {
    name: 'the bias of Gemm by Add',
    rewrite: (model) => void FCS.map((name) => biasByAdd(model, name)),
    fault: (model) => void (makerOf(model, 'fc7').opType = 'Sub'),
    layer: 'fc7',
  },
  {
    name: 'MatMul and Add',
    rewrite: (model) => void FCS.map((name) => withMatMul(model, name)),
    fault: negate('fc8.weight'),
    layer: 'fc8',
  },
  {
    name: "Gemm's alpha and beta",
    rewrite(model) {
      makerOf(model, 'fc7').attribute.push(attribute('alpha', 0.5), attribute('beta', 0.25));
      for (const [name, factor] of [
        ['fc7.weight', 2],
        ['fc7.bias', 4],
      ] as const)
        put(
          model,
          name,
          valuesOf(model, name).map((v) => v * factor),
          dims(model, name),
        );
    },
    fault: (model) => void (makerOf(model, 'fc7').attribute.at(-1)!.f = 0.5),
    layer: 'fc7',
  },
  {
    name: 'weights in Constant nodes',
    rewrite(model) {
      const graph = graphOf(model);
      for (const tensor of graph.initializer)
        graph.node.unshift({
          ...node('Constant', [], tensor.name!),
          attribute: [{ ...attribute('value', 0), type: 4, i: undefined, t: { ...tensor, name: '' } }],
        });
      graph.initializer = [];
    },
    fault: (model) => void (makerOf(model, 'conv2.weight').attribute[0].t!.rawData![3] ^= 0x80),
    layer: 'conv2',
  },
  {
    name: 'kernels (H,W,I,O) behind Transpose, Identity and Mul',
    rewrite(model) {
      for (const name of CONVS) {
        const weight = `${name}.weight`;
        const [K, C, R, S] = dims(model, weight);
        const w = valuesOf(model, weight);
        const hwio = w.map((_, at) => {
          const [k, c, rs] = [at % K, Math.floor(at / K) % C, Math.floor(at / (K * C))];
          return w[(k * C + c) * R * S + rs] / 2;
        });
        put(model, weight, hwio, [R, S, C, K]);
        put(model, 'two', [2], []);
        makerOf(model, name).input[1] = `${weight}/oihw`;
        graphOf(model).node.unshift(
          node('Identity', [weight], `${weight}/same`),
          node('Mul', [`${weight}/same`, 'two'], `${weight}/whole`),
          node('Transpose', [`${weight}/whole`], `${weight}/oihw`, { perm: [3, 2, 0, 1] }),
        );
      }
    },
    fault: (model) => void (makerOf(model, 'conv4.weight/oihw').attribute[0].ints = [3, 2, 1, 0]),
    layer: 'conv4',
  },
  {
    name: 'groups as Split, convolutions and Concat',
    rewrite: (model) => void ['conv2', 'conv4', 'conv5'].map((name) => splitGroups(model, name)),
    fault: (model) => void makerOf(model, 'conv4/bare').input.reverse(),
    layer: 'conv4',
  },
  {
    name: 'padding by a node in front',
    rewrite(model) {
      const conv = makerOf(model, 'conv2');
      conv.attribute.find(({ name }) => name === 'pads')!.ints = [0, 0, 0, 0];
      integers(model, 'conv2/pads', [0, 0, 2, 2, 0, 0, 2, 2]);
      const { node: list } = graphOf(model);
      list.splice(list.indexOf(conv), 0, node('Pad', [conv.input[0], 'conv2/pads'], 'conv2/padded'));
      conv.input[0] = 'conv2/padded';
    },
    fault: (model) => void (makerOf(model, 'conv2/padded').attribute = [attribute('mode', 'edge')]),
    layer: 'conv2',
  },
  {
    name: 'fully connected layers as convolutions',
    rewrite: asConvolutions,
    fault: negate('fc6.weight'),
    layer: 'fc6',
  },
  {
    name: 'maps flattened as H,W,C',
    rewrite: (model) => mapsLast(model, true),
    fault: (model) => void (makerOf(model, 'pool5/hwc').attribute[0].ints = [0, 3, 2, 1]),
    layer: 'flatten',
  },
  {
    name: 'activations as N,H,W,C',
    rewrite: mapsLastAround,
    fault: (model) => void (makerOf(model, 'relu3').attribute[0].ints = [0, 3, 2, 1]),
    layer: 'conv4',
  },
  {
    name: 'a Reshape to a computed shape',
    rewrite: flattenByShape,
    fault: (model) => void (makerOf(model, 'relu6').opType = 'Abs'),
    layer: 'relu6',
  },
  {
    name: "torch's normalisation",
    rewrite: (model) => void ['norm1', 'norm2'].map((name) => torchLrn(model, name)),
    fault: (model) => void put(model, 'norm2/beta', [0.5], []),
    layer: 'norm2',
  },
  {
    name: 'functions of the model',
    rewrite: byFunction,
    fault: (model) =>
      void (model.functions[0].node[0].attribute.find(({ name }) => name === 'pads')!.ints = [2, 2, 0, 0]),
    layer: 'conv3',
  },
  {
    name: 'nodes in reverse order and values without names',
    rewrite(model) {
      unnamed(model);
      graphOf(model).node.reverse();
    },
    fault: (model) => void Object.assign(graphOf(model).node.at(-3)!, { opType: 'Identity', attribute: [] }),
    layer: 'norm1',
  },
  {
    name: "Caffe's names in place",
    rewrite(model) {
      for (const each of graphOf(model).node) {
        each.output = each.output.map((name) =>
          name.replace(/^relu(\d)$/, (_, n) => `${n < 6 ? 'conv' : 'fc'}${n}_relu`),
        );
        each.input = each.input.map((name) =>
          name.replace(/^relu(\d)$/, (_, n) => `${n < 6 ? 'conv' : 'fc'}${n}_relu`),
        );
      }
    },
    fault: (model) => void (makerOf(model, 'conv4_relu').opType = 'Tanh'),
    layer: 'relu4',
  },
  {
    name: 'Identity, Softmax and Clip elsewhere',
    rewrite(model) {
      const relu = makerOf(model, 'relu5');
      put(model, 'zero', [0], []);
      replace(model, relu, node('Clip', [relu.input[0], 'zero'], 'relu5'));
      graphOf(model).node.push(node('Identity', ['prob'], 'out'), node('Mul', ['out', 'out'], 'more'));
      graphOf(model).output[0].name = 'more';
    },
    fault: (model) => void put(model, 'zero', [-0.01], []),
    layer: 'relu5',
  },
];
