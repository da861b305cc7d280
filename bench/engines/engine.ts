/** What every engine gives: a function that computes the outputs of a batch, and nothing else inside the clock. */
import type { Network } from '../../reference/networks/layers.ts';

export interface Options {
  readonly threads: number;
  /** The oracle alone: what sums are held in, and whether its tiles are for 256 bits. */
  readonly accumulate?: 'float64' | 'float32';
  readonly wide?: boolean;
}

/** Outputs of all images, in a form of the engine's own that holds them row by row. */
export type Run = () => ArrayLike<number> | Promise<ArrayLike<number>>;

export interface Engine {
  /** A run over these images (N,C,H,W); what only puts the input into the engine's own form is done here. */
  prepare(input: Float32Array<ArrayBuffer>, batch: number): Run;
}

export type Open = (network: Network, options: Options) => Promise<Engine>;
