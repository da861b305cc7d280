/**
 * Where the paper, the authors' source and the frameworks disagree (docs/deviations.md), as switches: each way makes
 * another network of the one that is there, with the same weights.
 */
import type { Layer, Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';

export interface Model {
  readonly network: Network;
  readonly weights: Weights;
}

export interface Way {
  readonly name: string;
  readonly label: string;
  readonly change: (model: Model) => Model;
  /** Whether it needs the weights. */
  readonly needsWeights?: true;
}

export interface Doubt {
  readonly name: string;
  readonly title: string;
  /** The section, and its sentence. */
  readonly paper: readonly [section: string, sentence: string];
  /** What the released source does, and where (computerhistory/AlexNet-Source-Code). */
  readonly released: string;
  /** Our lines: a file of the repository, text in the first line, and how many. */
  readonly ours: readonly [file: string, from: string, lines: number];
  readonly ways: readonly Way[];
  /** Why the network has no such question; undefined where it has. */
  readonly without?: (network: Network) => string | undefined;
}

type Change = (layer: Layer) => Layer;

const each =
  (change: Change): Way['change'] =>
  ({ network, weights }) => ({ network: { ...network, layers: network.layers.map(change) }, weights });

const normalising = (attributes: object): Way['change'] =>
  each((layer) =>
    layer.kind === 'lrn' ? { ...layer, attributes: { ...layer.attributes, ...attributes } } : layer,
  );

const lacking = (kind: Layer['kind'], what: string) => (network: Network) =>
  network.layers.some((layer) => layer.kind === kind) ? undefined : `this network has no ${what}`;

const [relu, lrn, pool] = ['relu', 'lrn', 'maxpool'];

/** Runs of ReLU, LRN and pooling, each run put into this order. */
const ordered =
  (order: readonly string[]): Way['change'] =>
  ({ network, weights }) => {
    const layers: Layer[] = [];
    let run: Layer[] = [];
    const close = (): void => {
      const whole = run.length === 3 && new Set(run.map(({ kind }) => kind)).size === 3;
      if (whole) run.sort((a, b) => order.indexOf(a.kind) - order.indexOf(b.kind));
      layers.push(...run);
      run = [];
    };
    for (const layer of network.layers) {
      if (order.includes(layer.kind) && !layer.inputs) run.push(layer);
      else {
        close();
        layers.push(layer);
      }
    }
    close();
    return { network: { ...network, layers }, weights };
  };

/** Every convolution but the first reads its own tower alone: of a kernel's maps the other half is cut off. */
function apart({ network, weights }: Model): Model {
  const cut = new Map<string, Tensor>(weights);
  const layers = network.layers.map((layer, at) => {
    if (layer.kind !== 'conv2d' || at === 0 || layer.attributes.groups !== 1) return layer;
    const name = `${layer.name}.weight`;
    const w = weights.get(name)!;
    const [K, C, R, S] = w.shape;
    if (K % 2 !== 0 || C % 2 !== 0) return layer;
    const F = dense(w);
    const half = (C / 2) * R * S;
    const own = new Float32Array(K * half);
    for (let k = 0; k < K; k++) {
      const from = 2 * k * half + (k < K / 2 ? 0 : half);
      own.set(F.subarray(from, from + half), k * half);
    }
    cut.set(name, tensor(own, [K, C / 2, R, S]));
    return { ...layer, attributes: { ...layer.attributes, groups: 2 } };
  });
  return { network: { ...network, layers }, weights: cut };
}

const pooling = (rounding: 'floor' | 'caffe'): Way['change'] =>
  each((layer) =>
    layer.kind === 'maxpool' ? { ...layer, attributes: { ...layer.attributes, rounding } } : layer,
  );

const dropping = (convention: 'paper' | 'inverted'): Way['change'] =>
  each((layer) =>
    layer.kind === 'dropout' ? { ...layer, attributes: { ...layer.attributes, convention } } : layer,
  );

const fed =
  (change: (given: Network['preprocess']) => Partial<Network['preprocess']>): Way['change'] =>
  ({ network, weights }) => ({
    network: { ...network, preprocess: { ...network.preprocess, ...change(network.preprocess) } },
    weights,
  });

/** A picture of another size, and zeros at conv1's bottom and right edges. */
const sized =
  (side: 224 | 227): Way['change'] =>
  ({ network, weights }) => {
    const edge = 227 - side;
    const [first, ...rest] = network.layers;
    if (first.kind !== 'conv2d') return { network, weights };
    const conv1: Layer = { ...first, attributes: { ...first.attributes, pad: [0, 0, edge, edge] } };
    const crop = { ...network.preprocess.crop, size: side };
    const preprocess = { ...network.preprocess, crop };
    return { network: { ...network, input: [3, side, side], layers: [conv1, ...rest], preprocess }, weights };
  };

const reversed = (values: readonly number[]): number[] => [...values].reverse();

export const doubts: readonly Doubt[] = [
  {
    name: 'alpha',
    title: 'Is LRN’s α divided by n?',
    paper: [
      '3.3',
      'the sum runs over n “adjacent” kernel maps at the same spatial position … we used k = 2, n = 5, α = 10⁻⁴, and β = 0.75.',
    ],
    released:
      'layer.py, line 1183, divides: scale /= size. So do Caffe, PyTorch and ONNX; TensorFlow does not.',
    ours: ['reference/ops/lrn.ts', 'const scaleOf', 1],
    ways: [
      { name: 'yes', label: 'α/n', change: normalising({ divide: true }) },
      { name: 'no', label: 'α, as the formula is printed', change: normalising({ divide: false }) },
    ],
    without: lacking('lrn', 'LRN'),
  },
  {
    name: 'k',
    title: 'Is LRN’s k 2 or 1?',
    paper: ['3.3', 'we used k = 2, n = 5, α = 10⁻⁴, and β = 0.75.'],
    released:
      'layers/layer-params-145.cfg, lines 137 to 155: minDiv = 2. Caffe’s default is 1, which bvlc_alexnet took.',
    ours: ['reference/ops/lrn.ts', 'let sum = 0;', 3],
    ways: [
      { name: '2', label: '2', change: normalising({ k: 2 }) },
      { name: '1', label: '1', change: normalising({ k: 1 }) },
    ],
    without: lacking('lrn', 'LRN'),
  },
  {
    name: 'order',
    title: 'LRN before or after ReLU, before or after pooling?',
    paper: [
      '3.5',
      'Response-normalization layers follow the first and second convolutional layers. Max-pooling layers … follow both response-normalization layers … The ReLU non-linearity is applied to the output of every convolutional and fully-connected layer.',
    ],
    released:
      'layers/layers-145.cfg, lines 35 to 63: in the first layer LRN comes first, on signed values, then pooling, then ReLU. CaffeNet pools before it normalises.',
    ours: ['reference/networks/asrun.ts', "lrn('norm1'", 3],
    ways: [
      { name: 'paper', label: 'ReLU, LRN, pooling: the paper', change: ordered([relu, lrn, pool]) },
      { name: 'ran', label: 'LRN, pooling, ReLU: what ran', change: ordered([lrn, pool, relu]) },
      { name: 'caffenet', label: 'ReLU, pooling, LRN: CaffeNet', change: ordered([relu, pool, lrn]) },
    ],
    without: lacking('lrn', 'LRN'),
  },
  {
    name: 'towers',
    title: 'Do the two towers ever meet?',
    paper: [
      '3.5',
      'The kernels of the third convolutional layer are connected to all kernel maps in the second layer.',
    ],
    released:
      'layers/layers-145.cfg: conv3 reads pool2a and pool2b. Configuration 150, which never meets, was 1.2 points worse (log: .4183 top-1 against .4066).',
    ours: ['reference/ops/conv2d.ts', 'const firstChannel', 1],
    ways: [
      { name: 'apart', label: 'never: every kernel reads its own tower', change: apart, needsWeights: true },
    ],
    without: lacking('conv2d', 'convolution'),
  },
  {
    name: 'rounding',
    title: 'Is the size of a pooled map rounded down or up?',
    paper: ['3.4', 'This is what we use throughout our network, with s = 2 and z = 3.'],
    released:
      'layer.py, line 1164, rounds up. PyTorch and ONNX round down unless told. On 55, 27 and 13 it is the same; not on the 54, 26 and 12 of the model zoo.',
    ours: ['reference/ops/window.ts', "const count = (rounding === 'floor'", 3],
    ways: [
      { name: 'floor', label: 'down', change: pooling('floor') },
      { name: 'ceil', label: 'up', change: pooling('caffe') },
    ],
    without: lacking('maxpool', 'max-pooling'),
  },
  {
    name: 'size',
    title: 'Is the picture 224 or 227 pixels wide?',
    paper: [
      '3.5',
      'The first convolutional layer filters the 224×224×3 input image with 96 kernels of size 11×11×3 with a stride of 4 pixels',
    ],
    released:
      'layer.py, line 1004, rounds up: 1 + ⌈(224 − 11)/4⌉ = 55, and the last windows, which end at 227, read zeros. Caffe crops 227.',
    ours: ['reference/networks/asrun.ts', "conv('conv1'", 1],
    ways: [
      { name: '224', label: '224, three rows and columns of zeros', change: sized(224) },
      { name: '227', label: '227', change: sized(227) },
    ],
    without({ input, layers: [first] }) {
      const fits = first.kind === 'conv2d' && first.attributes.stride[0] === 4 && first.kernel[0] === 11;
      return fits && first.attributes.pad[0] === 0 ? undefined : `this network takes ${input[1]}×${input[2]}`;
    },
  },
  {
    name: 'channels',
    title: 'RGB or BGR?',
    paper: ['2', 'So we trained our network on the (centered) raw RGB values of the pixels.'],
    released: 'convdata_jpeg.py feeds RGB. Caffe and the model zoo feed BGR: OpenCV reads it so.',
    ours: ['reference/input/preprocess.ts', "normalise(view.data, spec.channels === 'RGB'", 1],
    ways: [
      {
        name: 'other',
        label: 'the other order than the weights were trained on',
        change: fed(({ channels, mean, deviation }) => ({
          channels: channels === 'RGB' ? 'BGR' : 'RGB',
          mean: reversed(mean),
          deviation: reversed(deviation),
        })),
      },
    ],
  },
  {
    name: 'mean',
    title: 'Is the mean subtracted?',
    paper: ['2', 'except for subtracting the mean activity over the training set from each pixel.'],
    released: 'convdata_jpeg.py, line 95, subtracts a mean image, always its centre crop.',
    ours: ['reference/input/preprocess.ts', 'const ranged =', 2],
    ways: [{ name: 'no', label: 'no', change: fed(() => ({ mean: [0, 0, 0] })) }],
  },
  {
    name: 'dropout',
    title: 'Are the outputs halved when the net is used?',
    paper: ['4.2', 'At test time, we use all the neurons but multiply their outputs by 0.5'],
    released:
      'So does the released source. Caffe, PyTorch and ONNX double them in training instead, and leave them alone here.',
    ours: ['reference/ops/dropout.ts', 'if (M) Y[i]', 2],
    ways: [
      { name: 'halved', label: '× ½', change: dropping('paper') },
      { name: 'whole', label: 'as they are', change: dropping('inverted') },
    ],
    without: lacking('dropout', 'dropout'),
  },
];

/** Which way each doubt goes that is not left as it is: 'alpha.no,k.1'. What is unknown is passed over. */
export function chosenWays(text: string): ReadonlyMap<string, Way> {
  const chosen = new Map<string, Way>();
  for (const part of text.split(',')) {
    const [name, way] = part.split('.');
    const found = doubts.find((doubt) => doubt.name === name)?.ways.find((one) => one.name === way);
    if (found) chosen.set(name, found);
  }
  return chosen;
}

/** The network with all the changes of `text`. */
export const doubted = (model: Model, text: string): Model =>
  [...chosenWays(text).values()].reduce((changed, way) => way.change(changed), model);

/** The way that a network goes already: one that changes nothing of it; undefined where it goes another one. */
export function ownWay({ ways }: Doubt, network: Network): Way | undefined {
  const is = JSON.stringify(network);
  return ways.find(
    ({ change, needsWeights }) =>
      !needsWeights && JSON.stringify(change({ network, weights: new Map() }).network) === is,
  );
}
