/**
 * The oracle, in the order in which it is read: `alexnet-oracle/reference`. It needs ndarray and nothing else.
 *
 * In each operation `backward` stands below `forward`; its comments quote the lines that it differentiates.
 */
// biome-ignore-all assist/source/organizeImports: the reading order
export * from './tensor.ts';
export * from './networks/layers.ts';
export * from './networks/index.ts';
export * from './networks/fit.ts';
export * from './oracle.ts';
export * as ops from './ops/index.ts';
export type * from './ops/operation.ts';
export * from './training/gradient.ts';
export * as loss from './training/loss.ts';
export * as optimiser from './training/optimiser.ts';
export * as schedule from './training/schedule.ts';
export * from './training/init.ts';
export * as augment from './input/augment.ts';
export { type Image, type Preprocess, preprocess } from './input/preprocess.ts';
export * as random from './random.ts';
