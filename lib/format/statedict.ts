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

/** Tensors of a module and of those inside it that are looked at, over all modules. */
const MOST_VISITS = 1_000_000;

/**
 * The state dict: of the dictionaries of tensors, and of the pickled modules, the one with the most usual name that
 * holds at least half as many tensors as the largest; else the largest. With the keys that lead to it and the others,
 * which are passed over. `pick` gives the tensor that a value is. Null if there is none.
 */
export function stateDict<T>(root: PickleValue, pick: (value: PickleValue) => T | undefined) {
  const found: { tensors: Map<string, T>; path: readonly string[]; value: PickleValue }[] = [];
  const budget = { visits: MOST_VISITS };
  for (const { value, path } of reachable(root)) {
    const isModule = isKind(value, 'instance') && !path.includes('state');
    if (!(value instanceof Map) && !isModule) continue;
    const tensors = new Map<string, T>();
    if (value instanceof Map) addTensors(value, '', pick, tensors);
    else addModule(value, '', pick, tensors, budget);
    if (tensors.size > 0) found.push({ tensors, path, value });
  }
  const most = Math.max(...found.map(({ tensors }) => tensors.size));
  const rank = ({ path, tensors }: (typeof found)[number]) => {
    const place = usual.indexOf(path.at(-1) ?? '');
    return place < 0 || 2 * tensors.size < most ? usual.length : place;
  };
  found.sort((a, b) => rank(a) - rank(b) || b.tensors.size - a.tensors.size);
  const [best, ...rest] = found;
  if (!best) return null;
  const inside = isKind(best.value, 'instance') ? [...best.path, 'state'].join('.') : null;
  const names = rest.flatMap(({ path, tensors }) => (path.length > 0 ? path.join('.') : [...tensors.keys()]));
  return { ...best, others: inside === null ? names : names.filter((name) => !name.startsWith(inside)) };
}

function addTensors<T>(
  dict: ReadonlyMap<PickleValue, PickleValue>,
  prefix: string,
  pick: (value: PickleValue) => T | undefined,
  into: Map<string, T>,
): void {
  for (const [key, item] of dict) {
    const tensor = pick(item);
    if (tensor !== undefined && typeof key === 'string') into.set(prefix + key, tensor);
  }
}

/**
 * A pickled torch.nn.Module: its state holds '_parameters', '_buffers' and, one inside the other, '_modules'. A
 * TorchScript module has all of them as plain attributes.
 */
function addModule<T>(
  module: PickleValue,
  prefix: string,
  pick: (value: PickleValue) => T | undefined,
  into: Map<string, T>,
  budget: { visits: number },
  depth = 0,
): void {
  const state = isKind(module, 'instance') ? module.state : null;
  if (!(state instanceof Map) || depth > DEEPEST) return;
  const inside = ['_parameters', '_buffers', '_modules'].map((name) => state.get(name));
  for (const dict of [state, ...inside]) {
    if (!(dict instanceof Map) || (budget.visits -= dict.size) < 0) continue;
    addTensors(dict, prefix, pick, into);
    for (const [name, child] of dict)
      addModule(child, `${prefix}${String(name)}.`, pick, into, budget, depth + 1);
  }
}
