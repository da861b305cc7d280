/**
 * The forms in which other exporters write the function of an exported bvlc-alexnet, each with a fault that it can
 * have, and the layer at which the fault must show.
 */
import type { ModelProto, NodeProto } from '../../export/proto.ts';
import { attribute } from './onnx.ts';
import {
  asConvolutions,
  biasByAdd,
  byFunction,
  CONVS,
  dims,
  FCS,
  flattenByShape,
  graphOf,
  integers,
  makerOf,
  mapsLast,
  mapsLastAround,
  negate,
  node,
  put,
  replace,
  splitGroups,
  torchLrn,
  unnamed,
  valuesOf,
  withMatMul,
} from './rewrites.ts';

export interface Form {
  readonly name: string;
  /** Changes the exported model without changing what it computes. */
  readonly rewrite: (model: ModelProto) => void;
  /** Changes the rewritten model's function. */
  readonly fault: (model: ModelProto) => void;
  /** The first layer that is wrong then. */
  readonly layer: string;
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
  {
    name: 'nodes between the layers that change nothing',
    rewrite(model) {
      put(model, 'one', [0.5], []);
      put(model, 'zeros', [0, -0], [2, 1, 1, 1]);
      integers(model, 'first', [0]);
      between(model, 'conv1', node('Add', ['one', 'one'], 'whole'), (x, y) => node('Mul', ['whole', x], y));
      between(model, 'relu1', node('Gather', ['zeros', 'first'], 'zero'), (x, y) =>
        node('Add', [x, 'zero'], y),
      );
      between(model, 'pool2', node('Identity', ['whole'], 'same'), (x, y) => node('Div', [x, 'same'], y));
      between(model, 'relu3', node('Cast', ['relu3'], 'wide', { to: 11 }), (_, y) =>
        node('Cast', ['wide'], y, { to: 1 }),
      );
      between(model, 'conv4', node('Identity', ['conv4'], 'conv4/1'), (_, y) =>
        node('Sub', ['conv4/1', 'zero'], y),
      );
      between(model, 'fc6', node('Dropout', ['fc6'], 'fc6/kept'), (_, y) =>
        node('Mul', ['fc6/kept', 'same'], y),
      );
    },
    fault: (model) => void put(model, 'one', [0.5 + 2 ** -12], []),
    layer: 'relu1',
  },
];

/** Two nodes behind a value, which make what the others read then of it. */
function between(
  model: ModelProto,
  name: string,
  first: NodeProto,
  last: (x: string, y: string) => NodeProto,
) {
  const { node: list } = graphOf(model);
  for (const each of list)
    each.input = each.input.map((input) => (input === name ? `${name}/passed` : input));
  list.splice(list.indexOf(makerOf(model, name)) + 1, 0, first, last(name, `${name}/passed`));
}
