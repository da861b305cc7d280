/**
 * The oracle, in the order in which it is read: `alexnet-oracle/reference`. It needs ndarray and nothing else.
 *
 * Errors are one line: TypeError for an argument that is another kind of thing, RangeError, naming the layer or
 * operation, for values and shapes that do not fit.
 *
 * In each operation `backward` stands below `forward`; its comments quote the lines that it differentiates. Two files
 * are read when they are met: math.ts has exp, log and tanh made of IEEE 754 operations, named.ts the errors.
 *
 * @module alexnet-oracle/reference
 */
// biome-ignore-all assist/source/organizeImports: the reading order
export * from './tensor.ts';
export * from './networks/layers.ts'; // the words in which a network is written
export { networkNamed, networks } from './networks/index.ts';
export type { Start, Starts } from './networks/starts.ts';
export { fitNetwork } from './networks/fit.ts';
export { forward, layerMacs, macs, parameterCount, runLayer, shapes, weightShapes } from './oracle.ts';
export type { ForwardOptions, Operations, Shapes, Weights } from './oracle.ts';
export * as ops from './ops/index.ts';
export type * from './ops/operation.ts';
export type * from './ops/window.ts';
export { backward, step } from './training/gradient.ts';
export type { Batch, GradientOptions, Gradients, Masks } from './training/gradient.ts';
export * as loss from './training/loss.ts';
export * as optimiser from './training/optimiser.ts';
export * as schedule from './training/schedule.ts';
export { initialise, type Method, methods, startOf } from './training/init.ts';
export * as augment from './input/augment.ts';
export * as pca from './input/pca.ts';
export {
  type Image,
  type Preprocess,
  type PreprocessOptions,
  type Extent,
  preprocess,
  type Views,
} from './input/preprocess.ts';
export * as pixels from './input/pixels.ts';
export type { Rectangle } from './input/resize.ts';
export * as random from './random.ts';
