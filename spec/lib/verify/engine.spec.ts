/** The runs: what each is held against, with a subject of one value and values that nobody computed. */
import { expect } from 'chai';
import type { Value } from '../../../lib/array/value.ts';
import { classes } from '../../../lib/bounds/arithmetic.ts';
import { Died } from '../../../lib/runtime/apart.ts';
import { examine } from '../../../lib/verify/engine.ts';
import type { Provider, Run, Way } from '../../../lib/verify/provider.ts';
import type { Computation, Subject } from '../../../lib/verify/subject.ts';
import { t } from '../../support/hand.ts';
import { f32 } from '../../support/onnx.ts';

/** The value y = (3, 4) with a bound of 0.5; disturbed chains are off by what `carried` says in the first element. */
function subject(carried: readonly number[], about: Partial<Computation> = {}): Subject {
  const exact = t([2], 3, 4);
  return {
    name: 'test',
    operands: classes.float32,
    feeds: new Map(),
    computations: () => [
      {
        reads: [],
        makes: [{ name: 'y', kind: 'tanh' }],
        judge: () => [{ exact, bounds: { bound: Float64Array.of(0.5, 0.5) } }],
        ...about,
      },
    ],
    given: () => undefined,
    chain: () => exact,
    disturbed: (draw) => () => t([2], 3 + carried[draw], 4),
    placed: { by: 'untouched' },
    file: { model: () => ({}) as ReturnType<Subject['file']['model']>, called: (name) => name },
  };
}

const tapped: Way = { graph: 'tapped', level: 'disabled' };
const optimised: Way = { graph: 'tapped', level: 'all' };
const untouched: Way = { graph: 'untouched', level: 'all' };

function provider(...runs: readonly (readonly [Way, readonly number[] | Error | Partial<Run>])[]): Provider {
  const [first, ...others] = runs.map(([way]) => way);
  return {
    device: 'cpu',
    ways: [first, ...others],
    async run(_, way): Promise<Run> {
      const found = runs.find(([own]) => own === way)![1];
      if (found instanceof Error) throw found;
      const given = 'length' in found ? { values: new Map([['y', f32(found)]]) } : found;
      return { values: new Map(), placement: null, unstable: [], ...given };
    },
    async [Symbol.asyncDispose]() {},
  };
}

const verdicts = async (of: Subject, by: Provider) => {
  const { runs } = await examine(of, by);
  return runs.map(({ verdict, reason }) => [verdict, reason]);
};

describe('the runs', () => {
  it('the tapped graph is judged by its bounds: 0.49 passes, 0.51 fails', async () => {
    expect(await verdicts(subject([]), provider([tapped, [3.49, 4]]))).to.deep.equal([['pass', '']]);
    const [[verdict, reason]] = await verdicts(subject([]), provider([tapped, [3.51, 4]]));
    expect([verdict, reason]).to.deep.equal(['fail', '1 of 2 values beyond the bound']);
  });

  it('of the optimised graph what has other bits', async () => {
    const right = await examine(subject([]), provider([tapped, [3, 4]], [optimised, [3.4, 4]]));
    expect(right.runs.map(({ verdict }) => verdict)).to.deep.equal(['pass', 'pass']);
    const wrong = await examine(subject([]), provider([tapped, [3, 4]], [optimised, [3.6, 4]]));
    expect(wrong.runs.map(({ verdict, first }) => [verdict, first])).to.deep.equal([
      ['pass', null],
      ['fail', 'y'],
    ]);
  });

  it('the untouched graph’s outputs: the bits of a right run, else the largest of three disturbed chains', async () => {
    const of = (y: number, carried: readonly number[]) =>
      verdicts(subject(carried), provider([tapped, [3.25, 4]], [untouched, [y, 4]]));
    expect((await of(3.25, [0, 0, 0]))[1]).to.deep.equal(['pass', '']);
    // 0.1 of ‖(3, 4)‖ = 5
    for (const carried of [
      [0.1, 0, 0],
      [0, 0.1, 0],
      [0, 0, 0.1],
    ]) {
      expect((await of(3.099, carried))[1][0]).to.equal('pass');
      expect((await of(3.101, carried))[1]).to.deep.equal([
        'fail',
        'off by 2.0e-2 of the output, right rounding carries at most 2.0e-2',
      ]);
    }
    expect((await of(3.101, [0, 0, 0, 1]))[1][0]).to.equal('fail');
  });

  it('and two roundings of the type that is stored: 2u = 2⁻²³ in float32, 2⁻¹⁰ in float16', async () => {
    const of = (y: Value) =>
      verdicts(
        subject([0, 0, 0]),
        provider([tapped, [3.25, 4]], [untouched, { values: new Map([['y', y]]) }]),
      );
    // 5·2⁻²³ = 5.96e-7, of float32's spacing at 3, 2⁻²², 2.5 steps
    expect((await of(f32([3 + 2 * 2 ** -22, 4])))[1][0]).to.equal('pass');
    expect((await of(f32([3 + 3 * 2 ** -22, 4])))[1][0]).to.equal('fail');
    // 5·2⁻¹⁰ = 0.00488, of float16's spacing at 3, 2⁻⁹, 2.5 steps
    expect((await of({ ...f32([3 + 2 * 2 ** -9, 4]), dtype: 'float16' }))[1][0]).to.equal('pass');
    expect((await of({ ...f32([3 + 3 * 2 ** -9, 4]), dtype: 'float16' }))[1][0]).to.equal('fail');
  });

  it('a run that is wrong vouches for no other', async () => {
    const found = await verdicts(subject([0, 0, 0]), provider([tapped, [3.6, 4]], [untouched, [3.6, 4]]));
    expect(found.map(([verdict]) => verdict)).to.deep.equal(['fail', 'fail']);
  });

  it('an output without a bound is not compared; one that is not repeatable is suspicious', async () => {
    const none = subject([0, 0, 0], { judge: () => [null] });
    const [, [verdict, reason]] = await verdicts(none, provider([tapped, [3, 4]], [untouched, [9, 9]]));
    expect(verdict).to.equal('untested');
    expect(reason).to.match(/^y: not compared/);
    const unstable = { values: new Map([['y', f32([3, 4])]]), unstable: ['y'] };
    expect(await verdicts(subject([]), provider([tapped, unstable]))).to.deep.equal([
      ['suspicious', 'not repeatable: y differed'],
    ]);
  });

  it('an engine that died is a finding, and nothing was tested; another error is thrown', async () => {
    const died = await examine(subject([]), provider([tapped, new Died('it died')]));
    expect(died.runs[0]).to.include({ verdict: 'fail', reason: 'it died' });
    expect(died.rows[0]).to.include({ verdict: 'untested', reason: 'it died' });
    const error = await examine(subject([]), provider([tapped, new Error('else')])).catch((e: Error) => e);
    expect(error).to.be.an('error').with.property('message', 'else');
  });

  it('weights that are not the given ones fail however well they compute, a fault without a number', async () => {
    const unlike = await examine(subject([], { unlike: 'other weights' }), provider([tapped, [3, 4]]));
    expect(unlike.rows[0]).to.include({ verdict: 'fail', reason: 'other weights' });
    const fault = await examine(subject([], { fault: 'no bias' }), provider([tapped, [3, 4]]));
    expect(fault.rows[0]).to.include({ verdict: 'fail', reason: 'no bias', introduced: null });
    const gone = await examine(subject([]), provider([tapped, { values: new Map() }]));
    expect(gone.rows[0]).to.include({ verdict: 'fail', reason: 'the model has no such value' });
    const short = await examine(subject([]), provider([tapped, [3]]));
    expect(short.rows[0]).to.include({ reason: 'shape [1] on the device, [2] in the oracle' });
  });

  it('details up to so many elements, in units of the type that is stored', async () => {
    const details = async (about: Partial<Computation>, detailed?: number, y = [3 + 2 ** -10, 4]) => {
      const { rows } = await examine({ ...subject([], about), detailed }, provider([tapped, y]));
      return rows[0].details;
    };
    const upTo = (found: Awaited<ReturnType<typeof details>>) =>
      found!.ulps.edges[found!.ulps.counts.findLastIndex((n) => n > 0)];
    // 2⁻¹⁰ is 2¹² of float32's steps at 3, half a step of float16's
    expect(upTo(await details({}))).to.equal(2 ** 12);
    expect(upTo(await details({ half: true }))).to.equal(0.5);
    expect(await details({}, 2)).to.be.an('object');
    expect(await details({}, 1)).to.equal(undefined);
    const none = t([0]);
    const empty = { judge: () => [{ exact: none, bounds: { bound: new Float64Array(0) } }] };
    const nothing = { ...subject([], empty), chain: () => none };
    expect((await examine(nothing, provider([tapped, []]))).rows[0].details).to.equal(undefined);
  });
});
