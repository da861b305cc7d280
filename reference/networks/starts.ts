/**
 * How the layers of a network begin, by source. training/init.ts draws the weights.
 *
 * paper    section 5: standard deviation 0.01; biases 1 in conv2, conv4, conv5 and the hidden fully connected layers.
 * as-run   configuration 145 of the released source (layers/layers-145.cfg): as paper, but 0.03 in conv3 to conv5.
 * caffe    models/bvlc_alexnet (train_val.prototxt): 0.005 in the hidden fully connected layers, biases 0.1 where the
 *          paper has 1 (caffenet: 1).
 */

/** How one layer begins. */
export interface Start {
  /** Standard deviation of its weights. */
  readonly deviation: number;
  readonly bias: number;
}

/** By source and layer; what is not said is 0.01 and 0. */
export type Starts = Readonly<Record<'paper' | 'as-run' | 'caffe', Readonly<Record<string, Partial<Start>>>>>;

/** Section 5 for any AlexNet: `hidden` are its fully connected layers but the last. */
export function alexnetStarts(hidden: readonly string[] = ['fc6', 'fc7'], caffeBias = 0.1): Starts {
  const every = (layers: readonly string[], start: Partial<Start>) =>
    Object.fromEntries(layers.map((layer) => [layer, start]));
  const biased = ['conv2', 'conv4', 'conv5'];
  const ones = every([...biased, ...hidden], { bias: 1 });
  const wide = { deviation: 0.03 };
  return {
    paper: ones,
    'as-run': { ...ones, conv3: wide, conv4: { ...wide, bias: 1 }, conv5: { ...wide, bias: 1 } },
    caffe: { ...every(biased, { bias: caffeBias }), ...every(hidden, { deviation: 0.005, bias: caffeBias }) },
  };
}

/** The three-convolution CIFAR-10 nets; caffe is examples/cifar10/cifar10_full_train_test.prototxt. */
export const cifarStarts: Starts = {
  paper: { conv2: { bias: 1 } },
  'as-run': { conv2: { bias: 1 }, conv3: { deviation: 0.03 } },
  caffe: { conv1: { deviation: 1e-4 } },
};
