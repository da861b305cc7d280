/** What comes out of a training run; as text and as JSON (docs/training.md). */
import type { Choice } from '../runtime/devices.ts';
import type { EpochRecord } from './checkpoint.ts';

export interface TrainResult {
  readonly network: string;
  readonly device: Choice;
  readonly classes: readonly string[];
  /** Epochs done, and images in one. */
  readonly epochs: number;
  readonly images: number;
  readonly steps: number;
  readonly history: readonly EpochRecord[];
  /** The epoch with the lowest validation error (training error, where nothing is held out). */
  readonly best: { readonly epoch: number; readonly error1: number } | null;
  /** Whether the signal ended it. */
  readonly stopped: boolean;
  /** Of this call alone: it did not train what a resumed run had done before. */
  readonly imagesPerSecond: number;
  /** Share of the training's time in which the device waited for images. */
  readonly waited: number;
  readonly files: {
    readonly checkpoint: string;
    /** The weights at the end, and at the best epoch, for every --weights. */
    readonly weights: string;
    readonly best: string | null;
  };
}

export const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

/** A few lines for people. */
export function trainingText(result: TrainResult): string {
  const { network, epochs, steps, best, history, files, imagesPerSecond, waited } = result;
  const last = history.at(-1);
  const lines = [`${network}: ${epochs} epochs, ${steps} steps`];
  if (last) lines.push(`training    loss ${last.loss.toFixed(4)}, top-1 error ${percent(last.error1)}`);
  if (last?.validation) {
    const { loss, error1, error5 } = last.validation;
    lines.push(
      `validation  loss ${loss.toFixed(4)}, top-1 error ${percent(error1)}, top-5 error ${percent(error5)}`,
    );
  }
  if (best) {
    const which = history.some(({ validation }) => validation) ? 'validation' : 'training';
    lines.push(`best        ${which} top-1 error ${percent(best.error1)} after epoch ${best.epoch}`);
  }
  if (imagesPerSecond > 0) {
    lines.push(
      `speed       ${imagesPerSecond.toFixed(1)} images/s; the device waited ${percent(waited)} of the time`,
    );
  }
  return `${[...lines, `weights     ${files.best ?? files.weights}`].join('\n')}\n`;
}

export function trainingJson(result: TrainResult) {
  const { device, ...rest } = result;
  return { version: 1, ...rest, device: device.device };
}
