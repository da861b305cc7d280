/** What a graph computes whatever it is fed: initializers, Constants, and all that follows from them alone. */
import type { Value } from '../array/value.ts';
import { evaluateGraph } from './evaluate.ts';
import { readNames } from './graph.ts';
import type { Model, Node } from './model.ts';
import { isSupported } from './registry.ts';

/** Operators whose results are drawn anew at each run. */
const RANDOM = /^(?:Random|Multinomial$|Bernoulli$|Dropout$)/;

/**
 * The constants that the other nodes read, by name, within the evaluator's budget for a run. Throws InputError for
 * one that cannot be computed.
 */
export function constantsOf(model: Model): ReadonlyMap<string, Value> {
  const { graph } = model;
  const { constant, others } = sides(model);
  if (constant.length === 0) return graph.initializers;
  const read = new Set([
    ...others.flatMap((node) => [...readNames(node)]),
    ...graph.outputs.map((o) => o.name),
  ]);
  const made = constant.flatMap(({ outputs }) => outputs.filter((name) => read.has(name)));
  const outputs = made.map((name) => ({ name, dtype: null, shape: null }));
  const alone = { ...model, graph: { ...graph, nodes: constant, inputs: [], outputs } };
  return new Map([...graph.initializers, ...evaluateGraph(alone, new Map())]);
}

/** The nodes that read constants alone, and the others. */
function sides(model: Model): { constant: Node[]; others: Node[] } {
  const { nodes, initializers } = model.graph;
  const known = new Set(initializers.keys());
  const constant: Node[] = [];
  const others: Node[] = [];
  for (const node of nodes) {
    const fixed = !RANDOM.test(node.op) && [...readNames(node)].every((name) => known.has(name));
    if (!fixed || !isSupported(model, node)) others.push(node);
    else {
      constant.push(node);
      for (const name of node.outputs) known.add(name);
    }
  }
  return { constant, others };
}
