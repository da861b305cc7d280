/**
 * The two towers of a network forward and back. A segment's graph does both, so it runs twice: for its value, with a
 * gradient of zeros, and again when the gradient of that value has come. Gradients are exchanged where maps were, the
 * other way; each tower has the parameters of its own kernels, and updates them itself.
 */
import { type Maps, towersOf } from '../../export/towers.ts';
import { type BuildStepOptions, buildGradients, buildStep } from '../../export/training.ts';
import type { Network } from '../../reference/networks/layers.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { type Tensor, zeros } from '../../reference/tensor.ts';
import { fromTensor, type NumericValue } from '../array/value.ts';
import type { Place } from './devices.ts';
import type { Exchanges } from './exchanges.ts';
import { type Host, targetOf } from './session.ts';
import {
  floats,
  inputOf,
  lastOf,
  type Part,
  type Pass,
  type Run,
  type TowersHost,
  towersHost,
} from './towers.ts';
import { isTensor, type SessionValue } from './values.ts';

/** `graph`: the gradients of a batch alone, or a step. As `hostTowers`. */
export function hostTrainingTowers(
  network: Network,
  places: readonly Place[],
  graph: 'gradients' | 'training',
  options: BuildStepOptions,
  hosts?: readonly Host[],
): TowersHost {
  const towers = towersOf(network);
  const files = towers.map(({ index, segments }) =>
    segments.map((segment, at) => {
      const target = targetOf(places[index].device);
      const part = at < towers[0].segments.length - 1;
      const own = { ...options, target, part };
      if (graph === 'gradients') return buildGradients(segment.network, own);
      const parameters = weightShapes(segment.network);
      const factors = new Map([...(options.factors ?? [])].filter(([name]) => parameters.has(name)));
      return buildStep(segment.network, { ...own, factors, dinput: at > 0 });
    }),
  );
  return towersHost(towers, files, places, forthAndBack, hosts);
}

const forthAndBack: Pass = async (parts, run) => {
  const inputs = new Map<Part, Tensor>();
  for (const [at, beside] of parts.entries()) {
    for (const part of beside) inputs.set(part, inputOf(part, run));
    if (at < parts.length - 1) await Promise.all(beside.map((part) => forth(part, inputs.get(part)!, run)));
  }
  for (const beside of parts.toReversed()) {
    const found = await Promise.all(beside.map((part) => back(part, inputs.get(part)!, run)));
    for (const [i, part] of beside.entries())
      for (const [name, value] of found[i]) keepBack(part, run.exchanges, name, floats(value));
  }
};

/** For the layers' values. */
async function forth(part: Part, x: Tensor, run: Run): Promise<void> {
  const { tower, segment, makes, session } = part;
  const last = lastOf(segment);
  const names = makes.filter((name) => name === last || (tower.own.has(name) && run.wanted.includes(name)));
  const { shape } = session.inputs.find(({ name }) => name === `d${last}`)!;
  for (const [name, y] of await session.run(fedTo(part, x, zeros(shape as number[]), run), names))
    run.exchanges.keep(tower.index, segment, name, floats(y));
}

/** For everything else; in the segment with the loss for the layers' values too. */
function back(part: Part, x: Tensor, run: Run): Promise<Map<string, SessionValue>> {
  const { tower, segment, makes, session } = part;
  const end = makes.includes('loss');
  const dy = end ? undefined : run.exchanges.upstream(tower.index, segment, `d${lastOf(segment)}`);
  const isAsked = (name: string) => run.wanted.includes(name) && (end || !tower.own.has(name));
  const names = makes.filter((name) => name === 'dinput' || isAsked(name));
  return session.run(fedTo(part, x, dy, run), names);
}

function keepBack({ tower, segment }: Part, exchanges: Exchanges, name: string, y: Tensor): void {
  const layer = tower.own.has(name) ? name : name.slice(1);
  if (tower.own.has(layer)) exchanges.keep(tower.index, segment, name, y);
  else if (name !== 'dinput') exchanges.hold(tower.index, name, y);
  // both towers read the images: nobody needs that gradient, and it is nobody's half
  else if (segment.takes.value === 'input') exchanges.add(0, name, y);
  else exchanges.scatter(segment, tower.index, y);
}

/** A segment's inputs: maps, the gradient from behind, and the tower's share of everything else. */
function fedTo({ tower, session }: Part, x: Tensor, dy: Tensor | undefined, { feeds }: Run) {
  const shareOf = (name: string): SessionValue => {
    if (name === 'input') return x;
    const given = feeds.get(name);
    if (!given) return dy!;
    const maps = tower.own.get(name.split('.')[0]);
    if (!maps) return given;
    const value = isTensor(given) ? (fromTensor(given) as NumericValue) : given;
    return share(value, maps, name.endsWith('.mask') ? 1 : 0);
  };
  return new Map(session.inputs.map(({ name }) => [name, shareOf(name)]));
}

/** Of a parameter the tower's rows, of a mask its columns. */
function share({ dtype, shape, data }: NumericValue, { from, to }: Maps, axis: 0 | 1): NumericValue {
  const outer = axis === 0 ? 1 : shape[0];
  const size = data.length / outer / shape[axis];
  const part = data.slice(0, outer * (to - from) * size);
  for (let n = 0; n < outer; n++) {
    const start = n * shape[axis] * size;
    part.set(data.subarray(start + from * size, start + to * size) as never, n * (to - from) * size);
  }
  return { dtype, shape: shape.with(axis, to - from), data: part } as NumericValue;
}
