/**
 * Growth of the resident set while one file is read. Linux forgets the high-water mark (VmHWM) of a process that
 * writes 5 to its clear_refs (proc(5)); elsewhere nothing is told.
 */
import fs from 'node:fs';

const { existsSync, readFileSync, writeFileSync } = fs;
const told = process.platform === 'linux' && existsSync('/proc/self/clear_refs');
let base = 0;

function highest(): number {
  const kilobytes = /VmHWM:\s+(\d+) kB/.exec(readFileSync('/proc/self/status', 'latin1'))?.[1];
  return 1024 * Number(kilobytes);
}

/** The file that follows is measured from here. */
export function startAt(): void {
  if (!told) return;
  writeFileSync('/proc/self/clear_refs', '5');
  base = highest();
}

/** Bytes by which the resident set was larger since, at its highest; null where the system does not tell. */
export const grown = (): number | null => (told ? highest() - base : null);
