/** verify --batch: images of noise, or of those that are given, that many a run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { joined } from '../../../export/index.ts';
import { decodeModel, encodeModel } from '../../../export/proto.ts';
import { fromTensor } from '../../../lib/array/value.ts';
import { writeNpy } from '../../../lib/format/npy.ts';
import { modelOf } from '../../../lib/networks/modelfile.ts';
import { verificationJson } from '../../../lib/report/reports.ts';
import { type VerifyOptions, verify } from '../../../lib/verify/index.ts';
import { conv, flatten, linear, relu } from '../../../reference/networks/layers.ts';
import { dense } from '../../../reference/tensor.ts';
import { networkOf, random, randomWeights } from '../../support/models.ts';
import { info, refusal } from '../../support/onnx.ts';
import { integers, makerOf, node, replace } from '../../support/rewrites.ts';

describe('verify --batch', () => {
  const network = networkOf([3, 6, 6], conv('conv', 4, 3), relu('relu'), flatten('flatten'), linear('fc', 5));
  const [C, H, W] = network.input;
  const weights = randomWeights(network, 2);
  const images = random([6, C, H, W], 3);
  let folder: string;

  before(() => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-batch-'));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  /** A file without metadata that takes `N` images a run; `pairs`: it flattens them to [2, −1]. */
  function file(N: number | string, { pairs = false } = {}): string {
    const model = decodeModel(joined(modelOf(network, weights, { source: 'random' }).chunks()));
    const graph = model.graph!;
    model.metadataProps = [];
    graph.input = [info('input', 'float32', [N, C, H, W])];
    graph.output = graph.output.map(({ name }) => info(name!, 'float32'));
    graph.valueInfo = [];
    if (pairs) {
      integers(model, 'pairs', [2, -1]);
      replace(model, makerOf(model, 'flatten'), node('Reshape', ['relu', 'pairs'], 'flatten'));
    }
    const path = join(folder, `${N}${pairs ? '-pairs' : ''}.onnx`);
    writeFileSync(path, encodeModel(model));
    return path;
  }
  const about = (options: VerifyOptions) => verify({ device: 'cpu', network, ...options });
  const array = (): string => {
    const path = join(folder, 'images.npy');
    writeFileSync(path, writeNpy(fromTensor(images)));
    return path;
  };

  it('without input: that many images of noise, by layers and by nodes; the report has their number', async () => {
    for (const by of [network, undefined]) {
      const result = await about({ model: file('N'), network: by, batch: 3 });
      expect(result.verdict).to.equal('pass');
      expect(result.layers.at(-1)!.shape).to.deep.equal([3, 5]);
      expect(result.inputSource).to.match(/uniform noise, seed 0$/);
      const report = JSON.parse(JSON.stringify(verificationJson(result)));
      expect(report.input).to.deep.equal([3, C, H, W]);
    }
    const { input, values } = await about({ model: file('N'), batch: 2 });
    const noise = dense(values.device.get('input')!);
    expect(input).to.deep.equal([2, C, H, W]);
    expect(noise.slice(0, noise.length / 2)).not.to.deep.equal(noise.slice(noise.length / 2));
    expect((await about({ model: file('N') })).input).to.deep.equal([1, C, H, W]);
  });

  it('images that are given: that many a run', async () => {
    const model = file('N', { pairs: true });
    for (const input of [images, array()]) {
      const result = await about({ model, input, batch: 2 });
      expect(result.verdict).to.equal('pass');
      expect(result.input).to.deep.equal([6, C, H, W]);
      expect(result.layers.at(-1)!.shape).to.deep.equal([6, 5]);
    }
    expect(await refusal(() => about({ model, input: images })), 'all six at once').to.contain('GEMM');
  });

  it('a last run of fewer images', async () => {
    const { verdict, input } = await about({ model: file('N'), input: images, batch: 4 });
    expect([verdict, input]).to.deep.equal(['pass', [6, C, H, W]]);
  });

  it('a file of fixed batch 8: noise is 8 images, what is given is repeated until a run is full', async () => {
    const model = file(8);
    for (const by of [network, undefined])
      for (const batch of [undefined, 8]) {
        const { verdict, input } = await about({ model, network: by, batch });
        expect([verdict, input]).to.deep.equal(['pass', [8, C, H, W]]);
      }
    const result = await about({ model, input: images });
    expect(result.verdict).to.equal('pass');
    expect(result.inputSource).to.equal('given in memory, repeated: the file takes 8 images a run');
    expect(result.input).to.deep.equal([8, C, H, W]);
    const fed = dense(result.values.device.get('input')!);
    const size = C * H * W;
    expect([...fed.slice(6 * size)]).to.deep.equal([...dense(images).slice(0, 2 * size)]);
  });

  it('is refused where it exceeds the images, contradicts the file, or comes with a feed by nodes', async () => {
    const cases: [VerifyOptions, string][] = [
      [{ model: file('N'), input: images, batch: 7 }, '--batch 7: there are 6 images; leave it out'],
      [{ model: file(8), batch: 3 }, '--batch 3: the file takes 8 images a run, no other number'],
      [
        { model: file(8), network: undefined, batch: 3 },
        "--batch 3: the input 'input' takes 8 images; leave it out",
      ],
      [
        { model: file('N'), network: undefined, batch: 2, input: array() },
        '--batch 2: without --network what is given is fed at once; leave it out',
      ],
    ];
    for (const [options, text] of cases)
      expect(await refusal(() => about(options))).to.equal(`${options.model}: ${text}`);
  });
});
