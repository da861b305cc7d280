/** What is exported is used: by another file of the sources, or through a door of the package. */
import { readFileSync } from 'node:fs';
import { posix } from 'node:path';
import { expect } from 'chai';
import { root, type Source, sourcesBelow } from './support/source.ts';

/** What specs alone call, and why they cannot come through a door. */
const forSpecs: Readonly<Record<string, string>> = {
  // what other programs print, on machines unlike this one
  parseNvidiaSmi: "nvidia-smi's words",
  parseLdd: "ldd's words",
  pciGpus: "a machine's PCI bus",
  missingParts: 'what a machine lacks',
  proxyFor: "an environment's proxies",
  needsRestart: 'an environment with CUDA',
  restartWithoutTf32: 'an environment with CUDA',
  crash: 'how a probe died',
  // the parts of something large, each held to a source of its own
  KAPPA: 'the constant that docs/error-bounds.md derives',
  kernelBy: 'a kernel among the known mistakes',
  namedCallOf: 'a layer among the known mistakes',
  nodesOf: "the nodes of a file, and each one's bounds",
  vectorOf: 'a test vector, or why there is none',
  reachable: 'what a pickle holds that nobody reads',
  checkOptions: "a training run's options, without a run",
  resizedSize: "Pillow's sizes",
  cropViews: "Pillow's windows",
  decodeImageSync: 'a picture without a thread',
  megapixels: 'the limit as jpeg-js multiplies it',
  boxedWeights: 'the file in the box',
  csvOf: "a training run's table, without a run",
  TARGET: 'when a training run stops',
  operatorNames: 'the table of docs/conformance.md',
  assemble: 'bench/pack-device.ts, which packs onnxruntime with CUDA',
  numberOf: "a name's number, held to published ones",
};

const sources = ['reference', 'export', 'lib', 'companion'].flatMap(sourcesBelow);
const DECLARED = /^export (?:async )?(?:const|let|function\*?|class|interface|type|enum) (\w+)/gm;

/** The files all of whose names a door hands on. */
function handedOn(): ReadonlySet<string> {
  const { exports } = JSON.parse(readFileSync(`${root}/package.json`, 'utf8'));
  const doors = [...JSON.stringify(exports).matchAll(/dist\/([\w/]+)\.js/g)].map(([, path]) => `${path}.ts`);
  const open = [...doors];
  const seen = new Set<string>();
  for (let path = open.pop(); path !== undefined; path = open.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const text = sources.find((source) => source.path === path)?.text ?? '';
    for (const [, target] of text.matchAll(/^export (?:type )?\*[^;]* from '(\.[^']+)'/gm))
      open.push(posix.join(posix.dirname(path), target));
  }
  return seen;
}

/** Names that no other file of the sources knows: 'file: name'. */
function unused(files: readonly Source[], open: ReadonlySet<string>): string[] {
  return files.flatMap(({ path, text }) =>
    [...text.matchAll(DECLARED)]
      .map(([, name]) => name)
      .filter((name) => !open.has(path) && !(name in forSpecs))
      .filter(
        (name) => !files.some((other) => other.path !== path && new RegExp(`\\b${name}\\b`).test(other.code)),
      )
      .map((name) => `${path}: ${name}`),
  );
}

/** A type that stands in the signature of an exported function is exported with it. */
const inSignature = (entry: string): boolean => {
  const [path, name] = entry.split(': ');
  const { text } = sources.find((source) => source.path === path)!;
  return new RegExp(`^export (interface|type) ${name}\\b`, 'm').test(text) && text.split(name).length > 2;
};

describe('exports', () => {
  it('nothing is exported that only specs use, but what is named here with its reason', () => {
    const found = unused(sources, handedOn()).filter((entry) => !inSignature(entry));
    expect(found).to.deep.equal([]);
  });

  it('the rule catches what it is for', () => {
    const file = (path: string, text: string) => ({ path, text, code: text }) as Source;
    const files = [file('lib/a.ts', 'export const one = 1;\nexport const two = 2;'), file('lib/b.ts', 'one')];
    expect(unused(files, new Set())).to.deep.equal(['lib/a.ts: two']);
    expect(unused(files, new Set(['lib/a.ts']))).to.deep.equal([]);
  });
});
