import { expect } from 'chai';
import { currentEngine } from '../../../lib/fast/engine.ts';
import { configure, conv2d, widerIfFaster, workers } from '../../../lib/fast/node.ts';
import * as plain from '../../../reference/ops/conv2d.ts';
import { runModule } from '../../support/child.ts';
import { random } from '../../support/models.ts';

const version = Number.parseInt(process.versions.node, 10);
const asking = `
import { widerIfFaster } from '@/lib/fast/node.ts';
console.log(JSON.stringify(widerIfFaster()));`;

describe('lib/fast/wide', () => {
  afterEach(() => configure({ threads: workers(1), wide: false }));

  it('is asked once kernels are wanted, and not before; they have that width and the plain bits', () => {
    let asked = 0;
    const ask = () => {
      asked++;
      return widerIfFaster();
    };
    configure({ wide: ask });
    expect(asked).to.equal(0);
    const operands = [random([1, 8, 9, 9], 1), random([16, 8, 3, 3], 2), random([16], 3)];
    const attributes = { stride: [1, 1], pad: [1, 1, 1, 1], dilation: [1, 1], groups: 1 } as const;
    const y = conv2d.forward(operands, attributes);
    expect(y.data).to.deep.equal(plain.forward(operands, attributes).data);
    conv2d.forward(operands, attributes);
    expect(asked).to.equal(1);
    const { wide, why } = currentEngine()!;
    expect({ wide, why }).to.deep.equal(widerIfFaster());
  });

  it('measures from Node 24 on, on x64', () => {
    const { wide, why } = widerIfFaster();
    if (version < 24) expect({ wide, why }).to.deep.equal({ wide: false, why: '256 need Node 24' });
    else if (process.arch === 'x64')
      expect(why).to.match(/^a product took [\d.]+ ms with 256 bits, [\d.]+ with 128$/);
    else expect(wide).to.equal(false);
  });

  it('ALEXNET_WIDE=0 keeps 128 bits', () => {
    const { stdout, stderr } = runModule(asking, { env: { ...process.env, ALEXNET_WIDE: '0' } });
    expect(stdout, stderr).to.equal('{"wide":false,"why":"ALEXNET_WIDE=0 is set"}\n');
  });
});
