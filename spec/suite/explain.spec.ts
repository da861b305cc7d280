import { expect } from 'chai';
import { classes } from '../../lib/bounds/arithmetic.ts';
import type { Bounds, BoundsContext } from '../../lib/bounds/bounds.ts';
import { boundsOf } from '../../lib/bounds/operations.ts';

import { forward, inputsOf, runLayer, type Weights } from '../../lib/fast/oracle.ts';
import { explanationOf, namedCallOf } from '../../lib/judge/explain.ts';
import { mutants } from '../../lib/judge/mistakes/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Layer } from '../../reference/networks/layers.ts';
import { cast, dense, type Tensor } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { judgeLayer } from '../support/judge-layer.ts';

import { narrow, onSmallPictures, random } from '../support/models.ts';

const context: BoundsContext = {
  device: 'cpu',
  operands: classes.float32,
  half: false,
  runningSum: false,
};

/** Layers of every kind, in narrow networks with two images. */
const subjects: Record<string, readonly string[]> = {
  'bvlc-alexnet': ['conv2', 'relu2', 'conv3', 'flatten', 'fc7', 'drop7', 'prob'],
  'alexnet2012-as-run': ['pool1', 'mapnorm2'],
  caffenet: ['norm2'],
  'cifar10-full': ['norm1', 'pool2', 'conv3', 'ip1'],
  'cifar-tanh': ['act1'],
};

/** Mistakes that come to the same: behind a ReLU, with square windows, before another ReLU. */
const equivalents: readonly (readonly string[])[] = [
  ['absolute values instead of squares', 'values instead of squares'],
  ['divided by the height squared', 'always the full window as divisor'],
  ['ReLU fused in', 'starts at 0: negative windows become 0'],
];

interface Fault {
  readonly name: string;
  readonly y: Tensor;
  readonly exact: Tensor;
  readonly bounds: Bounds;
  readonly image: number;
}

/** What each known mistake makes of a layer's inputs, rounded to float32, where that is wrong. */
function faultsOf(layer: Layer, inputs: readonly Tensor[], weights: Weights): Fault[] {
  const call = namedCallOf({ layer, inputs, weights });
  return mutants
    .filter(({ operation }) => operation === layer.kind)
    .flatMap(({ name, run }): Fault[] => {
      let y: Tensor;
      try {
        y = cast(run(call), 'float32');
      } catch {
        return [];
      }
      let seen: { exact: Tensor; bounds: Bounds } | undefined;
      try {
        const found = judgeLayer(layer, inputs, y, weights, context, (judged) => {
          seen = judged;
        });
        if (found.verdict !== 'fail' || !seen) return [];
        return [{ name, y, ...seen, image: found.worst?.index[0] ?? 0 }];
      } catch {
        return []; // another shape: verify says so before any number is compared
      }
    });
}

describe('the mistake behind a wrong layer is named', () => {
  for (const [name, layers] of Object.entries(subjects)) {
    const network = onSmallPictures(narrow(networkNamed(name)));
    const weights = initialise(network, 3, 'kaiming');
    const chain = new Map<string, Tensor>();
    before(() => {
      const x = random([2, ...network.input], 5, 100);
      chain.set('input', x);
      forward(network, weights, x, {
        precision: 'float32',
        trace: (layer, y) => void chain.set(layer.name, y),
      });
    });
    for (const [at, layer] of network.layers.entries()) {
      if (!layers.includes(layer.name)) continue;
      it(`${name}, ${layer.name}: each known mistake`, () => {
        const inputs = inputsOf(network, at).map((from) => chain.get(from)!);
        const faults = faultsOf(layer, inputs, weights);
        expect(faults.length).to.be.at.least(3);
        for (const { name: mistake, y, exact, bounds, image } of faults) {
          const { matches } = explanationOf(
            { layer, inputs, weights },
            { y, exact, bound: bounds.bound },
            image,
          );
          const same = equivalents.find((names) => names.includes(mistake)) ?? [mistake];
          expect(matches, mistake).to.include(mistake);
          expect(same, `${mistake}: ${matches}`).to.include.members([...matches]);
        }
      }).timeout(120_000);
    }
  }
});

describe('no mistake is named that explains nothing', () => {
  const network = narrow(networkNamed('cifar10-full'));
  const weights = initialise(network, 3, 'kaiming');
  const x = random([2, ...network.input], 5, 100);
  const layer = network.layers[0];
  const faulty = (change: (y: Float32Array) => void): readonly string[] => {
    const exact = runLayer(layer, [x], weights, 'float64');
    const y = cast(exact, 'float32');
    change(dense(y) as Float32Array);
    const { bound } = boundsOf(layer, [x], exact, weights, context);
    return explanationOf({ layer, inputs: [x], weights }, { y, exact, bound }, 1).matches;
  };

  it('one wrong value among thousands', () => {
    expect(
      faulty((y) => {
        y[y.length - 1] += 1000;
      }),
    ).to.deep.equal([]);
  });

  it('one NaN', () => {
    expect(
      faulty((y) => {
        y[5] = Number.NaN;
      }),
    ).to.deep.equal([]);
  });
});
