/** ONNX files from networks: `alexnet-oracle/export`. */
export type { Augment } from './augment.ts';
export { type BuildModelOptions, buildModel, producer } from './model.ts';
export { intermediates, tap } from './tap.ts';
export { type BuildGradientsOptions, type BuildStepOptions, buildGradients, buildStep } from './training.ts';
export type { UpdateRule } from './update.ts';
export { joined, type ModelFile } from './write.ts';
