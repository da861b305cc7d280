/**
 * Where the oracle's time goes: every layer's CPU time, its rate, and its share of what the kernel reaches in
 * the cache.
 */
import { currentEngine, openArena } from '../lib/fast/engine.ts';
import { accumulatorBytes, columnsOf } from '../lib/fast/kernels/product.ts';
import { configure, workers } from '../lib/fast/node.ts';
import { forward, inputsOf, layerMacs, shapes, weightShapes } from '../lib/fast/oracle.ts';
import type { Network } from '../reference/networks/layers.ts';
import { sizeOf, tensor } from '../reference/tensor.ts';
import { median } from './statistics.ts';
import { inputOf, weightsOf } from './subject.ts';

export interface LayerRow {
  readonly network: string;
  readonly layer: string;
  /** Median CPU time, per image. */
  readonly cpuMs: number;
  /** Million multiply-adds, per image. */
  readonly megaMacs: number;
  /** 10⁹ floating point operations a second; 0 where nothing is multiplied. */
  readonly gigaflops: number;
  /** Of the kernel's rate on panels that lie in the first-level cache. */
  readonly shareOfPeak: number;
  /** Kilobytes read and written at least once: weights (shared by the batch), inputs, outputs; per image. */
  readonly kilobytes: number;
}

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage();
  return (user + system) / 1000;
};

/** 10⁹ operations a second of the multiply kernel alone, operands in the first-level cache; best of many. */
export function kernelPeak(accumulate: 'float64' | 'float32' = 'float64'): number {
  const engine = currentEngine()!;
  const tile = engine.tiles[accumulate === 'float64' ? 'fused' : 'float32'];
  const depth = 128;
  const panels = 4;
  const repeats = 200;
  const bytes = accumulatorBytes(tile);
  const arena = openArena(engine);
  const a = arena.take(tile.rows * depth * bytes);
  const x = arena.take(panels * columnsOf(tile) * depth * bytes);
  const tiles = arena.take(panels * tile.rows * columnsOf(tile) * bytes);
  const multiply = engine.kernels[`tiles_${tile.arithmetic}`];
  const operations = 2 * tile.rows * columnsOf(tile) * depth * panels * repeats;
  let best = Infinity;
  for (let round = 0; round < 100; round++) {
    const start = performance.now();
    for (let i = 0; i < repeats; i++) multiply(a, x, tiles, depth, panels);
    best = Math.min(best, performance.now() - start);
  }
  return operations / best / 1e6;
}

export function layerRows(network: Network, batch: number, rounds: number): LayerRow[] {
  configure({ threads: workers(1), wide: false });
  const weights = weightsOf(network);
  const x = tensor(inputOf(network, batch), [batch, ...network.input]);
  const times = new Map<string, number[]>(network.layers.map(({ name }) => [name, []]));
  for (let round = -2; round < rounds; round++) {
    let last = cpuMs();
    forward(network, weights, x, {
      trace: ({ name }) => {
        const now = cpuMs();
        if (round >= 0) times.get(name)!.push((now - last) / batch);
        last = now;
      },
    });
  }
  const peak = kernelPeak();
  const known = shapes(network);
  const parameters = weightShapes(network);
  return network.layers.map(({ name }, index) => {
    const time = median(times.get(name)!);
    const macs = layerMacs(network, index);
    const gigaflops = (2 * macs) / time / 1e6;
    const values = [name, ...inputsOf(network, index)].map((value) => sizeOf(known.get(value)!));
    const shared = [`${name}.weight`, `${name}.bias`].map((value) => sizeOf(parameters.get(value) ?? [0]));
    const floats = values.reduce((a, b) => a + b) + shared.reduce((a, b) => a + b) / batch;
    return {
      network: network.name,
      layer: name,
      cpuMs: Number(time.toFixed(3)),
      megaMacs: Number((macs / 1e6).toFixed(1)),
      gigaflops: Number(gigaflops.toFixed(1)),
      shareOfPeak: Number((gigaflops / peak).toFixed(2)),
      kilobytes: Math.round((4 * floats) / 1000),
    };
  });
}
