import { type ChildProcess, spawn } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { junitXml } from '../../../lib/report/junit.ts';
import { verificationJson } from '../../../lib/report/reports.ts';
import { verdictLine } from '../../../lib/report/terminal.ts';
import { Died, hostApart } from '../../../lib/runtime/apart.ts';
import { openSession } from '../../../lib/runtime/session.ts';
import type { SessionValue } from '../../../lib/runtime/values.ts';
import { verify } from '../../../lib/verify/index.ts';
import { tensor } from '../../../reference/tensor.ts';
import { graph, i64, info, modelBytes, type NodeText, tensorOf } from '../../support/onnx.ts';
import { skipBecause } from '../../support/skip.ts';
import { root } from '../../support/source.ts';

/** x + 1; beside it the least int64 divided by −1, which onnxruntime leaves to a processor that traps. */
function killer(): Uint8Array {
  const least = { dtype: 'int64', shape: [1], data: BigInt64Array.of(-(2n ** 63n)) } as const;
  const nodes: NodeText[] = [
    { op: 'Relu', inputs: ['x'], outputs: ['r'] },
    { op: 'Div', inputs: ['least', 'minus'], outputs: ['q'] },
    { op: 'Cast', inputs: ['q'], outputs: ['f'], attributes: { to: 1 } },
    { op: 'Add', inputs: ['r', 'f'] },
  ];
  const constants = [tensorOf(least, 'least'), tensorOf(i64([-1]), 'minus')];
  return modelBytes(graph(nodes, [info('x', 'float32', [1])], [info('y', 'float32', [1])], constants));
}

/** A loop of 2⁶² rounds. */
function endless(): Uint8Array {
  const body = graph(
    [
      { op: 'Identity', inputs: ['go'], outputs: ['on'] },
      { op: 'Add', inputs: ['s', 's'], outputs: ['t'] },
    ],
    [info('i', 'int64', []), info('go', 'bool', []), info('s', 'float32', [1])],
    [info('on', 'bool', []), info('t', 'float32', [1])],
  );
  const nodes: NodeText[] = [{ op: 'Loop', inputs: ['n', '', 'x'], attributes: { body } }];
  const rounds = { dtype: 'int64', shape: [], data: BigInt64Array.of(2n ** 62n) } as const;
  return modelBytes(
    graph(nodes, [info('x', 'float32', [1])], [info('y', 'float32', [1])], [tensorOf(rounds, 'n')]),
  );
}

const x = (): ReadonlyMap<string, SessionValue> => new Map([['x', tensor(Float32Array.of(1), [1])]]);
const harmless = (): Uint8Array =>
  modelBytes(graph([{ op: 'Neg' }], [info('x', 'float32', [1])], [info('y', 'float32', [1])]));
const folders = () => readdirSync(tmpdir()).filter((name) => name.startsWith('alexnet-onnxruntime-'));
const failure = (work: Promise<unknown>): Promise<Error> =>
  work.then(
    () => new Error('it did not fail'),
    (error: Error) => error,
  );

describe('sessions in a process of their own', () => {
  it('give the same as here, to the last bit, and refuse the same', async () => {
    const types = ['float16', 'float32', 'float64', 'int8', 'uint8', 'int64', 'bool'] as const;
    const nodes: NodeText[] = types.map((type) => ({
      op: 'Identity',
      inputs: [type],
      outputs: [`${type}'`],
    }));
    const of = (name: (typeof types)[number], suffix = '') => info(`${name}${suffix}`, name, ['n']);
    const bytes = modelBytes(
      graph(
        nodes,
        types.map((type) => of(type)),
        types.map((type) => of(type, "'")),
      ),
    );
    const feeds = new Map<string, SessionValue>([
      ['float16', { dtype: 'float16', shape: [2], data: Uint16Array.of(0x3c00, 0xfe01) }],
      ['float32', tensor(Float32Array.of(-0, Number.NaN), [2])],
      ['float64', tensor(Float64Array.of(1 / 3, 2), [2])],
      ['int8', { dtype: 'int8', shape: [2], data: Int8Array.of(-1, 2) }],
      ['uint8', { dtype: 'uint8', shape: [2], data: Uint8Array.of(1, 255) }],
      ['int64', { dtype: 'int64', shape: [2], data: BigInt64Array.of(-(2n ** 63n), 5n) }],
      ['bool', { dtype: 'bool', shape: [0], data: new Uint8Array(0) }],
    ]);
    await using host = hostApart();
    await using there = await host.open(bytes, 'cpu', { profile: true });
    await using here = await openSession(bytes, 'cpu', { profile: true });
    expect(there.inputs).to.deep.equal(here.inputs);
    expect(await there.run(feeds)).to.deep.equal(await here.run(feeds));
    expect(await there.placement()).to.deep.equal(await here.placement());
    const wrong = new Map([...feeds, ['z', feeds.get('bool')!]]);
    const [own, other] = [await failure(here.run(wrong)), await failure(there.run(wrong))];
    expect(other).to.be.instanceOf(InputError);
    expect(other.message).to.equal(own.message);
  });

  it('is an error where onnxruntime dies, and the next model runs', async function () {
    if (process.arch !== 'x64') skipBecause(this, 'only x64 traps where a quotient overflows');
    const before = folders();
    await using host = hostApart();
    const session = await host.open(killer(), 'cpu', { profile: true, optimise: false });
    const error = await failure(session.run(x()));
    expect(error).to.be.instanceOf(Died).and.instanceOf(EnvironmentError);
    expect(error.message).to.equal('onnxruntime died (SIGFPE)');
    expect(folders()).to.have.length.at.most(before.length);
    expect((await failure(session.run(x()))).message).to.equal(error.message);
    await session.release();
    await using next = await host.open(harmless(), 'cpu');
    expect((await next.run(x())).get('y')).to.deep.include({ data: Float32Array.of(-1) });
  });

  it('makes of it a finding of verify, with all else that there is', async function () {
    if (process.arch !== 'x64') skipBecause(this, 'only x64 traps where a quotient overflows');
    const folder = await mkdtemp(join(tmpdir(), 'alexnet-spec-'));
    try {
      const model = join(folder, 'killer.onnx');
      writeFileSync(model, killer());
      const result = await verify({ model, device: 'cpu' });
      expect(verdictLine(result)).to.equal('FAIL: g on CPU: onnxruntime died (SIGFPE)');
      expect(result.runs.map(({ reason, first }) => [reason, first])).to.deep.equal(
        result.runs.map(() => ['onnxruntime died (SIGFPE)', null]),
      );
      expect(result.layers.map(({ layer, verdict, reason }) => [layer, verdict, reason])).to.deep.equal(
        ['r', 'q', 'f', 'y'].map((name) => [name, 'untested', 'onnxruntime died (SIGFPE)']),
      );
      expect(junitXml(result)).to.contain('<failure type="engine-died" message="onnxruntime died (SIGFPE)">');
      expect(JSON.stringify(verificationJson(result))).to.contain('"verdict":"fail"');
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  for (const signal of ['SIGINT', 'SIGTERM', 'SIGKILL'] as const)
    it(`ends with the process that asked, even while it computes (${signal})`, async function () {
      if (process.platform !== 'linux') skipBecause(this, 'only Linux tells whose child a process is');
      const bytes = Buffer.from(endless()).toString('base64');
      const code = `
        const { hostApart } = await import('./lib/runtime/apart.ts');
        const session = await hostApart().open(Buffer.from('${bytes}', 'base64'), 'cpu');
        console.log('open');
        await session.run(new Map([['x', { dtype: 'float32', shape: [1], data: Float32Array.of(1) }]]));`;
      const parent = spawn(process.execPath, ['--import=tsx', '--input-type=module', '-e', code], {
        cwd: root,
        stdio: ['ignore', 'pipe', 'inherit'],
      });
      await new Promise((resolve) => parent.stdout.once('data', resolve));
      const children = childrenOf(parent).filter((pid) => commandOf(pid).includes('apart-child'));
      expect(children).to.have.length(1);
      await new Promise((resolve) => setTimeout(resolve, 300));
      parent.kill(signal);
      const deadline = Date.now() + 10_000;
      while (children.some((pid) => commandOf(pid) !== '') && Date.now() < deadline)
        await new Promise((resolve) => setTimeout(resolve, 100));
      expect(children.map(commandOf)).to.deep.equal(['']);
    });
});

const commandOf = (pid: number): string => {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'latin1');
  } catch {
    return '';
  }
};

const childrenOf = ({ pid }: ChildProcess): number[] =>
  readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').split(' ').filter(Boolean).map(Number);
