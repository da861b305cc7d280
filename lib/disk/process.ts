/** Which process wrote a temporary file or a lock, and whether it still runs. */
import { createHash } from 'node:crypto';
import { readFileSync, readlinkSync } from 'node:fs';
import { hostname } from 'node:os';

export interface ProcessId {
  /** Eight hex digits for machine and process namespace: numbers of other ones say nothing here. */
  readonly machine: string;
  readonly pid: number;
  /** When it began, in the kernel's clock ticks, as numbers are given out again; 0 where the system does not say. */
  readonly start: number;
}

/** This process, whichever of its threads asks. */
export const self: ProcessId = { machine: machineOf(), pid: process.pid, start: startOf(process.pid) ?? 0 };

/** Whether it may still be running. True for a process of another machine, which cannot be asked. */
export function lives({ machine, pid, start }: ProcessId): boolean {
  if (machine !== self.machine) return true;
  if (!runs(pid)) return false;
  const began = startOf(pid);
  return began === undefined || start === 0 || began === start;
}

/** Whether a process of that number runs, ours to signal or not. */
export function runs(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}

/** Containers often share a machine's name, never its process numbers. */
function machineOf(): string {
  let namespace = '';
  try {
    namespace = readlinkSync('/proc/self/ns/pid');
  } catch {}
  return createHash('sha256').update(`${hostname()}\n${namespace}`).digest('hex').slice(0, 8);
}

/** Field 22 of /proc/PID/stat (proc(5)); −1 for one that has ended and was not waited for. */
function startOf(pid: number): number | undefined {
  try {
    const text = readFileSync(`/proc/${pid}/stat`, 'latin1');
    // the second field, the program's name, may hold blanks and parentheses
    const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
    return /[ZX]/.test(fields[0]) ? -1 : Number(fields[19]);
  } catch {
    return undefined;
  }
}
