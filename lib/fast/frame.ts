/** Maps with a frame around them: padding, for kernels that have no bounds to test. */
import type { Storage } from '../../reference/tensor.ts';
import type { Arena, Engine } from './engine.ts';

export interface Frame {
  /** A map's extents. */
  readonly H: number;
  readonly W: number;
  /** The frame's extents, and where in it the map lies; what does not fit is left out. */
  readonly height: number;
  readonly width: number;
  readonly top: number;
  readonly left: number;
  /** What the frame is filled with. */
  readonly value: number;
}

/** Copies maps into the engine's memory, each in its frame. */
export function putFramed(engine: Engine, arena: Arena, X: Storage, frame: Frame): number {
  const { H, W, height, width, top, left, value } = frame;
  const bytes = X.BYTES_PER_ELEMENT;
  const maps = X.length / (H * W);
  if (height === H && width === W && top === 0 && left === 0) return arena.put(X);
  const at = arena.take(maps * height * width * bytes);
  const mark = arena.mark();
  const raw = arena.put(X);
  fill(engine, at, maps * height * width * bytes, value, bytes);
  engine.kernels.frame(
    raw,
    at + (top * width + left) * bytes,
    maps,
    Math.min(H, height - top),
    Math.min(W, width - left) * bytes,
    W * bytes,
    width * bytes,
    H * W * bytes,
    height * width * bytes,
  );
  arena.release(mark);
  return at;
}

function fill({ memory }: Engine, at: number, size: number, value: number, bytes: number): void {
  const buffer = memory.buffer as ArrayBuffer;
  const view =
    bytes === 8 ? new Float64Array(buffer, at, size / bytes) : new Float32Array(buffer, at, size / bytes);
  view.fill(value);
}
