/** Which mutants no spec notices. */
import type { FileResult, Survivor } from './document.ts';
import { type Mutant, nameOf } from './mutants.ts';
import { Runner } from './run.ts';
import { type Reach, reachOf } from './specs.ts';
import type { Outcome } from './worker.ts';

/** What a spec takes without a fault. */
type Cost = Pick<Outcome, 'seconds' | 'cpu'>;

/** Each file's mutants against specs that take no more than `budget` seconds of CPU together. */
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

/**
 * The specs that fit, the quickest of the file's own and then the nearest, and how long they take without a fault. One
 * that fails so is left out, and said.
 */
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
  const own: [string, Cost][] = [];
  for (const spec of reach.own) own.push([spec, await costOf(spec)]);
  own.sort(([, a], [, b]) => a.cpu - b.cpu);
  for (const spec of [...own.map(([spec]) => spec), ...reach.others]) {
    if (cpu > 0.9 * budget || tooSlow === 3) break;
    const cost = await costOf(spec);
    if (cpu + cost.cpu > budget) {
      if (!reach.own.includes(spec)) tooSlow++;
      continue;
    }
    seconds += cost.seconds;
    cpu += cost.cpu;
    specs.push(spec);
  }
  return { specs, seconds };

  async function costOf(spec: string): Promise<Cost> {
    const cost = known.get(spec) ?? (await measured(spec));
    known.set(spec, cost);
    return cost;
  }

  async function measured(spec: string): Promise<Cost> {
    const run = () => runner.run(file, null, reach, [spec], 10 + 10 * budget);
    const { failure, ...cost } = await run();
    // what is loaded the first time is loaded for all mutants
    if (failure === null) return cost.cpu < 1 ? cost : run();
    console.error(`${spec} fails without a fault (${failure}): left out`);
    return { seconds: 0, cpu: Number.POSITIVE_INFINITY };
  }
}
