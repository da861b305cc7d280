/** What a dot-product operation tells about its own sums, for the error bounds of lib/bounds/bounds.ts. */
import type { Tensor } from '../tensor.ts';

export interface Terms {
  /** Σ|w·x| + |b| per output, float64. */
  readonly magnitude: Tensor;
  /** Σ(w·x)² + b² per output, float64. */
  readonly squares: Tensor;
  /** Products in a full sum. */
  readonly count: number;
}
