/** What the page asks the worker, and what comes back: one entry a question. All of it passes structured clone. */
import type { Identity } from '../../lib/explain/start.ts';
import type { Image } from '../../reference/input/preprocess.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Method } from '../../reference/training/init.ts';
import type { Gradient } from './backstory.ts';
import type { Nearest } from './nearest.ts';
import type { Story } from './story.ts';

/** A file's bytes, or where the page's own server has them. */
export type GivenBytes = Uint8Array<ArrayBuffer> | string;

/** Where the weights come from: a .safetensors file, or a seed. */
export type GivenWeights = GivenBytes | { readonly seed: number; readonly init: Method };

export interface GivenNetwork {
  readonly network: Network;
  readonly weights: GivenWeights;
  /** A .safetensors file of the mean image, where the preprocessing takes one. */
  readonly mean: GivenBytes | null;
  /** As lib/explain/pictures.ts made them with these weights. */
  readonly pictures: GivenBytes | null;
  /** Where the page's own server is; null: it has none. */
  readonly home: string | null;
}

/** Absent: the photo that the program makes. */
export interface GivenPhoto {
  readonly name: string;
  readonly bytes: GivenBytes;
}

export interface Seen {
  /** The whole photo, and the part of it that the network is fed. */
  readonly photo: Image;
  readonly crop: Image;
  /** Of each class, float64. */
  readonly probabilities: Float64Array;
  /** Of the forward pass, in milliseconds. */
  readonly took: number;
}

export interface Given {
  readonly file: File;
  /** Whose weights they are; '': those of the network that the file names or fits. */
  readonly network: string;
}

export interface Taken {
  readonly seen: Seen;
  /** Where the file had weights: whose. */
  readonly identity: Identity | null;
}

export type Side = 'value' | 'gradient';

export interface Questions {
  open: { ask: GivenNetwork; answer: Record<string, never> };
  see: { ask: GivenPhoto | null; answer: Seen };
  /** A file that was dropped: a photo for the network, or weights for the photo. */
  take: { ask: Given; answer: Taken };
  /** All values of a layer's output, or their gradients for the loss of class `k`. */
  maps: {
    ask: { readonly layer: string; readonly side: Side; readonly k: number };
    answer: { readonly data: Float32Array };
  };
  story: { ask: { readonly layer: string; readonly index: number }; answer: Story };
  gradient: {
    ask: { readonly layer: string; readonly index: number; readonly k: number };
    answer: Gradient;
  };
  /** The ten views of section 4.1. */
  views: {
    ask: null;
    answer: {
      readonly views: readonly { readonly image: Image; readonly probabilities: Float64Array }[];
      readonly mean: Float64Array;
    };
  };
  /** The loss of class `k` with a square over each place of a row. */
  occlusion: {
    ask: { readonly k: number; readonly row: number };
    answer: { readonly losses: Float64Array };
  };
  /** The loss of class `k` without each of some kernels of a layer. */
  without: {
    ask: { readonly k: number; readonly layer: string; readonly range: readonly [number, number] };
    answer: { readonly losses: Float64Array };
  };
  /** Of the pictures that came with the weights; null: none came, or others were dropped. */
  nearest: { ask: null; answer: { readonly nearest: Nearest | null } };
  /** On the way from the photo to the input. */
  way: {
    ask: null;
    answer: { readonly resized: Image; readonly square: Image };
  };
  /** The answer of the network with some doubts turned; `refused` says why there is none. */
  doubt: {
    ask: { readonly ways: string };
    answer: { readonly ways: string; readonly probabilities: Float64Array; readonly refused: string };
  };
  kernels: {
    ask: { readonly layer: string };
    answer: { readonly data: Float32Array; readonly shape: readonly number[] };
  };
}

export type Topic = keyof Questions;

export interface Question<T extends Topic = Topic> {
  readonly id: number;
  readonly topic: T;
  readonly ask: Questions[T]['ask'];
}

export type Reply =
  | { readonly id: number; readonly answer: Questions[Topic]['answer'] }
  | { readonly id: number; readonly share: number }
  | { readonly id: number; readonly error: string };

/** Says what share of an answer is there. */
export type Progress = (share: number) => void;
