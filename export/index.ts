/**
 * ONNX files from networks: `alexnet-oracle/export`.
 *
 * @module alexnet-oracle/export
 */
export type { Augment } from './augment.ts';
export { type FloatType, type LrnForm, lrnForms, type TrainingTarget, trainingTargets } from './graph.ts';
export type { Steps } from './loop.ts';
export { type BuildModelOptions, buildModel, producer } from './model.ts';
export type * from './proto.ts';
export { intermediates, tap } from './tap.ts';
export {
  type BuildTowerOptions,
  buildTower,
  type Exchange,
  exchangesOf,
  type Maps,
  type Segment,
  type Tower,
  towersOf,
} from './towers.ts';
export { type BuildGradientsOptions, type BuildStepOptions, buildGradients, buildStep } from './training.ts';
export type { UpdateRule } from './update.ts';
export { joined } from './wire.ts';
export type { Chunks, ModelFile } from './write.ts';
