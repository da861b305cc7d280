/**
 * What every page written here is: one file without scripts and without anything from elsewhere, light and dark by the
 * reader's preference, one column on a phone. Its content security policy refuses the rest, whatever the names in a
 * model or a data set hold.
 */
import { version } from '../version.ts';
import { escapeXml } from './escape.ts';

interface Page {
  readonly title: string;
  /** HTML of the two parts of the body. */
  readonly header: string;
  readonly main: string;
  /** Seconds after which it loads itself anew. */
  readonly reload?: number;
}

export const pageOf = ({ title, header, main, reload }: Page): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'">
${reload === undefined ? '' : `<meta http-equiv="refresh" content="${reload}">\n`}<meta name="generator" content="alexnet-oracle ${escapeXml(version)}">
<title>${escapeXml(title)}</title>
<style>${style}</style>
</head>
<body>
<header>
${header}
</header>
<main>
${main}
</main>
</body>
</html>
`;

/** A name and what it is, as a list of facts has them. */
export const fact = (name: string, value: string): string =>
  `<div><dt>${escapeXml(name)}</dt><dd>${escapeXml(value)}</dd></div>`;

/** Cells of numbers; in cards each has its title above it. */
export const numberCells = (texts: readonly string[], titles: readonly string[] = []): string =>
  texts
    .map((text, i) => `<td class="number"${titles[i] ? ` data-label="${titles[i]}"` : ''}>${text}</td>`)
    .join('');

/** A table whose rows become cards on a phone: a name, numbers, and what else there is. */
export function cards(
  name: string,
  numbers: readonly string[],
  others: readonly string[],
  rows: readonly string[],
): string {
  const heads = numbers.map((title) => `<th class="number">${title}</th>`).join('');
  return `<table class="cards"><thead><tr><th>${name}</th>${heads}${others.map((title) => `<th>${title}</th>`).join('')}</tr></thead><tbody>
${rows.join('\n')}
</tbody></table>`;
}

/** The colours: also for a drawing that stands by itself. */
export const palette = `
:root {
  color-scheme: light dark;
  --ground: #fbfaf7; --card: #ffffff; --ink: #1c2027; --muted: #626a76; --line: #e3e0d9;
  --accent: #2768b3; --good: #1c7c4d; --bad: #c2352b; --warn: #9a5b00;
  --heat0: #ecebe6; --heat1: #cfe0f0; --heat2: #9dc3e6; --heat3: #5e9bd3; --heat4: #2f6fae; --heat5: #173f73;
}
@media (prefers-color-scheme: dark) {
  :root {
    --ground: #14161a; --card: #1b1e24; --ink: #e9e7e2; --muted: #9ba3ae; --line: #30353d;
    --accent: #6cb0f2; --good: #52c78f; --bad: #ff7a6e; --warn: #f2b65a;
    --heat0: #272b32; --heat1: #1f3d5c; --heat2: #2a5f92; --heat3: #3f8acb; --heat4: #7bb6ea; --heat5: #d3e8fb;
  }
}
`;

const style = `${palette}* { box-sizing: border-box; }
body {
  margin: 0 auto; max-width: 1040px; padding: 28px 20px 64px; background: var(--ground); color: var(--ink);
  font: 15px/1.5 system-ui, sans-serif; overflow-wrap: break-word;
}
h1 { font-size: 15px; font-weight: 600; color: var(--muted); margin: 0 0 18px; }
h2 { font-size: 20px; line-height: 1.3; margin: 44px 0 6px; }
h3 { font-size: 13px; font-weight: 600; margin: 0 0 6px; }
p { margin: 0 0 12px; max-width: 72ch; }
.muted, figcaption { color: var(--muted); font-size: 13px; }
.verdict { border-left: 5px solid var(--tone); padding: 2px 0 2px 18px; }
.verdict strong { display: block; font-size: 38px; line-height: 1.1; letter-spacing: -.01em; color: var(--tone); }
.verdict p { margin: 8px 0 0; font-size: 17px; } .verdict p.muted { font-size: 14px; }
.pass { --tone: var(--good); } .fail { --tone: var(--bad); } .suspicious { --tone: var(--warn); } .untested { --tone: var(--muted); }
.mark { color: var(--tone); font-weight: 600; }
dl.facts { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(190px, 44%), 1fr)); gap: 14px 24px; margin: 24px 0 0; }
dl.facts dt { color: var(--muted); font-size: 12px; } dl.facts dd { margin: 0; }
figure { margin: 0; min-width: 0; }
svg { display: block; width: 100%; height: auto; }
.narrow { display: none; }
table { border-collapse: collapse; width: 100%; font-variant-numeric: tabular-nums; font-size: 14px; }
th { text-align: left; font-weight: 500; color: var(--muted); font-size: 12px; padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); }
td { padding: 6px 12px 6px 0; border-bottom: 1px solid var(--line); vertical-align: top; }
td.number, th.number { text-align: right; white-space: nowrap; }
td.name { min-width: 11em; } td.name, td small, dd, summary, .verdict { overflow-wrap: anywhere; }
td.name .muted { display: block; font-size: 12.5px; }
td.device { white-space: nowrap; }
td small { display: block; color: var(--muted); font-size: 12.5px; }
.bar { display: block; height: 4px; margin-top: 5px; border-radius: 2px; background: var(--line); overflow: hidden; }
.bar i { display: block; height: 100%; width: var(--share); background: var(--fill, var(--accent)); }
details { background: var(--card); border: 1px solid var(--line); border-radius: 8px; margin: 0 0 8px; }
summary { cursor: pointer; padding: 10px 14px; display: flex; flex-wrap: wrap; gap: 2px 14px; align-items: baseline; list-style: none; }
summary::-webkit-details-marker { display: none; }
summary::before { content: '›'; color: var(--muted); font-weight: 700; width: .6em; transition: transform .1s; }
details[open] > summary::before { transform: rotate(90deg); }
summary b { min-width: 5.5em; } summary .muted { flex: 1 1 auto; }
summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; border-radius: 8px; }
.inside { padding: 6px 14px 16px; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(280px, 100%), 1fr)); gap: 22px 28px; margin: 8px 0 20px; }
.thumbnails { display: grid; grid-template-columns: repeat(auto-fill, minmax(150px, 1fr)); gap: 18px 20px; margin: 8px 0 20px; }
.legend { display: flex; flex-wrap: wrap; gap: 2px 14px; font-size: 12px; color: var(--muted); margin: 0 0 14px; }
.legend i { display: inline-block; width: 11px; height: 11px; border-radius: 2px; background: var(--fill); margin-right: 5px; vertical-align: -1px; }
@media (max-width: 640px) {
  body { padding: 20px 14px 48px; }
  .wide { display: none; } .narrow { display: block; }
  .verdict strong { font-size: 32px; }
  table.cards thead { display: none; }
  table.cards tr { display: grid; grid-template-columns: repeat(3, minmax(0, 1fr)); gap: 4px 12px; padding: 10px 0; border-bottom: 1px solid var(--line); }
  table.cards td { border: 0; padding: 0; text-align: left; white-space: normal; }
  table.cards td[data-label]::before { content: attr(data-label); display: block; color: var(--muted); font-size: 11px; }
  table.cards td.whole { min-width: 0; grid-column: 1 / -1; }
}
@media print { details { break-inside: avoid; } }
`;
