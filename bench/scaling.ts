/** How the oracle's cost grows: with the batch, with the image's size, with threads; and what gradients cost. */
import { configure, conv2d, workers } from '../lib/fast/node.ts';
import { forward, macs, shapes } from '../lib/fast/oracle.ts';
import type { Layer, Network } from '../reference/networks/layers.ts';
import { reshape, type Tensor, tensor } from '../reference/tensor.ts';
import { inputOf, weightsOf } from './subject.ts';

interface Cost {
  readonly cpuMs: number;
  readonly wallMs: number;
}

/** Least of several runs, after two that are not counted: on a busy machine the least is the steadiest. */
function least(run: () => void, rounds: number): Cost {
  const costs: Cost[] = [];
  for (let round = -2; round < rounds; round++) {
    const cpu = process.cpuUsage();
    const start = performance.now();
    run();
    const { user, system } = process.cpuUsage(cpu);
    if (round >= 0) costs.push({ cpuMs: (user + system) / 1000, wallMs: performance.now() - start });
  }
  const of = (key: keyof Cost) => Number(Math.min(...costs.map((cost) => cost[key])).toFixed(2));
  return { cpuMs: of('cpuMs'), wallMs: of('wallMs') };
}

export interface BatchRow extends Cost {
  readonly network: string;
  readonly batch: number;
  readonly threads: number;
  readonly cpuMsPerImage: number;
}

export function batchRows(
  network: Network,
  batches: readonly number[],
  threads: readonly number[],
): BatchRow[] {
  const weights = weightsOf(network);
  return threads.flatMap((count) => {
    configure({ threads: workers(count), wide: false });
    return batches.map((batch) => {
      const x = tensor(inputOf(network, batch), [batch, ...network.input]);
      const cost = least(() => forward(network, weights, x), batch > 8 ? 3 : 7);
      const cpuMsPerImage = Number((cost.cpuMs / batch).toFixed(2));
      return { network: network.name, batch, threads: count, ...cost, cpuMsPerImage };
    });
  });
}

export interface SizeRow extends Cost {
  readonly size: number;
  readonly megaMacs: number;
  readonly cpuMsPerGigaMac: number;
}

/** Images of several sizes through a network with adaptive pooling, batch 4. */
export function sizeRows(network: Network, sizes: readonly number[]): SizeRow[] {
  configure({ threads: workers(1), wide: false });
  const weights = weightsOf(network);
  return sizes.map((size) => {
    const resized: Network = { ...network, input: [3, size, size] };
    const x = tensor(inputOf(resized, 4), [4, ...resized.input]);
    const cost = least(() => forward(resized, weights, x), 5);
    const megaMacs = Number((macs(resized) / 1e6).toFixed(1));
    const perImage = {
      cpuMs: Number((cost.cpuMs / 4).toFixed(2)),
      wallMs: Number((cost.wallMs / 4).toFixed(2)),
    };
    return {
      size,
      megaMacs,
      ...perImage,
      cpuMsPerGigaMac: Number(((1000 * perImage.cpuMs) / megaMacs).toFixed(1)),
    };
  });
}

export interface GradientRow {
  readonly network: string;
  readonly layer: string;
  /** 10⁹ operations a second, whole layers with packing; null where the gradient is not computed. */
  readonly forward: number;
  readonly dw: number;
  readonly dx: number | null;
}

/** Rates of the convolutions' three directions; the first layer's dx is nobody's dy. */
export function gradientRows(network: Network, batch: number): GradientRow[] {
  configure({ threads: workers(1), wide: false });
  const weights = weightsOf(network);
  const known = shapes(network, batch);
  const noise = inputOf(network, batch * 8);
  const like = (shape: readonly number[]): Tensor =>
    reshape(
      tensor(
        noise.subarray(
          0,
          shape.reduce((a, b) => a * b),
        ),
        [shape.reduce((a, b) => a * b)],
      ),
      shape,
    );
  const layers = network.layers.flatMap((layer, index) =>
    layer.kind === 'conv2d' ? [{ layer, index }] : [],
  );
  return layers.map(({ layer, index }: { layer: Layer & { kind: 'conv2d' }; index: number }) => {
    const x = like(known.get(index === 0 ? 'input' : network.layers[index - 1].name)!);
    const dy = like(known.get(layer.name)!);
    const w = weights.get(`${layer.name}.weight`)!;
    const { attributes } = layer;
    const operations = 2 * conv2d.macs([x.shape, w.shape], attributes);
    const rate = (ms: number): number => Number((operations / ms / 1e6).toFixed(1));
    const backward = (dx: boolean) =>
      least(() => conv2d.backward(dy, [x, w], dy, attributes, { dx }), 4).cpuMs;
    const ahead = least(() => conv2d.forward([x, w], attributes), 4).cpuMs;
    const dw = backward(false);
    const dx = index === 0 ? null : rate(backward(true) - dw);
    return { network: network.name, layer: layer.name, forward: rate(ahead), dw: rate(dw), dx };
  });
}
