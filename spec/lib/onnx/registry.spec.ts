import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { findOperator, operatorNames, unsupported } from '../../../lib/onnx/registry.ts';
import { graph, info, modelBytes, open } from '../../support/onnx.ts';

interface Schema {
  readonly since: readonly number[];
  readonly attributes: readonly string[];
}

/** What the onnx package says; see the script beside it. */
const schemas: Record<string, Schema> = JSON.parse(
  readFileSync(new URL('../../../fixtures/onnx/schemas.json', import.meta.url), 'utf8'),
);
/** Refused with a reason, as all sparse tensors are. */
const refused = ['sparse_value'];

/** What opsets 26 and 27 change of these (onnx/docs/Changelog.md); the package that made the schemas ends at 25. */
const newer: Record<string, Schema> = { Range: { since: [27], attributes: ['stash_type'] } };

describe('the evaluator’s operators', () => {
  it('are those that it promises, no more and no fewer', () => {
    expect(operatorNames().sort()).to.deep.equal(Object.keys(schemas).sort());
  });

  for (const [name, schema] of Object.entries(schemas)) {
    it(`${name}: knows every version up to opset 27 and every attribute`, () => {
      const dot = name.lastIndexOf('.');
      const found = findOperator(name.slice(0, Math.max(dot, 0)), name.slice(dot + 1), 25)!;
      expect(found.operator.since).to.deep.equal([...schema.since, ...(newer[name]?.since ?? [])]);
      const attributes = [...schema.attributes, ...(newer[name]?.attributes ?? [])].filter(
        (attribute) => !refused.includes(attribute),
      );
      expect([...found.operator.attributes].sort()).to.deep.equal(attributes);
    });
  }

  it('are found in the version that the opset means', () => {
    const version = (op: string, opset: number) => findOperator('', op, opset)?.version;
    expect([6, 12, 13, 25].map((opset) => version('Softmax', opset))).to.deep.equal([1, 11, 13, 13]);
    expect(version('Where', 8)).to.equal(undefined);
    expect(version('toString', 13)).to.equal(undefined);
  });

  it('are refused by node, operator and opset where there are none, in subgraphs too', async () => {
    const branch = (op: string) =>
      graph([{ op, inputs: ['x'], outputs: ['z'], name: `inner ${op}` }], [], [info('z')]);
    const main = graph(
      [
        { op: 'Resize', inputs: ['x'], outputs: ['r'], name: 'up' },
        {
          op: 'If',
          inputs: ['c'],
          attributes: { then_branch: branch('Erf'), else_branch: branch('Relu') },
        },
        { op: 'Relu', inputs: ['r'], outputs: ['s'], name: 'odd', attributes: { slope: 1 } },
      ],
      [info('x'), info('c', 'bool')],
      [info('y'), info('s')],
    );
    const reasons = unsupported(await open(modelBytes(main, 13))).map(({ reason }) => reason);
    expect(reasons).to.deep.equal([
      "node 'up' (Resize, opset 13): the operator is not supported here",
      "node 'inner Erf' (Erf, opset 13): the operator is not supported here",
      "node 'odd' (Relu, opset 13): attribute 'slope' is not known",
    ]);
    const [newest] = unsupported(await open(modelBytes(main, 27)));
    expect(newest.reason).to.contain('operator is not supported');
    const relu = graph([{ op: 'Relu' }], [info('x')], [info('y')]);
    for (const opset of [5, 28]) {
      expect(unsupported(await open(modelBytes(relu, opset)))[0].reason).to.contain(
        'opsets 6 to 27 are known',
      );
    }
  });

  it('are known in older opsets where nothing has changed since', async () => {
    const pool = graph([{ op: 'GlobalAveragePool' }], [info('x')], [info('y')]);
    expect(unsupported(await open(modelBytes(pool, 1)))).to.deep.equal([]);
  });
});
