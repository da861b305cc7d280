/** The provider that runs a model in sessions of onnxruntime on one device. */
import { sizeOf } from '../../reference/tensor.ts';
import type { NumericValue, Value } from '../array/value.ts';
import { hostApart } from '../runtime/apart.ts';
import type { Device } from '../runtime/failures.ts';
import type { Placement } from '../runtime/placement.ts';
import { holdDevice, type Session } from '../runtime/session.ts';
import { fromSession, toSession } from '../runtime/values.ts';
import type { JudgeOptions } from './options.ts';
import type { Provider, Run, Way } from './provider.ts';
import { sameBits } from './rows.ts';

interface SessionSource {
  readonly device: Device;
  readonly bytes: Uint8Array;
  /** What the model calls the values that are wanted, by the subject's names. */
  readonly names: ReadonlyMap<string, string>;
  /** Somebody else made it: it is run in a process of its own, which it may crash. */
  readonly foreign: boolean;
  /** Names of the model's outputs. */
  readonly outputs: readonly string[];
  /** Images a run; default: all at once. */
  readonly batch?: number;
  /** Refuses a value of a type that the subject does not have; default: none. */
  readonly accept?: (value: Value, name: string) => Value;
}

/** Holds the device until it is disposed of. */
export async function sessionsOf(
  source: SessionSource,
  options: Pick<JudgeOptions, 'repeat' | 'levels'> = {},
): Promise<Provider> {
  const { device, bytes, foreign, names, outputs, batch, accept = (value) => value } = source;
  const { repeat = 1, levels = ['all'] } = options;
  const host = foreign ? hostApart() : await holdDevice(device);
  const wanted = [...new Set(names.values())];
  const fetched = {
    tapped: wanted,
    untouched: wanted.filter((name) => outputs.includes(name)),
  };
  let open: { readonly way: Way; readonly session: Session; placement?: Placement } | undefined;

  /** The session of a way; only the last one stays open. */
  async function sessionFor(way: Way): Promise<NonNullable<typeof open>> {
    if (open?.way.graph === way.graph && open.way.level === way.level) return open;
    await open?.session.release();
    open = undefined;
    const taps = way.graph === 'tapped' ? wanted.filter((name) => !outputs.includes(name)) : [];
    const optimise = way.level === 'all' ? true : way.level !== 'disabled' && way.level;
    const session = await host.open(bytes, device, { optimise, profile: true, taps });
    open = { way, session };
    return open;
  }

  async function once(session: Session, feeds: ReadonlyMap<string, Value>, way: Way) {
    const parts = new Map<string, Value[]>();
    for (const images of batchesOf(feeds, batch)) {
      const given = new Map([...images].map(([name, value]) => [name, toSession(name, value)]));
      for (const [name, value] of await session.run(given, fetched[way.graph]))
        parts.set(name, [...(parts.get(name) ?? []), accept(fromSession(value), name)]);
    }
    const values = new Map([...parts].map(([name, values]) => [name, joined(values)]));
    return new Map([...names].flatMap(([own, name]) => (values.has(name) ? [[own, values.get(name)!]] : [])));
  }

  return {
    device,
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
    async [Symbol.asyncDispose]() {
      await open?.session.release();
      await host[Symbol.asyncDispose]();
    },
  };
}

type Feeds = ReadonlyMap<string, Value>;

/** The feeds, `batch` images at a time. */
function* batchesOf(feeds: Feeds, batch: number | undefined): Generator<Feeds> {
  const N = [...feeds.values()][0]?.shape[0] ?? 0;
  if (batch === undefined || batch >= N) {
    yield feeds;
    return;
  }
  for (let n = 0; n < N; n += batch)
    yield new Map([...feeds].map(([name, value]) => [name, images(value as NumericValue, n, batch)]));
}

function images({ dtype, shape: [N, ...rest], data }: NumericValue, first: number, batch: number): Value {
  const size = data.length / N;
  const part = data.subarray(first * size, (first + batch) * size);
  return { dtype, shape: [part.length / size, ...rest], data: part };
}

/** Values one after the other along the batch axis. */
function joined(parts: readonly Value[]): Value {
  if (parts.length === 1) return parts[0];
  const [{ dtype, shape }] = parts;
  const N = parts.reduce((sum, part) => sum + part.shape[0], 0);
  const whole = [N, ...shape.slice(1)];
  const arrays = parts.map((part) => part.data as Float32Array);
  const data = new (arrays[0].constructor as new (n: number) => Float32Array)(sizeOf(whole));
  let at = 0;
  for (const array of arrays) {
    data.set(array, at);
    at += array.length;
  }
  return { dtype, shape: whole, data };
}
