/** An evaluation as a table for the terminal. */
import { type Column, table, thousands } from '../report/table.ts';
import { describeChoice } from '../runtime/devices.ts';
import type { Confusion, Evaluation, Share } from './index.ts';

/** With more classes only the least accurate and the most frequent confusions are listed. */
const ALL = 20;
const SOME = 10;

export const percent = (share: number | null): string =>
  share === null ? '–' : `${(100 * share).toFixed(2)} %`;

/** '69.18 to 70.97 %'. */
export const interval = ({ low, high }: Share): string =>
  `${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)} %`;

export const where = ({ device }: Evaluation): string => (device ? describeChoice(device)[0] : 'the oracle');

export const VIEWS = { 1: 'one view', 2: 'the view and its mirror image', 10: 'ten views' } as const;

/** What was evaluated, in one line. */
export function subject(evaluation: Evaluation): string {
  const { data, network, weights, count, views } = evaluation;
  const some = count === data.pictures ? '' : ` of ${thousands(data.pictures)}`;
  const split = data.split === 'all' ? '' : `, ${data.split}`;
  const what = `${data.path} (${data.format}${split}: ${thousands(count)}${some} pictures, ${VIEWS[views]})`;
  return `${network}, weights: ${weights}, on ${what}, by ${where(evaluation)}`;
}

/** Confusions proper, the most frequent first. */
export const mistakes = ({ confusion }: Evaluation): readonly Confusion[] =>
  confusion
    .filter(({ truth, predicted }) => truth !== predicted)
    .sort((a, b) => b.count - a.count || a.truth - b.truth || a.predicted - b.predicted);

export function evaluationText(evaluation: Evaluation): string {
  const { top1, topK, loss, random } = evaluation;
  const share = (name: string, { right, count, ...rest }: Share): string[] => [
    name,
    percent(rest.share),
    `${thousands(right)} of ${thousands(count)}`,
    interval({ right, count, ...rest }),
  ];
  const right = (title: string): Column => ({ title, align: 'right' });
  const shares = table(
    [{ title: '' }, right('accuracy'), right('right'), right('95 % interval')],
    [share('top-1', top1), share(`top-${topK.k}`, topK)],
  );
  const note = random ? ['the weights are random: the figures mean nothing'] : [];
  return `${[
    subject(evaluation),
    ...note,
    '',
    shares,
    `mean log loss ${loss.toFixed(4)}`,
    '',
    classTable(evaluation),
    '',
    evaluation.names.length <= ALL ? matrix(evaluation) : frequent(evaluation),
    ...speed(evaluation),
  ].join('\n')}\n`;
}

function classTable(evaluation: Evaluation): string {
  const { classes, names } = evaluation;
  const present = classes.filter(({ count }) => count > 0);
  const few = present.length > ALL;
  const shown = few ? [...present].sort((a, b) => a.share! - b.share!).slice(0, SOME) : present;
  const worst = mistakes(evaluation);
  const rows = shown.map((row) => {
    const most = worst.find(({ truth }) => truth === row.class);
    const taken = most ? `${names[most.predicted]} (${most.count})` : '';
    return [row.name, String(row.right), String(row.count), percent(row.share), interval(row), taken];
  });
  const right = (title: string): Column => ({ title, align: 'right' });
  const title = few ? `class (the ${SOME} least accurate of ${present.length})` : 'class';
  const columns = [
    { title },
    right('right'),
    right('of'),
    right('accuracy'),
    right('95 % interval'),
    { title: 'most often taken for' },
  ];
  return table(columns, rows);
}

/** Rows are the truth, columns the network's answers. */
function matrix({ names, confusion }: Evaluation): string {
  const counts = new Map(confusion.map(({ truth, predicted, count }) => [`${truth} ${predicted}`, count]));
  const truths = [...new Set(confusion.map(({ truth }) => truth))].sort((a, b) => a - b);
  const rows = truths.map((t) => [names[t], ...names.map((_, p) => String(counts.get(`${t} ${p}`) ?? '·'))]);
  const columns: Column[] = names.map((name) => ({ title: name.slice(0, 10), align: 'right' }));
  return table([{ title: 'truth \\ answer' }, ...columns], rows);
}

function frequent(evaluation: Evaluation): string {
  const { names } = evaluation;
  const rows = mistakes(evaluation)
    .slice(0, SOME)
    .map(({ truth, predicted, count }) => [names[truth], names[predicted], String(count)]);
  const columns: Column[] = [
    { title: 'truth' },
    { title: 'answer (the most frequent mistakes)' },
    { title: 'times', align: 'right' },
  ];
  return table(columns, rows);
}

function speed({ timing, failures }: Evaluation): string[] {
  const { seconds, picturesPerSecond, waited } = timing;
  const lines = [
    '',
    `${picturesPerSecond.toFixed(1)} pictures/s, ${seconds.toFixed(1)} s; waiting for pictures: ${(100 * waited).toFixed(1)} % of the time`,
  ];
  if (failures.length > 0) lines.push(`${failures.length} pictures could not be read and do not count`);
  return lines;
}
