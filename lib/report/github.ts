/** What GitHub Actions shows: Markdown for the summary of a step, and commands that become annotations. */

import { marginText } from '../judge/margin.ts';
import { whyText } from '../judge/why.ts';
import type { VerifyResult } from '../verify/index.ts';
import { repeatLines } from '../verify/repeats.ts';
import type { LayerRow } from '../verify/verification.ts';
import type { Difference } from './baseline.ts';
import { escapeMarkdown, escapeMessage, escapeProperty } from './escape.ts';
import { findings } from './findings.ts';
import { deviceText, layerFigures, withText } from './table.ts';
import { verdictLine } from './terminal.ts';

const MARKS = { pass: '✅', suspicious: '⚠️', fail: '❌', untested: '⚪' } as const;

/** Rows of a table, and annotations of a kind: GitHub takes a mebibyte a step, and shows ten of a kind. */
const MOST_ROWS = 1000;
const MOST_ANNOTATIONS = 10;

/** A heading, the verdict, what did not pass, and all layers folded away. */
export function stepSummary(result: VerifyResult, difference?: Difference): string {
  const lost = new Set(difference?.lost);
  const bad = result.layers.filter(({ verdict, layer }) => verdict !== 'pass' || lost.has(layer));
  const mark = result.verdict === 'pass' && lost.size > 0 ? MARKS.fail : MARKS[result.verdict];
  const reasons = findings(result, difference)
    .slice(0, MOST_ROWS)
    .map(({ message }) => `- ${escapeMarkdown(message)}`);
  const about = [
    `${result.network} on ${deviceText(result)}`,
    result.model ? `model ${result.model}` : '',
    `weights ${result.weights}`,
    `input ${result.inputSource}`,
    `placement ${result.placement}`,
  ].filter(Boolean);
  const parts = [
    `### ${mark} alexnet verify: ${escapeMarkdown(verdictLine(result))}`,
    about.map(escapeMarkdown).join(' · '),
    reasons.join('\n'),
    result.margin ? escapeMarkdown(marginText(result.margin)) : '',
    repeatLines(result.repeats ?? [])
      .map((line) => `- ${escapeMarkdown(line)}`)
      .join('\n'),
    result.why
      ? whyText(result.why)
          .map((line) => `- ${escapeMarkdown(line)}`)
          .join('\n')
      : '',
    bad.length > 0 ? layerTable(bad) : '',
    `<details><summary>All ${result.layers.length} layers</summary>\n\n${layerTable(result.layers)}\n\n</details>`,
  ];
  return `${parts.filter(Boolean).join('\n\n')}\n\n`;
}

function layerTable(rows: readonly LayerRow[]): string {
  const lines = rows.slice(0, MOST_ROWS).map((row) => {
    const { layer, verdict, devices } = row;
    const numbers = layerFigures.map(({ of }) => of(row));
    const cells = [
      `${MARKS[verdict]} ${escapeMarkdown(layer + withText(row))}`,
      ...numbers,
      escapeMarkdown(devices.join(', ')),
    ];
    return `| ${cells.join(' | ')} |`;
  });
  return [
    `| layer | ${layerFigures.map(({ title }) => title).join(' | ')} | device |`,
    `| --- |${layerFigures.map(() => ' ---: |').join('')} --- |`,
    ...lines,
    ...(rows.length > MOST_ROWS ? [`| … and ${rows.length - MOST_ROWS} more | | | | | |`] : []),
  ].join('\n');
}

const COMMANDS = { error: 'error', warning: 'warning', note: 'notice' } as const;

/** One `::error …` line a finding, ten of a kind. */
export function annotations(result: VerifyResult, difference?: Difference): string[] {
  const written = { error: 0, warning: 0, note: 0 };
  return findings(result, difference)
    .filter(({ rule }) => ++written[rule.level] <= MOST_ANNOTATIONS)
    .map(({ rule, message }) => {
      const file = result.model ? `file=${escapeProperty(result.model)},` : '';
      const title = escapeProperty(`alexnet verify: ${rule.title}`);
      return `::${COMMANDS[rule.level]} ${file}title=${title}::${escapeMessage(message)}`;
    });
}
