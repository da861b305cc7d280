/**
 * The oracle's own chain forward and back, by the names that the graphs give its values, and chains that
 * rounding disturbed.
 */
import type { Network } from '../../../reference/networks/layers.ts';
import { inputsOf, type Weights } from '../../../reference/oracle.ts';
import { dense, type Tensor, tensor } from '../../../reference/tensor.ts';
import {
  type Batch,
  backward,
  type GradientOptions,
  recordLayer,
  trunk,
} from '../../../reference/training/gradient.ts';
import * as loss from '../../../reference/training/loss.ts';
import { operations } from '../../fast/index.ts';
import { disturbed } from '../subject.ts';

export interface Chain {
  /** conv1, dconv1, dconv1.weight, dinput, loss. */
  readonly values: ReadonlyMap<string, Tensor>;
  /** By the parameters' names. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** Ties are the graphs' unless said: every maximum of a pooling window gets its gradient. */
export function oracleChain(
  network: Network,
  weights: Weights,
  batch: Batch,
  options: GradientOptions,
): Chain {
  const values = new Map<string, Tensor>();
  const found = backward(network, weights, batch, {
    ties: 'every',
    ...options,
    trace: ({ name }, y, dy) => void values.set(name, y).set(`d${name}`, dy),
  });
  for (const [name, gradient] of found.gradients) values.set(`d${name}`, gradient);
  if (found.dinput) values.set('dinput', found.dinput);
  values.set('loss', tensor(Float64Array.of(found.loss), []));
  return { values, gradients: found.gradients };
}

/** The chain with an error of random sign on every value: as large as rounding is expected to make it. */
export function disturbedChain(
  network: Network,
  weights: Weights,
  { input, labels, dropout }: Batch,
  expected: ReadonlyMap<string, Float64Array>,
  draw: number,
  ties: GradientOptions['ties'] = 'every',
): Chain {
  const net = trunk(network);
  const values = new Map<string, Tensor>([['input', input]]);
  const found = new Map<string, Tensor>();
  const put = (name: string, t: Tensor): Tensor => {
    const known = found.get(name);
    const sum = known ? added(known, t) : t;
    const value = disturbed(sum, expected.get(name), draw, name);
    found.set(name, value);
    return value;
  };
  const records = net.layers.map((layer, at) => {
    const xs = inputsOf(net, at).map((name) => values.get(name) as Tensor);
    const record = recordLayer(layer, xs, weights, dropout, { ties, operations });
    values.set(layer.name, disturbed(record.y, expected.get(layer.name), draw, layer.name));
    return record;
  });
  const last = net.layers[net.layers.length - 1].name;
  const logits = values.get(last) as Tensor;
  const { loss: mean, p } = loss.forward(logits, labels);
  found.set('loss', disturbed(tensor(Float64Array.of(mean), []), expected.get('loss'), draw, 'loss'));
  put(`d${last}`, loss.backward(logits, labels, p, 'float32'));
  const gradients = new Map<string, Tensor>();
  for (let at = net.layers.length - 1; at >= 0; at--) {
    const { name } = net.layers[at];
    const all = records[at].backward(found.get(`d${name}`) as Tensor);
    const names = inputsOf(net, at);
    const [dw, db] = all.slice(names.length);
    if (dw) gradients.set(`${name}.weight`, put(`d${name}.weight`, dw));
    if (db) gradients.set(`${name}.bias`, put(`d${name}.bias`, db));
    for (const [i, value] of names.entries()) {
      const dx = all[i];
      if (dx) put(`d${value}`, dx);
    }
  }
  return { values: found, gradients };
}

function added(a: Tensor, b: Tensor): Tensor {
  const B = dense(b);
  return tensor(
    new Float32Array(dense(a)).map((v, i) => v + B[i]),
    a.shape,
  );
}
