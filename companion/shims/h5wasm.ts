/** h5wasm, larger than the page: what companion/engine/dropped.ts fetched when a file of its kind was dropped. */
export const { ready } = (globalThis as unknown as { h5wasm: { readonly ready: Promise<unknown> } }).h5wasm;
