/**
 * The two towers of a network (export/towers.ts) as one session: each on its device, in a process of its own (sessions
 * on WebGPU in one process take turns), a session a segment. What one tower needs of the other goes through this
 * process, and is counted.
 */
import type { LrnForm } from '../../export/graph.ts';
import { buildTower, type Segment, type Tower, towersOf } from '../../export/towers.ts';
import { joined } from '../../export/wire.ts';
import type { ModelFile } from '../../export/write.ts';
import type { Network } from '../../reference/networks/layers.ts';
import type { Weights } from '../../reference/oracle.ts';
import type { Tensor } from '../../reference/tensor.ts';
import { type NumericValue, toTensor } from '../array/value.ts';
import { hostApart } from './apart.ts';
import type { Place } from './devices.ts';
import { Exchanges, type Sent } from './exchanges.ts';
import type { Executor } from './failures.ts';
import { together } from './placement.ts';
import type { Host, Opener, Session } from './session.ts';
import { fromSession, type SessionValue } from './values.ts';

export interface TowersHost extends Opener {
  /** Whose arithmetic it is; other where the towers' devices are of two kinds. */
  readonly device: Executor;
  readonly places: readonly Place[];
  /** What was sent in the first run. */
  readonly sent: readonly Sent[];
}

/** A tower's segment on its device. */
export interface Part {
  readonly tower: Tower;
  readonly segment: Segment;
  /** What the segment's model makes. */
  readonly makes: readonly string[];
  readonly session: Session;
}

/** One run of all segments. */
export interface Run {
  readonly exchanges: Exchanges;
  readonly feeds: ReadonlyMap<string, SessionValue>;
  readonly wanted: readonly string[];
}

/** `parts[at]` run at the same time. What is wanted is held afterwards. */
export type Pass = (parts: readonly (readonly Part[])[], run: Run) => Promise<void>;

/** For inference. Throws RangeError for a network without towers. `hosts`: where the sessions are opened. */
export function hostTowers(
  network: Network,
  weights: Weights,
  places: readonly Place[],
  lrn: LrnForm,
  hosts?: readonly Host[],
): TowersHost {
  const towers = towersOf(network);
  const files = towers.map(({ index }) => buildTower(network, weights, index, { lrn }));
  return towersHost(towers, files, places, goForward, hosts);
}

const goForward: Pass = async (parts, run) => {
  for (const beside of parts) await Promise.all(beside.map((part) => forward(part, run)));
};

async function forward(part: Part, run: Run): Promise<void> {
  const { tower, segment, makes, session } = part;
  const names = makes.filter((name) => name === lastOf(segment) || run.wanted.includes(name));
  for (const [name, y] of await session.run(new Map([['input', inputOf(part, run)]]), names))
    run.exchanges.keep(tower.index, segment, name, floats(y));
}

export const lastOf = ({ network: { layers } }: Segment): string => layers[layers.length - 1].name;

/** What a segment reads: the images, or maps of both towers. */
export const inputOf = ({ tower, segment }: Part, { exchanges, feeds }: Run): Tensor =>
  segment.takes.value === 'input' ? floats(feeds.get('input')!) : exchanges.gather(segment, tower.index);

export const floats = (value: SessionValue): Tensor => toTensor(fromSession(value) as NumericValue);

export const executorOf = (places: readonly Place[]): Executor =>
  places.every(({ device }) => device === places[0].device) ? places[0].device : 'other';

/** `files`: by tower and segment. */
export function towersHost(
  towers: readonly Tower[],
  files: readonly (readonly ModelFile[])[],
  places: readonly Place[],
  pass: Pass,
  hosts: readonly Host[] = places.map(() => hostApart()),
): TowersHost {
  const models = files.map((each) => each.map(modelOf));
  let sent: readonly Sent[] = [];

  async function openTower(
    tower: Tower,
    { taps = [], ...options }: Parameters<Opener['open']>[0],
  ): Promise<Part[]> {
    const { device, gpu } = places[tower.index];
    const parts: Part[] = [];
    for (const [at, segment] of tower.segments.entries()) {
      const { bytes, makes, outputs } = models[tower.index][at];
      const own = taps.filter((name) => makes.includes(name) && !outputs.includes(name));
      const session = await hosts[tower.index].open(bytes, device, { ...options, gpu, taps: own });
      parts.push({ tower, segment, makes, session });
    }
    return parts;
  }

  return {
    device: executorOf(places),
    places,
    get sent() {
      return sent;
    },
    async open(options) {
      const [first, ...others] = await Promise.all(towers.map((tower) => openTower(tower, options)));
      const parts = first.map((part, at) => [part, ...others.flatMap((other) => other[at] ?? [])]);
      const all = parts.flat();
      return {
        async run(feeds, wanted = []) {
          const exchanges = new Exchanges(towers);
          await pass(parts, { exchanges, feeds, wanted });
          if (sent.length === 0) sent = exchanges.sent;
          return new Map(wanted.map((name) => [name, exchanges.whole(name)]));
        },
        async placement() {
          const each = await Promise.all(all.map(({ session }) => session.placement()));
          return together(
            each,
            all.map(({ makes }) => makes),
          );
        },
        async release() {
          await Promise.all(all.map(({ session }) => session.release()));
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const host of hosts) await host[Symbol.asyncDispose]();
    },
  };
}

/** A segment's file: its bytes, the values that it makes, helpers apart, and those of them that are outputs. */
function modelOf(file: ModelFile) {
  const { node, output } = file.model.graph!;
  const made = node.flatMap((one) => one.output);
  return {
    bytes: joined(file.chunks()),
    makes: made.filter((name) => !name.includes('/')),
    outputs: output.map(({ name }) => name),
  };
}
