import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { addCuda, removeCuda } from '../../../lib/runtime/cuda.ts';
import type { Installation } from '../../../lib/runtime/installation.ts';
import { skipBecause } from '../../support/skip.ts';

describe('onnxruntime with CUDA from the npm registry', () => {
  let modules: string;
  let found: Installation;

  beforeEach(function () {
    if (process.platform !== 'linux' || process.arch !== 'x64')
      skipBecause(this, 'onnxruntime has CUDA for linux/x64 alone');
    modules = mkdtempSync(join(tmpdir(), 'alexnet-cuda-'));
    const root = join(modules, 'onnxruntime-node');
    mkdirSync(root);
    writeFileSync(join(root, 'package.json'), '{"version":"1.30.0"}');
    found = { version: '1.30.0', root, binaries: join(root, 'bin/napi-v6/linux/x64') };
  });
  afterEach(() => rmSync(modules, { recursive: true, force: true }));

  /** A registry's archive of a package with other bytes than the right ones. */
  const forged = async ({ name }: { name: string }, folder: string): Promise<string> => {
    const file = join(folder, 'forged.tgz');
    mkdirSync(join(folder, 'package'));
    writeFileSync(join(folder, 'package', 'name'), name);
    execFileSync('tar', ['-czf', file, '-C', folder, 'package']);
    return file;
  };

  it('takes no archive with another hash, and leaves what was installed', async () => {
    const lines: string[] = [];
    const error = await addCuda((line) => lines.push(line), found, forged).catch((e) => e);
    expect(error.name).to.equal('EnvironmentError');
    expect(error.message).to.match(
      /^forged\.tgz from the npm registry is not the file that it should be \(sha512 /,
    );
    expect(lines).to.have.length(1);
    expect(readdirSync(modules)).to.deep.equal(['onnxruntime-node']);
    expect(readFileSync(join(found.root, 'package.json'), 'utf8')).to.equal('{"version":"1.30.0"}');
  });

  it('says that a registry is out of reach, and leaves what was installed', async () => {
    const registry = process.env.npm_config_registry;
    process.env.npm_config_registry = 'http://127.0.0.1:9/';
    process.env.npm_config_fetch_retries = '0';
    try {
      const error = await addCuda(() => {}, found).catch((e) => e);
      expect(error.name).to.equal('EnvironmentError');
      expect(error.message).to.match(/^npm pack failed: .*127\.0\.0\.1:9/);
      expect(error.message).to.not.contain('\n');
    } finally {
      delete process.env.npm_config_fetch_retries;
      if (registry === undefined) delete process.env.npm_config_registry;
      else process.env.npm_config_registry = registry;
    }
    expect(readdirSync(modules)).to.deep.equal(['onnxruntime-node']);
  });

  it('is not added twice, and removing it puts back what was there', async () => {
    const kept = join(modules, '.onnxruntime-node-before-cuda');
    mkdirSync(kept);
    writeFileSync(join(kept, 'package.json'), '{"version":"before"}');
    const error = await addCuda(() => {}, found, forged).catch((e) => e);
    expect(error.message).to.match(/^CUDA was added already .*--remove-cuda undoes it$/);
    await removeCuda(found);
    expect(readFileSync(join(found.root, 'package.json'), 'utf8')).to.equal('{"version":"before"}');
    expect(existsSync(kept)).to.equal(false);
    const again = await removeCuda(found).catch((e) => e);
    expect(again.message).to.equal('--remove-cuda undoes --add-cuda, which has not run here');
  });
});
