/**
 * Changes to an ONNX model that keep it a protobuf file: names, nodes, edges, attributes, types, extents, opsets,
 * initializers, functions, subgraphs. One in a thousand still makes sense; the others must be refused in one line.
 */
import {
  type AttributeProto,
  attributeTypes,
  type GraphProto,
  type ModelProto,
  type NodeProto,
  type TensorProto,
  tensorProto,
  type ValueInfoProto,
} from '../../export/proto.ts';
import { operatorNames } from '../../lib/onnx/registry.ts';
import type { Random } from './mutate.ts';

type Change = (model: ModelProto, pick: Pick) => void;

interface Pick {
  <T>(list: readonly T[]): T;
  below(n: number): number;
}

const NAMES = [
  ...[
    '',
    '__proto__',
    'constructor',
    'toString',
    'n0',
    'v0',
    'a\nb',
    '::error::x',
    '\u001b[31m',
    '"',
    "'",
    '\\u',
  ],
  ...['\0', '../x', 'x'.repeat(5000), 'hasOwnProperty', '%s', '\ud800', 'conv1', 'input', 'fc6.weight'],
];
const NUMBERS = [0, -1, 1, 2, 3, -2, 7, 255, 2 ** 31, -(2 ** 31), 2 ** 40, 2 ** 62, -(2 ** 63), 100_000];
const FLOATS = [0, -1, 1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 1e-40, 3e38, -0.5];
const EXTENTS = [0, -1, 1, 2, 3, 2 ** 31, 2 ** 40, 2 ** 53, -(2 ** 63)];
const DTYPES = Array.from({ length: 26 }, (_, i) => i);
const OPERATORS = [...operatorNames(), 'Nonsense', '', 'conv', '__proto__'];

const none: AttributeProto = {
  ...{ name: '', floats: [], ints: [], strings: [], tensors: [] },
  ...{ graphs: [], typeProtos: [], sparseTensors: [] },
};
const graphsOf = (graph: GraphProto): GraphProto[] => [
  graph,
  ...graph.node.flatMap(({ attribute }) => attribute.flatMap(({ g }) => (g ? graphsOf(g) : []))),
];
const inner: GraphProto = {
  ...{
    name: 'inner',
    node: [],
    initializer: [],
    sparseInitializer: [],
    input: [],
    output: [],
    valueInfo: [],
  },
  quantizationAnnotation: [],
};
/** Names that values have, and some that none has. */
const valueNames = ({ node, input, initializer }: GraphProto): string[] => [
  ...node.flatMap(({ output }) => output),
  ...input.map(({ name }) => name),
  ...initializer.map(({ name }) => name ?? ''),
  ...NAMES,
];

const onNode =
  (change: (node: NodeProto, pick: Pick, graph: GraphProto) => void): Change =>
  (model, pick) => {
    const graph = model.graph && pick(graphsOf(model.graph));
    if (graph && graph.node.length > 0) change(pick(graph.node), pick, graph);
  };
const onTensor =
  (change: (tensor: TensorProto, pick: Pick) => void): Change =>
  ({ graph }, pick) => {
    const constants = graph?.node.flatMap(({ attribute }) => attribute.flatMap(({ t }) => t ?? [])) ?? [];
    const tensors = [...(graph?.initializer ?? []), ...constants];
    if (tensors.length > 0) change(pick(tensors), pick);
  };
const onInfo =
  (change: (info: ValueInfoProto, pick: Pick) => void): Change =>
  ({ graph }, pick) => {
    const infos = [...(graph?.input ?? []), ...(graph?.output ?? []), ...(graph?.valueInfo ?? [])];
    if (infos.length > 0) change(pick(infos), pick);
  };
const onAttribute =
  (change: (attribute: AttributeProto, pick: Pick, node: NodeProto) => void): Change =>
  (model, pick) => {
    const nodes = model.graph ? graphsOf(model.graph).flatMap(({ node }) => node) : [];
    const some = nodes.filter(({ attribute }) => attribute.length > 0);
    if (some.length === 0) return;
    const node = pick(some);
    change(pick(node.attribute), pick, node);
  };
const onGraph =
  (change: (graph: GraphProto, pick: Pick) => void): Change =>
  (model, pick) => {
    if (model.graph) change(pick(graphsOf(model.graph)), pick);
  };

const place = <T>(list: T[], pick: Pick, value: T): void =>
  void list.splice(pick.below(list.length + 1), 0, value);
const drop = <T>(list: T[], pick: Pick): void => void list.splice(pick.below(list.length), 1);

const changes: readonly Change[] = [
  // nodes
  onNode((node, pick) => void (node.name = pick(NAMES))),
  onNode((node, pick, graph) => place(graph.node, pick, structuredClone(node))),
  onNode((node, pick, graph) => {
    const copy = { ...structuredClone(node), output: node.output.map((name) => `${name}_copy`) };
    place(graph.node, pick, copy);
  }),
  onNode((_, pick, graph) => drop(graph.node, pick)),
  onNode((node, _, graph) => graph.node.push(graph.node.splice(graph.node.indexOf(node), 1)[0])),
  onNode((node, pick) => void (node.opType = pick(OPERATORS).replace(/.*\./, ''))),
  onNode((node, pick) => void (node.domain = pick(['ai.onnx', 'com.microsoft', 'own', '', '__proto__']))),
  // edges
  onNode((node) => void node.input.reverse()),
  onNode(
    (node, pick, graph) => void (node.input[pick.below(node.input.length + 1)] = pick(valueNames(graph))),
  ),
  onNode(
    (node, pick, graph) => void (node.output[pick.below(node.output.length + 1)] = pick(valueNames(graph))),
  ),
  onNode((node, pick) => void (node.input[0] = pick(node.output) ?? '')),
  onNode((node) => void (node.input.length = 0)),
  onNode((node) => void (node.output.length = 0)),
  onNode((node, pick) => drop(node.input, pick)),
  onNode((node, pick) => place(node.input, pick, '')),
  onGraph((graph, pick) => {
    const old = pick(valueNames(graph));
    const name = pick(NAMES);
    const other = (value: string) => (value === old ? name : value);
    for (const node of graph.node) {
      node.input = node.input.map(other);
      node.output = node.output.map(other);
    }
    for (const named of [...graph.input, ...graph.output, ...graph.initializer])
      named.name = other(named.name ?? '');
  }),
  // attributes
  onAttribute((attribute, pick) => void (attribute.i = pick(NUMBERS))),
  onAttribute((attribute, pick) => void (attribute.f = pick(FLOATS))),
  onAttribute((attribute, pick) => void (attribute.ints = attribute.ints.map(() => pick(NUMBERS)))),
  onAttribute(
    (attribute, pick) => void (attribute.ints[pick.below(attribute.ints.length + 1)] = pick(NUMBERS)),
  ),
  onAttribute((attribute, pick) => drop(attribute.ints, pick)),
  onAttribute(
    (attribute, pick) => void (attribute.s = Buffer.from(pick(['', 'SAME_UPPER', 'reflect', 'x', '\u001b']))),
  ),
  onAttribute(
    (attribute, pick) => void (attribute.type = pick([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 14, 99])),
  ),
  onAttribute((attribute) => void (attribute.type = undefined)),
  onAttribute(
    (attribute, pick) =>
      void (attribute.name = pick(['axis', 'axes', 'pads', 'group', 'to', 'value', ...NAMES])),
  ),
  onAttribute((attribute, pick, node) => place(node.attribute, pick, structuredClone(attribute))),
  onAttribute((_, pick, node) => drop(node.attribute, pick)),
  onAttribute((attribute, pick) => void (attribute.refAttrName = pick(NAMES))),
  onNode((node, pick) => {
    const name = pick([
      'axis',
      'axes',
      'pads',
      'kernel_shape',
      'strides',
      'group',
      'dilations',
      'auto_pad',
      'body',
      'to',
    ]);
    node.attribute.push({ ...none, name, type: attributeTypes.INTS, ints: [pick(NUMBERS), pick(NUMBERS)] });
  }),
  // subgraphs where none belongs, and themselves
  onNode((node, pick, graph) => {
    const g = pick([inner, structuredClone(graph)]);
    node.attribute.push({
      ...none,
      name: pick(['body', 'then_branch', 'value']),
      type: attributeTypes.GRAPH,
      g,
    });
  }),
  onAttribute((attribute) => void (attribute.g = attribute.g && { ...attribute.g, output: [] })),
  // inputs and outputs
  onInfo((info, pick) => void (info.name = pick(NAMES))),
  onInfo((info) => void (info.type = undefined)),
  onInfo((info, pick) => void (info.type = { sequenceType: { elemType: pick([{}, info.type ?? {}]) } })),
  onInfo((info, pick) => info.type?.tensorType && void (info.type.tensorType.elemType = pick(DTYPES))),
  onInfo(({ type }, pick) => {
    const dim = type?.tensorType?.shape?.dim;
    if (dim) dim[pick.below(dim.length + 1)] = { dimValue: pick(EXTENTS) };
  }),
  onInfo(({ type }, pick) => {
    const dim = type?.tensorType?.shape?.dim;
    if (dim) dim[pick.below(dim.length + 1)] = pick([{ dimParam: pick(NAMES) }, {}]);
  }),
  onInfo(({ type }, pick) => type?.tensorType?.shape && drop(type.tensorType.shape.dim, pick)),
  onInfo(({ type }) => type?.tensorType && void (type.tensorType.shape = undefined)),
  onGraph((graph, pick) => graph.output.length > 0 && graph.output.push(structuredClone(pick(graph.output)))),
  onGraph((graph, pick) => graph.input.length > 0 && graph.input.push(structuredClone(pick(graph.input)))),
  onGraph((graph, pick) => graph.output.push({ name: pick(valueNames(graph)) })),
  onGraph((graph, pick) => graph.input.push({ name: pick(valueNames(graph)) })),
  onGraph((graph, pick) => drop(pick([graph.input, graph.output as ValueInfoProto[]]), pick)),
  onGraph((graph) => void (graph.output = [])),
  onGraph((graph) => void (graph.node = [])),
  onGraph((graph, pick) => void (graph.name = pick(NAMES))),
  // initializers and constants
  onTensor(
    (tensor, pick) => void (tensor.rawData = tensor.rawData?.slice(0, pick.below(tensor.rawData.length))),
  ),
  onTensor(
    (tensor) => void (tensor.rawData = Buffer.concat([tensor.rawData ?? Buffer.alloc(0), Buffer.alloc(4)])),
  ),
  onTensor((tensor) => void (tensor.rawData = undefined)),
  onTensor((tensor, pick) => void (tensor.dims[pick.below(tensor.dims.length + 1)] = pick(EXTENTS))),
  onTensor((tensor, pick) => drop(tensor.dims, pick)),
  onTensor((tensor, pick) => void (tensor.dataType = pick(DTYPES))),
  onTensor((tensor, pick) => void (tensor.name = pick(NAMES))),
  onTensor((tensor, pick) => void (tensor.floatData = [pick(FLOATS)])),
  onTensor((tensor, pick) => void (tensor.int64Data = [BigInt(pick(NUMBERS))])),
  onTensor((tensor) => void (tensor.stringData = [Buffer.from('s')])),
  onTensor((tensor, pick) => {
    const value = pick(FLOATS);
    const raw = Buffer.from(tensor.rawData ?? []);
    if (raw.length >= 4) raw.writeFloatLE(value, 4 * pick.below(raw.length >> 2));
    tensor.rawData = raw;
  }),
  onTensor((tensor, pick) => {
    const location = pick([
      'nowhere.bin',
      '../x',
      '/etc/passwd',
      '.',
      'm.onnx',
      'pipe',
      '',
      '\0',
      'C:\\x',
      'picture.png',
    ]);
    const [offset, length] = [pick(NUMBERS), pick(NUMBERS)].map(String);
    const entries = Object.entries({ location, offset, length }).filter(() => pick.below(4) > 0);
    Object.assign(tensor, { rawData: undefined, dataLocation: 1 });
    tensor.externalData = entries.map(([key, value]) => ({ key, value }));
  }),
  ({ graph }, pick) => graph && graph.initializer.length > 0 && drop(graph.initializer, pick),
  ({ graph }, pick) =>
    void graph?.initializer.push(tensorProto({ name: pick(valueNames(graph)), dims: [1], dataType: 1 })),
  ({ graph }, pick) => {
    const values = graph?.initializer.length ? pick(graph.initializer) : undefined;
    graph?.sparseInitializer.push({ dims: [pick(EXTENTS)], values, indices: values });
  },
  // the model
  (model, pick) => void (model.irVersion = pick([undefined, 0, 1, 2, 3, 4, 9, 13, 14, 99, -1])),
  (model) => void (model.opsetImport = []),
  (model, pick) => void (model.opsetImport = [{ domain: '', version: 1 + pick.below(99) }]),
  (model, pick) =>
    void (model.opsetImport = [{ domain: pick(NAMES), version: pick(NUMBERS) }, ...model.opsetImport]),
  (model, pick) =>
    void model.opsetImport.push({ domain: pick(['', 'ai.onnx', 'own']), version: 1 + pick.below(25) }),
  (model, pick) => pick.below(8) === 0 && void (model.graph = undefined),
  (model, pick) =>
    void model.metadataProps.push({
      key: pick([
        'network',
        'preprocess',
        'classes',
        'labels',
        'weights.source',
        'weights.sha256',
        '__proto__',
      ]),
      value: pick(['{', '[]', '{"resize":null}', 'null', '0', 'bvlc-alexnet', '["a"]', ...NAMES]),
    }),
  (model, pick) => void (pick.below(2) ? model.metadataProps.splice(0) : drop(model.metadataProps, pick)),
  // functions, some of which call themselves
  (model, pick) => {
    const node = model.graph?.node[0];
    if (!node) return;
    const name = pick([node.opType, 'Own', '', '__proto__']);
    const domain = pick(['own', '', 'ai.onnx']);
    const call = { ...structuredClone(node), opType: name, domain };
    const own = { domain, version: 1 };
    const opsets = [{ domain: '', version: 13 }, own];
    const { input, output } = node;
    const body = pick([[call], [structuredClone(node)], []]);
    model.functions.push({
      name,
      domain,
      input,
      output,
      attribute: pick([[], NAMES]),
      node: body,
      opsetImport: opsets,
    });
    Object.assign(node, { opType: name, domain });
    if (pick.below(4) > 0) model.opsetImport.push(own);
  },
];

/** One to three changes. What cannot be written as a file is for the caller to catch. */
export function changed(model: ModelProto, random: Random): ModelProto {
  const copy = structuredClone(model);
  const pick = Object.assign(<T>(list: readonly T[]): T => list[Math.floor(random() * list.length)], {
    below: (n: number) => Math.floor(random() * n),
  });
  for (let n = 1 + pick.below(3); n > 0; n--) pick(changes)(copy, pick);
  return copy;
}
