/** The table of bench/ablations.ts. */
import { markdown } from './document.ts';
import type { RunRecord } from './experiments.ts';
import { deviation, mean } from './statistics.ts';

export interface Ablations {
  readonly epochs: number;
  readonly images: number;
  readonly width: number;
  readonly records: readonly RunRecord[];
}

/** What is taken away; the paper's figure for it on ImageNet, in points of top-1 error. */
const rows: readonly [string, string, string][] = [
  ['whole', 'nothing', ''],
  ['lrn', 'normalisation (LRN)', '+1.4'],
  ['overlap', 'overlap of the pooling windows', '+0.4'],
  ['dropout', 'dropout', '“substantial overfitting”'],
  ['augmentation', 'augmentation', '“substantial overfitting”; lighting alone more than +1'],
  ['towers', 'one of the two towers', '+1.7'],
];

/** Per cent of a share, one decimal. */
const percent = (share: number): string => (100 * share).toFixed(1);

/**
 * Means over the seeds and the sample standard deviation: of the test error after the last epoch, and of the
 * training error during it, while the net learned.
 */
export function ablationsText({ epochs, images, width, records }: Ablations): string {
  const of = (name: string) => records.filter(({ key }) => key.startsWith(`ablation-${name}-`));
  const tested = (name: string) => of(name).map(({ epochs }) => epochs.at(-1)!.validation!);
  const whole = mean(tested('whole'));
  const device = [...new Set(records.map((record) => record.device))].join(', ');
  const head =
    `${images.toLocaleString('en')} training images, ${epochs} epochs, widths times ${width}, ` +
    `${new Set(records.map(({ seed }) => seed)).size} seeds; device: ${device}. ± is the sample standard deviation over the seeds. ` +
    'The training error is that during the last epoch, dropout and distortions on where there are any.';
  const rowsOf = markdown(
    ['taken away', 'test error, %', 'difference', 'each seed', 'training error, %', 'the paper, ImageNet'],
    rows.map(([name, title, paper]) => {
      const errors = tested(name);
      const difference = 100 * (mean(errors) - whole);
      return [
        title,
        `${percent(mean(errors))} ± ${percent(deviation(errors))}`,
        name === 'whole' ? '' : `${difference < 0 ? '−' : '+'}${Math.abs(difference).toFixed(1)}`,
        errors.map(percent).join(', '),
        percent(mean(of(name).map(({ epochs }) => epochs.at(-1)!.error))),
        paper,
      ];
    }),
  );
  return `${head}\n\n${rowsOf}`;
}
