import { expect } from 'chai';
import { EnvironmentError, InputError } from '../../../lib/errors.ts';
import { decodeImage, decodeImageSync } from '../../../lib/image/decode.ts';
import { decodeWithSharp } from '../../../lib/image/sharp.ts';
import { differences, fixture } from '../../support/golden-pictures.ts';
import { skipBecause } from '../../support/skip.ts';

const installed: boolean = await import('sharp' as string).then(
  () => true,
  () => false,
);

const failureOf = (promise: Promise<unknown>): Promise<Error> =>
  promise.then(
    () => new Error('was decoded'),
    (error) => error,
  );

describe('lib/image/sharp', () => {
  it('is not needed, and says how to install it when it is asked for', async function () {
    if (installed) skipBecause(this, 'sharp is installed');
    const error = await failureOf(decodeImage(fixture('rgb8.png'), 'x.png', { decoder: 'sharp' }));
    expect(error).to.be.instanceOf(EnvironmentError);
    expect(error.message).to.match(/^sharp is not installed: npm install sharp/);
  });

  it('says why when it is there and does not load', async () => {
    const load = () => Promise.reject(new EnvironmentError('sharp does not load'));
    expect(await failureOf(decodeWithSharp(fixture('rgb8.png'), 'x.png', load))).to.be.instanceOf(
      EnvironmentError,
    );
  });

  describe('where it is installed', () => {
    before(function () {
      if (installed) return;
      console.log('    skipped: sharp is not installed');
      this.skip();
    });

    for (let n = 1; n <= 8; n++) {
      it(`turns orientation ${n} upright as the decoder in JavaScript does`, async () => {
        const bytes = fixture(`orientation${n}.jpg`);
        const [a, b] = [decodeImageSync(bytes, 'x'), await decodeImage(bytes, 'x', { decoder: 'sharp' })];
        expect([b.width, b.height]).to.deep.equal([a.width, a.height]);
        expect(differences(a.data, b.data).max).to.be.at.most(3);
      });
    }

    for (const name of [
      'grey8',
      'grey16',
      'palette4',
      'rgb16',
      'rgba8',
      'greyalpha8-interlaced',
      'grey2-transparent',
    ]) {
      it(`decodes ${name}.png within one grey level`, async () => {
        const bytes = fixture(`${name}.png`);
        const [a, b] = [decodeImageSync(bytes, 'x'), await decodeImage(bytes, 'x', { decoder: 'sharp' })];
        expect([b.width, b.height]).to.deep.equal([a.width, a.height]);
        expect(differences(a.data, b.data).max).to.be.at.most(1);
      });
    }

    it('refuses what is empty, truncated, has a wrong checksum or is a drawing', async () => {
      const wrong = Uint8Array.from(fixture('rgb8.png'));
      wrong[wrong.length - 1] ^= 1;
      const photo = fixture('progressive.jpg');
      for (const bytes of [
        new Uint8Array(),
        photo.subarray(0, photo.length / 2),
        wrong,
        Buffer.from('<svg xmlns="http://www.w3.org/2000/svg" width="10" height="10"/>'),
      ]) {
        const error = await failureOf(decodeImage(bytes, 'x', { decoder: 'sharp' }));
        expect(error).to.be.instanceOf(InputError);
        expect(error.message).to.match(/^x: [^\n]+$/);
      }
    });
  });
});
