/**
 * The guided tour: twelve steps along the paper's sections. `text` is what the paper has, with its numbers; what the
 * network on the page has is worked out from it, as it may be another one.
 */
import type { Layer } from '../../reference/networks/layers.ts';
import type { Scene } from './scene.ts';
import type { Page } from './view.ts';

export interface Question {
  readonly ask: string;
  readonly choices: readonly string[];
  /** Which choice is right in this network. */
  readonly right: (scene: Scene) => number;
  readonly because: string;
}

export interface Step {
  readonly section: string;
  readonly title: string;
  readonly text: readonly string[];
  /** What of this there is in the network on the page. */
  readonly here?: (scene: Scene) => string;
  /** Where the page shows more of it. */
  readonly more?: readonly (readonly [page: Page, label: string])[];
  /** The kind of layer whose first instance is shown; 'input', or 'answer' for the likeliest classes. */
  readonly shows:
    | 'input'
    | 'answer'
    | 'conv2d'
    | 'relu'
    | 'lrn'
    | 'maxpool'
    | 'linear'
    | 'dropout'
    | 'last conv2d';
  readonly side?: 'gradient';
  readonly source: readonly [file: string, from: string, lines: number];
  readonly question: Question;
}

const named = (layers: readonly Layer[]): string => layers.map(({ name }) => name).join(', ');
const ofKind = ({ network }: Scene, kind: Layer['kind']): Layer[] =>
  network.layers.filter((layer) => layer.kind === kind);
const total = (scene: Scene, kind: Layer['kind'], what: 'parameters' | 'macs'): number =>
  ofKind(scene, kind).reduce((sum, { name }) => sum + scene.sizes.get(name)![what], 0);
const grouped = (scene: Scene): Layer[] =>
  ofKind(scene, 'conv2d').filter((layer) => layer.kind === 'conv2d' && layer.attributes.groups > 1);

const always = (choice: number) => (): number => choice;

export const steps: readonly Step[] = [
  {
    section: '2',
    title: 'A photo becomes numbers',
    text: [
      'The paper learns from 1.2 million photographs of 1,000 kinds of things (ImageNet, the ILSVRC contests). A network computes with numbers of one shape: so the shorter side is shrunk to 256, the central 256×256 is cut out, and the mean of the training set is subtracted; squares of 224×224 of that go in. What is brighter than usual becomes positive, what is darker negative.',
      'The paper does nothing else. No edges are searched, nothing is sharpened: the rest the network has to find out by itself.',
    ],
    here: ({ network: { input, preprocess } }) =>
      `reads ${input[1]}×${input[2]} pixels in ${input[0]} colours (maps 0, 1, 2: red, green, blue)${preprocess.deviation.every((one) => one === 1) ? '' : ', and divides them by their deviation too'}. Orange is above 0, blue below.`,
    more: [['input', 'From photo to input']],
    shows: 'input',
    source: ['reference/input/preprocess.ts', 'const ranged =', 2],
    question: {
      ask: 'A pixel is exactly as bright as the mean. What does the network get?',
      choices: ['0', '127', '1'],
      right: always(0),
      because: 'The mean is subtracted, so what is usual is 0.',
    },
  },
  {
    section: '3.5',
    title: 'The first layer looks for simple things',
    text: [
      'A kernel is a small picture of weights. It is laid over every place of the input; there each weight is multiplied with the value under it, and the products are added. Where the picture resembles the kernel the sum is large.',
      'Each kernel makes one map. The paper’s first layer has 96 kernels of 11×11×3, which stand 4 pixels apart (the stride): 96 maps of 55×55.',
      '224 or 227? The paper says that a picture of 224×224 goes in. But (224 − 11)/4 + 1 is 54.25, and its figure 2 has 55. What ran rounded up, and read three rows and columns of zeros beyond the picture; Caffe cuts out 227×227 instead, and so does alexnet2012 in this program. Why the paper prints 224 it does not say.',
    ],
    here: (scene) => {
      const [first] = ofKind(scene, 'conv2d');
      const [, maps, rows, columns] = scene.shapes.get(first.name)!;
      return first.kind === 'conv2d'
        ? `has ${maps} kernels of ${first.kernel.join('×')}×${scene.network.input[0]} there, ${first.attributes.stride[0]} apart: ${maps} maps of ${rows}×${columns}.`
        : '';
    },
    more: [['doubt', 'Doubt: is the picture 224 or 227 pixels wide?']],
    shows: 'conv2d',
    source: ['reference/ops/conv2d.ts', 'for (let c = 0; c < CG; c++)', 7],
    question: {
      ask: 'How many products does one value of the first layer add up?',
      choices: ['as many as the picture has pixels', 'the kernel’s height × width × 3', 'one for each map'],
      right: always(1),
      because: 'A window has the size of the kernel and reads all three colours.',
    },
  },
  {
    section: '3.1',
    title: 'ReLU cuts off what is below 0',
    text: [
      'Without something that is not linear, many layers are worth no more than one. The paper takes max(0, x), where its predecessors took tanh: “Deep convolutional neural networks with ReLUs train several times faster”. In its figure 1 a small net on CIFAR-10 gets to 25 % training error six times faster so.',
      'Look through the maps: what was blue, below 0, is 0 now.',
    ],
    here: (scene) => {
      const found = ofKind(scene, 'relu');
      return found.length > 0 ? `has ${named(found)}.` : 'has none.';
    },
    shows: 'relu',
    source: ['reference/ops/relu.ts', 'Y[i] =', 1],
    question: {
      ask: 'A value that ReLU cuts off grows a little, and stays below 0. What follows …',
      choices: ['does not change', 'grows as much', 'shrinks as much'],
      right: always(0),
      because: '0 stays 0: so nothing is learnt from such a value either.',
    },
  },
  {
    section: '3.3',
    title: 'Neighbours hold each other down',
    text: [
      'Local response normalisation divides each value by what the neighbouring maps have at the same place: “a form of lateral inhibition inspired by the type found in real neurons”. A map that shouts dims those beside it.',
      'The squares of n = 5 neighbouring maps are added; times α = 10⁻⁴, plus k = 2, to the power β = 0.75, that is what a value is divided by. It follows the ReLU of the first two layers, before pooling, and is worth 1.4 points of top-1 error and 1.2 of top-5.',
      'The printed formula does not divide α by n. The program that ran did.',
    ],
    here: ({ network: { layers } }) => {
      const lrn = layers.findIndex(({ kind }) => kind === 'lrn');
      const pool = layers.findIndex(({ kind }) => kind === 'maxpool');
      if (lrn < 0) return 'has no such layer.';
      return `normalises ${lrn < pool ? 'before it pools, as the paper' : 'after it has pooled, so that the maps are smaller here'}.`;
    },
    more: [['doubt', 'Doubt: switch α, k and the order']],
    shows: 'lrn',
    source: ['reference/ops/lrn.ts', 'let sum = 0;', 3],
    question: {
      ask: 'Which values does one value of this layer read?',
      choices: [
        'its neighbours in the same map',
        'the same place in neighbouring maps',
        'all values of its map',
      ],
      right: always(1),
      because: 'The sum runs over adjacent kernel maps at the same spatial position.',
    },
  },
  {
    section: '3.4',
    title: 'Pooling keeps the largest',
    text: [
      'Of each window only the largest value goes on: where exactly it was does not matter, so the net forgives small shifts, and the maps become smaller.',
      'Windows of z×z, z = 3, stand s = 2 apart: since s < z they overlap. Against s = z = 2 that is worth 0.4 points of top-1 error and 0.3 of top-5: “We generally observe during training that models with overlapping pooling find it slightly more difficult to overfit”. The paper pools after layers 1, 2 and 5.',
    ],
    here: (scene) => {
      const pools = ofKind(scene, 'maxpool');
      const [first] = pools;
      return first?.kind === 'maxpool'
        ? `pools in ${named(pools)}: windows of ${first.attributes.kernel.join('×')}, ${first.attributes.stride[0]} apart.`
        : 'has no max-pooling.';
    },
    shows: 'maxpool',
    source: ['reference/ops/maxpool.ts', '// the first maximum', 5],
    question: {
      ask: 'One of the smaller values of a window grows a little. What goes on …',
      choices: ['grows by a ninth of it', 'stays as it is', 'grows as much'],
      right: always(1),
      because: 'Only the largest counts; so in training the largest alone is corrected.',
    },
  },
  {
    section: '3.2',
    title: 'Two towers',
    text: [
      'One card of 2012 had 3 GB. So “we spread the net across two GPUs”: half of the kernels on each, and the cards talk “only in certain layers”. The third convolution and the three fully connected layers read the maps of both cards; the second, fourth and fifth convolution those of their own. Against a net on one card, with half as many kernels in each convolution but the last, that is worth 1.7 points of top-1 error and 1.2 of top-5.',
      'Today the same is called a convolution in groups: kernels of a group read the maps of their own group alone.',
    ],
    here: (scene) =>
      grouped(scene).length > 0
        ? `has two groups in ${named(grouped(scene))}; in the drawing below the lines cross wherever a layer reads both.`
        : 'has no groups: every kernel reads all maps.',
    more: [['doubt', 'Doubt: do the two towers ever meet?']],
    shows: 'last conv2d',
    source: ['reference/ops/conv2d.ts', 'const firstChannel', 1],
    question: {
      ask: 'In two groups a layer of as many maps has …',
      choices: ['twice the weights', 'the same weights', 'half the weights'],
      right: always(2),
      because: 'Each kernel reads half of the maps.',
    },
  },
  {
    section: '3.5',
    title: 'Every value meets every other',
    text: [
      'After five convolutions the paper has three fully connected layers, of 4096, 4096 and 1000 neurons: each reads every value before it. The whole net has 60 million parameters and takes 724 million multiply-adds a picture. They are spent in different places: 96 % of the parameters are in the fully connected layers, 92 % of the multiply-adds in the convolutions.',
    ],
    here: (scene) => {
      const count = (kind: Layer['kind'], what: 'parameters' | 'macs') =>
        total(scene, kind, what).toLocaleString('en');
      const few = total(scene, 'linear', 'parameters') < total(scene, 'conv2d', 'parameters');
      const why = few ? ' Its maps are small in the end, so its fully connected layers read few values.' : '';
      return `has ${count('conv2d', 'parameters')} parameters in its convolutions and ${count('linear', 'parameters')} in its fully connected layers; multiply-adds: ${count('conv2d', 'macs')} and ${count('linear', 'macs')}.${why}`;
    },
    more: [['walk', 'Walk through: both numbers of every layer']],
    shows: 'linear',
    source: ['reference/ops/linear.ts', 'let sum = 0;', 3],
    question: {
      ask: 'In the network on this page, which layer has more parameters: the first convolution or the first fully connected one?',
      choices: ['the convolution', 'the fully connected one'],
      right: ({ network, sizes }) => {
        const of = (kind: string): number =>
          sizes.get(network.layers.find((layer) => layer.kind === kind)!.name)!.parameters;
        return of('conv2d') > of('linear') ? 0 : 1;
      },
      because: 'A kernel is used at every place; a neuron’s weights are used once.',
    },
  },
  {
    section: '3.5',
    title: 'The answer is a list of shares',
    text: [
      'The last layer has one value for each class, its logit. Softmax makes shares of them: e to the power of each, divided by their sum. The largest share is the answer. The paper counts two errors: top-1, how often the largest share is not the right class, and top-5, how often the right class is not among the five largest.',
      'A share is not how often the net is right. It is what the training has made it say.',
    ],
    shows: 'answer',
    source: ['reference/ops/softmax.ts', 'let sum = 0;', 3],
    question: {
      ask: 'One value before softmax grows by 1. Its share …',
      choices: ['grows by 1', 'is multiplied by about 2.7 as long as it is small', 'stays'],
      right: always(1),
      because: 'e¹ is 2.718…, and while the share is small the sum hardly changes.',
    },
  },
  {
    section: '4.1',
    title: 'More pictures from few',
    text: [
      'First, a crop of 224×224 is cut from the 256×256 at random and mirrored half of the time: “This increases the size of our training set by a factor of 2048”, which counts 32·32 places, times 2 (there are 33 along each side). Second, the light changes. Principal component analysis finds the directions in which red, green and blue vary together, from dark to bright most of all, and how much (the eigenvalues). For each picture three numbers of deviation 0.1 are drawn, one a direction; all its pixels are moved along it by that number times the eigenvalue. An object stays what it is in another light; that alone is worth more than one point of top-1 error.',
      'In a test ten crops are taken, the four corners and the centre and the mirror image of each, and their shares are averaged.',
    ],
    more: [['answer', 'The answer: ten views of this photo']],
    shows: 'input',
    source: ['reference/input/preprocess.ts', 'const five =', 2],
    question: {
      ask: 'Why is a picture mirrored left to right, but not upside down?',
      choices: [
        'It would cost more time',
        'Mirrored photos look like photos, turned ones do not',
        'The paper forgot it',
      ],
      right: always(1),
      because: 'What the net learns should hold for the pictures that it will see.',
    },
  },
  {
    section: '4.2',
    title: 'Dropout: do not rely on anyone',
    text: [
      'In training every neuron of the first two fully connected layers is silent with a chance of 0.5, drawn anew for each picture. So no neuron can rely on another one, and each has to be of use by itself. Without it the net learns its pictures by heart; with it training takes about twice as long.',
      'At test time all of them speak. The paper halves their outputs; others double them in training instead.',
    ],
    here: (scene) => {
      const { layers } = scene.network;
      const drops = ofKind(scene, 'dropout');
      const [first] = drops;
      if (first?.kind !== 'dropout') return 'drops nothing.';
      const readers = drops.map((one) =>
        layers.slice(layers.indexOf(one)).find(({ kind }) => kind === 'linear'),
      );
      const now = first.attributes.convention === 'paper' ? 'are halved' : 'go on as they are';
      return `drops values that ${named(readers.filter((one) => one !== undefined))} would read, in ${named(drops)}. Now, at test time, they ${now}.`;
    },
    more: [['doubt', 'Doubt: are the outputs halved when the net is used?']],
    shows: 'dropout',
    source: ['reference/ops/dropout.ts', 'if (M) Y[i]', 2],
    question: {
      ask: 'What does dropout drop when the network is used?',
      choices: ['half of the neurons', 'nothing'],
      right: always(1),
      because: '“At test time, we use all the neurons but multiply their outputs by 0.5”.',
    },
  },
  {
    section: '5',
    title: 'Backward: how it learns',
    text: [
      'The loss is −log of the right class’s share. Going back from it, layer by layer, tells how much each value and each weight would change it: the gradient. These maps are gradients: where a value grows, orange raises the loss, blue lowers it, and grey changes nothing (where a whole map is grey, choose another). Colours are stretched: for an answer that is nearly certain all gradients are tiny.',
      'Then the weights go a little the other way. With g the mean gradient of a batch of 128 pictures: v ← 0.9·v − 0.0005·ε·w − ε·g, and w ← w + v. 0.9 is the momentum, which keeps a share of the last step; 0.0005 the weight decay; ε the learning rate, 0.01 at first, divided by 10 by hand whenever the error on the validation pictures stopped falling, three times in all. Some 90 rounds through 1.2 million pictures took five to six days on two cards.',
    ],
    here: ({ classes, probabilities }) =>
      `shows what speaks for and against ${classes[probabilities.indexOf(Math.max(...probabilities))]}, as long as no other class is chosen in the walk.`,
    more: [['walk', 'Walk through: choose another class, and the blame moves']],
    shows: 'last conv2d',
    side: 'gradient',
    source: ['reference/training/loss.ts', 'for (let k = 0; k < K; k++) DZ', 1],
    question: {
      ask: 'The share of the right class is 1. What is the gradient of its logit?',
      choices: ['1', '0', '−1'],
      right: always(1),
      because: 'It is p − 1: where nothing is wrong, nothing is learnt.',
    },
  },
  {
    section: '6, 7',
    title: 'What came of it',
    text: [
      'On the test pictures of ILSVRC-2010 the net is wrong in 37.5 % by top-1 and in 17.0 % by top-5, with ten crops; the best before had 45.7 and 25.7 %. In the contest of 2012 seven such nets together, two of them trained on more pictures before, had 15.3 % by top-5, and the second best team 26.2 %.',
      '“our network’s performance degrades if a single convolutional layer is removed. … So the depth really is important for achieving our results.” Without any one of the middle layers about two points of top-1 are lost.',
      'What has this one learnt? Take a kernel out and see what the answer loses; cover a part of the photo and see where the answer sat. The answer has both. Here the tour ends: now doubt it.',
    ],
    more: [
      ['answer', 'The answer: without each kernel, and with a part covered'],
      ['doubt', 'Doubt: turn a switch, and see what it does'],
    ],
    shows: 'answer',
    source: ['companion/engine/experiments.ts', 'data.fill(0, (first + i)', 1],
    question: {
      ask: 'A kernel is set to 0 and the loss falls. The kernel …',
      choices: ['spoke for the class', 'spoke against the class'],
      right: always(1),
      because: 'Without it the class is more probable.',
    },
  },
];
