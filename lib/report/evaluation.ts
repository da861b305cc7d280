/** An evaluation as a page without scripts, and its confusion matrix as a drawing of its own. */
import type { Evaluation, Share } from '../evaluate/index.ts';
import { interval, mistakes, percent, subject } from '../evaluate/text.ts';
import { version } from '../version.ts';
import { escapeXml } from './escape.ts';
import { confusionChart, confusionLabels, shownClasses } from './plots/confusion.ts';
import { standalone } from './plots/draw.ts';
import { style } from './style.ts';
import { thousands } from './table.ts';

const WIDTH = 760;

/** SVG with its own colours, light and dark. */
export const confusionSvg = async (evaluation: Evaluation): Promise<string> =>
  standalone(await confusionChart(evaluation, WIDTH));

/** The whole page. */
export async function evaluationHtml(evaluation: Evaluation): Promise<string> {
  const { top1, topK, loss, count, data, network } = evaluation;
  const title = `${percent(top1.share)} right: ${network} on ${data.path}`;
  const fact = (name: string, value: string): string =>
    `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<meta name="generator" content="alexnet-oracle ${escapeXml(version)}">
<title>${escapeXml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
<h1>alexnet evaluate</h1>
<div class="verdict untested"><strong>${escapeXml(percent(top1.share))}</strong><p>${escapeXml(subject(evaluation))}</p></div>
<dl class="facts">
${fact('top-1', `${thousands(top1.right)} of ${thousands(count)}`)}
${fact('95 % interval', interval(top1))}
${fact(`top-${topK.k}`, `${percent(topK.share)} (${interval(topK)})`)}
${fact('mean log loss', loss.toFixed(4))}
${fact('mean image', evaluation.mean ?? 'none')}
${fact('classes matched by', evaluation.matched)}
${evaluation.failures.length > 0 ? fact('could not be read', String(evaluation.failures.length)) : ''}
${evaluation.random ? fact('weights', 'random: the figures mean nothing') : ''}
</dl>
</header>
<main>
<section>
<h2>Confusions</h2>
<p class="muted">${shownNote(evaluation)}</p>
<p class="legend">${confusionLabels.map((label, i) => `<span><i style="--fill:var(--heat${i})"></i>${label}</span>`).join(' ')}</p>
<figure>${await confusionChart(evaluation, WIDTH)}</figure>
</section>
${classTable(evaluation)}
</main>
</body>
</html>
`;
}

function shownNote(evaluation: Evaluation): string {
  const occur = new Set(evaluation.confusion.flatMap(({ truth, predicted }) => [truth, predicted])).size;
  const shown = shownClasses(evaluation).length;
  const some = shown < occur ? ` The ${shown} of ${occur} classes with the most mistakes.` : '';
  return `A row holds the pictures of a class, a column what the network took them for; the colour is the share of the row.${some}`;
}

function classTable(evaluation: Evaluation): string {
  const { classes, names } = evaluation;
  const worst = mistakes(evaluation);
  const rows = classes.map((row) => {
    const most = worst.find(({ truth }) => truth === row.class);
    const taken = most ? `${names[most.predicted]} (${most.count})` : '';
    return `<tr><td class="name">${escapeXml(row.name)}</td>${numbers(row)}<td>${escapeXml(taken)}</td></tr>`;
  });
  return `<section>
<h2>By class</h2>
<table>
<thead><tr><th>class</th><th class="number">right</th><th class="number">of</th><th class="number">accuracy</th><th class="number">95 % interval</th><th>most often taken for</th></tr></thead>
<tbody>
${rows.join('\n')}
</tbody>
</table>
</section>`;
}

const numbers = (row: Share): string =>
  [thousands(row.right), thousands(row.count), percent(row.share), row.count > 0 ? interval(row) : '']
    .map((text) => `<td class="number">${escapeXml(text)}</td>`)
    .join('');
