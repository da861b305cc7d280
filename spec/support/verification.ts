/** Results of verify made by hand, for the reports' specs. */
import type { Comparison } from '../../lib/judge/judge.ts';
import type { VerifyResult } from '../../lib/verify/index.ts';
import type { LayerRow } from '../../lib/verify/verification.ts';

/** What a name can do to a format that does not escape it. */
export const HOSTILE = `]]></testcase>&amp;"'<script>alert(1)</script>|\`,\n::error::%0A\u0000\u001b[31m\ud800 \u2028ünï`;

/** Names that a terminal, a CI system or a format would obey. */
export const HOSTILE_NAMES: readonly string[] = [
  '::error title=a::b',
  'b\n::add-path::/tmp/evil\n  ::stop-commands::xyz',
  'a\u001b[31mred\u001b[2J\r\u009b1m',
  '##[error]c ##vso[task.setvariable variable=a]b',
  '<script>alert(1)</script>',
  '"><img src=x onerror=alert(1)>',
  '](javascript:alert(1)) ![x](https://x.example)',
  '| pipe ` tick',
  ']]><!--',
  '\u202eabc\u2066\u007f',
  '%0A::error::x',
  '{{7*7}}',
  'constructor',
  // NUL ends a name for onnxruntime, and UTF-8 has no lone surrogates
  HOSTILE.replace(/[\0\ud800]/g, ''),
];

export const comparison = (change: Partial<Comparison> = {}): Comparison => ({
  verdict: 'pass',
  reason: '',
  maxError: 1e-7,
  relativeError: 1e-7,
  overBound: 0.25,
  overExpectation: 0.5,
  bits: 22,
  arithmetic: 'float32',
  worst: { index: [0, 1], device: 1, oracle: 1 + 1e-7, error: 1e-7, bound: 4e-7 },
  named: null,
  count: 100_000,
  beyond: 0,
  pattern: null,
  ...change,
});

export const row = (layer: string, change: Partial<LayerRow> = {}): LayerRow => ({
  layer,
  kind: 'conv2d',
  shape: [1, 96, 55, 55],
  verdict: 'pass',
  reason: '',
  introduced: comparison(),
  accumulated: 2e-7,
  devices: ['CPU'],
  ...change,
});

/** A layer that failed with these words. */
export const failed = (layer: string, reason: string): LayerRow =>
  row(layer, { verdict: 'fail', reason, introduced: comparison({ verdict: 'fail', reason, beyond: 3 }) });

export const verification = (
  layers: readonly LayerRow[],
  change: Partial<VerifyResult> = {},
): VerifyResult => ({
  network: 'bvlc-alexnet',
  input: [1, 3, 227, 227],
  device: 'cpu',
  placement: 'all on CPU',
  required: 'float32',
  layers,
  verdict: layers.some(({ verdict }) => verdict === 'fail') ? 'fail' : 'pass',
  runs: [
    {
      graph: 'tapped',
      optimised: false,
      level: 'disabled',
      verdict: 'pass',
      reason: '',
      first: null,
      unstable: [],
    },
  ],
  first: layers.find(({ verdict }) => verdict === 'fail')?.layer ?? null,
  why: null,
  margin: null,
  values: { device: new Map(), oracle: new Map() },
  evidence: null,
  model: 'models/alexnet.onnx',
  weights: 'seed 0, kaiming',
  inputSource: 'uniform noise, seed 0',
  ...change,
});
