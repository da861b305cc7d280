/** alexnet-oracle from code: the functions behind the commands, under the same names. */
export { networkNamed, networks } from '../reference/networks/index.ts';
export type { NumericDType } from './array/dtype.ts';
export type { NumericValue } from './array/value.ts';
export { Classifier, type ClassifierOptions, type Guess, type Prediction } from './classify/classifier.ts';
export { openDataset } from './data/open.ts';
export { readTensors, writeTensors } from './disk/tensors.ts';
export { EnvironmentError, InputError } from './errors.ts';
export { type EvaluateOptions, type Evaluation, evaluate } from './evaluate/index.ts';
export * as oracle from './fast/oracle.ts';
export { type Exported, type ExportOptions, exportOnnx } from './networks/export.ts';
export { type NetworkSummary, summary } from './networks/summary.ts';
export { Diverged, type TrainOptions, type TrainResult, train } from './train/index.ts';
export { type VerifyOptions, type VerifyResult, verify } from './verify/index.ts';
export { convertWeights } from './weights/convert.ts';
export { diffWeights } from './weights/diff.ts';
export { getWeights } from './weights/get.ts';
export { inspectWeights } from './weights/inspect.ts';
export { loadWeights } from './weights/load.ts';
