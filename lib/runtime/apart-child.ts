/** The process in which models run that somebody else made (apart.ts): it opens, runs and releases sessions. */
import { rmSync } from 'node:fs';
import { Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { Worker } from 'node:worker_threads';
import { type Answer, type Call, CHANNEL } from './apart.ts';
import { next, post } from './frames.ts';
import { type Host, holdDevice, type Session } from './session.ts';
import type { SessionValue } from './values.ts';

/** This process's own folder, for profiles. */
const folder = tmpdir();

// while onnxruntime computes, this thread does not hear that the parent has gone
const watch = `
  const { rmSync } = await import('node:fs');
  setInterval(() => {
    if (process.ppid === ${process.ppid}) return;
    rmSync(${JSON.stringify(folder)}, { recursive: true, force: true });
    process.kill(process.pid, 'SIGKILL');
  }, 500);`;
new Worker(new URL(`data:text/javascript,${encodeURIComponent(watch)}`), { execArgv: [] }).unref();

type Values = ReadonlyMap<string, SessionValue>;

const sessions = new Map<number, Session>();
let model = new Uint8Array();
let host: Promise<Host> | undefined;

async function answer(call: Call, values: Values): Promise<{ answer: Answer; values?: Values }> {
  if (call.what === 'open') {
    const { id, device, options } = call;
    model = (values.get('model')?.data as Uint8Array<ArrayBuffer>) ?? model;
    host ??= holdDevice(device);
    const session = await (await host).open(model, device, options);
    sessions.set(id, session);
    return { answer: { inputs: session.inputs, outputs: session.outputs } };
  }
  const session = sessions.get(call.id)!;
  if (call.what === 'run') return { answer: {}, values: await session.run(values, call.outputs) };
  if (call.what === 'placement') return { answer: { placement: await session.placement() } };
  sessions.delete(call.id);
  await session.release();
  return { answer: {} };
}

const pipe = new Socket({ fd: CHANNEL });
for (let frame = await next(pipe); frame; frame = await next(pipe)) {
  try {
    const { answer: head, values } = await answer(frame.head as Call, frame.values);
    post(pipe, head, values);
  } catch (error) {
    const { name, message } = error as Error;
    post(pipe, { error: { name, message } });
  }
}
rmSync(folder, { recursive: true, force: true });
process.exit();
