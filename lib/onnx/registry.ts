/** Every operator of the evaluator by domain and name. */
import { type Graph, type Model, type Node, refusal } from './model.ts';
import * as arithmetic from './ops/arithmetic.ts';
import * as compare from './ops/compare.ts';
import * as control from './ops/control.ts';
import * as conv from './ops/conv.ts';
import * as create from './ops/create.ts';
import * as gather from './ops/gather.ts';
import * as gemm from './ops/gemm.ts';
import type { Operators } from './ops/kernel.ts';
import * as normalisation from './ops/normalisation.ts';
import * as pooling from './ops/pooling.ts';
import * as random from './ops/random.ts';
import * as reduce from './ops/reduce.ts';
import * as shape from './ops/shape.ts';
import * as slice from './ops/slice.ts';
import * as softmax from './ops/softmax.ts';
import * as training from './ops/training.ts';
import * as unary from './ops/unary.ts';

/** The opsets of ai.onnx whose every form of these operators is known here. */
const OLDEST_OPSET = 6;
const NEWEST_OPSET = 27;

const TRAINING = 'ai.onnx.preview.training';

const domains: Readonly<Record<string, Operators>> = {
  '': {
    ...arithmetic.operators,
    ...compare.operators,
    ...control.operators,
    ...conv.operators,
    ...create.operators,
    ...gather.operators,
    ...gemm.operators,
    ...normalisation.operators,
    ...pooling.operators,
    ...reduce.operators,
    ...shape.operators,
    ...slice.operators,
    ...softmax.operators,
    ...unary.operators,
  },
  [TRAINING]: training.operators,
};

/** Whether the operator draws numbers, which ONNX leaves to each engine. */
export const drawsNumbers = ({ domain, op }: Node): boolean =>
  domain === '' && Object.hasOwn(random.operators, op);

/** Names of the operators that have one right result, those of other domains with the domain in front. */
export const operatorNames = (): string[] =>
  Object.entries(domains).flatMap(([domain, table]) =>
    Object.keys(table).map((name) => (domain === '' ? name : `${domain}.${name}`)),
  );

/** The operator and the version of it that an opset means; null where there is none. */
export function findOperator(
  domain: string,
  op: string,
  opset: number,
): { operator: Operators[string]; version: number } | null {
  const table = domain === '' && Object.hasOwn(random.operators, op) ? random.operators : domains[domain];
  if (!table || !Object.hasOwn(table, op)) return null;
  const operator = table[op];
  const version = operator.since.findLast((since) => since <= opset);
  return version === undefined ? null : { operator, version };
}

/** How messages call a node. */
export const titleOf = (node: Node, opset: number | undefined): string =>
  `node '${node.name}' (${node.domain ? `${node.domain}.` : ''}${node.op}, opset ${opset ?? 'undeclared'})`;

/**
 * The nodes that cannot be evaluated, each with one line that says why, subgraphs included. Nodes that draw numbers
 * are among them; with `drawing` those of the main graph are not.
 */
export function unsupported(model: Model, drawing = false): { node: Node; reason: string }[] {
  return [...allNodes(model.graph)].flatMap((node) => {
    const draws = drawsNumbers(node) && !(drawing && model.graph.nodes.includes(node));
    const reason = unsupportedReason(model, node, draws);
    return reason ? [{ node, reason }] : [];
  });
}

/** Whether a node and what its subgraphs hold can be evaluated. */
export const isSupported = (model: Model, node: Node): boolean =>
  unsupported({ ...model, graph: { ...model.graph, nodes: [node] } }).length === 0;

function unsupportedReason(model: Model, node: Node, draws: boolean): string | null {
  const opset = model.opsets.get(node.domain);
  const title = titleOf(node, opset);
  if (opset === undefined) return `${title}: the model does not declare an opset for its domain`;
  const found = findOperator(node.domain, node.op, opset);
  if (!found || draws) return `${title}: the operator is not supported here`;
  // what has not changed up to the oldest opset is known below it too
  const since = findOperator(node.domain, node.op, Math.max(opset, OLDEST_OPSET))?.version;
  if (node.domain === '' && (found.version !== since || opset > NEWEST_OPSET)) {
    return `${title}: opsets ${OLDEST_OPSET} to ${NEWEST_OPSET} are known here`;
  }
  const known = found.operator.attributes;
  const strange = [...node.attributes.keys()].find((name) => !known.includes(name));
  return strange === undefined ? null : `${title}: attribute '${strange}' is not known`;
}

function* allNodes(graph: Graph): Iterable<Node> {
  for (const node of graph.nodes) {
    yield node;
    for (const attribute of node.attributes.values()) {
      if (attribute.kind === 'graph') yield* allNodes(attribute.value);
    }
  }
}

/** Throws an InputError for the first node that cannot be evaluated. */
export function refuseUnsupported(model: Model, drawing?: boolean): void {
  const [first] = unsupported(model, drawing);
  if (first) throw refusal(model.name, first.reason);
}
