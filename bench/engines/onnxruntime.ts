/** onnxruntime's two packages for JavaScript: native code (node) and WebAssembly (web). */
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import type { InferenceSession, Tensor } from 'onnxruntime-node';
import { requirePeer } from '../peers.ts';
import { modelPath } from '../subject.ts';
import type { Engine, Open } from './engine.ts';

interface Runtime {
  readonly InferenceSession: typeof InferenceSession;
  readonly Tensor: typeof Tensor;
  readonly env: { readonly wasm: { numThreads?: number } };
}

const engine = (runtime: Runtime, session: InferenceSession, shape: readonly number[]): Engine => ({
  prepare(input, batch) {
    const feeds = { [session.inputNames[0]]: new runtime.Tensor('float32', input, [batch, ...shape]) };
    return async () => (await session.run(feeds))[session.outputNames[0]].data as Float32Array;
  },
});

export const openNode: Open = async (network, { threads }) => {
  const runtime = createRequire(import.meta.url)('onnxruntime-node') as Runtime;
  const options = { intraOpNumThreads: threads, interOpNumThreads: 1, executionMode: 'sequential' } as const;
  const session = await runtime.InferenceSession.create(modelPath(network), options);
  return engine(runtime, session, network.input);
};

export const openWeb: Open = async (network, { threads }) => {
  const runtime = requirePeer('onnxruntime-web') as Runtime;
  runtime.env.wasm.numThreads = threads;
  const bytes = new Uint8Array(readFileSync(modelPath(network)));
  const session = await runtime.InferenceSession.create(bytes, { executionProviders: ['wasm'] });
  return engine(runtime, session, network.input);
};
