import { expect } from 'chai';
import { shortage } from '../../../lib/disk/errno.ts';

/** The error that the engine throws of `take`. */
function thrown(take: () => unknown): unknown {
  try {
    take();
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('what a machine is short of', () => {
  it('is the memory where the engine has none, and nothing where a number is wrong', () => {
    expect(shortage(thrown(() => new ArrayBuffer(2 ** 52)))).to.equal('the memory is used up');
    // V8's words where the address space ends: seen under `ulimit -v`
    expect(shortage(new RangeError('WebAssembly.Memory(): could not allocate memory'))).to.equal(
      'the memory is used up',
    );
    expect(shortage(new RangeError('conv2d: stride must be positive'))).to.equal(undefined);
  });
});
