/** ONNX files from networks: `alexnet-oracle/export`. */
export { buildModel, type ModelOptions, producer } from './model.ts';
export { intermediates, tap } from './tap.ts';
export { joined, type ModelFile } from './write.ts';
