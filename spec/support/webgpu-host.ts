/**
 * Runs modules one after the other in this process, which holds WebGPU's device and with it all shaders that were
 * compiled. Each message names a module and what it finds in process.argv; what it logs goes back.
 */
import { holdDevice } from '../../lib/runtime/session.ts';

export interface Task {
  readonly file: string;
  readonly args: readonly string[];
}

export type Heard = { readonly lines: readonly string[] } | { readonly error: string };

await holdDevice('webgpu');
process.on('message', async ({ file, args }: Task) => {
  const lines: string[] = [];
  console.log = (line: string) => void lines.push(line);
  process.argv.splice(1, Infinity, file, ...args);
  let heard: Heard = { lines };
  try {
    await import(file);
  } catch (error) {
    heard = { error: (error as Error).stack ?? String(error) };
  }
  process.send?.(heard);
});
