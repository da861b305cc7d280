/** A confusion matrix: what pictures of each class were taken for. */
import type { Spec } from 'vega';
import type { Evaluation } from '../../evaluate/index.ts';
import { FONT, labelLimit, mark, plotSvg, room } from './draw.ts';

/** With more classes the drawing keeps to those with the most mistakes. */
const MOST = 40;
/** Cells of so few classes have their count written in them. */
const WRITTEN = 20;
/** Upper edges of the colours --heat1 … --heat5: shares of the pictures of a class. */
const EDGES = [0.02, 0.1, 0.3, 0.6, 1] as const;

/** Words for the colours. */
export const confusionLabels = ['none', '≤ 2 %', '≤ 10 %', '≤ 30 %', '≤ 60 %', '≤ 100 %'] as const;

const heat = (share: number): number => 1 + EDGES.findIndex((edge) => share <= edge);

/** Classes that occur, at most 40: those that take part in the most mistakes; in the network's order. */
export function shownClasses({ confusion }: Evaluation): readonly number[] {
  const wrong = new Map<number, number>();
  for (const { truth, predicted, count } of confusion) {
    for (const k of [truth, predicted]) wrong.set(k, (wrong.get(k) ?? 0) + (truth === predicted ? 0 : count));
  }
  const most = [...wrong].sort(([a, x], [b, y]) => y - x || a - b).slice(0, MOST);
  return most.map(([k]) => k).sort((a, b) => a - b);
}

/** Rows are the truth, columns the network's answers; a colour is the share of the row's pictures. */
export function confusionChart(evaluation: Evaluation, width: number): Promise<string> {
  const { confusion, names } = evaluation;
  const shown = shownClasses(evaluation);
  const shownNames = shown.map((k) => names[k]);
  const totals = new Map<number, number>();
  for (const { truth, count } of confusion) totals.set(truth, (totals.get(truth) ?? 0) + count);
  const cells = confusion
    .filter(({ truth, predicted }) => shown.includes(truth) && shown.includes(predicted))
    .map(({ truth, predicted, count }) => {
      const level = heat(count / totals.get(truth)!);
      return { truth, predicted, count, fill: `var(--heat${level})`, ink: level > 3 ? GROUND : INK };
    });
  const left = room(shownNames, width);
  const side = Math.min(width - left - 16, 44 * shown.length);
  const label = (title: string) =>
    ({
      title,
      scale: 'class',
      domain: false,
      ticks: false,
      labelLimit: labelLimit(left),
      encode: { labels: { update: { text: { signal: 'names[datum.value]' } } } },
    }) as const;
  const spec: Spec = {
    width: side,
    height: side,
    padding: { left: left + 24, right: 16, top: 8, bottom: left + 24 },
    signals: [{ name: 'names', value: names }],
    data: [{ name: 'cells', values: cells }],
    scales: [{ name: 'class', type: 'band', domain: [...shown], range: [0, side] }],
    axes: [
      { orient: 'left', ...label('truth'), titleX: -left - 8 },
      {
        orient: 'bottom',
        ...label('answer'),
        titleY: left + 8,
        labelAngle: -90,
        labelAlign: 'right',
        labelBaseline: 'middle',
      },
    ],
    marks: [
      mark('rect', null, { x: 0, y: 0, width: side, height: side, fill: 'var(--heat0)' }),
      rectangles,
      ...(shown.length <= WRITTEN ? [counts] : []),
    ],
  };
  return plotSvg(spec, `Confusion matrix of ${shown.length} classes`);
}

const GROUND = 'var(--ground)';
const INK = 'var(--ink)';

const rectangles = mark('rect', 'cells', {
  x: { scale: 'class', field: 'predicted' },
  y: { scale: 'class', field: 'truth' },
  width: { scale: 'class', band: 1 },
  height: { scale: 'class', band: 1 },
  fill: { field: 'fill' },
});

const counts = mark('text', 'cells', {
  x: { scale: 'class', field: 'predicted', band: 0.5 },
  y: { scale: 'class', field: 'truth', band: 0.5 },
  text: { field: 'count' },
  fill: { field: 'ink' },
  align: 'center',
  baseline: 'middle',
  font: FONT,
  fontSize: 11,
});
