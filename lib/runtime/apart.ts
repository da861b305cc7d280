/**
 * Sessions in a process of their own. A model that somebody else made can crash onnxruntime, and with it the process
 * that it runs in: so it is an error like any other.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { rmSync } from 'node:fs';
import type { Socket } from 'node:net';
import { extname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { forget, temporaryFolder } from '../disk/temporary.ts';
import { EnvironmentError, InputError } from '../errors.ts';
import { next, post } from './frames.ts';
import type { Placement } from './placement.ts';
import { loaders } from './probe.ts';
import type { Device, Host, Port, Session, SessionOptions } from './session.ts';
import { TF32_VARIABLE } from './tf32.ts';
import type { SessionValue } from './values.ts';

/** onnxruntime ended the process that it ran in. */
export class Died extends EnvironmentError {}

/** The pipe's number in the child. */
export const CHANNEL = 3;

/** What the child is asked. The model to open comes with it, unless it is that of the call before. */
export type Call = { readonly id: number } & (
  | { readonly what: 'open'; readonly device: Device; readonly options: SessionOptions }
  | { readonly what: 'run'; readonly outputs?: readonly string[] }
  | { readonly what: 'placement' | 'release' }
);

export interface Answer {
  readonly inputs?: readonly Port[];
  readonly outputs?: readonly Port[];
  readonly placement?: Placement;
  readonly error?: { readonly name: string; readonly message: string };
}

type Values = ReadonlyMap<string, SessionValue>;

interface Child {
  /** How it ended; undefined while it lives. */
  death?: Error;
  /** The model that it was sent last. */
  model?: Uint8Array;
  sessions: number;
  /** What its environment says of TF32. */
  readonly tf32: string | undefined;
  idle?: NodeJS.Timeout;
  /** One call is answered after the other. */
  ask(call: Call, values?: Values): Promise<Answer & { readonly values: Values }>;
  end(): void;
}

/** Milliseconds for which a process that nobody uses waits for the next model: many small ones come in a row. */
const PATIENCE = 3000;
const waiting: Child[] = [];

const leave = (child: Child): void => {
  if (waiting.includes(child)) waiting.splice(waiting.indexOf(child), 1);
};

/** One that waits, if its environment is the one that a new process would have. */
function idle(): Child | undefined {
  const found = waiting.findLast(({ tf32 }) => tf32 === process.env[TF32_VARIABLE]);
  if (found) leave(found);
  return found;
}

const FOLDER = process.cwd();

/** Opens sessions as openSession does, but that they reject with Died too. They share a process, until it dies. */
export function hostApart(): Host {
  let child: Child | undefined;
  return {
    async open(model, device, options = {}) {
      if (!child || child.death) child = idle() ?? (await started());
      clearTimeout(child.idle);
      return openIn(child, model, device, options);
    },
    async [Symbol.asyncDispose]() {
      const kept = child;
      child = undefined;
      if (!kept || kept.death) return;
      waiting.push(kept);
      kept.idle = setTimeout(() => {
        leave(kept); // from now on it is of no use to anybody
        kept.end();
      }, PATIENCE).unref();
    },
  };
}

async function openIn(
  child: Child,
  model: Uint8Array,
  device: Device,
  options: SessionOptions,
): Promise<Session> {
  const id = child.sessions++;
  const data = { dtype: 'uint8', shape: [model.length], data: model } as const;
  const values = child.model === model ? undefined : new Map([['model', data]]);
  child.model = model;
  const { inputs, outputs } = await child.ask({ what: 'open', id, device, options }, values);
  let open = true;
  const release = async (): Promise<void> => {
    if (open && !child.death) await child.ask({ what: 'release', id });
    open = false;
  };
  return {
    device,
    inputs: inputs!,
    outputs: outputs!,
    async run(feeds, wanted) {
      const found = await child.ask({ what: 'run', id, outputs: wanted }, feeds);
      return new Map(found.values);
    },
    placement: async () => (await child.ask({ what: 'placement', id })).placement!,
    release,
    [Symbol.asyncDispose]: release,
  };
}

async function started(): Promise<Child> {
  const folder = temporaryFolder('alexnet-onnxruntime-');
  const script = fileURLToPath(new URL(`./apart-child${extname(import.meta.url)}`, import.meta.url));
  const spawned = spawn(process.execPath, [...loaders(process.execArgv), script], {
    // where Node's own options were looked up
    cwd: FOLDER,
    // a profile that it leaves when it dies goes with the folder
    env: { ...process.env, TMPDIR: folder },
    stdio: ['ignore', 'ignore', 'pipe', 'pipe'],
  });
  const pipe = spawned.stdio[CHANNEL] as Socket;
  const gone = mourned(spawned).finally(() => {
    rmSync(folder, { recursive: true, force: true });
    forget(folder);
  });
  let last: Promise<unknown> = Promise.resolve();
  const child: Child = {
    sessions: 0,
    tf32: process.env[TF32_VARIABLE],
    ask(call, values) {
      const answer = last.then(async () => {
        if (child.death) throw child.death;
        keepAlive(spawned, true);
        post(pipe, call, values);
        const frame = await next(pipe);
        if (!frame) throw await gone;
        keepAlive(spawned, false);
        const { error, ...found } = frame.head as Answer;
        if (error) throw errorOf(error);
        return { ...found, values: frame.values };
      });
      last = answer.catch(() => {});
      return answer;
    },
    end: () => pipe.end(),
  };
  gone.then((death) => {
    child.death = death;
    leave(child);
  });
  keepAlive(spawned, false);
  return child;
}

/** Whether this process waits for the other one before it ends. */
function keepAlive(spawned: ChildProcess, wait: boolean): void {
  for (const held of [spawned, spawned.stderr as Socket, spawned.stdio[CHANNEL] as Socket])
    if (wait) held?.ref();
    else held?.unref();
}

/** Resolves when the process has ended, with its last words. */
function mourned(spawned: ChildProcess): Promise<Error> {
  let said = '';
  spawned.stderr?.on('data', (chunk: Buffer) => {
    said = (said + chunk).slice(-4000);
  });
  spawned.stdio[CHANNEL]?.on('error', () => {});
  return new Promise((resolve) => {
    spawned.on('error', ({ message }) =>
      resolve(new EnvironmentError(`no process can be started for onnxruntime: ${message}`)),
    );
    spawned.on('close', (code, signal) => {
      const words = lastWords(code, signal, said);
      // Node ends so where a module is missing or an error is thrown: that was not onnxruntime
      resolve(code === 1 ? new EnvironmentError(words.replace('died', 'has no process')) : new Died(words));
    });
  });
}

function lastWords(code: number | null, signal: string | null, said: string): string {
  const reason = signal ?? `exit code ${code}`;
  const memory = signal === 'SIGKILL' ? ', as when the memory is used up' : '';
  const line = said.split('----- Native stack trace')[0].trim().split('\n').at(-1)?.slice(0, 200);
  return `onnxruntime died (${reason}${memory})${line ? `: ${line}` : ''}`;
}

function errorOf({ name, message }: { readonly name: string; readonly message: string }): Error {
  if (name === 'InputError') return new InputError(message);
  return name === 'EnvironmentError' ? new EnvironmentError(message) : new Error(message);
}
