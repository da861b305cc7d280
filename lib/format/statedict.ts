/** Finds the dictionary of tensors in what a checkpoint's pickle holds. */
import { isKind, type PickleValue } from './pickle-value.ts';

/** What people call it, best first. */
const usual = 'state_dict model_state_dict model net network model_state params weights module'.split(' ');
const DEEPEST = 8;

/** Every value reachable through dictionaries and lists, each once, with the keys that lead to it. */
export function* reachable(root: PickleValue): Generator<{ value: PickleValue; path: readonly string[] }> {
  const seen = new Set<PickleValue>();
  const queue: { value: PickleValue; path: readonly string[] }[] = [{ value: root, path: [] }];
  for (let i = 0; i < queue.length; i++) {
    const { value, path } = queue[i];
    if (typeof value !== 'object' || value === null || seen.has(value)) continue;
    seen.add(value);
    yield queue[i];
    if (path.length >= DEEPEST) continue;
    const children = value instanceof Map ? value.entries() : Array.isArray(value) ? value.entries() : null;
    for (const [key, child] of children ?? []) {
      if (typeof child === 'object' && child !== null)
        queue.push({ value: child, path: [...path, String(key)] });
    }
    if (isKind(value, 'instance')) queue.push({ value: value.state, path: [...path, 'state'] });
  }
}

/**
 * The state dict: the checkpoint itself if it has tensors by name, else the dictionary with the most usual
 * name, else the one with the most tensors; with the keys that lead to it and the paths of the others, which are
 * passed over. `pick` gives the tensor that a value is. Null if there is none.
 */
export function stateDict<T>(root: PickleValue, pick: (value: PickleValue) => T | undefined) {
  const found: { tensors: Map<string, T>; path: readonly string[] }[] = [];
  for (const { value, path } of reachable(root)) {
    if (!(value instanceof Map)) continue;
    const tensors = new Map<string, T>();
    for (const [key, item] of value) {
      const tensor = pick(item);
      if (tensor !== undefined && typeof key === 'string') tensors.set(key, tensor);
    }
    if (tensors.size > 0) found.push({ tensors, path });
  }
  const rank = ({ path }: { path: readonly string[] }) => {
    if (path.length === 0) return -1;
    const place = usual.indexOf(path[path.length - 1]);
    return place < 0 ? usual.length : place;
  };
  found.sort((a, b) => rank(a) - rank(b) || b.tensors.size - a.tensors.size);
  if (found.length === 0) return null;
  const others = found.slice(1).map(({ path }) => path.join('.'));
  return { ...found[0], others };
}
