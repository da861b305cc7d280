import { spawnSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { expect } from 'chai';
import { type BuildModelOptions, buildModel, joined } from '../../export/index.ts';
import { forward, inputsOf, parameterCount, weightShapes } from '../../lib/fast/oracle.ts';
import { writeModelFile } from '../../lib/onnx/files.ts';
import { networks } from '../../reference/networks/index.ts';
import { type Tensor, zeros } from '../../reference/tensor.ts';
import { narrow, random, randomWeights, run } from '../support/models.ts';
import { introduced } from '../support/random-bounds.ts';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'alexnet-export-'));
after(() => fs.rmSync(folder, { recursive: true }));

describe('every network at narrow widths, exported and run by onnxruntime', function () {
  this.timeout(120_000);

  for (const wide of networks) {
    const network = narrow(wide);
    const weights = randomWeights(network, 11);
    const last = network.layers[network.layers.length - 1].name;
    const runs: (BuildModelOptions & { optimised: boolean; images: number })[] = [
      { optimised: false, lrn: 'native', opset: 13, images: 1 },
      { optimised: true, lrn: 'decomposed', opset: 18, images: 3 },
      { optimised: true, lrn: 'band', opset: 17, images: 2 },
    ];
    for (const { images, ...options } of runs) {
      const how = `optimisation ${options.optimised ? 'all' : 'off'}, LRN ${options.lrn}, batch ${images}`;
      it(`${network.name}: every layer is within its bound of the oracle (${how})`, async () => {
        const x = random([images, ...network.input], 29, 2);
        const values = await run(network, weights, x, options);
        values.set('input', x);
        for (const [index, layer] of network.layers.entries()) {
          const inputs = inputsOf(network, index).map((name) => values.get(name)!);
          expect(introduced(layer, inputs, values.get(layer.name)!, weights), layer.name).to.be.at.most(1);
        }
        const fused = (await run(network, weights, x, { ...options, tapped: false })).get(last)!;
        expectClose(fused, forward(network, weights, x, { precision: 'float64' }), network.layers.length);
      });
    }
  }
});

/**
 * The untouched graph is judged by its output: each layer adds, to first order and relative to the largest output, no
 * more than γ₃₀₀₀, the longest sum of these narrow nets, grows by no more than the network's gain.
 */
function expectClose(y: Tensor, exact: Tensor, layers: number): void {
  expect(y.shape).to.deep.equal(exact.shape);
  const scale = Math.max(...exact.data.map(Math.abs));
  const tolerance = layers * 3000 * 2 ** -24 * scale;
  for (let i = 0; i < y.data.length; i++) expect(Math.abs(y.data[i] - exact.data[i])).to.be.below(tolerance);
}

const checker = `
import json, sys, onnx
from onnx import numpy_helper
for name in sys.argv[1:]:
    model = onnx.load(name)
    refused = None
    try:
        onnx.checker.check_model(name, full_check=True)
    except Exception as e:
        refused = str(e).strip().split(chr(10))[0]
    sums = {t.name: [list(t.dims), float(numpy_helper.to_array(t).astype('float64').sum())]
            for t in model.graph.initializer}
    print(json.dumps({'file': name, 'refused': refused, 'initializers': sums, 'nodes': len(model.graph.node)}))
`;

describe("Python's onnx", function () {
  this.timeout(120_000);

  it('checks every file in full and reads the same weights', function () {
    const version = spawnSync('/usr/bin/python3', [
      '-c',
      'import onnx; print(onnx.__version__, onnx.defs.onnx_opset_version())',
    ]);
    if (version.status !== 0) {
      console.log("      skipped: Debian's python3-onnx is not installed");
      return this.skip();
    }
    const newest = Number(String(version.stdout).trim().split(' ')[1]);
    const files: string[] = [];
    const sums = new Map<string, Map<string, number>>();
    for (const [index, wide] of networks.entries()) {
      const network = narrow(wide);
      const weights = randomWeights(network, 5);
      const options: BuildModelOptions[] = [
        { opset: 13 + (index % 5), lrn: 'native' },
        { opset: 17, lrn: 'decomposed', batch: 2 },
        { opset: 13, lrn: 'band', precision: 'float16' },
        { opset: 18, lrn: 'decomposed' },
      ];
      for (const [i, option] of options.entries()) {
        if (option.opset! > newest) continue;
        const file = path.join(folder, `${network.name}-${i}.onnx`);
        fs.writeFileSync(file, joined(buildModel(network, weights, option).chunks()));
        files.push(file);
        if (option.precision === 'float16') continue;
        const total = (t: Tensor) => (t.data as Float32Array).reduce((sum, v) => sum + v, 0);
        sums.set(file, new Map([...weights].map(([name, t]) => [name, total(t)])));
      }
    }
    if (newest < 18) console.log(`      opset 18 left out: this onnx knows ${newest} at most`);
    const { stdout, stderr, status } = spawnSync('/usr/bin/python3', ['-c', checker, ...files], {
      encoding: 'utf8',
    });
    expect(status, stderr).to.equal(0);
    const results = stdout
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));
    expect(results.length).to.equal(files.length);
    for (const { file, refused, initializers } of results) {
      expect(refused, path.basename(file)).to.equal(null);
      for (const [name, sum] of sums.get(file) ?? []) expect(initializers[name][1]).to.be.closeTo(sum, 1e-6);
    }
  });
});

describe('full-size files', function () {
  this.timeout(120_000);

  it('244 MB are written in under a second, and in at most 1.3 × the weights of extra memory', async function () {
    const network = networks[0];
    const bytes = 4 * parameterCount(network);
    const free = fs.statfsSync(folder);
    if (free.bavail * free.bsize < 2 * bytes) {
      console.log('      skipped: less than 0.5 GB left in the temporary folder');
      return this.skip();
    }
    const weights = new Map([...weightShapes(network)].map(([name, shape]) => [name, zeros(shape)]));
    for (const tensor of weights.values()) tensor.data.fill(0.25);
    const target = path.join(folder, 'full.onnx');
    let peak = 0;
    const resident = () => (peak = Math.max(peak, process.memoryUsage.rss()));
    const before = process.memoryUsage.rss();
    const timer = setInterval(resident, 5);
    const start = performance.now();
    await writeModelFile(target, buildModel(network, weights));
    const seconds = (performance.now() - start) / 1000;
    resident();
    clearInterval(timer);
    const extra = (peak - before) / bytes;
    console.log(`      ${seconds.toFixed(2)} s, ${extra.toFixed(3)} × the weights of extra memory`);
    expect(fs.statSync(target).size).to.be.above(bytes);
    expect(extra).to.be.below(1.3);
    const raw = rawWriteSeconds(bytes);
    // a disk or a machine so busy that plain writing takes half a second is not this program's fault
    expect(seconds).to.be.below(Math.max(1, 2 * raw));
  });
});

/** How long the file system needs for so many bytes in one plain write. */
function rawWriteSeconds(bytes: number): number {
  const file = path.join(folder, 'raw');
  const data = new Uint8Array(bytes).fill(1);
  const start = performance.now();
  const handle = fs.openSync(file, 'w');
  for (let at = 0; at < bytes; ) at += fs.writeSync(handle, data, at);
  fs.closeSync(handle);
  return (performance.now() - start) / 1000;
}
