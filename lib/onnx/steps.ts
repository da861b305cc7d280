/**
 * A graph as a chain of steps: the values through which everything passes on its way from the input to the output, and
 * the nodes between one of them and the next. Most steps are of one node; a normalisation written out, or a Split into
 * groups up to its Concat, is one step.
 */
import type { Value } from '../array/value.ts';
import { readNames } from './graph.ts';
import type { Graph, Node } from './model.ts';
import type { Product } from './products.ts';

export interface Step {
  readonly nodes: readonly Node[];
  readonly from: string;
  readonly to: string;
  /** Where all of it is a convolution or a fully connected layer. */
  readonly product?: Product;
  /** Whether it multiplies by 1 or adds 0. */
  readonly neutral?: boolean;
}

/** The longest of the chains from `input` to an output. `constants`: what the graph computes whatever it is fed. */
export function longestChain(
  graph: Graph,
  input: string,
  products: readonly Product[],
  constants: ReadonlyMap<string, Value>,
): Step[] {
  const owner = new Map(products.flatMap((product) => product.nodes.map((node) => [node, product] as const)));
  const chains = graph.outputs.map((output) => chainTo(output.name, input, graph));
  const longest = chains.reduce((best, chain) => (chain.length > best.length ? chain : best), []);
  const steps: Step[] = [];
  for (const step of longest) {
    const product = owner.get(step.nodes[0]);
    const whole = product && step.nodes.every((node) => owner.get(node) === product);
    const last = steps.at(-1);
    if (whole && last?.product === product)
      steps[steps.length - 1] = { ...last, nodes: [...last.nodes, ...step.nodes], to: step.to };
    else steps.push(whole ? { ...step, product } : { ...step, neutral: isNeutral(step, constants) });
  }
  return steps;
}

const NEUTRAL: Readonly<Record<string, number>> = { Mul: 1, Div: 1, Add: 0, Sub: 0 };

/** x·1, 1·x, x/1, x + 0, 0 + x, x − 0. */
function isNeutral({ nodes: [node, ...more], from }: Step, constants: ReadonlyMap<string, Value>): boolean {
  const { op, domain, inputs } = node;
  const other = inputs.find((name) => name !== from);
  const value = other === undefined ? undefined : constants.get(other);
  if (more.length > 0 || domain !== '' || !(op in NEUTRAL) || !value || value.dtype === 'string')
    return false;
  if ((op === 'Div' || op === 'Sub') && inputs[0] !== from) return false;
  return (value.data as Float32Array).every((v) => Number(v) === NEUTRAL[op]);
}

function chainTo(output: string, input: string, { nodes }: Graph): Step[] {
  const { kept, waiting } = between(input, output, nodes);
  const steps: Step[] = [];
  const open = new Set([input]);
  let from = input;
  let block: Node[] = [];
  for (const node of kept) {
    block.push(node);
    for (const name of readNames(node)) {
      const left = (waiting.get(name) ?? 0) - 1;
      waiting.set(name, left);
      if (left === 0) open.delete(name);
    }
    for (const name of node.outputs) if (waiting.has(name)) open.add(name);
    const [to] = open;
    if (open.size !== 1 || to === from) continue;
    steps.push({ nodes: block, from, to });
    from = to;
    block = [];
  }
  return steps;
}

/** The nodes that lead from a value to another, and how many of them read each value that they make. */
function between(input: string, output: string, nodes: readonly Node[]) {
  const fed = new Set([input]);
  const behind = nodes.filter((node) => {
    const depends = [...readNames(node)].some((name) => fed.has(name));
    if (depends) for (const name of node.outputs) fed.add(name);
    return depends;
  });
  const waiting = new Map([[output, 1]]);
  const kept: Node[] = [];
  for (const node of behind.toReversed()) {
    if (!node.outputs.some((name) => waiting.has(name))) continue;
    kept.push(node);
    for (const name of readNames(node)) if (fed.has(name)) waiting.set(name, (waiting.get(name) ?? 0) + 1);
  }
  return { kept: kept.reverse(), waiting };
}
