import { Session } from 'node:inspector/promises';
import { fileURLToPath } from 'node:url';

/** How often a function of a source file, or of what is built from it, is called meanwhile. */
export async function callsOf(file: string, name: string, work: () => Promise<unknown>): Promise<number> {
  const root = fileURLToPath(new URL('../../', import.meta.url));
  const places = [`${root}${file}.ts`, `${root}dist/${file}.js`];
  const session = new Session();
  session.connect();
  try {
    await session.post('Profiler.enable');
    await session.post('Profiler.startPreciseCoverage', { callCount: true, detailed: false });
    await work();
    const { result } = await session.post('Profiler.takePreciseCoverage');
    const functions = result
      .filter((script) => places.includes(script.url.replace(/^file:\/\//, '')))
      .flatMap((script) => script.functions);
    return functions
      .filter(({ functionName }) => functionName === name)
      .reduce((sum, { ranges }) => sum + ranges[0].count, 0);
  } finally {
    await session.post('Profiler.stopPreciseCoverage');
    session.disconnect();
  }
}
