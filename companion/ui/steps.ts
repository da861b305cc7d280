/** The guided tour: twelve steps along the paper's sections. Numbers in the texts hold for every network. */
import type { Scene } from './scene.ts';

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

const always = (choice: number) => (): number => choice;

export const steps: readonly Step[] = [
  {
    section: '2',
    title: 'A photo becomes numbers',
    text: [
      'A network computes with numbers of one shape. The photo is resized, its centre is cut out, and the mean of the training set is subtracted: what is brighter than usual becomes positive, what is darker negative.',
      'That is all. No edges are searched, nothing is sharpened: the rest the network has to find out by itself.',
    ],
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
      'Each kernel makes one map. Point at a value: its window, its kernel and all products stand in the walk.',
    ],
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
      'Without something that is not linear, many layers are worth no more than one. The paper takes max(0, x), where its predecessors took tanh: “Deep convolutional neural networks with ReLUs train several times faster”.',
      'Step through the maps: all that was blue is gone.',
    ],
    shows: 'relu',
    source: ['reference/ops/relu.ts', 'Y[i] =', 1],
    question: {
      ask: 'What is the gradient of a value that ReLU cut off?',
      choices: ['0', '1', 'the same as before, with the sign turned'],
      right: always(0),
      because: 'A small change of it changes nothing that follows.',
    },
  },
  {
    section: '3.3',
    title: 'Neighbours hold each other down',
    text: [
      'Local response normalisation divides each value by what the neighbouring maps have at the same place: “a form of lateral inhibition inspired by the type found in real neurons”. A map that shouts dims those beside it.',
      'What was run is not quite what was printed: see Doubt, where α, k and the order can be switched.',
    ],
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
      'Windows of 3×3 stand 2 apart and overlap: “We generally observe during training that models with overlapping pooling find it slightly more difficult to overfit”.',
    ],
    shows: 'maxpool',
    source: ['reference/ops/maxpool.ts', '// the first maximum', 5],
    question: {
      ask: 'In backward, which values of a window get its gradient?',
      choices: ['all, a ninth each', 'the largest alone', 'none'],
      right: always(1),
      because: 'A small change of the others does not change the maximum.',
    },
  },
  {
    section: '3.2',
    title: 'Two towers',
    text: [
      'One card of 2012 had 3 GB. So “we spread the net across two GPUs”: half of the kernels on each, and the cards talk “only in certain layers”. In the drawing above the lines cross where they do.',
      'Today the same is called a convolution in groups: kernels of a group read the maps of their own group alone.',
    ],
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
      'The last layers are fully connected: each neuron reads every value before it. Most of the parameters are here and few of the multiply-adds; in the convolutions it is the other way round.',
      'Compare the two numbers in the walk, from layer to layer.',
    ],
    shows: 'linear',
    source: ['reference/ops/linear.ts', 'let sum = 0;', 3],
    question: {
      ask: 'In this network, which layer has more parameters: the first convolution or the first fully connected one?',
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
      'The last layer has one value for each class. Softmax makes shares of them: e to the power of each, divided by their sum. The largest share is the answer; the five largest are what the paper counts as top-5.',
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
      'In training the crop is cut at random and mirrored half of the time: “This increases the size of our training set by a factor of 2048”. In a test ten crops are taken and their shares averaged.',
      'The ten views of this photo, each with its answer, stand under The answer.',
    ],
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
      'In training every neuron of these layers is silent half of the time, drawn anew for each picture. So no neuron can rely on another one, and each has to be of use by itself.',
      'At test time all of them speak. The paper halves their outputs; others double them in training instead.',
    ],
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
    title: 'Backward: who is to blame?',
    text: [
      'The loss is −log of the right class’s share. Going back from it, layer by layer, tells how much each value would change it; the weights are then moved a little the other way.',
      'These maps are gradients: orange raises the loss, blue lowers it. Choose another class in the walk, and the blame moves.',
    ],
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
    section: '6 and 7',
    title: 'What it has learnt',
    text: [
      'Take a kernel out and see what the answer loses; cover a part of the photo and see where the answer sat. Both are under The answer.',
      '“our network’s performance degrades if a single convolutional layer is removed. … So the depth really is important for achieving our results.” Now doubt it: switch something off, and see what it does.',
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
