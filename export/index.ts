/** ONNX files from networks: `alexnet-oracle/export`. */
export type { Augment } from './augment.ts';
export { buildModel, type ModelOptions, producer } from './model.ts';
export { intermediates, tap } from './tap.ts';
export { buildGradients, buildStep, type GradientOptions, type StepOptions } from './training.ts';
export type { Rule } from './update.ts';
export { joined, type ModelFile } from './write.ts';
