/** Schedules and distortions by name: what --schedule and --augment stand for. */
import { asRunAugmentation, caffeAugmentation, paperAugmentation } from '../../reference/input/augment.ts';
import type { Schedule } from '../../reference/training/schedule.ts';
import type { Distortion, TrainOptions } from './options.ts';

/**
 * plateau: the paper's, divided by 10 after three epochs without improvement, three times. step: by 10 at
 * each third of the epochs. cosine: after one epoch of warm-up (a tenth of the epochs, where they are few).
 * as-logged: configuration 145.
 */
export function scheduleOf(named: TrainOptions['schedule'], rate: number, epochs: number): Schedule {
  if (typeof named === 'object') return named;
  switch (named ?? 'plateau') {
    case 'constant':
      return { kind: 'constant', rate };
    case 'plateau':
      return { kind: 'plateau', rate, divisor: 10, patience: 3, drops: 3 };
    case 'step':
      return { kind: 'step', rate, divisor: 10, every: Math.ceil(epochs / 3), total: epochs, unit: 'epoch' };
    case 'cosine':
      return { kind: 'cosine', rate, warmUp: Math.min(1, epochs / 10), total: epochs };
    case 'as-logged':
      return { kind: 'logged', run: '2012' };
  }
}

const withoutCrop = ({ crop: _, ...how }: typeof paperAugmentation): Distortion => ({ ...how, pad: 0 });

/**
 * standard: crops anywhere, mirrors, √λ lighting; digits are neither mirrored nor lighted. cifar: the same,
 * with a border of two pixels. paper, as-run, caffe: reference/input/augment.ts. none: the centre, null.
 */
export function distortionOf(named: TrainOptions['augment'], format: string): Distortion | null {
  if (typeof named === 'object') return named;
  const digits = format === 'MNIST';
  const standard: Distortion = {
    offsets: 'all',
    mirror: !digits,
    chunk: 1,
    lighting: digits ? 'none' : 'root',
    pad: 0,
  };
  switch (named ?? 'standard') {
    case 'none':
      return null;
    case 'standard':
      return standard;
    case 'cifar':
      return { ...standard, pad: 2 };
    case 'paper':
      return withoutCrop(paperAugmentation);
    case 'as-run':
      return withoutCrop(asRunAugmentation);
    case 'caffe':
      return withoutCrop(caffeAugmentation);
  }
}
