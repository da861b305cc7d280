/**
 * The fast twins: every operation of `reference/ops` by the same name, with the same bits. Those whose plain loop is
 * fast enough are the plain ones.
 */
export {
  adaptiveavgpool,
  avgpool,
  concat,
  dropout,
  flatten,
  relu,
  sigmoid,
  softmax,
  split,
  tanh,
} from '../../reference/ops/index.ts';
export * as conv2d from './conv2d.ts';
export { configure, type Settings, type Threads, unavailable } from './engine.ts';
export * as linear from './linear.ts';
export * as lrn from './lrn.ts';
export * as mapnorm from './mapnorm.ts';
export * as maxpool from './maxpool.ts';
export { type Computation, operations, operationsFor } from './operations.ts';
