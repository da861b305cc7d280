/**
 * From a photo to its five likeliest classes, back through every layer, and one step of training: with nothing but
 * reference/ and a JPEG reader. Read it from top to bottom, change something, run it again:
 *
 *   npx tsx docs/walkthrough.ts [photo.jpg [class]]
 */
import { readFileSync } from 'node:fs';
import jpeg from 'jpeg-js';
import type { Tensor } from '../reference/index.ts';
import * as reference from '../reference/index.ts';

const { dense, loss, ops, optimiser, random } = reference;
const [photo, named] = process.argv.slice(2);
const here = (path: string) => new URL(path, import.meta.url);
const classes = 'airplane automobile bird cat deer dog frog horse ship truck'.split(' ');

// ---- 1. the photo: shorter side to 32, the 28×28 in the middle, minus the mean colour, divided by its deviation ----

const bytes = readFileSync(photo ?? here('figures/ship.jpg'));
const { width, height, data } = jpeg.decode(bytes, { formatAsRGBA: false, useTArray: true });
const network = reference.networkNamed('cifar-alexnet');
const image = reference.preprocess({ width, height, data }, network.preprocess); // (1,3,28,28)

// ---- 2. the weights: safetensors is a length, a header in JSON, and the numbers, here float16 ----------------------

const file = readFileSync(here('../fixtures/cifar-alexnet/weights.safetensors'));
const start = 8 + Number(file.readBigUInt64LE(0));
const header: Record<string, { shape: number[]; data_offsets: [number, number] }> = JSON.parse(
  file.toString('utf8', 8, start),
);

/** A sign, five bits of exponent, ten of fraction. */
function float16(bits: number): number {
  const exponent = (bits >> 10) & 31;
  const fraction = bits & 1023;
  const size = exponent === 0 ? fraction * 2 ** -24 : (1024 + fraction) * 2 ** (exponent - 25);
  return bits < 0x8000 ? size : -size;
}

let weights = new Map<string, Tensor>();
for (const [name, { shape, data_offsets }] of Object.entries(header)) {
  if (name === '__metadata__') continue;
  const [from, to] = data_offsets;
  const bitsOf = (i: number) => file.readUInt16LE(start + from + 2 * i);
  const values = Float32Array.from({ length: (to - from) / 2 }, (_, i) => float16(bitsOf(i)));
  weights.set(name, reference.tensor(values, shape));
}

// ---- 3. the layers: each computes y, and writes on the tape how a gradient goes back through it --------------------

const tape: ((dy: Tensor) => Tensor)[] = [];
const gradients = new Map<string, Tensor>();

/** One operation on x and, where it has them, the weight and bias of a layer. */
function apply<A>(
  op: ForwardAndBackward<A>,
  x: Tensor,
  attributes: A,
  layer?: string,
  mask?: Tensor,
): Tensor {
  const parameters = layer ? [`${layer}.weight`, `${layer}.bias`] : [];
  const operands = [x, ...parameters.map((name) => weights.get(name)!), ...(mask ? [mask] : [])];
  const y = op.forward(operands, attributes);
  tape.push((dy) => {
    const [dx, ...others] = op.backward(dy, operands, y, attributes);
    for (const [i, name] of parameters.entries()) gradients.set(name, others[i]!);
    return dx!;
  });
  return y;
}
type ForwardAndBackward<A> = { forward: reference.Forward<A>; backward: reference.Backward<A> };

const relu = (x: Tensor) => apply(ops.relu, x, undefined);
const fc = (layer: string, x: Tensor) => apply(ops.linear, x, undefined, layer);
const conv = (layer: string, x: Tensor, groups: number) =>
  apply(ops.conv2d, x, { stride: [1, 1], pad: [1, 1, 1, 1], dilation: [1, 1], groups }, layer);
const pool = (x: Tensor) =>
  apply(ops.maxpool, x, { kernel: [3, 3], stride: [2, 2], pad: [0, 0, 0, 0], rounding: 'onnx' });
const norm = (x: Tensor) =>
  apply(ops.lrn, x, { size: 5, alpha: 1e-3, beta: 0.75, k: 1, divide: true, even: 'above', groups: 1 });
const masks = new Map<string, Uint8Array>(); // of the dropout layers: 1 keep, 0 drop; none at test time
function drop(layer: string, x: Tensor): Tensor {
  const mask = masks.get(layer);
  const operand = mask && reference.tensor(Float32Array.from(mask), [mask.length]);
  return apply(ops.dropout, x, { ratio: 0.5, convention: 'inverted' }, undefined, operand);
}

/** The logits (1,10). */
function run(x: Tensor): Tensor {
  tape.length = 0;
  let y = norm(pool(relu(conv('conv1', x, 1)))); // 32×14×14
  y = relu(conv('conv2', y, 1)); // 96×14×14
  y = norm(pool(relu(conv('conv3', y, 2)))); // 96×7×7, two towers
  y = relu(conv('conv4', y, 1)); // 192×7×7, both towers see both
  y = relu(conv('conv5', y, 2)); // 192×7×7
  y = pool(relu(conv('conv6', y, 2))); // 160×3×3
  y = drop('drop7', apply(ops.flatten, y, { order: 'CHW' })); // 1440
  y = drop('drop8', relu(fc('fc7', y))); // 192
  return fc('fc8', y); // 10
}

// ---- 4. the top five -----------------------------------------------------------------------------------------------

const p = dense(ops.softmax.forward([run(image)], undefined));
const ranked = classes.map((name, k) => ({ name, p: p[k] })).sort((a, b) => b.p - a.p);
for (const guess of ranked.slice(0, 5)) console.log(`${guess.name.padEnd(12)}${guess.p.toFixed(4)}`);

// ---- 5. let it be another class: the loss, half of the neurons dropped, and back along the tape --------------------

const label = classes.indexOf(named ?? ranked[1].name);
if (label < 0) throw new Error(`there is no class '${named}' (there are: ${classes.join(', ')})`);
for (const [layer, size] of Object.entries({ drop7: 1440, drop8: 192 })) {
  const coins = random.words(0, random.streamOf(layer), size);
  masks.set(
    layer,
    Uint8Array.from(coins, (word) => word & 1),
  );
}
const logits = run(image);
const before = loss.forward(logits, [label]);
let dy = loss.backward(logits, [label], before.p); // p − onehot
for (const back of tape.reverse()) dy = back(dy); // in the end the gradient of the picture
console.log(`loss if it were a picture of class ${classes[label]}: ${before.loss.toFixed(6)}`);
console.log(`gradients of ${gradients.size} weights and biases, and of the picture [${dy.shape}]`);

// ---- 6. one step: v ← 0.9·v − 0.0005·ε·w − ε·g,  w ← w + v (section 5 of the paper) --------------------------------

const momenta = optimiser.zeroMomenta(weights);
const hyper = { rule: 'paper', learningRate: 0.001 } as const;
const batch = { input: image, labels: [label], dropout: masks };
const oracle = reference.step(network, weights, momenta, batch, hyper); // for section 7
({ weights } = optimiser.updateAll(weights, momenta, gradients, hyper));
console.log(`after one step: ${loss.forward(run(image), [label]).loss.toFixed(6)}`);

// ---- 7. the oracle, which goes through the list of layers in reference/networks/cifar.ts, has the same bits --------

const same = [...oracle.weights].every(([name, w]) => {
  const mine = dense(weights.get(name)!);
  return dense(w).every((value, i) => Object.is(value, mine[i]));
});
console.log(`the oracle's step ends at ${same ? 'the same weights, bit for bit' : 'other weights'}`);
if (!same) process.exitCode = 1;
