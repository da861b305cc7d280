import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { networkNamed } from '../../reference/networks/index.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { sizeOf } from '../../reference/tensor.ts';
import { built, runModule } from '../support/child.ts';

const MODULE = '@/lib/disk/temporary.ts';

describe('temporary files', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    for (const name of ['half', 'done']) writeFileSync(join(folder, name), 'x');
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** A process that remembers two files, forgets one, does `before`, and sends itself a signal. */
  function killed(before: string) {
    const program = `
      import { forget, remember } from '${MODULE}';
      remember('half'); remember('done'); forget('done');
      ${before}
      process.kill(process.pid, 'SIGINT');
      setTimeout(() => {}, 200);`;
    return runModule(program, { cwd: folder });
  }

  it('go when a signal ends the process, which still ends by that signal; what is forgotten stays', () => {
    const { signal } = killed('');
    expect(signal).to.equal('SIGINT');
    expect(existsSync(join(folder, 'half'))).to.equal(false);
    expect(existsSync(join(folder, 'done'))).to.equal(true);
  });

  it('stay where the program itself handles the signal', () => {
    const { status } = killed("process.on('SIGINT', () => {});");
    expect(status).to.equal(0);
    expect(existsSync(join(folder, 'half'))).to.equal(true);
  });

  it('stay where a handler for one signal was there before them', () => {
    const program = "forget('half'); process.once('SIGINT', () => {}); remember('half');";
    expect(killed(program).status).to.equal(0);
    expect(existsSync(join(folder, 'half'))).to.equal(true);
  });

  it('leave no handler behind', () => {
    const { signal, stderr } = killed("forget('half'); console.error(process.listenerCount('SIGINT'));");
    expect(signal).to.equal('SIGINT');
    expect(stderr.trim()).to.equal('0');
    expect(existsSync(join(folder, 'half'))).to.equal(true);
  });

  it('go with the next run where the process was killed outright; those of a living one stay', () => {
    const program = `
      import { temporaryFolder } from '${MODULE}';
      import { writeFileSync } from 'node:fs';
      writeFileSync(temporaryFolder('alexnet-model-') + '/weights', 'x');
      process.kill(process.pid, 'SIGKILL');`;
    const env = { ...process.env, TMPDIR: folder };
    const left = () => readdirSync(folder).filter((name) => name.startsWith('alexnet-'));
    runModule(program, { env });
    const [first] = left();
    expect(first).to.match(/^alexnet-model-/);
    const living = first.replace(/-\d+-\d+-/, `-${process.pid}-0-`);
    mkdirSync(join(folder, living));
    runModule(program, { env });
    expect(left()).to.have.length(2).and.include(living).and.not.include(first);
  });

  /** Ends the command by Ctrl-C as soon as it has made something temporary; what is left then. */
  async function interrupted(args: readonly string[]): Promise<string[]> {
    rmSync(join(folder, 'half'));
    rmSync(join(folder, 'done'));
    const env = { ...process.env, TMPDIR: folder };
    const child = spawn(process.execPath, [built(), ...args], {
      cwd: folder,
      env,
      stdio: 'ignore',
    });
    const ended = once(child, 'exit');
    const isTemporary = (name: string) => /^(\.alexnet-.*\.tmp|alexnet-(profile|model)-.*)$/.test(name);
    while (!readdirSync(folder).some(isTemporary)) {
      expect(child.exitCode, 'it ended before').to.equal(null);
      await new Promise((done) => setTimeout(done, 1));
    }
    child.kill('SIGINT');
    expect((await ended)[1]).to.equal('SIGINT');
    return readdirSync(folder).filter((name) => name.includes('alexnet'));
  }

  it('go when Ctrl-C ends a command: half a file, the profile of a session', async () => {
    zeros(join(folder, 'zeros.safetensors'), 'alexnet2012');
    const net = ['--network', 'alexnet2012', '--weights', 'zeros.safetensors'];
    expect(await interrupted(['export', 'w.onnx', ...net])).to.deep.equal([]);
    writeFileSync(join(folder, 'half'), '');
    writeFileSync(join(folder, 'done'), '');
    expect(await interrupted(['verify', '--network', 'cifar-alexnet', '--device', 'cpu'])).to.deep.equal([]);
  });

  it("none are onnxruntime's own: it reports nothing to anybody, in a thread of its own either", () => {
    const program = `
      import { Classifier, verify } from '@/lib/index.ts';
      const net = { network: 'cifar-alexnet', device: 'cpu' };
      await verify(net);
      await (await Classifier.open(net)).close();`;
    // a home that cannot be written is where it would fall back on the working folder
    for (const home of [folder, '/proc']) {
      const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...rest } = process.env;
      const env = { ...rest, HOME: home, TMPDIR: folder };
      const { status, stderr } = runModule(program, { cwd: folder, env });
      expect(status, stderr).to.equal(0);
      const left = readdirSync(folder).filter((name) => !name.startsWith('tsx-'));
      expect(left.sort(), `at home in ${home}`).to.deep.equal(['done', 'half']);
    }
  });
});

/** Weights of full size that take no time to draw and no room on the disk. */
function zeros(file: string, network: string): void {
  let end = 0;
  const header: Record<string, object> = {};
  for (const [name, shape] of weightShapes(networkNamed(network))) {
    const begin = end;
    end += 4 * sizeOf(shape);
    header[name] = { dtype: 'F32', shape, data_offsets: [begin, end] };
  }
  const text = JSON.stringify(header);
  const length = Buffer.alloc(8);
  length.writeBigUInt64LE(BigInt(text.length));
  writeFileSync(file, Buffer.concat([length, Buffer.from(text)]));
  truncateSync(file, length.length + text.length + end);
}
