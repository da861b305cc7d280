/** alexnet conform: runs tests in the ONNX backend-test layout, or writes this project's own. */
import type { Command } from 'commander';
import { type Conformance, type ConformOptions, conform, type TestResult } from '../../conform/index.ts';
import { writeVectors } from '../../conform/vectors.ts';
import { InputError } from '../../errors.ts';
import { oneLine, visible } from '../../report/escape.ts';
import { deviceOption, engineOption, forceOption, jsonOption } from '../options.ts';
import { print, progressBar } from '../output.ts';

interface Options extends ConformOptions {
  readonly write?: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

export function register(program: Command): void {
  program
    .command('conform')
    .description("run ONNX's conformance tests, or any folders in their layout")
    .argument('[dir...]', 'folders of tests: model.onnx, test_data_set_0/input_0.pb, output_0.pb')
    .addOption(engineOption('what runs them', ['oracle', 'onnxruntime']))
    .addOption(deviceOption())
    .option('--write <dir>', "write this project's own test vectors there")
    .addOption(forceOption())
    .addOption(jsonOption())
    .action(run);
}

async function run(
  folders: readonly string[],
  { engine, device, write, force, json }: Options,
): Promise<void> {
  if (write !== undefined) {
    if (folders.length > 0) throw new InputError('--write takes no folders of tests: it writes new ones');
    const written = await writeVectors(write, { force });
    return print(json, { folder: write, written }, () => `${written.length} tests written to ${write}\n`);
  }
  const bar = await progressBar('{value}/{total} {name}');
  const onTest = ({ name }: TestResult, done: number, total: number) =>
    bar.update(done, total, { name: visible(oneLine(name)) });
  const result = await conform(folders, { engine, device, onTest }).finally(bar.stop);
  await print(json, result, () => conformanceText(result));
  if (result.failed > 0) process.exitCode = 1;
}

/** What did not pass, by reason, and the sums. */
function conformanceText({ engine, device, seconds, tests, ...sums }: Conformance): string {
  const lines = tests
    .filter(({ status }) => status !== 'passed')
    .map(({ name, status, reason }) => `${status.padEnd(11)} ${name}: ${reason}`);
  const where = engine === 'oracle' ? 'the oracle' : `onnxruntime (${device})`;
  const bounds = tests.filter(({ bound }) => bound !== undefined).length;
  lines.push(
    `${sums.passed} passed, ${sums.failed} failed, ${sums.unsupported} unsupported on ${where} in ${seconds.toFixed(1)} s`,
    `${bounds} of them also keep a derived bound`,
  );
  return `${lines.map(oneLine).join('\n')}\n`;
}
