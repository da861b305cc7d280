/**
 * Which provider ran each node, read from onnxruntime's profile: there is no other way from JavaScript.
 *
 * The profile names what was executed, after fusion: `n1_nchwc` is conv1 and relu1 in one kernel, `fused n8` is fc6
 * and relu6, `n0_token_2` is conv1 rewritten for another layout; ReorderInput, ReorderOutput, Transpose and Memcpy
 * nodes are moves that onnxruntime put in between. Names are mapped back to layers, in the order of the network.
 */
import { EnvironmentError } from '../errors.ts';
import { type Executor, LABELS } from './failures.ts';

export interface PlacedNode {
  /** The node's name in the model, as far as onnxruntime kept it. */
  readonly name: string;
  /** The operator that was executed, e.g. FusedConv. */
  readonly op: string;
  /** onnxruntime's provider, e.g. CPUExecutionProvider. */
  readonly provider: string;
  /** CPU, CUDA or WebGPU; else the provider's own name. */
  readonly device: string;
  /** A copy or a change of layout that onnxruntime inserted: belongs to no layer. */
  readonly inserted: boolean;
  /** It ran in the CPU's blocked layout, where a fused convolution has its activation's name. */
  readonly blocked: boolean;
}

export interface Placement {
  readonly nodes: readonly PlacedNode[];
}

const INSERTED = /^(?:Memcpy|Transpose|ReorderInput|ReorderOutput)(?:_token_\d+)?$/;
const PROVIDERS: Readonly<Record<string, string>> = {
  CPUExecutionProvider: LABELS.cpu,
  CUDAExecutionProvider: LABELS.cuda,
  WebGpuExecutionProvider: LABELS.webgpu,
};

interface Event {
  readonly cat?: unknown;
  readonly name?: unknown;
  readonly args?: { readonly provider?: unknown; readonly op_name?: unknown };
}

/**
 * The nodes in a profile's text, in order of execution, each once however often the model ran. `original` turns the
 * names that onnxruntime was given into the file's.
 */
export function parseProfile(text: string, original = (name: string): string => name): Placement {
  const nodes = new Map<string, PlacedNode>();
  for (const { cat, name, args } of JSON.parse(text) as readonly Event[]) {
    const { provider, op_name: op } = args ?? {};
    if (cat !== 'Node' || typeof name !== 'string' || !name.endsWith('_kernel_time')) continue;
    if (typeof provider !== 'string' || typeof op !== 'string') continue;
    if (nodes.has(name)) continue;
    const event = name.slice(0, -'_kernel_time'.length);
    const device = PROVIDERS[provider] ?? provider.replace(/ExecutionProvider$/, '');
    nodes.set(name, {
      name: original(nodeName(event)),
      op,
      provider,
      device,
      inserted: INSERTED.test(event),
      blocked: /_nchwc(?:_token_\d+)?$/.test(event),
    });
  }
  return { nodes: [...nodes.values()] };
}

/** 'fused fc6' → 'fc6', 'relu1_nchwc' → 'relu1', 'conv1_token_2' → 'conv1'. */
const nodeName = (event: string): string =>
  INSERTED.test(event) ? event : event.replace(/^fused /, '').replace(/(?:_nchwc)?(?:_token_\d+)?$/, '');

/**
 * The layer that a node belongs to: of that name, or the longest one that its name continues (`norm1/sum`).
 */
export function layerOf(node: string, layers: readonly string[]): string | undefined {
  let best: string | undefined;
  for (const layer of layers) {
    const continues = node.startsWith(layer) && /^(?:$|[^A-Za-z0-9])/.test(node.slice(layer.length));
    if (continues && (best === undefined || layer.length > best.length)) best = layer;
  }
  return best;
}

/**
 * The devices that ran each layer. A layer without a node of its own was fused into a neighbour or removed:
 * it takes the devices of the layer after it if that one is a convolution in blocked layout (onnxruntime
 * names those after the activation that it fused), else those of the layer before.
 */
export function layerDevices(
  placement: Placement,
  layers: readonly string[],
): Map<string, readonly string[]> {
  const own = new Map<string, Set<string>>();
  const widened = new Set<string>();
  for (const node of placement.nodes) {
    const layer = node.inserted ? undefined : layerOf(node.name, layers);
    if (layer === undefined) continue;
    if (!own.has(layer)) own.set(layer, new Set());
    own.get(layer)?.add(node.device);
    if (node.blocked && node.op === 'Conv') widened.add(layer);
  }
  const result = new Map<string, readonly string[]>();
  for (const [index, layer] of layers.entries()) {
    const next = layers[index + 1];
    const devices = own.get(layer) ?? (widened.has(next) ? own.get(next) : undefined);
    result.set(layer, devices ? [...devices] : (result.get(layers[index - 1]) ?? []));
  }
  return result;
}

/** What two computed, each a part of every layer: where each ran, as if each layer were a node. */
export function together(parts: readonly Placement[], layers: readonly (readonly string[])[]): Placement {
  const as = { op: '', provider: '', inserted: false, blocked: false };
  const nodes = parts.flatMap((part, i) =>
    [...layerDevices(part, layers[i])].flatMap(([name, devices]) =>
      devices.map((device) => ({ ...as, name, device })),
    ),
  );
  return { nodes };
}

/**
 * `norm1 norm2 on CPU, 22 of 24 on WebGPU`: what ran elsewhere by name, what ran on the device by number. Where no one
 * device is meant all by number.
 */
export function describePlacement(placement: Placement, device: Executor, layers: readonly string[]): string {
  if (device === 'other') {
    const where = [...layerDevices(placement, layers).values()].map((devices) => devices.join(' and '));
    const count = (place: string): number => where.filter((one) => one === place).length;
    return [...new Set(where)].map((place) => `${count(place)} of ${layers.length} on ${place}`).join(', ');
  }
  const here = LABELS[device];
  const elsewhere = strays(placement, device, layers);
  const count = layers.length - [...elsewhere.values()].reduce((sum, names) => sum + names.length, 0);
  const others = [...elsewhere].map(([other, names]) => `${names.join(' ')} on ${other}`);
  return [...others, `${count} of ${layers.length} on ${here}`].join(', ');
}

/** EnvironmentError that names the layers which did not run on the device alone (`--strict-device`). */
export function assertPlacement(placement: Placement, device: Executor, layers: readonly string[]): void {
  const elsewhere = strays(placement, device, layers);
  if (elsewhere.size === 0) return;
  const where = [...elsewhere].map(([other, names]) => `${names.join(' ')} ran on ${other}`).join(', ');
  throw new EnvironmentError(
    `--strict-device: ${where}, not on ${LABELS[device]}: leave it out, or use --lrn band ` +
      'where LRN is the reason',
  );
}

/** Layers by the other device that ran them or a part of them. */
function strays(placement: Placement, device: Executor, layers: readonly string[]): Map<string, string[]> {
  const found = new Map<string, string[]>();
  for (const [layer, devices] of layerDevices(placement, layers)) {
    const other = devices.find((name) => name !== LABELS[device]);
    if (other === undefined) continue;
    found.set(other, [...(found.get(other) ?? []), layer]);
  }
  return found;
}
