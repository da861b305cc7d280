/**
 * The two towers of a network (export/towers.ts) as one session: each on its device, in a process of its own (two
 * sessions on WebGPU in one process take turns, or crash), a session a segment. What one tower needs of the other goes
 * through this process, and is counted.
 */
import type { LrnForm } from '../../export/graph.ts';
import {
  buildTower,
  common,
  type Exchange,
  type Segment,
  type Tower,
  towersOf,
} from '../../export/towers.ts';
import { joined } from '../../export/wire.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { concat } from '../../reference/ops/index.ts';
import type { Weights } from '../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../reference/tensor.ts';
import { type NumericValue, toTensor } from '../array/value.ts';
import { hostApart } from './apart.ts';
import type { Place } from './devices.ts';
import type { Executor } from './failures.ts';
import { together } from './placement.ts';
import type { Host, Opener, Session, SessionOptions } from './session.ts';
import { fromSession, type SessionValue } from './values.ts';

/** Maps that went from one tower to the other. */
export interface Sent extends Exchange {
  readonly images: number;
  readonly bytes: number;
}

export interface TowersHost extends Opener {
  /** Whose arithmetic it is; other where the towers' devices are of two kinds. */
  readonly device: Executor;
  readonly places: readonly Place[];
  /** What was sent in the first run. */
  readonly sent: readonly Sent[];
}

/** Throws RangeError for a network without towers. `hosts`: where the sessions are opened. */
export function hostTowers(
  network: Network,
  weights: Weights,
  places: readonly Place[],
  lrn: LrnForm,
  hosts: readonly Host[] = places.map(() => hostApart()),
): TowersHost {
  const towers = towersOf(network);
  const models = towers.map(({ index }) =>
    buildTower(network, weights, index, { lrn }).map((file) => joined(file.chunks())),
  );
  let sent: readonly Sent[] = [];

  /** A tower's sessions, one a segment. */
  async function openTower(
    { index, segments }: Tower,
    { taps = [], ...options }: SessionOptions,
  ): Promise<Session[]> {
    const { device, gpu } = places[index];
    const sessions: Session[] = [];
    for (const [at, { network }] of segments.entries()) {
      const names = new Set(network.layers.slice(0, -1).map(({ name }) => name));
      const own = taps.filter((name) => names.has(name));
      sessions.push(await hosts[index].open(models[index][at], device, { ...options, gpu, taps: own }));
    }
    return sessions;
  }

  return {
    device: places.every(({ device }) => device === places[0].device) ? places[0].device : 'other',
    places,
    get sent() {
      return sent;
    },
    async open(options) {
      const sessions = await Promise.all(towers.map((tower) => openTower(tower, options)));
      const all = sessions.flat();
      return {
        async run(feeds, wanted = []) {
          const exchange = new Exchanges(towers);
          const input = floats(feeds.get('input')!);
          for (const at of towers[0].segments.keys())
            await Promise.all(
              towers.map(async ({ index, segments }) => {
                if (segments[at])
                  await runSegment(exchange, index, segments[at], sessions[index][at], input, wanted);
              }),
            );
          if (sent.length === 0) sent = exchange.sent;
          return new Map(wanted.map((name) => [name, exchange.whole(name)]));
        },
        async placement() {
          const each = await Promise.all(all.map((session) => session.placement()));
          const segments = towers.flatMap((tower) => tower.segments);
          return together(
            each,
            segments.map(({ network: { layers } }) => layers.map(({ name }) => name)),
          );
        },
        async release() {
          await Promise.all(all.map((session) => session.release()));
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const host of hosts) await host[Symbol.asyncDispose]();
    },
  };
}

const floats = (value: SessionValue): Tensor => toTensor(fromSession(value) as NumericValue);

async function runSegment(
  exchange: Exchanges,
  tower: number,
  segment: Segment,
  session: Session,
  input: Tensor,
  wanted: readonly string[],
): Promise<void> {
  const { layers } = segment.network;
  const x = segment.takes.value === 'input' ? input : exchange.gather(segment, tower);
  const names = layers
    .map(({ name }) => name)
    .filter((name, i) => i === layers.length - 1 || wanted.includes(name));
  for (const [name, y] of await session.run(new Map([['input', x]]), names))
    exchange.keep(tower, segment, name, floats(y));
}

/** What each tower holds of every value, and what it sends the other. */
class Exchanges {
  readonly towers: readonly Tower[];
  readonly sent: Sent[] = [];
  readonly #held: readonly Map<string, Tensor>[];

  constructor(towers: readonly Tower[]) {
    this.towers = towers;
    this.#held = towers.map(() => new Map());
  }

  /** A tower's value, without the neighbour's maps at the border. */
  keep(t: number, { border: [before, behind] }: Segment, name: string, y: Tensor): void {
    this.#held[t].set(name, cut(y, before, y.shape[1] - behind));
  }

  /** What a segment reads: the tower's own maps and those that it receives, in the network's order. */
  gather(
    {
      takes,
      network: {
        layers: [{ name: before }],
      },
    }: Segment,
    receiver: number,
  ): Tensor {
    const pieces = this.towers.flatMap(({ own, index: sender }) => {
      const maps = common(takes, own);
      if (!maps) return [];
      const first = own.get(takes.value)!.from;
      const piece = cut(this.#held[sender].get(takes.value)!, maps.from - first, maps.to - first);
      const { byteLength: bytes } = piece.data;
      if (sender !== receiver)
        this.sent.push({ ...maps, before, sender, receiver, images: piece.shape[0], bytes });
      return [piece];
    });
    return pieces.length === 1 ? pieces[0] : concat.forward(pieces, undefined);
  }

  /** Both towers' maps of a value. */
  whole(name: string): Tensor {
    const pieces = this.#held.flatMap((held) => held.get(name) ?? []);
    return pieces.length === 1 ? pieces[0] : concat.forward(pieces, undefined);
  }
}

/** Maps [from, to) of a tensor. */
function cut(t: Tensor, from: number, to: number): Tensor {
  const [N, C, ...rest] = t.shape;
  if (from === 0 && to === C) return t;
  const size = t.size / (N * C);
  const values = dense(t);
  const part = new Float32Array(N * (to - from) * size);
  for (let n = 0; n < N; n++)
    part.set(values.subarray((n * C + from) * size, (n * C + to) * size), n * (to - from) * size);
  return tensor(part, [N, to - from, ...rest]);
}
