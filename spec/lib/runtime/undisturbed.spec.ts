/** Work that no exit may cut off: the flag that tells of it. */
import { expect } from 'chai';
import { newFlag, undisturbed } from '../../../lib/runtime/undisturbed.ts';

describe('work that must not be cut off', () => {
  it('is told of while it lasts, where it fails too; once the end has begun there is none', async () => {
    const flag = newFlag();
    expect(await undisturbed(flag, async () => flag[0])).to.equal(1);
    expect(flag[0]).to.equal(0);
    const failed = await undisturbed(flag, () => Promise.reject(new Error('no'))).catch(
      (error) => error.message,
    );
    expect([failed, flag[0]]).to.deep.equal(['no', 0]);
    flag[0] = 2;
    let began = false;
    void undisturbed(flag, async () => {
      began = true;
    });
    await new Promise(setImmediate);
    expect([began, flag[0]]).to.deep.equal([false, 2]);
  });
});
