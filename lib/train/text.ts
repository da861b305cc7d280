/** A training run as text and as JSON (docs/training.md). */
import type { TrainResult } from './index.ts';

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

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
