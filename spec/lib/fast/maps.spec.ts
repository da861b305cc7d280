/** The fast normalisations and max-pooling have the bits of the plain loops. */
import { expect } from 'chai';
import * as fast from '../../../lib/fast/node.ts';
import { lrn, mapnorm } from '../../../reference/networks/layers.ts';
import * as plain from '../../../reference/ops/index.ts';
import type { Window } from '../../../reference/ops/window.ts';
import { cast, type Precision, type Tensor, tensor } from '../../../reference/tensor.ts';
import { awkward, firstDifference } from '../../support/bits.ts';

const values = (shape: number[], nonFinite: boolean): Tensor =>
  tensor(
    awkward(
      shape.reduce((a, b) => a * b),
      7,
      { nonFinite },
    ),
    shape,
  );

const expectSame = (a: Tensor, b: Tensor, what: string): void => {
  expect(a.shape, what).to.deep.equal(b.shape);
  expect(a.data.constructor, what).to.equal(b.data.constructor);
  expect(firstDifference(a.data, b.data), `${what}, first difference`).to.equal(-1);
};

const precisions: Precision[] = ['float32', 'float64'];

describe('fast LRN', () => {
  const standard = (lrn('norm') as unknown as { attributes: plain.lrn.Attributes }).attributes;
  const variants: Partial<plain.lrn.Attributes>[] = [
    {},
    { k: 2, divide: false },
    { size: 4, even: 'above' },
    { size: 4, even: 'below', groups: 2 },
    { size: 1 },
    { beta: 0.5 },
    { alpha: 3, k: 1e-3, size: 7 },
  ];
  for (const variant of variants) {
    it(`has the bits of the plain loops with ${JSON.stringify(variant)}`, () => {
      for (const shape of [
        [1, 2, 1, 1],
        [2, 6, 1, 2],
        [1, 8, 3, 5],
        [3, 4, 7, 4],
      ]) {
        for (const nonFinite of [false, true]) {
          for (const storage of precisions) {
            for (const precision of precisions) {
              const x = cast(values(shape, nonFinite), storage);
              const attributes = { ...standard, ...variant };
              const y = fast.lrn.forward([x], attributes, precision);
              expectSame(
                y,
                plain.lrn.forward([x], attributes, precision),
                `${shape} ${storage} ${precision}`,
              );
            }
          }
        }
      }
    });
  }
});

describe('fast normalisation within maps', () => {
  const standard = (mapnorm('norm', 5, 1e-3) as unknown as { attributes: plain.mapnorm.Attributes })
    .attributes;
  for (const variant of [
    {},
    { size: 3 },
    { size: 4, k: 2, divide: false },
    { size: 1 },
    { beta: 1 },
    { size: 9 },
  ]) {
    it(`has the bits of the plain loops with ${JSON.stringify(variant)}`, () => {
      const attributes = { ...standard, ...variant };
      for (const shape of [
        [1, 1, 3, 1],
        [2, 3, 1, 2],
        [1, 2, 5, 7],
        [2, 3, 6, 4],
      ]) {
        for (const nonFinite of [false, true]) {
          for (const storage of precisions) {
            for (const precision of precisions) {
              const x = cast(values(shape, nonFinite), storage);
              const y = fast.mapnorm.forward([x], attributes, precision);
              expectSame(
                y,
                plain.mapnorm.forward([x], attributes, precision),
                `${shape} ${storage} ${precision}`,
              );
            }
          }
        }
      }
    });
  }
});

describe('fast max-pooling', () => {
  const windows: Window[] = [
    { kernel: [3, 3], stride: [2, 2], pad: [0, 0, 0, 0], rounding: 'floor' },
    { kernel: [3, 3], stride: [2, 2], pad: [0, 0, 0, 0], rounding: 'caffe' },
    { kernel: [3, 2], stride: [1, 3], pad: [1, 0, 2, 1], rounding: 'onnx' },
    { kernel: [2, 5], stride: [3, 1], pad: [0, 2, 1, 3], rounding: 'floor' },
    { kernel: [1, 1], stride: [3, 3], pad: [0, 0, 0, 0], rounding: 'caffe' },
  ];
  for (const window of windows) {
    it(`has the bits of the plain loops, the sign of zeros and NaN included, for ${JSON.stringify(window)}`, () => {
      for (const shape of [
        [1, 1, 5, 5],
        [2, 3, 6, 7],
        [1, 5, 13, 11],
        [2, 2, 12, 29],
      ]) {
        for (const nonFinite of [false, true]) {
          for (const precision of precisions) {
            const x = values(shape, nonFinite);
            // many ties, most of them between +0 and −0
            const zeros = tensor(
              Float32Array.from(x.data, (v) => (v > 0 ? 0 : v < -1 ? -1 : -0)),
              shape,
            );
            for (const input of [x, zeros, cast(x, 'float64')]) {
              const y = fast.maxpool.forward([input], window, precision);
              expectSame(y, plain.maxpool.forward([input], window, precision), `${shape} ${precision}`);
            }
          }
        }
      }
    });
  }

  it('shifts a map whose frame is as large as the map: one window, padded above, that leaves the last row out', () => {
    const x = tensor(Float32Array.of(-5, -4, -3, -2, -1), [1, 1, 5, 1]);
    const window = { kernel: [5, 1], stride: [2, 1], pad: [1, 0, 0, 0], rounding: 'floor' } as const;
    expect([...plain.maxpool.forward([x], window).data]).to.deep.equal([-2]);
    expect([...fast.maxpool.forward([x], window).data]).to.deep.equal([-2]);
  });
});
