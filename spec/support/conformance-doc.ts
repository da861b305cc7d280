/** docs/conformance.md, made from the results themselves. */
import { basename, dirname } from 'node:path';
import type { Conformance, TestResult } from '../../lib/conform/index.ts';
import { findTests } from '../../lib/conform/layout.ts';
import { readModel } from '../../lib/onnx/read.ts';

const row = (cells: readonly (string | number)[]): string => `| ${cells.join(' | ')} |`;
const table = (titles: readonly string[], rows: readonly (readonly (string | number)[])[]): string =>
  [row(titles), row(titles.map((_, i) => (i === 0 ? '---' : '---:'))), ...rows.map(row)].join('\n');

/** The operator that a test is of: its node's, or 'several nodes' for expanded functions and whole networks. */
export async function operatorsOf(folder: string): Promise<Map<string, string>> {
  const operators = new Map<string, string>();
  for (const { name, model } of await findTests([folder])) {
    const { nodes } = (await readModel(model)).graph;
    const light = basename(dirname(model)) === 'light';
    operators.set(name, light ? 'light networks' : nodes.length === 1 ? nodes[0].op : 'several nodes');
  }
  return operators;
}

const passed = (tests: readonly TestResult[]): number =>
  tests.filter(({ status }) => status === 'passed').length;

function sums(results: readonly (readonly [string, Conformance])[]): string {
  return table(
    ['engine', 'passed', 'failed', 'unsupported', 'with a derived bound kept'],
    results.map(([title, result]) => [
      title,
      result.passed,
      result.failed,
      result.unsupported,
      result.tests.filter(({ bound }) => bound !== undefined).length,
    ]),
  );
}

/** Reasons of one line without what differs from machine to machine. */
const clean = (reason = ''): string =>
  reason
    .replace(/^onnxruntime cannot use it: (Exception during initialization: )?/, '')
    .replace(/\/onnxruntime_src\S+ /g, '')
    .replaceAll('|', '\\|');

/** What did not pass, tests of one reason together. */
function others({ tests }: Conformance): string {
  const byReason = new Map<string, string[]>();
  for (const { name, status, reason } of tests) {
    if (status === 'passed') continue;
    const key = `${status}: ${clean(reason)}`.replace(/node '[^']*' \(/, '(');
    byReason.set(key, [...(byReason.get(key) ?? []), name]);
  }
  return [...byReason]
    .map(([reason, names]) => `- ${reason}\n  ${names.map((n) => `\`${n}\``).join(', ')}`)
    .join('\n');
}

export interface Results {
  readonly oracle: Conformance;
  readonly onnxruntime: Conformance;
}

export function conformanceDoc(
  onnx: Results,
  own: Results,
  operators: ReadonlyMap<string, string>,
  mutation: string,
  generated: string,
): string {
  const names = [...new Set(operators.values())].sort();
  const of = (result: Conformance, operator: string) =>
    result.tests.filter(({ name }) => operators.get(name) === operator);
  const byOperator = names.map((operator) => {
    const oracle = of(onnx.oracle, operator);
    const ort = of(onnx.onnxruntime, operator);
    return [operator, oracle.length, passed(oracle), passed(ort)];
  });
  const engines = (results: Results) =>
    sums([
      ['the oracle', results.oracle],
      ['onnxruntime-node 1.30.0, CPU', results.onnxruntime],
    ]);
  return `# Conformance

Made by \`npm run conformance\`; do not edit. It needs \`../shared/data/onnx-backend-tests\` (onnx v1.22.0).

A test passes where every output has the expected type, shape and values: |y − expected| ≤ 1e-7 + 1e-3·|expected| for
floating-point values (ONNX's own tolerance), equality for integers and bools. A test of a single node whose error bound is
derived (\`docs/error-bounds.md\`) must keep that too.

    alexnet conform DIR                                     # the oracle
    alexnet conform DIR --engine onnxruntime --device cpu   # onnxruntime, on any device
    alexnet conform --write DIR                             # this project's own vectors, for any engine

## ONNX's backend tests

${engines(onnx)}

The oracle lacks five operators, all outside what AlexNet's family uses. Everything else passes.

### By operator

${table(['operator', 'tests', 'the oracle', 'onnxruntime CPU'], byOperator)}

### What the oracle does not run

${others(onnx.oracle)}

### What onnxruntime's CPU does not run or gets wrong

\`test_training_dropout*\` want numpy's random numbers, which onnxruntime does not draw.

${others(onnx.onnxruntime)}

## This project's vectors

All dimensions of a test differ from one another; strides, pads and dilations are asymmetric. Expected values are PyTorch's
in float64 (\`fixtures/ops/*/make.py\`), rounded once to float32. Gradients (\`test_*_gradient_*\`: inputs and dy, outputs dx, dw,
db) are graphs of standard operators, as the training-step export writes them; of equal maxima each gets the gradient.

${engines(own)}

### Where onnxruntime's CPU differs

${others(own.onnxruntime)}

### On onnx itself

\`python3 fixtures/onnx/check_vectors.py DIR\` (onnx 1.23.1): \`onnx.checker\` with full shape inference accepts all 196, and
\`ReferenceEvaluator\` gives the expected values of 180. The other 16: the twelve with a native LRN node and a batch of two or
more (it normalises along the batch: onnx/onnx#7805), a max-pool and an average pool with NaN in them, and two gradients
whose grouped ConvTranspose and whose MaxPool it cannot run.

## Generated graphs

\`npx tsx bench/generated-graphs.ts 500\`: layers in the forms that exporters write, joined at random; several outputs, odd names, nodes in any order,
open batches; float16 throughout, with Casts at the ends or within (\`spec/support/generated/\`).

${generated}

## Mutation score

How many wrong kernels (\`lib/judge/mistakes/\`) a set of vectors tells from the right one: \`npm run mutation\`. ONNX's node
tests are judged by their own tolerance; "same tolerance" judges this project's vectors likewise. A kernel that no test
of a set can run counts as not found. Gradients are judged by the tolerance alone.

${mutation}
`;
}
