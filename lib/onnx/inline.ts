/**
 * Model-local functions (IR 8): each call becomes the function's nodes, with names of their own.
 *
 * ONNX, docs/IR.md, "Functions": no recursion; an attribute of a body node may refer to one of the call's,
 * and is absent where the call has none. A function must be of the model's opset in every domain that it uses.
 */
import type { AttributeProto, FunctionProto, GraphProto, ModelProto, NodeProto } from '../../export/proto.ts';

/** Calls in calls, which in a real file are a handful; and nodes, of which a small file could make 2^60. */
const MAX_DEPTH = 64;
const MAX_NODES = 100_000;

/** What the names and the attribute references of a function's body stand for at one call. */
interface Call {
  readonly rename: (name: string) => string;
  readonly attributes: ReadonlyMap<string, AttributeProto>;
  readonly title: string;
}

type Functions = ReadonlyMap<string, FunctionProto>;

const shortDomain = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));
const keyOf = (domain: string | undefined, name: string): string => `${shortDomain(domain)}:${name}`;

/** The graph without calls of the model's functions. Throws where they recur, explode, or need another opset. */
export function inlined(model: ModelProto, graph: GraphProto): GraphProto {
  if (model.functions.length === 0) return graph;
  const functions: Functions = new Map(model.functions.map((f) => [keyOf(f.domain, f.name), f]));
  for (const f of model.functions) checkOpsets(model, f);
  const budget = { nodes: 0 };
  return expandGraph(graph, functions, 0, budget);
}

function checkOpsets(model: ModelProto, f: FunctionProto): void {
  const versions = new Map(model.opsetImport.map(({ domain, version }) => [shortDomain(domain), version]));
  for (const { domain, version } of f.opsetImport) {
    const own = versions.get(shortDomain(domain));
    const used = f.node.some((node) => shortDomain(node.domain) === shortDomain(domain));
    if (
      used &&
      own !== version &&
      !model.functions.some((g) => shortDomain(g.domain) === shortDomain(domain))
    ) {
      throw new Error(
        `function '${f.name}' is of opset ${version} of '${shortDomain(domain) || 'ai.onnx'}', the model of ${own}`,
      );
    }
  }
}

interface Budget {
  nodes: number;
}

function expandGraph(graph: GraphProto, functions: Functions, depth: number, budget: Budget): GraphProto {
  return { ...graph, node: graph.node.flatMap((node) => expand(node, functions, depth, budget)) };
}

function expand(node: NodeProto, functions: Functions, depth: number, budget: Budget): NodeProto[] {
  if (++budget.nodes > MAX_NODES) throw new Error(`its functions expand to more than ${MAX_NODES} nodes`);
  if (depth > MAX_DEPTH) throw new Error(`its functions call one another (depth ${MAX_DEPTH})`);
  const f = functions.get(keyOf(node.domain, node.opType));
  if (!f) {
    const attribute = node.attribute.map((a) =>
      a.g ? { ...a, g: expandGraph(a.g, functions, depth, budget) } : a,
    );
    return [{ ...node, attribute }];
  }
  const call = callOf(node, f, budget.nodes);
  return f.node.flatMap((inner) => expand(rewritten(inner, call), functions, depth + 1, budget));
}

function callOf(node: NodeProto, f: FunctionProto, serial: number): Call {
  const title = `${node.name || node.opType}#${serial}`;
  const names = new Map<string, string>([['', '']]);
  for (const [i, name] of f.input.entries()) names.set(name, node.input[i] ?? '');
  for (const [i, name] of f.output.entries()) if (node.output[i]) names.set(name, node.output[i]);
  return {
    title,
    rename: (name) => names.get(name) ?? `${title}/${name}`,
    attributes: new Map(node.attribute.map((a) => [a.name, a])),
  };
}

/** A body node under the names and with the attributes of a call. */
function rewritten(node: NodeProto, call: Call): NodeProto {
  return {
    ...node,
    name: `${call.title}/${node.name || node.opType}`,
    input: node.input.map(call.rename),
    output: node.output.map(call.rename),
    attribute: node.attribute.flatMap((a) => attributeOf(a, call)),
  };
}

function attributeOf(a: AttributeProto, call: Call): AttributeProto[] {
  if (a.refAttrName) {
    const given = call.attributes.get(a.refAttrName);
    return given ? [{ ...given, name: a.name }] : [];
  }
  return [a.g ? { ...a, g: renamedGraph(a.g, call) } : a];
}

/** A body's subgraph: all its names are the call's own too. */
function renamedGraph(graph: GraphProto, call: Call): GraphProto {
  const named = <T extends { name?: string }>(value: T): T => ({
    ...value,
    name: call.rename(value.name ?? ''),
  });
  return {
    ...graph,
    node: graph.node.map((node) => rewritten(node, call)),
    initializer: graph.initializer.map(named),
    input: graph.input.map(named),
    output: graph.output.map(named),
    valueInfo: [],
  };
}
