/** The reports that `alexnet verify` writes: which, where to, and the comparison with a saved one. */

import { append } from '../disk/append.ts';
import type { Mark } from '../disk/marks.ts';
import type { Guard, Target } from '../disk/target.ts';
import { writeWhole } from '../disk/write.ts';
import type { VerifyResult } from '../verify/index.ts';
import { type Difference, difference, readBaseline } from './baseline.ts';
import { annotations, stepSummary } from './github.ts';
import { htmlReport } from './html.ts';
import { verificationJson } from './json.ts';
import { junitXml } from './junit.ts';
import { sarifLog } from './sarif.ts';

export interface ReportOptions {
  readonly reportJson?: string;
  readonly junit?: string;
  readonly sarif?: string;
  readonly html?: string;
  /** A file that --report-json wrote. */
  readonly baseline?: string;
}

export type Write = (result: VerifyResult, changed?: Difference) => string | Promise<string>;

interface Format {
  readonly key: Exclude<keyof ReportOptions, 'baseline'>;
  readonly option: string;
  readonly mark: Mark;
  readonly write: Write;
}

const formats: readonly Format[] = [
  {
    key: 'reportJson',
    option: '--report-json',
    mark: 'json',
    write: (result, changed) => `${JSON.stringify(verificationJson(result, changed))}\n`,
  },
  { key: 'junit', option: '--junit', mark: 'junit', write: junitXml },
  {
    key: 'sarif',
    option: '--sarif',
    mark: 'sarif',
    write: (result, changed) => `${JSON.stringify(sarifLog(result, changed))}\n`,
  },
  { key: 'html', option: '--html', mark: 'html', write: htmlReport },
];

const asked = (options: ReportOptions): (Format & { readonly path: string })[] =>
  formats.flatMap((format) => {
    const path = options[format.key];
    return path === undefined ? [] : [{ ...format, path }];
  });

/** The files that are asked for. */
export const reportTargets = (options: ReportOptions): readonly Target[] => asked(options);

/** How a result compares with the baseline. Throws InputError where that cannot be read. */
export async function baselineOf({
  baseline,
}: ReportOptions): Promise<(result: VerifyResult) => Difference | undefined> {
  if (baseline === undefined) return () => undefined;
  const saved = await readBaseline(baseline);
  return (result) => difference(saved, result);
}

/** A step for each report that is asked for; each writes one file and rejects as lib/disk/write does. */
export const reportSteps = (
  options: ReportOptions,
  guard: Guard,
  result: VerifyResult,
  changed?: Difference,
): (() => Promise<void>)[] =>
  asked(options).map(
    ({ write, ...target }) =>
      async () =>
        writeWhole({ ...target, content: await write(result, changed) }, guard),
  );

/** The summary of a GitHub step and its annotations, where the environment says that this is one. */
export async function tellGithub(result: VerifyResult, changed?: Difference): Promise<void> {
  const { GITHUB_STEP_SUMMARY: summary, GITHUB_ACTIONS: actions } = process.env;
  if (summary) {
    const problem = await append(summary, stepSummary(result, changed));
    if (problem) process.stderr.write(`GITHUB_STEP_SUMMARY: ${problem}\n`);
  }
  if (actions) for (const line of annotations(result, changed)) process.stderr.write(`${line}\n`);
}

/** Lines for the terminal: what was lost since the baseline. */
export function differenceText({ file, layers, lost }: Difference): string {
  if (lost.length === 0) return `baseline: no layer is less accurate than in ${file}\n`;
  const lines = layers.filter((change) => change.lost).map(({ layer, lost: what }) => `${layer}: ${what}`);
  return `${lines.join('\n')}\nLOST BITS: ${lost.length} of ${layers.length} layers are less accurate than in ${file}\n`;
}
