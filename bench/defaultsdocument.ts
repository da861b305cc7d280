/** The table of bench/defaults.ts. */
import { markdown } from './document.ts';
import type { RunRecord } from './experiments.ts';
import { median } from './statistics.ts';

export interface Row {
  readonly title: string;
  readonly classes: number;
  readonly epochs: number;
  /** Training images; null: all that there are. */
  readonly images: number | null;
  readonly records: readonly RunRecord[];
}

const percent = (share: number): string => (100 * share).toFixed(1);

/** The best of a run's validation errors; guessing is right once in as many times as there are classes. */
export function defaultsText(rows: readonly Row[]): string {
  return markdown(
    ['data', 'images', 'epochs', 'runs', 'diverged', 'best validation error, %', 'least, most', 'guessing'],
    rows.map(({ title, classes, epochs, images, records }) => {
      const best = records.flatMap((record) => {
        const errors = record.epochs.flatMap(({ validation }) => validation ?? []);
        return errors.length > 0 ? Math.min(...errors) : [];
      });
      const diverged = records.filter(({ ended }) => ended === 'diverged').length;
      const range = best.length > 0 ? `${percent(Math.min(...best))}, ${percent(Math.max(...best))}` : null;
      return [
        ...[title, images === null ? 'all' : images.toLocaleString('en'), epochs, records.length, diverged],
        ...[best.length > 0 ? percent(median(best)) : null, range, percent(1 - 1 / classes)],
      ];
    }),
  );
}
