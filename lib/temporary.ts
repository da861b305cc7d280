/**
 * Temporary files that Ctrl-C must not leave behind. While there are any, a signal removes them before it
 * ends the process; where a program handles the signal itself, that is left to it.
 */
import { rmSync } from 'node:fs';

const paths = new Set<string>();
const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

function removeAll(signal: (typeof signals)[number]): void {
  if (process.listenerCount(signal) > 1) return;
  for (const path of paths) rmSync(path, { recursive: true, force: true });
  forget(...paths);
  process.kill(process.pid, signal);
}

/** Removes this file or folder if a signal ends the process before `forget`. */
export function remember(path: string): void {
  if (paths.size === 0) for (const signal of signals) process.on(signal, removeAll);
  paths.add(path);
}

/** These have their names, or are gone. */
export function forget(...done: readonly string[]): void {
  for (const path of done) paths.delete(path);
  if (paths.size === 0) for (const signal of signals) process.off(signal, removeAll);
}
