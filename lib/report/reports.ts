/** The reports that `alexnet verify` writes: which, where to, and the comparison with a saved one. */

import type { Mark } from '../disk/marks.ts';
import type { Guard, Target } from '../disk/target.ts';
import { append, writeWhole } from '../disk/write.ts';
import { installation } from '../runtime/installation.ts';
import type { VerifyResult } from '../verify/index.ts';
import { version as release } from '../version.ts';
import { type Difference, readBaseline, sinceBaseline } from './baseline.ts';
import { visible } from './escape.ts';
import { annotations, stepSummary } from './github.ts';
import { htmlReport } from './html.ts';
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

interface Format {
  readonly key: Exclude<keyof ReportOptions, 'baseline'>;
  readonly option: string;
  readonly mark: Mark;
  readonly write: (result: VerifyResult, changed?: Difference) => string | object | Promise<string>;
}

const formats: readonly Format[] = [
  { key: 'reportJson', option: '--report-json', mark: 'json', write: verificationJson },
  { key: 'junit', option: '--junit', mark: 'junit', write: junitXml },
  { key: 'sarif', option: '--sarif', mark: 'sarif', write: sarifLog },
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
  return (result) => sinceBaseline(saved, result);
}

/** A step for each report that is asked for; each writes one file and rejects as lib/disk/write does. */
export const reportSteps = (
  options: ReportOptions,
  guard: Guard,
  result: VerifyResult,
  changed?: Difference,
): (() => Promise<void>)[] =>
  asked(options).map(({ write, ...target }) => async () => {
    const report = await write(result, changed);
    const content = typeof report === 'string' ? report : visible(`${JSON.stringify(report)}\n`);
    await writeWhole({ ...target, content }, guard);
  });

/** The summary of a GitHub step and its annotations, where the environment says that this is one. */
export async function tellGithub(
  result: VerifyResult,
  changed: Difference | undefined,
  tell: (line: string) => void,
  command: (line: string) => void,
): Promise<void> {
  const { GITHUB_STEP_SUMMARY: summary, GITHUB_ACTIONS: actions } = process.env;
  if (summary) {
    const problem = await append(summary, stepSummary(result, changed));
    if (problem) tell(`GITHUB_STEP_SUMMARY: ${problem}`);
  }
  if (actions) annotations(result, changed).forEach(command);
}

/**
 * The JSON of `alexnet verify`, version 1: docs/json.md documents it, docs/verification.schema.json describes it.
 * `changed`: since the baseline, where there is one.
 */
export function verificationJson(result: VerifyResult, changed?: Difference): object {
  const { values: _, evidence: __, layers, ...head } = result;
  const versions = {
    'alexnet-oracle': release,
    'onnxruntime-node': installation()?.version ?? null,
    node: process.versions.node,
  };
  const rows = layers.map(({ details, ...row }) => ({ ...row, details: details ?? null }));
  return finite({ version: 1, versions, ...head, baseline: changed ?? null, layers: rows }) as object;
}

/** JSON has no infinity and no NaN: they become the strings "Infinity", "-Infinity" and "NaN". */
function finite(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(finite);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, finite(item)]));
}
