/**
 * The part of the WebAssembly JavaScript interface that the engine uses; TypeScript has it only among the
 * browser's types.
 */
export interface Memory {
  readonly buffer: ArrayBuffer | SharedArrayBuffer;
  grow(pages: number): number;
}

/** Compiled code; structured clone shares it between threads. */
export interface CompiledModule {
  readonly brand?: 'WebAssembly.Module';
}

export type Kernel = (...args: number[]) => number;

interface Api {
  validate(bytes: Uint8Array<ArrayBuffer>): boolean;
  readonly Module: new (bytes: Uint8Array<ArrayBuffer>) => CompiledModule;
  readonly Memory: new (limits: { initial: number; maximum?: number; shared?: boolean }) => Memory;
  readonly Instance: new (
    module: CompiledModule,
    imports: { js: { memory: Memory } },
  ) => { readonly exports: Readonly<Record<string, Kernel>> };
}

/** undefined where the JavaScript engine has none. */
export const webAssembly = (globalThis as { readonly WebAssembly?: Api }).WebAssembly;
