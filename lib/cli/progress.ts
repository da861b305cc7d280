/** A bar on stderr that begins with its first step. On a terminal alone; elsewhere the lines are all. */
export async function progressBar(format: string, barsize = 40) {
  const write = (line: string) => void process.stderr.write(`${line}\n`);
  if (!process.stderr.isTTY) return { above: write, update() {}, stop() {} };
  const { default: progress } = await import('cli-progress');
  const bar = new progress.SingleBar({ format, stream: process.stderr, clearOnComplete: true, barsize });
  return {
    /** A line that stays. */
    above(line: string): void {
      bar.stop();
      write(line);
    },
    update(done: number, total: number, payload: object = {}): void {
      if (bar.isActive) bar.update(done, payload);
      else bar.start(total, done, payload);
    },
    stop: () => bar.stop(),
  };
}
