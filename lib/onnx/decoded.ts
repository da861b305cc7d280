/** A decoded ONNX model as what runs: versions checked, its own functions taken in, names checked. */
import type { ModelProto } from '../../export/proto.ts';
import { checkNames, graphOf } from './graph.ts';
import { inlined } from './inline.ts';
import type { Model } from './model.ts';

const IR = { oldest: 3, newest: 13 };

/** Throws an Error where the model's format is unknown here. */
export function checkVersions(proto: ModelProto): void {
  const ir = proto.irVersion;
  if (ir === undefined) throw new Error('it has no IR version: not an ONNX model');
  if (ir < IR.oldest || ir > IR.newest) {
    throw new Error(`IR version ${ir} is not supported (${IR.oldest} to ${IR.newest} are)`);
  }
  if (!proto.graph) throw new Error('it has no graph');
  if (proto.opsetImport.length === 0) throw new Error('it declares no opset');
}

/** 'ai.onnx' is the long name of ''. */
const shortDomain = (domain: string | undefined): string => (domain === 'ai.onnx' ? '' : (domain ?? ''));

/** Throws an Error where the model makes no sense. `name` is for messages. */
export function modelOf(proto: ModelProto, name: string): Model {
  const opsets = new Map<string, number>();
  for (const { domain, version } of proto.opsetImport) {
    const short = shortDomain(domain);
    const known = opsets.get(short);
    if (known !== undefined && known !== version) {
      throw new Error(`it declares two opsets for '${short || 'ai.onnx'}' (${known} and ${version})`);
    }
    if (!version || version < 1)
      throw new Error(`opset ${version} of '${short || 'ai.onnx'}' makes no sense`);
    opsets.set(short, version);
  }
  const graph = graphOf(inlined(proto, proto.graph!), opsets);
  checkNames(graph);
  return {
    name,
    irVersion: proto.irVersion!,
    producer: [proto.producerName, proto.producerVersion].filter(Boolean).join(' '),
    opsets,
    metadata: new Map(proto.metadataProps.map(({ key, value }) => [key, value])),
    graph,
  };
}
