import { expect } from 'chai';
import { dataTypes } from '../../export/dtypes.ts';
import { buildGradients, buildStep } from '../../export/index.ts';
import { type NodeProto, nodeProto } from '../../export/proto.ts';
import { networkNamed, networks } from '../../reference/networks/index.ts';
import { weightShapes } from '../../reference/oracle.ts';
import { covering, narrow } from '../support/models.ts';
import { attribute } from '../support/onnx.ts';
import { skipBecause } from '../support/skip.ts';
import { linesOnWebgpu, needsSwiftshader } from '../support/swiftshader.ts';
import { verifyNarrow, withNodes } from '../support/verify-training.ts';

describe('verify --graph gradients: every network at narrow widths', function () {
  this.timeout(300_000);

  for (const { name } of networks) {
    it(`${name}: all gradients are within their bounds on the CPU`, async () => {
      const { verdict, layers, runs } = await verifyNarrow(name);
      expect(
        layers.filter((row) => row.verdict !== 'pass').map(({ layer, reason }) => `${layer}: ${reason}`),
      ).to.deep.equal([]);
      expect(runs.map((run) => run.verdict)).to.deep.equal(['pass', 'pass', 'pass']);
      expect(verdict).to.equal('pass');
      const rows = new Set(layers.map(({ layer }) => layer));
      for (const parameter of weightShapes(networkNamed(name)).keys())
        expect(rows).to.include(`d${parameter}`);
      expect(rows).to.include('dinput').and.to.include('loss');
    });
  }
});

describe('verify --graph training: every form of the update', function () {
  this.timeout(300_000);

  for (const rule of ['paper', 'as-run', 'caffe', 'pytorch'] as const) {
    it(`${rule}: three steps of cifar10-full end within their bounds, and in the oracle's own state`, async () => {
      const { verdict, layers, values } = await verifyNarrow('cifar10-full', {
        graph: 'training',
        rule,
        steps: 3,
      });
      expect(verdict).to.equal('pass');
      for (const parameter of weightShapes(networkNamed('cifar10-full')).keys())
        for (const k of [1, 2, 3])
          for (const state of [`step${k}/${parameter}`, `step${k}/${parameter}.velocity`]) {
            expect(values.device.has(state) && values.oracle.has(state), state).to.equal(true);
            // chains of float32 steps part by roundings: far below a wrong rule's 1e-2
            expect(layers.find(({ layer }) => layer === state)?.accumulated, state).to.be.below(1e-4);
          }
    });
  }

  it('cifar-alexnet with dropout masks: two steps end within their bounds', async () => {
    const { verdict, layers } = await verifyNarrow('cifar-alexnet', { graph: 'training', steps: 2 });
    expect(verdict).to.equal('pass');
    expect(layers.filter(({ layer }) => layer.startsWith('step2/')).length).to.be.above(80);
  });
});

const NET = 'cifar-alexnet';
const gradients = (change: (node: NodeProto) => readonly NodeProto[]): Uint8Array =>
  withNodes(buildGradients(narrow(networkNamed(NET)), { batch: 2 }).model, change);
const step = (change: (node: NodeProto) => readonly NodeProto[], momentum = 0.9): Uint8Array =>
  withNodes(buildStep(narrow(networkNamed(NET)), { batch: 2, momentum }).model, change);

/** The node that makes `name` becomes what `change` says. */
const at =
  (name: string, change: (node: NodeProto) => readonly NodeProto[]) =>
  (node: NodeProto): readonly NodeProto[] =>
    node.output[0] === name ? change(node) : [node];

/** `name` is what it was, with its last two axes exchanged. */
const exchanged = (name: string, perm: readonly number[]) =>
  at(name, (node) => [
    { ...node, output: [`${name}/unturned`] },
    {
      name: `${name}/wrong`,
      opType: 'Transpose',
      input: [`${name}/unturned`],
      output: [name],
      attribute: [{ name: 'perm', type: 7, ints: [...perm] }],
    } as unknown as NodeProto,
  ]);

const as = (opType: string) => (node: NodeProto) => [{ ...node, opType }];

describe('verify --graph gradients: planted faults are named', function () {
  this.timeout(120_000);

  const faults: readonly (readonly [string, () => Uint8Array, string])[] = [
    ['the second term of LRN is added', () => gradients(at('dpool1', as('Add'))), 'dpool1'],
    ['a bias gradient is missing', () => gradients(at('dconv2.bias', () => [])), 'dconv2.bias'],
    [
      'a kernel gradient has rows for columns',
      () => gradients(exchanged('dconv3.weight', [0, 1, 3, 2])),
      'dconv3.weight',
    ],
    [
      'ReLU passes everything',
      () => gradients(at('dconv4', (n) => [{ ...n, opType: 'Identity', input: [n.input[1]] }])),
      'dconv4',
    ],
    [
      "dropout's mask is forgotten",
      () => gradients(at('drelu7', (n) => [{ ...n, opType: 'Identity', input: [n.input[0]] }])),
      'drelu7',
    ],
    [
      "the logits' gradient is not divided by the sum",
      () => gradients(at('loss/prob', (n) => [{ ...n, opType: 'Identity', input: [n.input[0]] }])),
      'dfc8',
    ],
  ];
  for (const [title, model, name] of faults) {
    it(`${title}: ${name}`, async () => {
      const { verdict, first, layers } = await verifyNarrow(NET, { file: model() });
      expect(verdict).to.equal('fail');
      expect(first).to.equal(name);
      expect(layers.filter((row) => row.verdict === 'fail').map(({ layer }) => layer)).to.deep.equal([name]);
    });
  }
});

describe('verify --graph training: planted faults are named', function () {
  this.timeout(120_000);

  it('momentum is forgotten: the first velocity of the second step', async () => {
    const file = step((node) => [node], 0);
    const { verdict, first, layers } = await verifyNarrow(NET, { graph: 'training', steps: 2, file });
    expect(verdict).to.equal('fail');
    expect(first).to.equal('step2/conv1.weight.velocity');
    expect(layers.filter((row) => row.verdict === 'fail').map(({ kind }) => kind)).to.not.include(
      'parameter',
    );
  });

  it('onnxruntime dies of the state after the first step: what was found before is kept', async function () {
    if (process.arch !== 'x64') skipBecause(this, 'only x64 traps where a quotient overflows');
    const constant = (name: string, value: bigint): NodeProto =>
      nodeProto(
        'Constant',
        [],
        [name],
        [attribute('value', { dtype: 'int64', shape: [1], data: BigInt64Array.of(value) })],
      );
    // −2⁶³ over −1 where a velocity is not 0, which no first one is
    const dying = (node: NodeProto): readonly NodeProto[] => [
      ...[constant('least', -(2n ** 63n)), constant('minus', -1n), constant('plus', 1n), node],
      nodeProto('Cast', ['conv1.bias.velocity'], ['moves'], [attribute('to', dataTypes.bool)]),
      nodeProto('Where', ['moves', 'minus', 'plus'], ['divisor']),
      nodeProto('Div', ['least', 'divisor'], ['quotient']),
    ];
    const file = step(at('conv1.bias.velocity.next', dying));
    const { verdict, runs, layers } = await verifyNarrow(NET, { graph: 'training', steps: 3, file });
    expect(verdict).to.equal('fail');
    const rows = (k: number) => layers.filter(({ layer }) => layer.startsWith(`step${k}/`));
    expect([...new Set(rows(1).map((row) => row.verdict))]).to.deep.equal(['pass']);
    expect([...new Set(rows(2).map((row) => `${row.verdict}: ${row.reason}`))]).to.deep.equal([
      'untested: onnxruntime died (SIGFPE)',
    ]);
    expect(rows(2)).to.have.lengthOf(rows(1).length);
    expect(rows(3)).to.deep.equal([]);
    const told = runs.filter((run) => run.verdict === 'fail').map(({ reason, first }) => ({ reason, first }));
    expect(told).to.deep.equal([{ reason: 'onnxruntime died (SIGFPE) in step 2', first: null }]);
  });

  it('weight decay has the wrong sign: the velocity of that parameter', async () => {
    const file = step(at('conv5.weight/before', as('Sub')));
    const { verdict, layers } = await verifyNarrow(NET, { graph: 'training', file });
    expect(verdict).to.equal('fail');
    const failed = layers.filter((row) => row.verdict === 'fail').map(({ layer }) => layer);
    expect(failed).to.deep.equal(['step1/conv5.weight.velocity']);
  });

  it('the velocity is taken from the weight: that parameter', async () => {
    const file = step(at('fc7.weight.next', as('Sub')));
    const { layers } = await verifyNarrow(NET, { graph: 'training', file });
    const failed = layers.filter((row) => row.verdict === 'fail').map(({ layer }) => layer);
    expect(failed).to.deep.equal(['step1/fc7.weight']);
  });
});

const script = `
import { verifyNarrow } from '@/spec/support/verify-training.ts';
for (const [name, graph] of JSON.parse(process.argv[2])) {
  const options = { graph, steps: 2, device: 'webgpu', widths: 'eight', levels: [] };
  const { verdict, layers, placement } = await verifyNarrow(name, options);
  const failed = layers.filter((row) => row.verdict !== 'pass').map(({ layer, reason }) => layer + ': ' + reason);
  console.log(JSON.stringify({ verdict, failed, placement, count: layers.length }));
}
`;

describe('verify --graph on WebGPU, through SwiftShader', function () {
  this.timeout(900_000);
  const cases = [...covering(networks).map(({ name }) => [name, 'gradients']), ['cifar10-full', 'training']];
  let results: { verdict: string; failed: string[]; placement: string; count: number }[];

  before(async function () {
    const lines = await linesOnWebgpu(script, needsSwiftshader(this), [JSON.stringify(cases)]);
    results = lines.map((line) => JSON.parse(line));
  });

  for (const [index, [name, graph]] of cases.entries()) {
    it(`${name}: every value of the ${graph} graph is within its bound, none left to the CPU`, () => {
      const { verdict, failed, placement, count } = results[index];
      expect(failed).to.deep.equal([]);
      expect(verdict).to.equal('pass');
      expect(placement).to.match(/^(\d+) of \1 on WebGPU/);
      expect(count).to.be.above(30);
    });
  }
});

describe('verify --graph: what every verification has', function () {
  this.timeout(120_000);

  it('runs are repeated and made at each level of optimisation; a right graph passes in all of them', async () => {
    const { runs } = await verifyNarrow('cifar10-full', { repeat: 2, levels: ['basic', 'all'] });
    expect(
      runs.map(({ graph, level, verdict, unstable }) => [graph, level, verdict, unstable.length]),
    ).to.deep.equal([
      ['tapped', 'disabled', 'pass', 0],
      ['tapped', 'basic', 'pass', 0],
      ['tapped', 'all', 'pass', 0],
      ['untouched', 'all', 'pass', 0],
    ]);
  });

  it('a wrong gradient is told by its worst element, with evidence for a bug report', async () => {
    const file = gradients(at('dconv4', (n) => [{ ...n, opType: 'Identity', input: [n.input[1]] }]));
    const { why, evidence, first } = await verifyNarrow(NET, { file });
    expect([first, why?.layer, evidence?.output]).to.deep.equal(['dconv4', 'dconv4', 'dconv4']);
    expect(why!.worst.error).to.be.above(why!.worst.bound);
    expect([...evidence!.inputs.keys()]).to.include.members(['drelu4', 'conv4', 'labels', 'fc8.weight']);
  });
});
