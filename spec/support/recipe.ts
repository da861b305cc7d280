/** The scripts of docs/other-engines.md: what people read there is what the specs run. */
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { PYTHON } from './pytorch.ts';

const page = readFileSync(new URL('../../docs/other-engines.md', import.meta.url), 'utf8');

/** The first Python script under a heading. */
export function recipeOf(heading: string): string {
  const script = page.split(`\n## ${heading}\n`)[1]?.match(/```python\n([^`]*)```/)?.[1];
  if (!script) throw new Error(`docs/other-engines.md has no script under '${heading}'`);
  return script;
}

const driver = `
import json, sys
script, runs = json.load(sys.stdin)
for given in runs:
    sys.argv = ['', *given]
    exec(script, {'__name__': '__main__'})`;

/** Runs a script once for each list of arguments, in one process; all must end well. */
export function runPython(script: string, runs: readonly (readonly string[])[]): void {
  const input = JSON.stringify([script, runs]);
  const { status, stderr } = spawnSync(PYTHON, ['-c', driver], { input, encoding: 'utf8' });
  if (status !== 0) throw new Error(stderr);
}
