/**
 * Changes COUNT models of this family (networks as they are exported, every operator in every form) and gives them to
 * run, verify with and without --network, weights inspect and predict: `node --import=tsx spec/fuzz/graphs.ts [COUNT]
 * [SEED] [FIRST]`. Each must end in a verdict or in an InputError or EnvironmentError of one line, within 10 s of a
 * processor; anything else is printed with the model's number. Prints what it saw as JSON; exits 1 where there was
 * anything else.
 */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { deflateSync } from 'node:zlib';
import { buildModel } from '../../export/index.ts';
import { decodeModel, encodeModel, type ModelProto } from '../../export/proto.ts';
import type { Value } from '../../lib/array/value.ts';
import { predict } from '../../lib/classify/predict.ts';
import { EnvironmentError, InputError } from '../../lib/errors.ts';
import { findOperator } from '../../lib/onnx/registry.ts';
import { run } from '../../lib/onnx/run.ts';
import { junitXml } from '../../lib/report/junit.ts';
import { verificationText } from '../../lib/report/terminal.ts';
import { verify } from '../../lib/verify/index.ts';
import { inspectWeights } from '../../lib/weights/inspect.ts';
import { networks } from '../../reference/networks/index.ts';
import * as arithmetic from '../support/forms/arithmetic.ts';
import type { Form } from '../support/forms/form.ts';
import * as layers from '../support/forms/layers.ts';
import * as others from '../support/forms/others.ts';
import { narrow, randomWeights } from '../support/models.ts';
import { single, tensorOf } from '../support/onnx.ts';
import { pngFile } from '../support/png.ts';
import { changed } from './change.ts';
import { generator } from './mutate.ts';
import { watchdog } from './watchdog.ts';

const [count = 200, start = 1, first = 0] = process.argv.slice(2, 5).map(Number);
const SLOWEST = 10_000;
/** Seconds of silence after which a command is taken to hang; more than 10 s of a processor that others use too. */
const HANGING = 60;

interface Seed {
  readonly name: string;
  readonly model: ModelProto;
  readonly feeds: ReadonlyMap<string, Value>;
  readonly network?: string;
}

const exported = (name: string): Seed => {
  const network = narrow(networks.find((network) => network.name === name)!);
  const { model } = buildModel(network, randomWeights(network, 1));
  return { name, model, feeds: new Map(), network: name };
};

/** One node; what is not a float is an initializer, so that verify can make the inputs. */
const formed = (op: string, { opsets: [first, last], ...form }: Form, at: number): Seed => {
  const opset = at % 2 ? last : (findOperator('', op, last)?.version ?? first);
  const { bytes, feeds } = single(op, form.inputs, form.attributes, {
    ...form,
    opset: Math.max(first, opset),
  });
  const model = decodeModel(bytes);
  const graph = model.graph!;
  for (const [i, [name, value]] of [...feeds].entries()) {
    if (i === 0 && value.dtype === 'float32') continue;
    graph.initializer.push(tensorOf(value, name));
    graph.input = graph.input.filter((input) => input.name !== name);
  }
  return { name: `${op}-${opset}`, model, feeds: new Map([...feeds].slice(0, 1)) };
};

const forms = { ...arithmetic.forms, ...layers.forms, ...others.forms };
const operators = Object.entries(forms).flatMap(([op, list]) => list.map((form, i) => formed(op, form, i)));
const nets = ['cifar-alexnet', 'torchvision', 'bvlc-alexnet', 'cifar10-full'].map(exported);

const folder = mkdtempSync(join(tmpdir(), 'alexnet-fuzz-'));
process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
const file = join(folder, 'm.onnx');
const picture = join(folder, 'picture.png');
const rows = Buffer.alloc(8 * (1 + 3 * 8), 77).fill(0, 0, 1);
for (let y = 0; y < 8; y++) rows[y * 25] = 0;
writeFileSync(picture, pngFile({ width: 8, height: 8, depth: 8, colour: 2 }, deflateSync(rows)));
if (process.platform !== 'win32') execFileSync('mkfifo', [join(folder, 'pipe')]);

type Command = (seed: Seed) => Promise<string>;
const limits = { maxMemory: 512, maxNodes: 100_000, maxSeconds: 5 };
const checked = async (options: object): Promise<string> => {
  const result = await verify({ model: file, device: 'cpu', ...options });
  junitXml(result);
  return verificationText(result);
};
const commands: Readonly<Record<string, Command>> = {
  run: async ({ feeds }) => [...(await run(file, { input: feeds, ...limits })).values.keys()].join(),
  verify: () => checked({}),
  'verify --network': ({ network = 'cifar-alexnet' }) => checked({ network }),
  inspect: async () => JSON.stringify(await inspectWeights(file)),
  predict: async ({ network }) =>
    JSON.stringify(await predict([picture], { weights: file, network, device: 'cpu' })),
};

/** Words that no line for people has: what V8 says, and what a value that is not there becomes. */
const foreign =
  /\bundefined\b|\[object |Cannot (?:read|set|mix|convert|destructure)|is not (?:a function|iterable|defined)|Invalid (?:typed )?array (?:length|buffer)|call stack|Reduce of empty|is not a constructor|BigInt/;

const seen = { models: 0, results: 0, refused: 0, unwritable: 0, slowest: 0, reasons: new Set<string>() };
let breaches = 0;
const alive = watchdog(HANGING);
for (let i = first; i < first + count; i++) {
  const random = generator(start * 1_000_003 + i);
  const seed = random() < 0.3 ? nets[Math.floor(random() * nets.length)] : operators[i % operators.length];
  let bytes: Uint8Array;
  try {
    bytes = encodeModel(changed(seed.model, random));
  } catch {
    seen.unwritable++;
    continue;
  }
  seen.models++;
  writeFileSync(file, bytes);
  for (const [name, command] of Object.entries(commands)) {
    if (name === 'predict' && !seed.network) continue;
    const title = `${start}:${i} ${seed.name}: ${name}`;
    alive(title);
    const before = process.cpuUsage();
    const breach = await command(seed).then(inResult, inError);
    const { user, system } = process.cpuUsage(before);
    const ms = (user + system) / 1000;
    seen.slowest = Math.max(seen.slowest, Math.round(ms));
    if (breach) report(title, breach);
    if (ms > SLOWEST) report(title, `took ${Math.round(ms)} ms`);
  }
}
const { reasons, ...numbers } = seen;
process.stdout.write(`${JSON.stringify({ ...numbers, reasons: reasons.size, breaches })}\n`);
process.exit(breaches > 0 ? 1 : 0);

function inResult(text: string): string | null {
  seen.results++;
  return said(text);
}

function inError(error: Error): string | null {
  seen.refused++;
  seen.reasons.add(error.message.replaceAll(file, '').replace(/[\d'"].*/s, ''));
  const known = error instanceof InputError || error instanceof EnvironmentError;
  if (!known || error.message === '') return `${error.stack}`;
  return said(error.message);
}

function said(text: string): string | null {
  const found = foreign.exec(text);
  return found && `says ${found[0]}: ${text.slice(Math.max(0, found.index - 200), found.index + 100)}`;
}

function report(title: string, breach: string): void {
  breaches++;
  process.stdout.write(`${title}: ${breach.slice(0, 1200)}\n`);
}
