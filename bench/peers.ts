/**
 * What is compared with and run under: other engines, and other versions of Node. npm puts them into
 * bench/peers, which git ignores; the package never depends on them.
 */
import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { fileURLToPath } from 'node:url';

const folder = fileURLToPath(new URL('./peers/', import.meta.url));
const platform = `${process.platform === 'win32' ? 'win' : process.platform}-${process.arch}`;

/** Exact versions, by the name under which they are installed. */
const VERSIONS = {
  'onnxruntime-web': 'onnxruntime-web@1.30.0',
  '@tensorflow/tfjs-core': '@tensorflow/tfjs-core@4.22.0',
  '@tensorflow/tfjs-backend-cpu': '@tensorflow/tfjs-backend-cpu@4.22.0',
  '@tensorflow/tfjs-backend-wasm': '@tensorflow/tfjs-backend-wasm@4.22.0',
  convnetjs: 'convnetjs@0.3.0',
  node22: `node22@npm:node-${platform}@22.23.3`,
  node24: `node24@npm:node-${platform}@24.21.0`,
  node26: `node26@npm:node-${platform}@26.12.1`,
} as const;
export type Peer = keyof typeof VERSIONS;

export const engines: readonly Peer[] = [
  'onnxruntime-web',
  '@tensorflow/tfjs-core',
  '@tensorflow/tfjs-backend-cpu',
  '@tensorflow/tfjs-backend-wasm',
  'convnetjs',
];

const isInstalled = (peer: Peer): boolean => existsSync(`${folder}node_modules/${peer}/package.json`);

/** Installs what is missing. Returns why it could not, or null. */
export function install(peers: readonly Peer[]): string | null {
  const missing = peers.filter((peer) => !isInstalled(peer));
  if (missing.length === 0) return null;
  mkdirSync(folder, { recursive: true });
  if (!existsSync(`${folder}package.json`)) writeFileSync(`${folder}package.json`, '{ "private": true }\n');
  const options = ['--prefix', folder, '--save-exact', '--ignore-scripts', '--no-audit', '--no-fund'];
  const { status, stderr } = spawnSync(
    'npm',
    ['install', ...options, ...missing.map((peer) => VERSIONS[peer])],
    {
      encoding: 'utf8',
      timeout: 300_000,
      shell: process.platform === 'win32',
    },
  );
  if (status === 0 && peers.every(isInstalled)) return null;
  const reason =
    stderr?.split('\n').find((line) => line.startsWith('npm error')) ?? 'npm did not end in time';
  return `${missing.join(', ')} could not be installed (${reason})`;
}

/** The executable of another Node version. */
export const nodeOf = (peer: 'node22' | 'node24' | 'node26'): string =>
  `${folder}node_modules/${peer}/bin/node${process.platform === 'win32' ? '.exe' : ''}`;

/** require() as it works inside bench/peers. */
export const requirePeer = createRequire(`${folder}package.json`);
