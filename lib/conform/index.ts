/** Runs tests in the ONNX backend-test layout on the oracle or on onnxruntime, and says which pass. */
import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import { decodeTensor } from '../../export/proto.ts';
import type { Value } from '../array/value.ts';
import { among, type Checks, called, checkAgainst, checkArgument, texts } from '../checks.ts';
import { EnvironmentError, InputError, Unsupported } from '../errors.ts';
import {
  type Engine,
  isRefused,
  type Opened,
  onnxruntimeEngine,
  oracleEngine,
  ramp,
} from '../onnx/engines.ts';
import { valueFrom } from '../onnx/graph.ts';
import type { Model } from '../onnx/model.ts';
import { readModel } from '../onnx/read.ts';
import { unsupported } from '../onnx/registry.ts';
import { Died } from '../runtime/apart.ts';
import { chooseDevice, type Device, type DeviceWord, deviceWord } from '../runtime/devices.ts';
import { checkBound, firstDifference, type TestTolerance } from './compare.ts';
import { type DataSet, findTests, type TestFolder } from './layout.ts';

export interface TestResult {
  readonly name: string;
  readonly status: 'passed' | 'failed' | 'unsupported';
  /** Why it did not pass, in one line. */
  readonly reason?: string;
  /** The largest error over the derived bound, where there is one. */
  readonly bound?: number;
}

export interface Conformance {
  readonly engine: Engine['name'];
  readonly device: Device;
  readonly passed: number;
  readonly failed: number;
  readonly unsupported: number;
  readonly seconds: number;
  readonly tests: readonly TestResult[];
}

export interface ConformOptions {
  /** Who computes: the oracle (default), or onnxruntime on `device`. */
  readonly engine?: Engine['name'];
  /** Of onnxruntime; default auto: the first of CUDA, WebGPU and CPU that works. */
  readonly device?: DeviceWord;
  /** Called after each test. */
  readonly onTest?: (result: TestResult, done: number, total: number) => void;
}

const checks: Checks<ConformOptions> = {
  engine: among(['oracle', 'onnxruntime']),
  device: deviceWord,
  onTest: called,
};

/**
 * Every test in these folders. A test passes where each output has the expected type, shape and values (rtol
 * 1e-3, atol 1e-7, or what its data.json says) and, where one is derived, keeps its bound. InputError for
 * folders without tests; EnvironmentError where the device does not work.
 */
export async function conform(
  folders: readonly string[],
  options: ConformOptions = {},
): Promise<Conformance> {
  checkArgument('conform: folders', folders, texts);
  checkAgainst(checks, options, 'conform');
  if (folders.length === 0) throw new InputError('name a folder of tests, or --write one');
  const engine =
    options.engine === 'onnxruntime'
      ? onnxruntimeEngine(await chooseDevice(options.device ?? 'auto'))
      : oracleEngine;
  const found = await findTests(folders);
  const start = performance.now();
  const tests: TestResult[] = [];
  for (const folder of found) {
    const result = { name: folder.name, ...(await runTest(folder, engine)) };
    tests.push(result);
    options.onTest?.(result, tests.length, found.length);
  }
  const count = (status: TestResult['status']) => tests.filter((test) => test.status === status).length;
  return {
    engine: engine.name,
    device: engine.device,
    passed: count('passed'),
    failed: count('failed'),
    unsupported: count('unsupported'),
    seconds: (performance.now() - start) / 1000,
    tests,
  };
}

type Verdict = Omit<TestResult, 'name'>;

async function runTest(test: TestFolder, engine: Engine): Promise<Verdict> {
  let opened: Opened | undefined;
  try {
    const result = await engine.open(test.model);
    if (isRefused(result)) return { status: 'unsupported', reason: result.unsupported };
    opened = result;
    const model = await modelOf(test.model);
    let worst: number | undefined;
    for (const set of test.sets) {
      const checked = await runSet(set, opened, model, engine, test.tolerance);
      if (checked.reason) return { status: 'failed', ...checked };
      if (checked.bound !== undefined) worst = Math.max(worst ?? 0, checked.bound);
    }
    if (test.sets.length === 0) return { status: 'failed', reason: 'it has no test_data_set' };
    return { status: 'passed', ...(worst !== undefined && { bound: worst }) };
  } catch (error) {
    if (error instanceof EnvironmentError && !(error instanceof Died)) throw error;
    const reason = (error as Error).message.replace(`${test.model}: `, '');
    return { status: error instanceof Unsupported ? 'unsupported' : 'failed', reason };
  } finally {
    await opened?.close();
  }
}

/** The model for its bounds; null where the oracle cannot evaluate it. */
async function modelOf(path: string): Promise<Model | null> {
  const model = await readModel(path).catch(() => null);
  return model && unsupported(model).length === 0 ? model : null;
}

async function runSet(
  set: DataSet,
  opened: Opened,
  model: Model | null,
  engine: Engine,
  tolerance?: TestTolerance,
): Promise<{ reason?: string; bound?: number }> {
  const { inputs, outputs: names } = opened;
  const given = set.inputs === 'ramp' ? inputs.map(ramp) : await Promise.all(set.inputs.map(readValue));
  if (given.length !== inputs.length)
    return { reason: `${given.length} inputs are there, ${inputs.length} needed` };
  if (set.outputs.length !== names.length) {
    return { reason: `${set.outputs.length} expected outputs are there, the model has ${names.length}` };
  }
  const feeds = new Map(inputs.map(({ name }, i) => [name, given[i]]));
  const results = await opened.run(feeds);
  for (const [i, name] of names.entries()) {
    const reason = firstDifference(results.get(name), await readValue(set.outputs[i]), tolerance);
    if (reason) return { reason: `output '${name}': ${reason}` };
  }
  const check = model && checkBound(model, feeds, results, engine);
  if (!check) return {};
  return check.reason ? { reason: `beyond the derived bound: ${check.reason}` } : { bound: check.worst };
}

/** A TensorProto file. */
async function readValue(path: string): Promise<Value> {
  try {
    return valueFrom(decodeTensor(await readFile(path)));
  } catch (error) {
    const Kind = error instanceof Unsupported ? Unsupported : Error;
    throw new Kind(`${basename(path)}: ${(error as Error).message}`);
  }
}
