/** The files of the repository that the page shows lines of: the real ones, as they were when it was built. */

import preprocess from '../../reference/input/preprocess.ts?text';
import asrun from '../../reference/networks/asrun.ts?text';
import conv2d from '../../reference/ops/conv2d.ts?text';
import dropout from '../../reference/ops/dropout.ts?text';
import linear from '../../reference/ops/linear.ts?text';
import lrn from '../../reference/ops/lrn.ts?text';
import maxpool from '../../reference/ops/maxpool.ts?text';
import relu from '../../reference/ops/relu.ts?text';
import softmax from '../../reference/ops/softmax.ts?text';
import window from '../../reference/ops/window.ts?text';
import loss from '../../reference/training/loss.ts?text';
import experiments from '../engine/experiments.ts?text';

const files: Readonly<Record<string, string>> = {
  'companion/engine/experiments.ts': experiments,
  'reference/input/preprocess.ts': preprocess,
  'reference/networks/asrun.ts': asrun,
  'reference/ops/conv2d.ts': conv2d,
  'reference/ops/dropout.ts': dropout,
  'reference/ops/linear.ts': linear,
  'reference/ops/lrn.ts': lrn,
  'reference/ops/maxpool.ts': maxpool,
  'reference/ops/relu.ts': relu,
  'reference/ops/softmax.ts': softmax,
  'reference/ops/window.ts': window,
  'reference/training/loss.ts': loss,
};

export interface Excerpt {
  /** Number of the first line, from 1. */
  readonly first: number;
  readonly lines: readonly string[];
}

/** `count` lines of a file from the first one that holds `from`; their common indentation is taken away. */
export function excerpt(file: string, from: string, count: number): Excerpt {
  const all = files[file].split('\n');
  const at = all.findIndex((line) => line.includes(from));
  const lines = all.slice(at, at + count);
  const indent = Math.min(...lines.filter((line) => line.trim()).map((line) => line.search(/\S/)));
  return { first: at + 1, lines: lines.map((line) => line.slice(indent)) };
}
