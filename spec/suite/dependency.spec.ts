/**
 * The package as a dependency, under both npm that Node brings: packed, installed into an empty project with strict
 * TypeScript, installed again from the lock file, listed, and used through every door and the binary.
 * npm and what the package depends on come from npm's registry; where it cannot be reached this is skipped.
 */
import { type SpawnSyncReturns, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { built } from '../support/child.ts';
import { unreachable } from '../support/registry.ts';
import { skipBecause } from '../support/skip.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'));
const doors = Object.keys(manifest.exports).filter((door) => !door.endsWith('.json'));

/** npm's way to the registry as the user has it, without the other settings of the npm that runs these specs. */
const env = {
  ...Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !name.startsWith('npm_') || /registry|cache|proxy/.test(name),
    ),
  ),
  ONNXRUNTIME_NODE_INSTALL: 'skip', // as README says; NuGet is not asked
};

type Run = SpawnSyncReturns<string>;
const node = (cwd: string, ...args: string[]): Run =>
  spawnSync(process.execPath, args, { cwd, env, encoding: 'utf8', maxBuffer: 1 << 26 });

/** What a program printed, where it ended well; else the test fails with all that it said. */
function printed({ status, stdout, stderr }: Run): string {
  expect(status, `${stderr}\n${stdout}`).to.equal(0);
  return stdout;
}

describe('the package as a dependency', function () {
  this.timeout(600_000);
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-dependency-'));
  after(() => rmSync(folder, { recursive: true, force: true }));

  let tarball = '';
  before(() => {
    built(); // it is packed as it is: to build it anew would take it from under the specs beside this one
    const [packed] = JSON.parse(
      printed(
        spawnSync('npm', ['pack', '--ignore-scripts', '--json', '--pack-destination', folder], {
          cwd: root,
          env,
          encoding: 'utf8',
        }),
      ),
    );
    expect(packed.bundled).to.include.members(['onnx-proto', 'protobufjs']);
    tarball = join(folder, packed.filename);
  });

  /** npm of this major version: the one that is here, or else fetched. */
  function npmOf(test: Mocha.Context, major: number): string {
    const here = join(printed(spawnSync('npm', ['root', '--global'], { encoding: 'utf8' })).trim(), 'npm');
    const own = join(here, 'package.json');
    if (existsSync(own) && JSON.parse(readFileSync(own, 'utf8')).version.startsWith(`${major}.`))
      return join(here, 'bin/npm-cli.js');
    const home = mkdtempSync(join(folder, `npm${major}-`));
    const how = ['--prefix', home, '--fetch-retries=1', '--prefer-offline'];
    const fetched = spawnSync('npm', ['install', ...how, `npm@${major}`], { env, encoding: 'utf8' });
    if (fetched.status !== 0 && unreachable(fetched.stderr))
      skipBecause(test, `npm's registry cannot be reached, so that npm ${major} cannot come`);
    printed(fetched);
    return join(home, 'node_modules/npm/bin/npm-cli.js');
  }

  /**
   * An empty project and npm in it, with the package: installed at once, or as on a second machine, by `npm ci` from
   * the lock that `npm install` writes. What is unpacked is 300 MB, so that each way goes with one of the two npm.
   */
  function installed(test: Mocha.Context, major: number, way: 'install' | 'ci', ...beside: string[]) {
    const cli = npmOf(test, major);
    const app = mkdtempSync(join(folder, `app${major}-`));
    const npm = (...args: string[]) => printed(node(app, cli, ...args));
    expect(npm('--version')).to.match(new RegExp(`^${major}\\.`));
    writeFileSync(join(app, 'package.json'), '{"name":"app","version":"1.0.0","type":"module"}');
    const from = ['--prefer-offline', '--no-audit', '--no-fund'];
    const lock = way === 'ci' ? ['--package-lock-only'] : [];
    const got = node(app, cli, 'install', ...lock, '--fetch-retries=1', ...from, tarball, ...beside);
    if (got.status !== 0 && unreachable(got.stderr))
      skipBecause(test, "npm's registry cannot be reached, so that the dependencies cannot come");
    printed(got);
    npm('ci', ...from, ...(way === 'ci' ? [] : ['--dry-run']));
    return { app, npm };
  }

  function expectListed(npm: (...args: string[]) => string): void {
    const listed = JSON.parse(npm('ls', '--all', '--json'));
    expect(listed.problems ?? []).to.deep.equal([]);
    const { components } = JSON.parse(npm('sbom', '--sbom-format', 'cyclonedx'));
    const versionOf = (name: string) =>
      components.find((one: { name: string }) => one.name === name)?.version;
    expect(versionOf('onnx-proto')).to.equal('8.0.1');
    expect(versionOf('protobufjs')).to.match(/^8\./);
  }

  it('installs with npm 10, whose lock is right, lists and runs', function () {
    const { npm } = installed(this, 10, 'install');
    expectListed(npm);
    expect(npm('exec', '--', 'alexnet', 'summary')).to.match(/60,965,224/);
  });

  it('installs from the lock, lists, compiles and runs with npm 11', function () {
    const { app, npm } = installed(this, 11, 'ci', 'typescript@7', '@types/node@20');
    expectListed(npm);

    const write = (name: string, text: string) => writeFileSync(join(app, name), text);
    const imports = doors.map(
      (door, i) => `import * as door${i} from '${door.replace('.', 'alexnet-oracle')}';`,
    );
    const counted = doors.map((_, i) => `Object.keys(door${i}).length`);
    write('main.ts', [...imports, `console.log(JSON.stringify([${counted}]));`].join('\n'));
    const options = { strict: true, target: 'es2023', module: 'nodenext', types: ['node'] };
    write('tsconfig.json', JSON.stringify({ compilerOptions: options, files: ['main.ts'] }));
    npm('exec', '--', 'tsc');
    const exported = JSON.parse(printed(node(app, 'main.js')));
    expect(exported).to.have.length(doors.length);
    for (const [i, count] of exported.entries()) expect(count, doors[i]).to.be.above(0);

    expect(npm('exec', '--', 'alexnet', 'verify', '--network', 'cifar-relu')).to.match(/^PASS: cifar-relu/m);
  });
});
