/** What there is to say about a layer that did not simply pass, under a name that stays the same from run to run. */
import { classes } from '../bounds/arithmetic.ts';
import type { LayerRow, Verification } from '../verify/verification.ts';
import type { Difference } from './baseline.ts';
import { runName, whereText, withText } from './table.ts';

export interface FindingRule {
  readonly id: string;
  readonly level: 'error' | 'warning' | 'note';
  readonly title: string;
  /** What it means and what to do. */
  readonly help: string;
}

export interface Finding {
  readonly rule: FindingRule;
  readonly layer: string;
  readonly message: string;
}

export const findingRules = {
  bound: {
    id: 'beyond-bound',
    level: 'error',
    title: 'Values beyond the bound of any right evaluation',
    help:
      'The device computed something else than this layer: no order of summation, with or without fused multiply-add, ' +
      'in the required arithmetic gives these values from the inputs that the device itself had. Look at the worst ' +
      'elements, their channels and their positions: a fault at the border points to padding, one in half of the ' +
      'channels to groups.',
  },
  bits: {
    id: 'too-few-bits',
    level: 'error',
    title: 'Fewer effective bits than the required arithmetic has',
    help:
      'The products of this layer were computed with fewer significant bits than --require asks for: TF32 or float16 ' +
      '(10 to 15 bits) or bfloat16 (under 10). Switch TF32 off with NVIDIA_TF32_OVERRIDE=0, or ask for what you want ' +
      'with --require tf32, float16 or bfloat16.',
  },
  structure: {
    id: 'not-comparable',
    level: 'error',
    title: 'The layer of the model is not that of the network',
    help:
      "The model's node, its attributes, its shape or its weights are not this layer's, so that its values were not " +
      'compared. Check the network (--network) and the file that the weights come from.',
  },
  constant: {
    id: 'constant-on-device',
    level: 'error',
    title: 'Constant on the device, not in the oracle',
    help: "All of the layer's values are the same on the device: it computed nothing, or its result was never written.",
  },
  optimised: {
    id: 'only-optimised',
    level: 'error',
    title: 'Wrong only when the graph is optimised',
    help:
      'Every layer agrees when each has its own node, but not when onnxruntime optimises the graph: a fused or rewritten ' +
      'node is wrong. Where only the untouched graph fails, the extra outputs that make layers visible hide the fault.',
  },
  died: {
    id: 'engine-died',
    level: 'error',
    title: 'onnxruntime died',
    help:
      'onnxruntime ended the process that it ran in: a fault of its own, whatever the model holds. Layers that no run ' +
      'computed are not judged.',
  },
  unstable: {
    id: 'not-repeatable',
    level: 'warning',
    title: 'Not the same bits when run again',
    help: 'The same input gave other values: the device adds in an order that varies, or reads what it never wrote.',
  },
  expectation: {
    id: 'beyond-expectation',
    level: 'warning',
    title: 'Within the bound, but larger than rounding errors add up to',
    help:
      'Rounding errors that are independent would reach this size about once in a million layers. The kernel may ' +
      'accumulate in a format narrower than float32, or its errors may all have one sign.',
  },
  untested: {
    id: 'untested',
    level: 'note',
    title: 'Not tested',
    help:
      'Nothing was shown of this value, and its message says why: all right values are the same, no bound is known, it is ' +
      'random, or it overflows. Where the input is the reason, give another one.',
  },
  lost: {
    id: 'lost-bits',
    level: 'error',
    title: 'Less accurate than the baseline',
    help:
      'The layer still agrees with the oracle, but has lost accuracy since the run that --baseline names. If that was ' +
      'intended, save a new baseline with --report-json.',
  },
} as const satisfies Record<string, FindingRule>;

/** Findings of all layers, in their order; those of a comparison with a baseline come last. */
export function findings({ layers, required, runs }: Verification, difference?: Difference): Finding[] {
  const found: Finding[] = [];
  for (const row of layers) {
    const rule = ruleOf(row, classes[required].bits);
    if (rule)
      found.push({
        rule,
        layer: row.layer,
        message: `${row.layer}${withText(row)}: ${[row.reason || rule.title, whereText(row)].filter(Boolean).join(', ')}`,
      });
  }
  const layersAgree = layers.every(({ verdict }) => verdict !== 'fail');
  const about = new Set<string>();
  for (const run of runs) {
    const rule =
      run.verdict === 'suspicious'
        ? findingRules.unstable
        : run.first === null
          ? findingRules.died
          : findingRules.optimised;
    const layer = run.first ?? run.unstable[0] ?? '';
    // a wrong layer is wrong in every run, and one finding for each layer is enough
    if (run.verdict === 'pass' || run.verdict === 'untested' || about.has(layer)) continue;
    if (rule === findingRules.optimised && !layersAgree) continue;
    about.add(layer);
    found.push({ rule, layer, message: [layer, runName(run), run.reason].filter(Boolean).join(': ') });
  }
  for (const { layer, lost } of difference?.layers ?? []) {
    if (lost) found.push({ rule: findingRules.lost, layer, message: `${layer}: ${lost}` });
  }
  return found;
}

function ruleOf({ verdict, introduced }: LayerRow, bits: number): FindingRule | null {
  if (verdict === 'pass') return null;
  if (verdict === 'suspicious') return findingRules.expectation;
  if (verdict === 'untested') return findingRules.untested;
  if (!introduced || introduced.count === 0) return findingRules.structure;
  if (introduced.beyond > 0) return findingRules.bound;
  return introduced.bits !== null && introduced.bits < bits ? findingRules.bits : findingRules.constant;
}
