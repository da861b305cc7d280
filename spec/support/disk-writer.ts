/** Writes files when told to, as a process or as a thread of its own: see spec/suite/concurrent.spec.ts. */
import { parentPort } from 'node:worker_threads';
import { type Output, writeTogether } from '../../lib/disk/write.ts';

const port = parentPort ?? process;
const reply = (text: string): void => {
  if (parentPort) parentPort.postMessage(text);
  else process.send?.(text);
};

port.on('message', (outputs: readonly Output[]) => {
  writeTogether(outputs).then(
    () => reply(''),
    (error: Error) => reply(error.message),
  );
});
reply('ready');
