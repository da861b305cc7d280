/** The layers of a network as a subject: a model's values are paired with them (pairing.ts). */
import { decodeModel } from '../../export/proto.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { forward, inputsOf, runLayer } from '../../reference/oracle.ts';
import { cast, type Tensor } from '../../reference/tensor.ts';
import { isFloat } from '../array/dtype.ts';
import { fromTensor, type Value } from '../array/value.ts';
import { classes, type Requirement } from '../bounds/arithmetic.ts';
import type { BoundsContext, LayerCall } from '../bounds/bounds.ts';
import { judgedOutput } from '../bounds/operations.ts';
import { InputError } from '../errors.ts';
import { operations, operationsFor } from '../fast/index.ts';
import { marginOf } from '../judge/margin.ts';
import type { Device } from '../runtime/failures.ts';
import { examine, verificationOf } from './engine.ts';
import type { JudgeOptions, VerifyOptions } from './options.ts';
import type { Pair } from './pairing.ts';
import { sessionsOf } from './sessions.ts';
import { type Computation, disturbed, mustBeFinite, type Subject, tensorOf, type Values } from './subject.ts';
import type { Verification } from './verification.ts';

interface LayersSettings extends JudgeOptions, Pick<VerifyOptions, 'model' | 'batch' | 'plain'> {
  readonly pair: Pair;
  /** (N,C,H,W). */
  readonly input: Tensor;
  readonly device: Device;
}

/** Throws InputError for an input that is no number, EnvironmentError for a device that does not work. */
export async function verifyLayers(settings: LayersSettings): Promise<Verification> {
  const { pair, input, device, batch } = settings;
  mustBeFinite('the input', input);
  for (const [name, t] of pair.weights) mustBeFinite(name, t);
  const required = settings.require ?? (pair.half ? 'float16' : 'float32');
  const chain = oracleChain(settings);
  const subject = layersOf(settings, required, chain);
  const names = new Map([...pair.match.values].filter(([, name]) => name !== pair.input));
  await using provider = await sessionsOf(
    {
      device,
      bytes: pair.model,
      foreign: settings.model !== undefined,
      names,
      outputs: pair.outputs,
      batch,
      accept,
    },
    settings,
  );
  const found = await examine(subject, provider, settings);
  const values = [...found.values].map(([name, v]) => [name, tensorOf(v)] as const);
  return verificationOf([found], {
    ...{ network: subject.name, input: input.shape, device, required },
    values: { device: new Map([['input', input], ...values]), oracle: chain },
  });
}

/** The oracle's own values by layer, the input among them. */
function oracleChain({ pair, input, precision = 'float32', plain }: LayersSettings): Map<string, Tensor> {
  const chain = new Map<string, Tensor>([['input', input]]);
  forward(pair.network, pair.weights, input, {
    precision,
    operations: operationsFor({ plain }),
    trace: (layer, y) => void chain.set(layer.name, y),
  });
  return chain;
}

/** float16 values are widened already, which is exact; float64 is rounded to what a layer stores. */
function accept(value: Value, name: string): Value {
  if (!isFloat(value.dtype))
    throw new InputError(`the model's value '${name}' is ${value.dtype}, not a float`);
  return fromTensor(cast(tensorOf(value), 'float32'));
}

function layersOf(
  { pair, input, device }: LayersSettings,
  required: Requirement,
  chain: ReadonlyMap<string, Tensor>,
): Subject {
  const { network, weights, match, half } = pair;
  const operands = classes[required];
  const fed = fromTensor(input);
  const contextOf = (layer: Layer): BoundsContext => ({
    device,
    operands,
    half,
    // WebGPU has no LRN kernel and leaves it to the CPU's
    runningSum: device !== 'cuda' && match.nativeLrn.has(layer.name),
  });
  const computations = network.layers.map((layer, at): Computation => {
    const { name, kind } = layer;
    const reads = inputsOf(network, at);
    const call = (values: Values): LayerCall => ({
      layer,
      inputs: reads.map((read) => tensorOf(values(read))),
      weights,
    });
    return {
      reads,
      makes: [{ name, kind }],
      judge: (values) => [judgedOutput(call(values), contextOf(layer))],
      layer: call,
      fault: match.faults.get(name),
      unlike: pair.unlike.get(name),
      half,
    };
  });
  return {
    name: network.name,
    operands,
    feeds: new Map([[pair.input, fed]]),
    computations: () => computations,
    given: (name) => (name === 'input' ? fed : undefined),
    chain: (name) => chain.get(name),
    disturbed(draw, errors) {
      const values = new Map([['input', input]]);
      for (const [at, layer] of network.layers.entries()) {
        const inputs = inputsOf(network, at).map((name) => values.get(name) as Tensor);
        const y = runLayer(layer, inputs, weights, 'float32', operations);
        values.set(layer.name, disturbed(y, errors.get(layer.name), draw, layer.name));
      }
      return (name) => values.get(name);
    },
    placed: { by: 'untouched', nodes: match.nodes },
    file: { model: () => decodeModel(pair.model), called: (name) => match.values.get(name) as string },
    margin: (deviations) => marginOf(network, weights, chain, deviations),
  };
}
