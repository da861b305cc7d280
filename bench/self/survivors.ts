/** Which mutants no spec notices. */
import type { FileResult, Survivor } from './document.ts';
import { type Mutant, nameOf } from './mutants.ts';
import { Runner } from './run.ts';
import { type Reach, reachOf } from './specs.ts';
import type { Outcome } from './worker.ts';

/** What a spec takes without a fault. */
type Cost = Pick<Outcome, 'seconds' | 'cpu'>;

/** Each file's mutants against the nearest specs that take no more than `budget` seconds of CPU together. */
export async function* survivorsOf(
  mutants: readonly Mutant[],
  folders: readonly string[],
  budget: number,
): AsyncGenerator<[string, FileResult]> {
  await using runner = new Runner();
  const reach = reachOf(folders);
  const known = new Map<string, Cost>();
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
function inTurn(specs: readonly string[], costs: ReadonlyMap<string, Cost>) {
  const times = new Map<string, number>();
  const worth = (spec: string) => (1 + (times.get(spec) ?? 0)) / (costs.get(spec) as Cost).cpu;
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
  known: Map<string, Cost>,
): Promise<{ specs: string[]; seconds: number }> {
  const specs: string[] = [];
  let seconds = 0;
  let cpu = 0;
  let tooSlow = 0;
  for (const spec of reach.specs) {
    if (cpu > 0.9 * budget || tooSlow === 3) break;
    const own = known.get(spec) ?? (await costOf(spec));
    known.set(spec, own);
    if (cpu + own.cpu > budget) {
      tooSlow++;
      continue;
    }
    seconds += own.seconds;
    cpu += own.cpu;
    specs.push(spec);
  }
  return { specs, seconds };

  async function costOf(spec: string): Promise<Cost> {
    const run = () => runner.run(file, null, reach, [spec], 10 + 10 * budget);
    const { failure, ...cost } = await run();
    // what is loaded the first time is loaded for all mutants
    if (failure === null) return cost.cpu < 1 ? cost : run();
    console.error(`${spec} fails without a fault (${failure}): left out`);
    return { seconds: 0, cpu: Number.POSITIVE_INFINITY };
  }
}
