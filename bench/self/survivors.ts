/** Which mutants no spec notices. */
import type { FileResult, Survivor } from './document.ts';
import { type Mutant, nameOf } from './mutants.ts';
import { Runner } from './run.ts';
import { type Reach, reachOf } from './specs.ts';

/** Each file's mutants against the nearest specs that take no more than `budget` seconds together. */
export async function* survivorsOf(
  mutants: readonly Mutant[],
  folders: readonly string[],
  budget: number,
): AsyncGenerator<[string, FileResult]> {
  await using runner = new Runner();
  const reach = reachOf(folders);
  const known = new Map<string, number>();
  for (const file of new Set(mutants.map((mutant) => mutant.file))) {
    const reached = reach(file);
    const { specs, seconds } = await within(budget, runner, file, reached, known);
    const turn = inTurn(specs, known);
    const own = mutants.filter((mutant) => mutant.file === file);
    const survivors: Survivor[] = [];
    for (const mutant of own) {
      if (await survives(mutant)) survivors.push({ line: mutant.line, name: nameOf(mutant) });
    }
    yield [file, { mutants: own.length, survivors }];

    async function survives(mutant: Mutant): Promise<boolean> {
      const { failure, spec } = await runner.run(file, mutant, reached, turn.next(), 10 + 3 * seconds);
      if (spec !== undefined) turn.noticed(spec);
      return failure === null;
    }
  }
}

/** The specs that noticed most of the mutants before, for the time that they take, come first. */
function inTurn(specs: readonly string[], secondsOf: ReadonlyMap<string, number>) {
  const times = new Map<string, number>();
  const worth = (spec: string) => (1 + (times.get(spec) ?? 0)) / (secondsOf.get(spec) as number);
  return {
    next: () => [...specs].sort((a, b) => worth(b) - worth(a)),
    noticed: (spec: string) => times.set(spec, 1 + (times.get(spec) ?? 0)),
  };
}

/** The specs that fit, and how long they take without a fault. One that fails so is left out, and said. */
async function within(
  budget: number,
  runner: Runner,
  file: string,
  reach: Reach,
  known: Map<string, number>,
): Promise<{ specs: string[]; seconds: number }> {
  const specs: string[] = [];
  let seconds = 0;
  let tooSlow = 0;
  for (const spec of reach.specs) {
    if (seconds > 0.9 * budget || tooSlow === 3) break;
    const own = known.get(spec) ?? (await secondsOf(spec));
    known.set(spec, own);
    if (seconds + own > budget) {
      tooSlow++;
      continue;
    }
    seconds += own;
    specs.push(spec);
  }
  return { specs, seconds };

  async function secondsOf(spec: string): Promise<number> {
    const outcome = await runner.run(file, null, reach, [spec], 10 + 2 * budget);
    if (outcome.failure === null) return outcome.seconds;
    console.error(`${spec} fails without a fault (${outcome.failure}): left out`);
    return Number.POSITIVE_INFINITY;
  }
}
