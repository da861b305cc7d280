/**
 * Every function of every door, called with arguments of wrong types: each time one line that names what was wrong,
 * never V8's words for what went wrong deep inside.
 */
import { expect } from 'chai';
import * as api from '../../lib/index.ts';

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
const classifier = () => api.Classifier.open({ network: 'cifar-alexnet', engine: 'oracle' });
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
    right: ['nowhere.jpg'],
    none: true,
  },
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

describe('wrong arguments', () => {
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
