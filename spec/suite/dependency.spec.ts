/**
 * The package as a dependency, under both npm that Node brings: packed, installed into an empty project with strict
 * TypeScript, listed, and used through every door and the binary.
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
   * An empty project and npm in it, with the package: installed, or in the lock alone, for which npm takes the tarball
   * apart too. `npm ci` would take either lock. What is unpacked is 300 MB.
   */
  function withPackage(test: Mocha.Context, major: number, ...only: '--package-lock-only'[]) {
    const cli = npmOf(test, major);
    const app = mkdtempSync(join(folder, `app${major}-`));
    const npm = (...args: string[]) => printed(node(app, cli, ...args));
    expect(npm('--version')).to.match(new RegExp(`^${major}\\.`));
    writeFileSync(join(app, 'package.json'), '{"name":"app","version":"1.0.0","type":"module"}');
    const from = ['--prefer-offline', '--no-audit', '--no-fund'];
    const got = node(app, cli, 'install', ...only, '--fetch-retries=1', ...from, tarball);
    if (got.status !== 0 && unreachable(got.stderr))
      skipBecause(test, "npm's registry cannot be reached, so that the dependencies cannot come");
    printed(got);
    npm('ci', '--dry-run', ...from);

    const listed = JSON.parse(npm('ls', '--all', '--json', ...only));
    expect(listed.problems ?? []).to.deep.equal([]);
    const { components } = JSON.parse(npm('sbom', '--sbom-format', 'cyclonedx', ...only));
    const versionOf = (name: string) =>
      components.find((one: { name: string }) => one.name === name)?.version;
    expect(versionOf('onnx-proto')).to.equal('8.0.1');
    expect(versionOf('protobufjs')).to.match(/^8\./);
    return { app, npm };
  }

  it('is locked and listed by npm 11, which could install it', function () {
    withPackage(this, 11, '--package-lock-only');
  });

  it('is installed and listed by npm 10, compiles and runs', function () {
    const { app, npm } = withPackage(this, 10);
    const write = (name: string, text: string) => writeFileSync(join(app, name), text);
    const imports = doors.map(
      (door, i) => `import * as door${i} from '${door.replace('.', 'alexnet-oracle')}';`,
    );
    const counted = doors.map((_, i) => `Object.keys(door${i}).length`);
    write('main.ts', [...imports, `console.log(JSON.stringify([${counted}]));`].join('\n'));
    const types = { types: ['node'], typeRoots: [join(root, 'node_modules/@types')] };
    const options = { strict: true, target: 'es2023', module: 'nodenext', ...types };
    write('tsconfig.json', JSON.stringify({ compilerOptions: options, files: ['main.ts'] }));
    printed(node(app, join(root, 'node_modules/typescript/bin/tsc')));
    const exported = JSON.parse(printed(node(app, 'main.js')));
    expect(exported).to.have.length(doors.length);
    for (const [i, count] of exported.entries()) expect(count, doors[i]).to.be.above(0);

    expect(npm('exec', '--', 'alexnet', 'verify', '--network', 'cifar-relu')).to.match(/^PASS: cifar-relu/m);
  });
});
