/** Every emitter, by the name of its operation in reference/ops. */
export * as adaptiveavgpool from './adaptiveavgpool.ts';
export * as avgpool from './avgpool.ts';
export * as concat from './concat.ts';
export * as conv2d from './conv2d.ts';
export * as dropout from './dropout.ts';
export * as flatten from './flatten.ts';
export * as linear from './linear.ts';
export * as lrn from './lrn.ts';
export * as mapnorm from './mapnorm.ts';
export * as maxpool from './maxpool.ts';
export * as relu from './relu.ts';
export * as sigmoid from './sigmoid.ts';
export * as softmax from './softmax.ts';
export * as split from './split.ts';
export * as tanh from './tanh.ts';
