import { readdirSync, readlinkSync } from 'node:fs';

/** What this process has open of the files in the folder, and of the fixtures. */
export const descriptors = (folder: string): string[] =>
  readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      const target = readlinkSync(`/proc/self/fd/${fd}`);
      return target.startsWith(folder) || target.includes('/fixtures/') ? [target] : [];
    } catch {
      return []; // of this very listing
    }
  });
