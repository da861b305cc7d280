/** The JSON of `alexnet verify`, version 1: docs/json.md documents it, docs/verification.schema.json describes it. */

import { installation } from '../runtime/installation.ts';
import type { VerifyResult } from '../verify/index.ts';
import { version as release } from '../version.ts';
import type { Difference } from './baseline.ts';

/** `changed`: since the baseline, where there is one. */
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
