/** The reports that `alexnet verify` writes: which, where to, and the comparison with a saved one. */

import { append, checkTargets, writeWhole } from '../files.ts';
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

const formats: readonly { key: keyof ReportOptions; option: string; write: Write }[] = [
  {
    key: 'reportJson',
    option: '--report-json',
    write: (result, changed) => `${JSON.stringify(verificationJson(result, changed))}\n`,
  },
  { key: 'junit', option: '--junit', write: junitXml },
  {
    key: 'sarif',
    option: '--sarif',
    write: (result, changed) => `${JSON.stringify(sarifLog(result, changed))}\n`,
  },
  { key: 'html', option: '--html', write: htmlReport },
];

/**
 * Checks before the run what can be checked; `inputs` are the files that it reads. The function that is
 * returned writes all reports and tells how the run compares with the baseline. Both throw InputError.
 */
export async function prepareReports(
  options: ReportOptions,
  inputs: readonly string[],
): Promise<(result: VerifyResult) => Promise<Difference | undefined>> {
  const asked = formats.filter(({ key }) => options[key] !== undefined);
  const read = options.baseline === undefined ? inputs : [...inputs, options.baseline];
  await checkTargets(new Map(asked.map(({ key, option }) => [option, options[key]!])), read);
  const baseline = options.baseline === undefined ? undefined : await readBaseline(options.baseline);
  return async (result) => {
    const changed = baseline && difference(baseline, result);
    for (const { key, write } of asked) await writeWhole(options[key]!, await write(result, changed));
    return changed;
  };
}

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
