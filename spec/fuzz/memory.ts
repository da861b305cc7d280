/**
 * Growth of the resident set while one file is read. Linux forgets the high-water mark (VmHWM) of a process that
 * writes 5 to its clear_refs (proc(5)); elsewhere nothing is told.
 */
import fs from 'node:fs';

// taken before the specs watch the file system; held open, since a file is measured in a tenth of the time so
const { existsSync, openSync, readSync, writeSync } = fs;
const told = process.platform === 'linux' && existsSync('/proc/self/clear_refs');
const status = told ? openSync('/proc/self/status', 'r') : 0;
const marks = told ? openSync('/proc/self/clear_refs', 'w') : 0;
const text = Buffer.alloc(8192);
let base = 0;

function highest(): number {
  const length = readSync(status, text, 0, text.length, 0);
  return 1024 * Number(/VmHWM:\s+(\d+) kB/.exec(text.toString('latin1', 0, length))?.[1]);
}

/** The file that follows is measured from here. */
export function startAt(): void {
  if (!told) return;
  writeSync(marks, '5', 0);
  base = highest();
}

/** Bytes by which the resident set was larger since, at its highest; null where the system does not tell. */
export const grown = (): number | null => (told ? highest() - base : null);
