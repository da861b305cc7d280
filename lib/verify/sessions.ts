/** The provider that runs a model in sessions of onnxruntime on one device. */
import type { Value } from '../array/value.ts';
import { hostApart } from '../runtime/apart.ts';
import type { Device } from '../runtime/failures.ts';
import type { Placement } from '../runtime/placement.ts';
import { holdDevice, type Opener, type Runner } from '../runtime/session.ts';
import type { TowersHost } from '../runtime/towers.ts';
import { fromSession, toSession } from '../runtime/values.ts';
import { batchesOf, joinedBatches } from './batches.ts';
import type { JudgeSettings } from './options.ts';
import type { Provider, Run, Way } from './provider.ts';
import { repeatsOf } from './repeats.ts';
import { sameBits } from './rows.ts';

interface SessionSource {
  readonly device: Device;
  readonly bytes: Uint8Array;
  /** What the model calls the values that are wanted, by the subject's names. */
  readonly names: ReadonlyMap<string, string>;
  /** Somebody else made it: it is run in a process of its own, which it may crash. */
  readonly foreign: boolean;
  /** The same model as two towers, which are run in its place. */
  readonly towers?: TowersHost;
  /** Names of the model's outputs. */
  readonly outputs: readonly string[];
  /** Images a run; default: all at once. */
  readonly batch?: number;
  /** Refuses a value of a type that the subject does not have; default: none. */
  readonly accept?: (value: Value, name: string) => Value;
}

/** The model on its one device. */
async function hostOf({ bytes, device, foreign }: SessionSource): Promise<Opener> {
  const host = foreign ? hostApart() : await holdDevice(device);
  return {
    open: (options) => host.open(bytes, device, options),
    [Symbol.asyncDispose]: () => host[Symbol.asyncDispose](),
  };
}

/** Holds the device until it is disposed of. */
export async function sessionsOf(
  source: SessionSource,
  options: Pick<JudgeSettings, 'repeat' | 'levels' | 'gpu'> = {},
): Promise<Provider> {
  const { device, towers, names, outputs, batch, accept = (value) => value } = source;
  const { repeat = 1, levels = ['all'], gpu } = options;
  const host = towers ?? (await hostOf(source));
  const wanted = [...new Set(names.values())];
  const shown = wanted.filter((name) => outputs.includes(name));
  let open: { readonly way: Way; readonly session: Runner; placement?: Placement } | undefined;

  /** The session of a way; only the last one stays open. */
  async function sessionFor(way: Way): Promise<NonNullable<typeof open>> {
    if (open?.way.graph === way.graph && open.way.level === way.level) return open;
    await open?.session.release();
    open = undefined;
    const taps = way.graph === 'tapped' ? wanted.filter((name) => !outputs.includes(name)) : [];
    const { level } = way;
    const optimise = level === 'basic' || level === 'extended' ? level : level === 'all';
    const session = await host.open({ optimise, profile: true, taps, gpu });
    open = { way, session };
    return open;
  }

  async function reopened(): Promise<Runner> {
    await open?.session.release();
    open = undefined;
    return (await sessionFor({ graph: 'tapped', level: 'all' })).session;
  }

  async function once(session: Runner, feeds: ReadonlyMap<string, Value>, way: Way) {
    const parts = new Map<string, Value[]>();
    for (const images of batchesOf(feeds, batch)) {
      const given = new Map([...images].map(([name, value]) => [name, toSession(name, value)]));
      for (const [name, value] of await session.run(given, way.graph === 'untouched' ? shown : wanted))
        parts.set(name, [...(parts.get(name) ?? []), accept(fromSession(value), name)]);
    }
    const values = new Map([...parts].map(([name, values]) => [name, joinedBatches(values)]));
    return new Map([...names].flatMap(([own, name]) => (values.has(name) ? [[own, values.get(name)!]] : [])));
  }

  return {
    device: towers?.device ?? device,
    ways: [
      { graph: 'tapped', level: 'disabled' },
      ...levels.map((level) => ({ graph: 'tapped', level }) as const),
      { graph: 'untouched', level: 'all' },
    ],
    async run(feeds, way): Promise<Run> {
      const current = await sessionFor(way);
      const { session } = current;
      const values = await once(session, feeds, way);
      const unstable = new Set<string>();
      for (let i = 1; i < repeat; i++)
        for (const [name, again] of await once(session, feeds, way))
          if (!sameBits(values.get(name), again)) unstable.add(name);
      current.placement ??= await session.placement();
      return { values, placement: current.placement, unstable: [...unstable] };
    },
    repeats: (feeds, fixed) =>
      repeatsOf(feeds, repeat, fixed, async () => {
        const session = await reopened();
        return (given) => once(session, given, { graph: 'tapped', level: 'all' });
      }),
    async [Symbol.asyncDispose]() {
      await open?.session.release();
      await host[Symbol.asyncDispose]();
    },
  };
}
