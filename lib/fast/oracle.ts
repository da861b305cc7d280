/** The oracle for those who import the package: reference/oracle.ts with the fast twins, whose bits are the same. */
import { mustBeObject } from '../../reference/named.ts';
import * as reference from '../../reference/oracle.ts';
import { operations } from './index.ts';

export * from '../../reference/oracle.ts';

export const forward: typeof reference.forward = (network, weights, input, options = {}) => {
  mustBeObject('options', options);
  return reference.forward(network, weights, input, { operations, ...options });
};

export const runLayer: typeof reference.runLayer = (layer, inputs, weights, precision, by = operations) =>
  reference.runLayer(layer, inputs, weights, precision, by);
