/**
 * alexnet-oracle from code: the function behind each command, under its name, and what goes in and comes out.
 *
 * @module alexnet-oracle
 */
// biome-ignore-all assist/source/organizeImports: the reading order

// networks: those that there are, and the words in which one is written down
export { networks } from '../reference/networks/index.ts';
export { resolveNetwork as networkNamed } from './checks.ts';
export type { Kind, Layer, LayerOf, Network } from '../reference/networks/layers.ts';
export {
  adaptiveavgpool,
  avgpool,
  concat,
  conv,
  dropout,
  flatten,
  from,
  linear,
  lrn,
  mapnorm,
  maxpool,
  relu,
  softmax,
  split,
  tanh,
} from '../reference/networks/layers.ts';
export type { Weights } from '../reference/oracle.ts';
export type { Preprocess } from '../reference/input/preprocess.ts';
export { type LayerSummary, type NetworkSummary, summary, type SummaryOptions } from './networks/summary.ts';

// the oracle, and ONNX files
export * as oracle from './fast/oracle.ts';
export { type Exported, type ExportOptions, exportOnnx } from './networks/export.ts';
export { exportTriton, type TritonModel } from './networks/triton.ts';
export { exportTowers, type TowerModel } from './networks/towers.ts';
export { type Feeds, run, type RunOptions, type RunResult } from './onnx/run.ts';

// verification
export { verify, type VerifyOptions, type VerifyResult } from './verify/index.ts';
export type { MapOrder } from './verify/dump/place.ts';
export type { Repeat } from './verify/provider.ts';
export type { ServedBy, Towers } from './verify/verification.ts';
export { conform, type Conformance, type ConformOptions, type TestResult } from './conform/index.ts';
export { writeVectors } from './conform/vectors.ts';

// pictures, data sets, training
export { Classifier, type Guess, Overloaded, type Prediction } from './classify/classifier.ts';
export type { CallOptions, ClassifierOptions, ClassifyOptions } from './classify/options.ts';
export type { Identified, OnePicture, Pictures, PictureSource } from './classify/pictures.ts';
export type { Pixels } from './image/pixels.ts';
export { type Bulk, type BulkOptions, predictInto } from './classify/bulk.ts';
export { predict, type Predicted, type PredictOptions } from './classify/predict.ts';
export { evaluate, type EvaluateOptions, type Evaluation, type Mistake } from './evaluate/index.ts';
export {
  Diverged,
  train,
  type TrainArguments,
  type TrainOptions,
  type TrainResult,
} from './train/index.ts';

// the net to look at
export {
  explain,
  type Explained,
  writePage,
  type WritePageOptions,
} from './explain/index.ts';
export { picture, type Pictured, type PictureKind, type PictureOptions } from './picture/index.ts';

// weights and tensors in files
export { type ConvertOptions, convertWeights } from './weights/convert.ts';
export { diffWeights, type WeightsDiff } from './weights/diff.ts';
export { getWeights, type GetWeightsOptions, type Got } from './weights/get.ts';
export { type Inspected, inspectWeights } from './weights/inspect.ts';
export type { Loaded } from './weights/fitted.ts';
export { loadWeights } from './weights/load.ts';
export { readTensors, writeTensors } from './disk/tensors.ts';
export type { DType, NumericDType } from './array/dtype.ts';
export type { NumericValue, Value } from './array/value.ts';

// this machine, and what can go wrong
export type { Choice, Device, DeviceWord } from './runtime/devices.ts';
export type { Executor } from './runtime/failures.ts';
export { type Diagnosis, doctor } from './runtime/doctor.ts';
export { EnvironmentError, InputError } from './errors.ts';

// types that stand in the signatures above
export type { Views } from '../reference/input/preprocess.ts';
export type { Data } from './array/value.ts';
export type { FloatDType, IntegerDType, TypedArray } from './array/dtype.ts';
export type { Requirement } from './bounds/arithmetic.ts';
export type { SplitName } from './data/dataset.ts';
export type { Failure } from './classify/pipeline.ts';
export type { Limits } from './classify/pictures.ts';
export type { Confusion, Share } from './evaluate/tally.ts';
export type { DecodeOptions, Decoder } from './image/decode.ts';
export type { Mean } from './image/mean.ts';
export type { Blocks, Details, Histogram } from './judge/details.ts';
export type { ExplainOptions } from './explain/gather.ts';
export type { Written } from './explain/index.ts';
export type { Served } from './explain/serve.ts';
export type { Explanation } from './judge/explain.ts';
export type { Comparison, Verdict, Worst } from './judge/judge.ts';
export type { Margin } from './judge/margin.ts';
export type { Pattern, Span } from './judge/pattern.ts';
export type { Product, Sum, Why } from './judge/why.ts';
export type { Picture } from './data/dataset.ts';
export type { Path } from './image/load.ts';
export type { Given } from './networks/input.ts';
export type { Chosen } from './networks/resolve.ts';
export type { CudaNeeds } from './runtime/installation.ts';
export type { Refusal } from './runtime/devices.ts';
export type { Missing } from './runtime/doctor.ts';
export type { Gpu, Vulkan } from './runtime/hardware.ts';
export type { Probe } from './runtime/probe.ts';
export type { EpochRecord } from './train/checkpoint.ts';
export type { Glance, Watching } from './train/epochs.ts';
export type { Distortion } from './train/options.ts';
export type { UnreadPicture } from './train/unread.ts';
export type { Evidence } from './verify/bundle.ts';
export type { Level } from './verify/provider.ts';
export type { Exchanged } from './verify/verification.ts';
export type { LayerRow, RunReport, Training } from './verify/verification.ts';
export type { TensorDiff } from './weights/diff.ts';
export type { InspectedTensor } from './weights/inspect.ts';
export type { PublicSource, PublishedHash } from './weights/published.ts';
