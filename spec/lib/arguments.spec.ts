/**
 * Every function of every door, called with arguments of wrong types: each time one line that names what was wrong,
 * never V8's words for what went wrong deep inside.
 */
import { expect } from 'chai';
import * as exporting from '../../export/index.ts';
import * as agree from '../../lib/agree/agree.ts';
import * as fast from '../../lib/fast/node.ts';
import * as api from '../../lib/index.ts';
import * as reference from '../../reference/index.ts';

/** What V8 and Node say of a value that nobody looked at. */
const DEEP =
  /Cannot (read|set|destructure|convert|use|access|mix)|is not (a function|iterable|a constructor|defined)|undefined \(|^The "|Invalid (array|typed|Date)/;
const WRONG: readonly unknown[] = [null, 5, 7n, {}, [], [null], Symbol('s'), () => 1, { unknown: 1 }];

/** What the call throws or rejects with; undefined where it returns. */
const failure = async (call: () => unknown): Promise<Error | undefined> => {
  try {
    await call();
    return undefined;
  } catch (error) {
    return error as Error;
  }
};

interface Door {
  readonly call: (...args: never[]) => unknown;
  /** Arguments that are right, or would be if their files were there. */
  readonly right: readonly unknown[];
  /** The place of the options among them. */
  readonly options?: number;
  /** An empty list will do for the first. */
  readonly none?: true;
}

const isObject = (value: unknown) => typeof value === 'object' && value !== null && !Array.isArray(value);
let opened: ReturnType<typeof api.Classifier.open> | undefined;
const classifier = () => {
  opened ??= api.Classifier.open({ network: 'cifar-alexnet', engine: 'oracle' });
  return opened;
};
const doors: Readonly<Record<string, Door>> = {
  networkNamed: { call: api.networkNamed, right: ['bvlc-alexnet'] },
  summary: { call: api.summary, right: [{}], options: 0 },
  exportOnnx: { call: api.exportOnnx, right: ['/nowhere/a.onnx', {}], options: 1 },
  run: { call: api.run, right: ['nowhere.onnx', {}], options: 1 },
  verify: { call: api.verify, right: [{ model: 'nowhere.onnx', device: 'cpu' }], options: 0 },
  conform: { call: api.conform, right: [['nowhere'], {}], options: 1 },
  writeVectors: { call: api.writeVectors, right: ['/dev/null/nowhere', {}], options: 1 },
  predict: { call: api.predict, right: [[], { engine: 'oracle' }], options: 1 },
  'Classifier.open': { call: api.Classifier.open, right: [{ weights: 'nowhere' }], options: 0 },
  'Classifier.classify': {
    call: async (...args: never[]) => (await classifier()).classify(...(args as unknown as [string])),
    right: ['nowhere.jpg', {}],
    options: 1,
    none: true,
  },
  'Classifier.stream': {
    call: async (...args: never[]) => {
      for await (const one of (await classifier()).stream(...(args as unknown as [string]))) if (!one) break;
    },
    right: ['nowhere.jpg', {}],
    options: 1,
    none: true,
  },
  explain: { call: api.explain, right: [{ image: 'nowhere.png' }], options: 0 },
  writePage: { call: api.writePage, right: ['/nowhere/a.html', {}], options: 1 },
  picture: { call: api.picture, right: ['network', { out: '/nowhere/a.svg' }], options: 1 },
  evaluate: { call: api.evaluate, right: [{ data: 'nowhere' }], options: 0 },
  train: { call: api.train, right: [{ data: 'nowhere' }], options: 0 },
  convertWeights: { call: api.convertWeights, right: ['nowhere.npz', 'nowhere/a.npz', {}], options: 2 },
  diffWeights: { call: api.diffWeights, right: ['nowhere.npz', 'nowhere.npz', 'torchvision'] },
  getWeights: { call: api.getWeights, right: ['nobody', {}], options: 1 },
  inspectWeights: { call: api.inspectWeights, right: ['nowhere.npz', 'torchvision'] },
  loadWeights: { call: api.loadWeights, right: ['nowhere.npz', api.networkNamed('torchvision')] },
  readTensors: { call: api.readTensors, right: ['nowhere.npz'] },
  writeTensors: {
    call: api.writeTensors,
    right: ['/nowhere/a.npz', {}, {}],
    options: 2,
  },
};

const network = api.networkNamed('cifar10-full');
const weights = reference.initialise(network, 1, 'kaiming');
const x = reference.zeros([1, 3, 32, 32]);
const batch = { input: x, labels: [1], dropout: 'none' };
const hyper = { rule: 'paper', learningRate: 0.01, momentum: 0.9, weightDecay: 0 };
const picture = { width: 32, height: 32, data: new Uint8Array(3072) };

/** Doors that know nothing of files: they throw TypeError, or RangeError for values that do not fit. */
const pure: Readonly<Record<string, readonly [call: (...args: never[]) => unknown, ...right: unknown[]]>> = {
  'oracle.forward': [api.oracle.forward, network, weights, x, {}],
  'oracle.runLayer': [api.oracle.runLayer, network.layers[0], [x], weights],
  'oracle.shapes': [api.oracle.shapes, network],
  'oracle.weightShapes': [api.oracle.weightShapes, network],
  'oracle.layerMacs': [api.oracle.layerMacs, network, 0],
  'oracle.macs': [api.oracle.macs, network],
  'oracle.parameterCount': [api.oracle.parameterCount, network],
  'reference.forward': [reference.forward, network, weights, x, {}],
  'reference.backward': [reference.backward, network, weights, batch, {}],
  'reference.step': [reference.step, network, weights, new Map(), batch, hyper],
  'reference.fitNetwork': [reference.fitNetwork, network, new Map()],
  'reference.networkNamed': [reference.networkNamed, 'caffenet'],
  'reference.initialise': [reference.initialise, network, 1, 'kaiming'],
  'reference.tensor': [reference.tensor, new Float32Array(1), [1]],
  'reference.zeros': [reference.zeros, [1]],
  'reference.dense': [reference.dense, x],
  'reference.preprocess': [reference.preprocess, picture, network.preprocess, {}],
  buildModel: [exporting.buildModel, network, weights, {}],
  buildGradients: [exporting.buildGradients, network, { batch: 1 }],
  buildStep: [exporting.buildStep, network, { batch: 1 }],
  tap: [exporting.tap, new Uint8Array()],
  joined: [exporting.joined, [new Uint8Array()]],
  configure: [fast.configure, {}],
  workers: [fast.workers, 1],
  oracleOf: [agree.oracleOf, network.layers[0], [x], weights, {}],
  assertAgrees: [agree.assertAgrees, x, x, { atol: 0 }],
  disagreement: [agree.disagreement, x, x, { atol: 0 }],
};

describe('wrong arguments', () => {
  after(async () => (await opened)?.close());

  for (const [name, [call, ...right]] of Object.entries(pure)) {
    it(name, async () => {
      for (const at of right.keys()) {
        for (const value of WRONG.filter((one) => typeof one !== 'symbol')) {
          const place = `argument ${at + 1}: ${JSON.stringify(value, (_, v) => String(v))}`;
          const error = await failure(() => call(...(right.with(at, value) as never[])));
          // an object is an object of options, and an index or a list may do
          if (!error && (isObject(value) || (value !== null && ['number', 'object'].includes(typeof value))))
            continue;
          expect(error, place).to.be.instanceOf(Error);
          expect(error!.name, `${place}: ${error!.message}`).to.be.oneOf([
            'TypeError',
            'RangeError',
            'InputError',
            'AssertionError',
          ]);
          expect(error!.message, place).not.to.match(DEEP);
          // a field of an object may be missing: nothing else is undefined here
          if (typeof value !== 'object') expect(error!.message, place).not.to.include('(= undefined)');
          if (error!.name !== 'AssertionError') expect(error!.message, place).not.to.include('\n');
        }
      }
    });
  }

  for (const [name, { call, right, options, none }] of Object.entries(doors)) {
    const lineOf = async (args: readonly unknown[], place: string): Promise<string> => {
      const error = await failure(() => call(...(args as never[])));
      expect(error, place).to.be.instanceOf(Error);
      expect(error!.message, place).not.to.match(DEEP).and.not.include('\n');
      expect(error, place).to.be.instanceOf(api.InputError);
      return error!.message;
    };
    /** The options that it has, as its own message tells them. */
    const keysOf = async (): Promise<string[]> => {
      const args = [...right];
      args[options!] = { ...(right[options!] as object), unknown: 1 };
      const message = await lineOf(args, 'an unknown option');
      const [, keys] = /unknown option 'unknown' \(there are: (.+)\)$/.exec(message)!;
      expect(message.startsWith(`${name}: `), message).to.equal(true);
      return keys.split(', ');
    };

    it(`${name}: each argument`, async () => {
      for (const at of right.keys()) {
        const wrong = at === options ? WRONG.filter((value) => !isObject(value)) : WRONG;
        for (const value of wrong) {
          if (none && Array.isArray(value) && value.length === 0) continue;
          const args = right.with(at, value);
          await lineOf(
            args,
            `argument ${at + 1}: ${typeof value} ${JSON.stringify(value, (_, v) => String(v))}`,
          );
        }
      }
    });

    if (options !== undefined)
      it(`${name}: each option`, async () => {
        const keys = await keysOf();
        for (const key of keys) {
          for (const value of [null, 7n, Symbol('s')]) {
            const args = [...right];
            args[options] = { ...(right[options] as object), [key]: value };
            expect(await lineOf(args, key), key).to.match(
              new RegExp(`^${name}: ${key} must be .+ \\(= .+\\)$`),
            );
          }
        }
      });
  }
});
