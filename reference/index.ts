/** The oracle: `alexnet-oracle/reference`. It needs ndarray and nothing else. */
export * as augment from './augment.ts';
export * as fast from './fast/index.ts';
export { type Batch, backward, type Gradients, step } from './gradient.ts';
export { initialise, type Method, methods } from './init.ts';
export * as loss from './loss.ts';
export { fitNetwork } from './networks/fit.ts';
export { networkNamed, networks } from './networks/index.ts';
export type { Kind, Layer, Network } from './networks/layers.ts';
export * as ops from './ops/index.ts';
export * as optimiser from './optimiser.ts';
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
export { type Image, type Preprocess, preprocess } from './preprocess.ts';
export * as random from './random.ts';
export * as schedule from './schedule.ts';
export { cast, dense, type Precision, type Shape, type Tensor, tensor, zeros } from './tensor.ts';
