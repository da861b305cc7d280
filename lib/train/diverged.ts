/** What ends a run with exit 1: what it has come to is good for nothing, and the state before stays. */
import { createHash } from 'node:crypto';
import { join } from 'node:path';
import { dense } from '../../reference/tensor.ts';
import { CHECKPOINT, damaged, type Progress, type TrainingState } from './checkpoint.ts';

/** A run that learns nothing any more. */
export class Diverged extends Error {
  override readonly name = 'Diverged';
}

/** Where the run is. */
interface Run {
  readonly options: { readonly out: string };
  readonly clock: { readonly savedSteps: number };
  readonly perEpoch: number;
  readonly progress: Progress;
  /** A digest of the weights after the epoch before; none yet in the first of this call. */
  weights?: string;
}

/** What happened, what to try, and what is left. */
export function diverged({ options, clock }: Run, what: string, wish = 'a lower learning rate'): Diverged {
  const file = join(options.out, CHECKPOINT);
  return new Diverged(`${what}: try ${wish}; ${file} holds the state after step ${clock.savedSteps}`);
}

/** A checkpoint is good for something only if training can go on from all that is in it. */
export function refuseDamaged(running: Run, state: TrainingState): void {
  const what = damaged(state);
  if (what !== null) throw diverged(running, `${what} after step ${running.progress.steps}`);
}

/** A mean loss as far above ln K, what guessing has: the right class gets e⁻⁵ of its share. */
const FAR = 5;
/** Steps whose mean says something; a first epoch may begin anywhere. */
const TELLING = 20;

/** Throws Diverged where the epoch's mean loss, with `more` steps, is far above that of guessing. */
export function refuseFar(running: Run, mean: number, more: number): void {
  const { progress, perEpoch } = running;
  const steps = progress.stepInEpoch + more;
  const guessing = Math.log(progress.classes.length);
  if (progress.epoch === 0 || steps < Math.min(TELLING, perEpoch) || mean <= guessing + FAR) return;
  const where = `over ${steps} steps of epoch ${progress.epoch + 1}`;
  throw diverged(
    running,
    `the loss is ${mean.toPrecision(3)} ${where}, that of guessing ${guessing.toFixed(2)}`,
  );
}

/** Throws Diverged where no weight has changed since this was asked before; a bias that began at 0 takes any step. */
export function refuseStill(running: Run, { weights }: TrainingState): void {
  const hash = createHash('sha1');
  for (const [name, value] of weights)
    if (name.endsWith('.weight')) hash.update(dense(value) as Float32Array);
  const found = hash.digest('hex');
  if (found === running.weights)
    throw diverged(
      running,
      `no weight changed in epoch ${running.progress.epoch + 1}`,
      'a higher learning rate',
    );
  running.weights = found;
}
