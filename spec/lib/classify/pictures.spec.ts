import { createReadStream, mkdtempSync, openAsBlob, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { pathToFileURL } from 'node:url';
import { expect } from 'chai';
import { PNG } from 'pngjs';
import { Classifier, type Prediction } from '../../../lib/classify/classifier.ts';
import { listed, type Pictures } from '../../../lib/classify/pictures.ts';
import { InputError } from '../../../lib/errors.ts';
import { fixture } from '../../support/data-fixtures.ts';

const folder = `${fixture('folders')}/val`;

describe('lib/classify/pictures', () => {
  const scratch = mkdtempSync(join(tmpdir(), 'alexnet-pictures-'));
  const file = join(scratch, 'a b.png');
  let server: Server;
  let address: string;
  let net: Classifier;
  let wanted: Prediction['guesses'];
  let rgba: PNG;

  before(async () => {
    server = createServer((request, answer) => {
      if (request.url === '/moved') answer.writeHead(302, { location: '/a.png' }).end();
      else if (request.url === '/slow') answer.write('half');
      else if (request.url === '/a.png?key=1' || request.url === '/a.png') answer.end(readFileSync(file));
      else answer.writeHead(404).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    address = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const picture = new PNG({ width: 32, height: 32 });
    for (const i of picture.data.keys()) picture.data[i] = i % 4 === 3 ? 255 : (i * 37) % 251;
    rgba = picture;
    writeFileSync(file, PNG.sync.write(picture));
    net = await Classifier.open({
      network: 'cifar-alexnet',
      device: 'cpu',
      threads: 1,
      timeoutMs: 300,
      maxBytes: 9000,
    });
    const [{ guesses }] = await net.classify(file);
    wanted = guesses;
  });
  after(async () => {
    await net.close();
    server.closeAllConnections();
    server.close();
    rmSync(scratch, { recursive: true });
  });

  const nameOf = async (pictures: Pictures): Promise<string> => {
    const found = await net.classify(pictures);
    expect(found).to.have.length(1);
    expect(found[0].guesses, found[0].error).to.deep.equal(wanted);
    return found[0].image;
  };
  const errorOf = async (pictures: Pictures): Promise<string> => {
    const [{ error, guesses }] = await net.classify(pictures);
    expect([guesses, error!.includes('\n')]).to.deep.equal([undefined, false]);
    return error!.replace(address, 'http://host');
  };
  const bytes = () => readFileSync(file);

  it('is the same picture in every form, called by its place or its number', async () => {
    expect(await nameOf(pathToFileURL(file))).to.equal(file);
    expect(await nameOf(new URL(`${address}/a.png?key=1`))).to.equal(`${address}/a.png?key=1`);
    expect(await nameOf(new URL(`${address.replace('//', '//me:secret@')}/moved`))).to.equal(
      `${address}/moved`,
    );
    const inHand: (() => Pictures | Promise<Pictures>)[] = [
      () => bytes(),
      () => Buffer.concat([Buffer.alloc(9), bytes()]).subarray(9),
      () => Uint8Array.from(bytes()).buffer,
      () => new Blob([bytes()]),
      () => openAsBlob(file),
      () => createReadStream(file, { highWaterMark: 100 }),
      () => Readable.from([bytes().subarray(0, 50), bytes().subarray(50)]),
      () => new Blob([bytes()]).stream(),
      () => ({ data: rgba.data, width: 32, height: 32 }),
      () => ({ data: Uint8ClampedArray.from(rgba.data.filter((_, i) => i % 4 < 3)), width: 32, height: 32 }),
    ];
    for (const make of inHand) expect(await nameOf(await make()), String(make)).to.equal('the picture');
    expect(await nameOf([bytes()])).to.equal('picture 1');
  });

  it('grey pixels are grey', async () => {
    const data = new Uint8Array(32 * 32).map((_, i) => i % 256);
    const colour = new Uint8Array(3 * data.length).map((_, i) => data[Math.floor(i / 3)]);
    const [one, three] = await net.classify([
      { data, width: 32, height: 32 },
      { data: colour, width: 32, height: 32 },
    ]);
    expect(one.guesses).to.deep.equal(three.guesses);
  });

  it('comes in arrays, sets, generators and async generators; an id goes with all that it stands for', async () => {
    const given = [folder, { id: 7, picture: bytes() }, { id: 'f', picture: folder }];
    const named = async (pictures: Pictures) =>
      (await net.classify(pictures)).map(({ image, id, error }) => [image, id, error]);
    const wanted = await named(given);
    const files = wanted.filter(([, id]) => id === undefined).map(([image]) => image);
    expect(files.length).to.be.above(3);
    expect(wanted).to.deep.equal([
      ...files.map((image) => [image, undefined, undefined]),
      ['picture 2', 7, undefined],
      ...files.map((image) => [image, 'f', undefined]),
    ]);
    function* each() {
      yield* given;
    }
    async function* eachLater() {
      yield* given;
    }
    for (const pictures of [new Set(given), each(), eachLater()])
      expect(await named(pictures)).to.deep.equal(wanted);
  });

  it('what cannot be had is one line for that picture', async () => {
    const host = 'http://host';
    expect(await errorOf(new URL(`${address}/none`))).to.equal(`${host}/none: the server answers 404`);
    expect(await errorOf(new URL(`${address}/slow`))).to.equal(
      `${host}/slow: it is not complete after 0.3 s (timeoutMs)`,
    );
    expect(await errorOf(new URL('http://127.0.0.1:1/x'))).to.match(
      /^http:\/\/127\.0\.0\.1:1\/x: .*ECONNREFUSED/,
    );
    expect(await errorOf(new URL('file:///nowhere.png'))).to.equal('/nowhere.png: no such file');
    expect(await errorOf(createReadStream('/nowhere.png'))).to.match(/^the picture: ENOENT/);
    expect(await errorOf(new Readable({ read() {} }))).to.match(
      /^the picture: it is not complete after 0\.3 s/,
    );
    expect(await errorOf(new ReadableStream())).to.match(/^the picture: it is not complete after 0\.3 s/);
    expect(await errorOf(Readable.from([{}]))).to.equal(
      'the picture: the stream gives something else than bytes',
    );
    const large = 'the picture: more than 9000 bytes are too large for a picture (maxBytes)';
    expect(await errorOf(new Blob([new Uint8Array(9001)]))).to.equal(large);
    const stream = Readable.from([new Uint8Array(9000), new Uint8Array(1)]);
    expect([await errorOf(stream), stream.destroyed]).to.deep.equal([large, true]);
    const read = new ReadableStream();
    read.getReader();
    expect(await errorOf(read)).to.match(/^the picture: .*locked/);
  });

  it('a stream that fails before its turn ends no process', async () => {
    const failing = createReadStream('/nowhere.png');
    const found = await net.classify(
      [new Readable({ read() {} }), failing].map((picture, id) => ({ id, picture })),
    );
    expect(found.map(({ id, error }) => [id, error!.slice(0, 9)])).to.deep.equal([
      [0, 'picture 1'],
      [1, 'picture 2'],
    ]);
  });

  it('what is no picture is one line, wherever it comes', async () => {
    const refused = async (pictures: unknown) => {
      const error = await net.classify(pictures as Pictures).catch((reason) => reason);
      expect(error).to.be.instanceOf(InputError);
      return error.message;
    };
    const one = 'a path, a URL, bytes, a Blob, a stream, or pixels {data, width, height}';
    expect(await refused(5)).to.equal(
      `Classifier.classify: pictures must be ${one}, or several of them (= 5)`,
    );
    expect(await refused(['a', {}])).to.equal(`Classifier.classify: picture 2 must be ${one} (= {})`);
    function* wrong() {
      yield bytes();
      yield null;
    }
    expect(await refused(wrong())).to.equal(`picture 2 must be ${one} (= null)`);
    expect(await refused(new URL('ftp://a/b'))).to.match(/must be a URL of file:, http: or https:/);
    expect(await refused(new URL('file://a/b'))).to.match(/must be a URL of a file on this machine/);
    expect(await refused({ id: null, picture: 'a' })).to.match(/must be one whose id is a text or a number/);
    expect(await refused({ id: 1, picture: 7 })).to.include(one);
    const picture = { data: new Uint8Array(5), width: 2, height: 1 };
    expect(await refused(picture)).to.match(
      /must be pixels of 1, 3 or 4 bytes each: 2×1 with 5 bytes are not/,
    );
    for (const wrong of [{ width: 0 }, { data: [1, 2] }, { height: 1.5 }])
      expect(await refused({ ...picture, ...wrong })).to.match(
        /must be pixels \{data, width, height\}: bytes and/,
      );
  });

  it('nothing is read before it is asked for', async () => {
    const stream = createReadStream(file);
    for await (const { picture } of listed([stream, file])) expect('error' in picture).to.equal(false);
    expect(stream.bytesRead).to.equal(0);
    stream.destroy();
  });
});
