/** The oracle: `alexnet-oracle/reference`. It needs ndarray and nothing else. */
export * as augment from './input/augment.ts';
export { type Image, type Preprocess, preprocess } from './input/preprocess.ts';
export { fitNetwork } from './networks/fit.ts';
export { networkNamed, networks } from './networks/index.ts';
export type { Kind, Layer, Network } from './networks/layers.ts';
export * as ops from './ops/index.ts';
export {
  type ForwardOptions,
  forward,
  inputsOf,
  layerMacs,
  macs,
  parameterCount,
  runLayer,
  shapes,
  type Weights,
  weightShapes,
} from './oracle.ts';
export * as random from './random.ts';
export { cast, dense, type Precision, type Shape, type Tensor, tensor, zeros } from './tensor.ts';
export { type Batch, backward, type Gradients, step } from './training/gradient.ts';
export { initialise, type Method, methods } from './training/init.ts';
export * as loss from './training/loss.ts';
export * as optimiser from './training/optimiser.ts';
export * as schedule from './training/schedule.ts';
