/** alexnet-oracle from code: the functions behind the commands, under the same names. */

export { networkNamed, networks } from '../reference/networks/index.ts';
export * as oracle from '../reference/oracle.ts';
export { Classifier, type ClassifierOptions, type Guess, type Prediction } from './classifier.ts';
export { EnvironmentError, InputError } from './errors.ts';
export { type ExportOptions, exportOnnx } from './export.ts';
export { type NetworkSummary, summarise as summary } from './summary.ts';
export { Diverged, type TrainOptions, type TrainResult, train } from './train/index.ts';
export { type VerifyOptions, type VerifyResult, verify } from './verify/index.ts';
