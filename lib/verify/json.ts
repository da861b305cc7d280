/** The JSON of `alexnet verify`, version 1: docs/json.md documents it. */
import type { VerifyResult } from './index.ts';

export function verificationJson(result: VerifyResult): object {
  const { values: _, layers, inputSource, ...head } = result;
  return {
    version: 1,
    ...head,
    inputSource,
    layers: layers.map(({ introduced, ...row }) => ({
      ...row,
      introduced: introduced && finite(introduced),
    })),
  };
}

/** JSON has no infinity: it becomes the string "Infinity". */
function finite(value: unknown): unknown {
  if (typeof value === 'number' && !Number.isFinite(value)) return String(value);
  if (Array.isArray(value)) return value.map(finite);
  if (typeof value !== 'object' || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, finite(item)]));
}
