/** The thread in which a session lives: see session-thread.ts. */
import { MessageChannel, parentPort, workerData } from 'node:worker_threads';
import type { InferenceSession } from 'onnxruntime-node';
import { loadOnnxruntime } from './onnxruntime.ts';
import type { Answer, Call, Pieces, ThreadData } from './session-thread.ts';
import { giveWay } from './threads.ts';
import { undisturbed } from './undisturbed.ts';

giveWay();
const { flag, settings } = workerData as ThreadData;
const port = parentPort!;
const loading = loadOnnxruntime();
loading.catch(() => {}); // said when it is asked for
let session: InferenceSession;

/** Without another end: memory that it is handed is free at once, and not when this thread next collects it. */
const { port1: nowhere, port2: end } = new MessageChannel();
end.close();

/** The inputs of a batch one behind the other, in memory that the next batch takes over. */
let room = new ArrayBuffer();
function gathered(pieces: Pieces): Pieces[number] {
  if (pieces.length === 1) return pieces[0];
  const size = pieces.reduce((sum, { length }) => sum + length, 0);
  const { BYTES_PER_ELEMENT: bytes } = pieces[0];
  if (room.byteLength < size * bytes) room = new ArrayBuffer(size * bytes);
  const all = bytes === 1 ? new Uint8Array(room, 0, size) : new Float32Array(room, 0, size);
  let at = 0;
  for (const piece of pieces) {
    all.set(piece, at);
    at += piece.length;
  }
  nowhere.postMessage(
    null,
    pieces.map(({ buffer }) => buffer),
  );
  return all;
}

async function answer(call: Call): Promise<Answer> {
  const ort = await loading;
  const started = performance.now();
  if (call.what === 'open') session = await ort.InferenceSession.create(call.model as string, settings);
  if (call.what === 'release') await session?.release();
  if (call.what !== 'run') return {};
  const values = gathered(call.pieces);
  const x =
    values instanceof Uint8Array
      ? new ort.Tensor('uint8', values, call.shape)
      : new ort.Tensor('float32', values, call.shape);
  const results = await session.run({ [session.inputNames[0]]: x });
  const { data } = results[session.outputNames[0]];
  return { values: new Float32Array(data as Float32Array), milliseconds: performance.now() - started };
}

let last = Promise.resolve();
port.on('message', (call: Call) => {
  last = last.then(async () => {
    const found: Answer = await undisturbed(flag, () => answer(call)).catch(({ name, message }) => ({
      error: { name, message },
    }));
    port.postMessage(found, found.values ? [found.values.buffer] : []);
    if (call.what === 'release') port.close();
  });
});
