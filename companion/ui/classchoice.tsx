/** A class to choose: of which the loss, the gradients and the experiments are. */
import type { Change } from './view.ts';

interface Choice {
  readonly classes: readonly string[];
  readonly k: number;
  readonly change: Change;
}

export const ClassChoice = ({ classes, k, change }: Choice) => (
  <select aria-label="class" value={k} onChange={(event) => change({ k: Number(event.currentTarget.value) })}>
    {classes.map((name, at) => (
      <option key={at} value={at}>
        {name}
      </option>
    ))}
  </select>
);
