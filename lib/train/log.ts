/**
 * The logs of a run: log.jsonl, a line for each step (appended) and each epoch; log.csv, a row for each
 * epoch; curve.svg and curve.html. All but the first are written anew after each epoch, at once, so that a
 * reader never sees half of one.
 */
import { type FileHandle, open } from 'node:fs/promises';
import { join } from 'node:path';
import { writeError } from '../disk/errno.ts';
import { curvePage, curveSvg } from '../report/plots/curve.ts';
import { type EpochRecord, writeOwn } from './checkpoint.ts';

/** log.jsonl, from `bytes` on: what is behind them belongs to steps that are done again. */
export async function openLog(folder: string, bytes: number) {
  const path = join(folder, 'log.jsonl');
  const guarded = async <T>(run: () => Promise<T>): Promise<T> => {
    try {
      return await run();
    } catch (error) {
      throw writeError(path, error);
    }
  };
  const handle: FileHandle = await guarded(async () => {
    const opened = await open(path, bytes === 0 ? 'w' : 'r+');
    await opened.truncate(bytes);
    return opened;
  });
  let at = bytes;
  let pending = '';
  return {
    /** Kept in memory until `flush`. */
    add(line: object): void {
      pending += `${JSON.stringify(line)}\n`;
    },
    /** Returns the file's length. */
    async flush(): Promise<number> {
      const chunk = Buffer.from(pending);
      pending = '';
      return guarded(async () => {
        for (let done = 0; done < chunk.length; )
          done += (await handle.write(chunk, done, undefined, at + done)).bytesWritten;
        at += chunk.length;
        return at;
      });
    },
    sync: () => guarded(() => handle.sync()),
    close: () => handle.close(),
  };
}

export type Log = Awaited<ReturnType<typeof openLog>>;

const columns =
  'epoch,learning rate,loss,top-1 error,top-5 error,validation loss,validation top-1 error,validation top-5 error,seconds';

export function csvOf(history: readonly EpochRecord[]): string {
  const rows = history.map(({ epoch, learningRate, loss, error1, error5, validation: v, seconds }) =>
    [
      epoch,
      learningRate,
      loss,
      error1,
      error5,
      v?.loss ?? '',
      v?.error1 ?? '',
      v?.error5 ?? '',
      seconds.toFixed(2),
    ].join(),
  );
  return `${[columns, ...rows].join('\n')}\n`;
}

/** Writes log.csv, curve.svg and curve.html. `running`: the page loads itself anew every few seconds. */
export async function writeCurves(
  folder: string,
  title: string,
  history: readonly EpochRecord[],
  running: boolean,
): Promise<void> {
  const write = (name: string, text: string) => writeOwn(join(folder, name), text);
  await write('log.csv', csvOf(history));
  const svg = await curveSvg(title, history);
  await write('curve.svg', svg);
  await write('curve.html', curvePage(title, svg, history, running));
}
