/** An evaluation as a table for the terminal, as JSON (docs/json.md), and as a page: confusions and what was wrong. */
import type { Confusion, Evaluation, Share } from '../evaluate/index.ts';
import { describeChoice } from '../runtime/devices.ts';
import { escapeXml, oneLine } from './escape.ts';
import { type MistakeOptions, mistakesSection } from './mistakes.ts';
import { fact, numberCells, pageOf } from './page.ts';
import { confusionChart, confusionLabels, shownClasses } from './plots/confusion.ts';
import { standalone } from './plots/draw.ts';
import { percent, right, table, thousands } from './table.ts';

/** With more classes only the least accurate and the most frequent confusions are listed. */
const ALL = 20;
const SOME = 10;

/** '69.18 to 70.97 %'. */
const interval = ({ low, high }: Share): string =>
  `${(100 * low).toFixed(2)} to ${(100 * high).toFixed(2)} %`;

const where = ({ device }: Evaluation): string => (device ? describeChoice(device)[0] : 'the oracle');

const VIEWS = { 1: 'one view', 2: 'the view and its mirror image', 10: 'ten views' } as const;

/** What was evaluated, in one line. */
function subject(evaluation: Evaluation): string {
  const { data, network, weights, count, views } = evaluation;
  const some = count === data.pictures ? '' : ` of ${thousands(data.pictures)}`;
  const split = data.split === 'all' ? '' : `, ${data.split}`;
  const what = `${data.path} (${data.format}${split}: ${thousands(count)}${some} pictures, ${VIEWS[views]})`;
  return `${network}, weights: ${weights}, on ${what}, by ${where(evaluation)}`;
}

/** Confusions proper, the most frequent first. */
const confused = ({ confusion }: Evaluation): readonly Confusion[] =>
  confusion
    .filter(({ truth, predicted }) => truth !== predicted)
    .sort((a, b) => b.count - a.count || a.truth - b.truth || a.predicted - b.predicted);

/** What the pictures of a class were most often taken for, and how often. */
function takenFor(evaluation: Evaluation): (truth: number) => string {
  const { names } = evaluation;
  const worst = confused(evaluation);
  return (truth) => {
    const most = worst.find((pair) => pair.truth === truth);
    return most ? `${names[most.predicted]} (${most.count})` : '';
  };
}

/** A table for the terminal. */
export function evaluationText(evaluation: Evaluation): string {
  const { top1, topK, loss, random } = evaluation;
  const share = (name: string, { right, count, ...rest }: Share): string[] => [
    name,
    percent(rest.share),
    `${thousands(right)} of ${thousands(count)}`,
    interval({ right, count, ...rest }),
  ];
  const shares = table(
    ['', right('accuracy'), right('right'), right('95 % interval')],
    [share('top-1', top1), share(`top-${topK.k}`, topK)],
  );
  const note = random ? ['the weights are random: the figures mean nothing'] : [];
  return `${[
    oneLine(subject(evaluation)),
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
  const { classes } = evaluation;
  const present = classes.filter(({ count }) => count > 0);
  const few = present.length > ALL;
  const shown = few ? [...present].sort((a, b) => a.share! - b.share!).slice(0, SOME) : present;
  const taken = takenFor(evaluation);
  const rows = shown.map((row) => {
    const figures = [String(row.right), String(row.count), percent(row.share), interval(row)];
    return [row.name, ...figures, taken(row.class)];
  });
  const title = few ? `class (the ${SOME} least accurate of ${present.length})` : 'class';
  const figures = ['right', 'of', 'accuracy', '95 % interval'].map(right);
  return table([title, ...figures, 'most often taken for'], rows);
}

/** Rows are the truth, columns the network's answers. */
function matrix({ names, confusion }: Evaluation): string {
  const counts = new Map(confusion.map(({ truth, predicted, count }) => [`${truth} ${predicted}`, count]));
  const truths = [...new Set(confusion.map(({ truth }) => truth))].sort((a, b) => a - b);
  const rows = truths.map((t) => [names[t], ...names.map((_, p) => String(counts.get(`${t} ${p}`) ?? '·'))]);
  return table(['truth \\ answer', ...names.map((name) => right(name.slice(0, 10)))], rows);
}

function frequent(evaluation: Evaluation): string {
  const { names } = evaluation;
  const rows = confused(evaluation)
    .slice(0, SOME)
    .map(({ truth, predicted, count }) => [names[truth], names[predicted], String(count)]);
  return table(['truth', 'answer (the most frequent mistakes)', right('times')], rows);
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

export const evaluationJson = ({ mistakes: _, ...evaluation }: Evaluation) => ({
  version: 1,
  ...evaluation,
  device: evaluation.device?.device ?? 'oracle',
});

const WIDTH = 760;

/** SVG with its own colours, light and dark. */
export const confusionSvg = async (evaluation: Evaluation): Promise<string> =>
  standalone(await confusionChart(evaluation, WIDTH));

/** The whole page; `options` say how pictures that were wrong are read again. */
export async function evaluationHtml(evaluation: Evaluation, options?: MistakeOptions): Promise<string> {
  const { top1, topK, loss, count, data, network, failures, random } = evaluation;
  const facts = [
    ['top-1', `${thousands(top1.right)} of ${thousands(count)}`],
    ['95 % interval', interval(top1)],
    [`top-${topK.k}`, `${percent(topK.share)} (${interval(topK)})`],
    ['mean log loss', loss.toFixed(4)],
    ['mean image', evaluation.mean ?? 'none'],
    ['classes matched by', evaluation.matched],
    ...(failures.length > 0 ? [['could not be read', String(failures.length)]] : []),
    ...(random ? [['weights', 'random: the figures mean nothing']] : []),
  ];
  const legend = confusionLabels.map(
    (label, i) => `<span><i style="--fill:var(--heat${i})"></i>${label}</span>`,
  );
  return pageOf({
    title: `${percent(top1.share)} right: ${network} on ${data.path}`,
    header: `<h1>alexnet evaluate</h1>
<div class="verdict untested"><strong>${escapeXml(percent(top1.share))}</strong><p>${escapeXml(subject(evaluation))}</p></div>
<dl class="facts">
${facts.map(([name, value]) => fact(name, value)).join('\n')}
</dl>`,
    main: `<section>
<h2>Confusions</h2>
<p class="muted">${shownNote(evaluation)}</p>
<p class="legend">${legend.join(' ')}</p>
<figure>${await confusionChart(evaluation, WIDTH)}</figure>
</section>
${classSection(evaluation)}
${count > top1.right ? await mistakesSection(evaluation, options) : ''}`,
  });
}

function shownNote(evaluation: Evaluation): string {
  const occur = new Set(evaluation.confusion.flatMap(({ truth, predicted }) => [truth, predicted])).size;
  const shown = shownClasses(evaluation).length;
  const some = shown < occur ? ` The ${shown} of ${occur} classes with the most mistakes.` : '';
  return `A row holds the pictures of a class, a column what the network took them for; the colour is the share of the row.${some}`;
}

function classSection(evaluation: Evaluation): string {
  const taken = takenFor(evaluation);
  const titles = ['right', 'of', 'accuracy', '95 % interval'];
  const rows = evaluation.classes.map((row) => {
    const some = row.count > 0 ? interval(row) : '';
    const figures = [thousands(row.right), thousands(row.count), percent(row.share), some];
    return `<tr><td class="name">${escapeXml(row.name)}</td>${numberCells(figures)}<td>${escapeXml(taken(row.class))}</td></tr>`;
  });
  return `<section>
<h2>By class</h2>
<table>
<thead><tr><th>class</th>${titles.map((title) => `<th class="number">${title}</th>`).join('')}<th>most often taken for</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</section>`;
}
