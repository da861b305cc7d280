/**
 * The manifests of the docs: Kubernetes' against the types that are made from its published schema, where a field that
 * it does not know is an error too; KServe's against its fields; the Slurm script run with npx in its place.
 */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { loadAll } from 'js-yaml';

const root = fileURLToPath(new URL('../..', import.meta.url));
const read = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');
const blocks = (text: string, language: string): string[] =>
  [...text.matchAll(new RegExp(`^\`\`\`${language}\\n([\\s\\S]*?)^\`\`\``, 'gm'))].map(([, block]) => block);

interface Manifest {
  readonly apiVersion: string;
  readonly kind: string;
}
const manifests = ['serving.md', 'bulk.md']
  .flatMap((name) => blocks(read(name), 'yaml'))
  .flatMap((block) => loadAll(block) as Manifest[]);

/** kserve/kserve, pkg/apis/serving/v1beta1: inference_service.go, predictor.go, predictor_model.go, component.go. */
const kserve = `interface InferenceService {
  apiVersion: 'serving.kserve.io/v1beta1'; kind: 'InferenceService'; metadata: ObjectMeta;
  spec: { predictor: {
    minReplicas?: number; maxReplicas?: number; scaleTarget?: number; timeout?: number; containerConcurrency?: number;
    scaleMetric?: 'cpu' | 'memory' | 'concurrency' | 'rps';
    model: { modelFormat: { name: string; version?: string }; protocolVersion?: 'v1' | 'v2' | 'grpc-v2';
      storageUri?: string; runtime?: string; runtimeVersion?: string; resources?: ResourceRequirements };
  } };
}`;

/** What TypeScript says against manifests as values of their types. */
function complaints(documents: readonly Manifest[], folder: string): string {
  const lines = documents.map((document, i) => {
    const { apiVersion, kind } = document;
    const [group, version] = apiVersion.includes('/') ? apiVersion.split('/') : ['core', apiVersion];
    const from = `import('kubernetes-types/${group}/${version}').${kind}`;
    return `export const m${i}: ${kind === 'InferenceService' ? kind : from} = ${JSON.stringify(document)};`;
  });
  const types = [
    "import type { ObjectMeta } from 'kubernetes-types/meta/v1';",
    "import type { ResourceRequirements } from 'kubernetes-types/core/v1';",
  ];
  writeFileSync(join(folder, 'manifests.ts'), [...types, kserve, ...lines].join('\n'));
  const options = ['--noEmit', '--strict', '--module', 'preserve', '--types', '', '--ignoreConfig'];
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  return spawnSync(process.execPath, [tsc, ...options, join(folder, 'manifests.ts')], { encoding: 'utf8' })
    .stdout;
}

describe('manifests of the docs', function () {
  this.timeout(60_000);
  let folder: string;
  // where the packages are found
  before(() => (folder = mkdtempSync(join(root, 'node_modules/.manifests-'))));
  after(() => rmSync(folder, { recursive: true, force: true }));

  it('are what Kubernetes and KServe take', () => {
    expect(manifests.map(({ kind }) => kind)).to.deep.equal([
      ...['Deployment', 'Service', 'PodDisruptionBudget', 'InferenceService', 'Job'],
    ]);
    expect(complaints(manifests, folder)).to.equal('');
    // each of these is found, in its own line
    const spoilt = [
      ['"containerPort":8000', '"port":8000'],
      ['"matchLabels"', '"labels"'],
      ['"replicas":2', '"replicas":"2"'],
      ['"modelFormat"', '"modelFormats"'],
      ['"backoffLimitPerIndex"', '"backoffLimitsPerIndex"'],
    ].map(([right, wrong]) => {
      const text = manifests.map((one) => JSON.stringify(one)).find((one) => one.includes(right))!;
      return JSON.parse(text.replace(right, wrong));
    });
    const found = [...complaints(spoilt, folder).matchAll(/\((\d+),\d+\): error TS2/g)].map(
      ([, line]) => line,
    );
    expect(new Set(found).size).to.equal(spoilt.length);
  });

  it('every script is one of a shell, and a Slurm task runs its own shard', () => {
    const scripts = ['serving.md', 'bulk.md'].flatMap((name) => blocks(read(name), 'sh'));
    for (const script of scripts)
      expect(spawnSync('sh', ['-n'], { input: script, encoding: 'utf8' }).stderr).to.equal('');
    const slurm = scripts.find((script) => script.includes('#SBATCH'))!;
    const bin = join(folder, 'bin');
    mkdirSync(bin);
    writeFileSync(join(bin, 'npx'), '#!/bin/sh\necho "$@"\n', { mode: 0o755 });
    const env = { PATH: `${bin}:/usr/bin:/bin`, SLURM_ARRAY_TASK_ID: '3' };
    const { stdout } = spawnSync('sh', { input: slurm, env, encoding: 'utf8' });
    expect(stdout).to.match(
      /^alexnet predict \S+ --weights \S+ --shard 3\/8 --out part-3\.jsonl --resume\n$/,
    );
    // of sbatch's manual
    const [, options] = /^#SBATCH (.*)$/m.exec(slurm)!;
    for (const option of options.split(' '))
      expect(option).to.match(/^--(array=0-7|cpus-per-task=\d+|mem=\d+G|requeue|open-mode=append)$/);
  });
});
