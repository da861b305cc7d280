/** Ends the process when it has said nothing for long: a thread of its own, which a busy loop cannot keep waiting. */
import { Worker } from 'node:worker_threads';

const source = `
const { workerData, parentPort } = require('node:worker_threads');
const { writeSync } = require('node:fs');
const { signal, text, seconds } = workerData;
const [beats, bytes] = [new Int32Array(signal), new Uint8Array(text)];
let last = -1;
setInterval(() => {
  const now = Atomics.load(beats, 0);
  if (now === last) {
    const name = Buffer.from(bytes.subarray(0, Atomics.load(beats, 1))).toString();
    writeSync(2, name + ': nothing came back for ' + seconds + ' s\\n');
    process.kill(process.pid, 'SIGKILL');
  }
  last = now;
}, 1000 * seconds);
`;

/** Call what it returns, with the name of what comes next, more often than every so many seconds. */
export function watchdog(seconds: number): (next: string) => void {
  const signal = new SharedArrayBuffer(8);
  const text = new SharedArrayBuffer(1024);
  const worker = new Worker(source, { eval: true, workerData: { signal, text, seconds }, execArgv: [] });
  worker.unref();
  const [beats, bytes] = [new Int32Array(signal), new Uint8Array(text)];
  return (next) => {
    const name = Buffer.from(next).subarray(0, bytes.length);
    bytes.set(name);
    Atomics.store(beats, 1, name.length);
    Atomics.add(beats, 0, 1);
  };
}
