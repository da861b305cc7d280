import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Ajv2020 } from 'ajv/dist/2020.js';
import { expect } from 'chai';
import { joined } from '../../export/index.ts';
import { decodeModel, encodeModel } from '../../export/proto.ts';
import { modelOf } from '../../lib/networks/modelfile.ts';
import { readBaseline, sinceBaseline } from '../../lib/report/baseline.ts';
import { verificationJson } from '../../lib/report/reports.ts';
import { verify } from '../../lib/verify/index.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import type { Weights } from '../../reference/oracle.ts';
import { map } from '../../reference/tensor.ts';
import { initialise } from '../../reference/training/init.ts';
import { faults } from '../support/faults.ts';
import { narrow } from '../support/models.ts';

type Schema = Record<string, unknown>;

const schema = JSON.parse(
  readFileSync(new URL('../../docs/verification.schema.json', import.meta.url), 'utf8'),
) as Schema;

/** The same schema, refusing what it does not describe. */
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(closed);
  if (typeof value !== 'object' || value === null) return value;
  const copy = Object.fromEntries(Object.entries(value).map(([key, item]) => [key, closed(item)]));
  return 'properties' in value ? { ...copy, additionalProperties: false } : copy;
}

describe('the JSON of verify keeps to its published schema', () => {
  const network = narrow(networkNamed('bvlc-alexnet'));
  const validate = new Ajv2020({ strict: true, allowUnionTypes: true }).compile(closed(schema) as Schema);
  let folder: string;
  let right: Awaited<ReturnType<typeof reportOf>>;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'alexnet-'));
    right = await reportOf('right', weights);
  });
  after(() => rmSync(folder, { recursive: true, force: true }));

  async function reportOf(name: string, weights: Weights, plant?: (typeof faults)[number]) {
    const path = join(folder, `${name}.onnx`);
    const model = decodeModel(joined(modelOf(network, weights, { source: 'seed 4, caffe' }).chunks()));
    plant?.plant(model);
    writeFileSync(path, encodeModel(model));
    const result = await verify({ model: path, network: 'bvlc-alexnet', device: 'cpu' });
    const text = JSON.stringify(verificationJson(result));
    return { result, text, json: JSON.parse(text) };
  }
  const valid = (json: unknown): void => {
    expect(validate(json), JSON.stringify(validate.errors)).to.equal(true);
  };
  const weights = initialise(network, 4, 'caffe');

  it('with --graph training too', async () => {
    const small = narrow(networkNamed('cifar-relu'));
    const of = { network: small, weights: initialise(small, 4, 'caffe') };
    const result = await verify({ ...of, graph: 'training', device: 'cpu', batch: 1 });
    expect(result.verdict).to.equal('pass');
    expect(
      validate(JSON.parse(JSON.stringify(verificationJson(result)))),
      JSON.stringify(validate.errors),
    ).to.equal(true);
  });

  it('a run that passes', () => {
    const { json, result } = right;
    expect(json.verdict).to.equal('pass');
    valid(json);
    for (const { layer, details, introduced } of result.layers) {
      const { counts } = details!.ulps;
      const compared = counts.reduce((sum, n) => sum + n, 0) + details!.unbounded;
      expect(compared, layer).to.equal(introduced?.count);
      expect(Math.max(...details!.channels!.overBound), layer).to.be.closeTo(
        introduced!.overBound,
        1e-3 * introduced!.overBound,
      );
      if (introduced?.worst) expect(details!.worst[0], layer).to.deep.equal(introduced.worst);
    }
  });

  it('a run that fails', async () => {
    const { json } = await reportOf('wrong', weights, faults[0]);
    expect(json).to.include({ verdict: 'fail', first: 'norm1' });
    valid(json);
    expect(
      json.layers.find((row: { layer: string }) => row.layer === 'norm1').details.worst,
    ).to.have.lengthOf(10);
  });

  it('a run with infinities and NaN, which JSON has no numbers for', async () => {
    const huge = new Map(
      [...weights].map(([k, t]) => [k, k.endsWith('weight') ? map(t, (v) => v * 1e25) : t]),
    );
    const { json, text } = await reportOf('huge', huge);
    expect(text).to.match(/"Infinity"/);
    expect(text).to.match(/"NaN"/);
    valid(json);
  });

  it('the schema refuses a missing verdict, an unknown one and a number in words', () => {
    const { json } = right;
    expect(validate({ ...json, verdict: undefined })).to.equal(false);
    expect(validate({ ...json, verdict: 'fine' })).to.equal(false);
    expect(validate({ ...json, layers: [{ ...json.layers[0], accumulated: 'a lot' }] })).to.equal(false);
  });

  it('runs with other weights are no loss to one another: accuracy is compared, not values', async () => {
    const runs = [];
    for (const method of ['caffe', 'kaiming', 'paper'] as const)
      runs.push(await reportOf(method, initialise(network, 9, method)));
    for (const [at, { text }] of runs.entries()) {
      writeFileSync(join(folder, `${at}.json`), text);
      const baseline = await readBaseline(join(folder, `${at}.json`));
      for (const { result } of runs) expect(sinceBaseline(baseline, result).lost).to.deep.equal([]);
    }
  });
});
