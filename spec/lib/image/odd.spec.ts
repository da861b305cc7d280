/** Right pictures of kinds that few programs write, against Pillow; and wrong ones, each with its own line. */
import { deflateSync } from 'node:zlib';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { decodeImageSync } from '../../../lib/image/decode.ts';
import { readJpegHeader } from '../../../lib/image/jpeg-header.ts';
import { standardTables } from '../../../lib/image/jpeg-scans.ts';
import { differences, expected, fixture } from '../../support/golden-pictures.ts';
import { chunk, pngFile } from '../../support/png.ts';

/**
 * One level of Y, Cb or Cr is up to 1 + 1.772 of blue, and a rounding; in a few of a hundred samples, so that a mean
 * says something where there are hundreds.
 */
const TOLERANCE = { max: 3, mean: 0.25 };
const MANY = 100;

function refusal(bytes: Uint8Array): string {
  try {
    decodeImageSync(bytes, 'x.jpg');
  } catch (error) {
    expect(error).to.be.instanceOf(InputError);
    expect((error as Error).message).to.match(/^x\.jpg: [^\n]+$/);
    return (error as Error).message;
  }
  throw new Error('was decoded');
}

/** Where the segments of that marker begin. */
function markers(bytes: Uint8Array, code: number): number[] {
  const found: number[] = [];
  for (let at = 0; at < bytes.length; at++) if (bytes[at] === 0xff && bytes[at + 1] === code) found.push(at);
  return found;
}

describe('lib/image on odd pictures', () => {
  for (const [name, { data, shape }] of expected('odd/expected.npz')) {
    it(`decodes ${name} as Pillow does`, () => {
      const image = decodeImageSync(fixture(`odd/${name}`), name);
      expect([image.height, image.width]).to.deep.equal(shape.slice(0, 2));
      const { max, mean } = differences(image.data, data as Uint8Array);
      expect(max, 'largest difference').to.be.at.most(name.endsWith('.png') ? 0 : TOLERANCE.max);
      if (image.data.length >= MANY) expect(mean, 'mean difference').to.be.at.most(TOLERANCE.mean);
    });
  }

  it("has T.81's own Huffman tables, as Pillow writes them", () => {
    const photo = readJpegHeader(fixture('orientation1.jpg'), 'x');
    const written = photo.pixels
      .filter(([, marker]) => marker === 0xc4)
      .map((whole) => [...whole.subarray(4)]);
    const ours = [...standardTables().subarray(4)];
    const inOrder = [...written].sort((a, b) => a[0] - b[0]).flat();
    expect(written.length).to.equal(4);
    expect(ours).to.deep.equal(inOrder);
  });

  /** progressive.jpg with a byte of a scan's header changed: scan 0 is DC of all, scan 1 a band of Y. */
  function withScan(scan: number, change: (header: Uint8Array) => void): Uint8Array {
    const bytes = Uint8Array.from(fixture('progressive.jpg'));
    const at = markers(bytes, 0xda)[scan];
    change(bytes.subarray(at + 4, at + 2 + bytes[at + 3]));
    return bytes;
  }

  it('refuses impossible scans of a progressive JPEG', () => {
    const bytes = fixture('progressive.jpg');
    const scans = markers(bytes, 0xda);
    const header = (scan: number) => [
      ...bytes.subarray(scans[scan] + 4, scans[scan] + 2 + bytes[scans[scan] + 3]),
    ];
    expect([header(0), header(1)]).to.deep.equal([
      [3, 1, 0, 2, 16, 3, 16, 0, 0, 1],
      [1, 1, 0, 1, 5, 2],
    ]);
    const cases: [scan: number, at: number, value: number, says: RegExp][] = [
      [0, 8, 5, /scan 1 of its \d+ is impossible: coefficients 0 to 5, though DC comes alone/],
      [0, 7, 1, /impossible: coefficients 1 to 0$|impossible: coefficients 1 to 0\)/],
      [1, 3, 6, /scan 2 of its \d+ is impossible: coefficients 6 to 5/],
      [1, 4, 64, /impossible: coefficients 1 to 64/],
      [1, 5, 14, /impossible: bit 14/],
      [1, 5, 0x31, /impossible: from bit 3 to bit 1/],
      [1, 5, 0x21, /refines bit 2 of coefficient 1, which no scan brought/],
      [0, 1, 9, /names a component that is not there/],
      [0, 1, 2, /names a component that is not there, or one twice/],
      [0, 2, 0x70, /Huffman table 7 of scan 1 is missing/],
    ];
    for (const [scan, at, value, says] of cases) {
      expect(
        refusal(
          withScan(scan, (head) => {
            head[at] = value;
          }),
        ),
      ).to.match(says);
    }
  });

  it('refuses bands before their DC, bands sent twice, and components that never come', () => {
    const bytes = Buffer.from(fixture('progressive.jpg'));
    const scans = markers(bytes, 0xda);
    const end = markers(bytes, 0xd9).at(-1)!;
    const next = (scan: number) => {
      const found = [...markers(bytes, 0xda), ...markers(bytes, 0xc4), end].sort((a, b) => a - b);
      return found.find((at) => at > scans[scan])!;
    };
    const part = (scan: number) => bytes.subarray(scans[scan], next(scan));
    const tables = bytes.subarray(markers(bytes, 0xc4)[2], scans[1]);
    const before = bytes.subarray(0, scans[0]);
    const eoi = Buffer.of(0xff, 0xd9);
    expect(refusal(Buffer.concat([before, tables, part(1), eoi]))).to.include('component 1 has no DC yet');
    const twice = Buffer.concat([before, part(0), part(0), eoi]);
    expect(refusal(twice)).to.include('refines bit 0 of coefficient 0, which is at bit 1');
    const grey = Uint8Array.from(fixture('orientation1.jpg'));
    const [scan] = markers(grey, 0xda);
    const alone = Buffer.concat([
      grey.subarray(0, scan),
      Buffer.of(0xff, 0xda, 0, 8, 1, grey[scan + 5], grey[scan + 6], 0, 63, 0),
      grey.subarray(scan + 14),
    ]);
    expect(refusal(alone)).to.include('no scan brings component 2 of 3');
  });

  it('refuses a JPEG without quantisation tables, and a progressive one without Huffman tables', () => {
    const strip = (name: string, code: number) => {
      let bytes = Buffer.from(fixture(name));
      for (let at = markers(bytes, code)[0]; at !== undefined; at = markers(bytes, code)[0]) {
        bytes = Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + 2 + bytes.readUInt16BE(at + 2))]);
      }
      return bytes;
    };
    expect(refusal(strip('orientation1.jpg', 0xdb))).to.include('quantisation table 0 is missing');
    expect(refusal(strip('progressive.jpg', 0xc4))).to.match(/Huffman table \d of scan 1 is missing/);
  });

  it('refuses more work than the budget before it decodes, and names budget and option', () => {
    const bytes = fixture('progressive.jpg');
    let message = '';
    try {
      decodeImageSync(bytes, 'x.jpg', { scanBudget: 1e-6 });
    } catch (error) {
      message = (error as Error).message;
    }
    expect(message).to.match(
      /^x\.jpg: \d+ scans visit .* over the budget of 0\.000001 \(predict --scan-budget N/,
    );
    expect(decodeImageSync(bytes, 'x.jpg', { scanBudget: 1e-4 }).width).to.equal(37);

    // 9000×9000 in 40 scans of next to nothing: coded blocks are long enough, decoding would take half a minute
    const start = process.cpuUsage();
    const [frame] = markers(bytes, 0xc2);
    const [first, second] = markers(bytes, 0xda);
    const huge = Buffer.concat([
      bytes.subarray(0, first),
      ...Array.from({ length: 40 }, () => bytes.subarray(second, second + 10)),
      new Uint8Array(2 ** 20),
      Buffer.of(0xff, 0xd9),
    ]);
    huge.writeUInt16BE(9000, frame + 5);
    huge.writeUInt16BE(9000, frame + 7);
    expect(refusal(huge)).to.match(/40 scans visit 3\.2 thousand million samples, over the budget of 2 /);
    const { user, system } = process.cpuUsage(start);
    expect((user + system) / 1000, 'ms').to.be.below(200);
  });

  it('leaves alone a text that unpacks to more than a picture needs, and takes no word from a damaged one', () => {
    const header = { width: 2, height: 1, depth: 8, colour: 0 };
    const pixels = deflateSync(Uint8Array.of(0, 1, 2));
    const text = (body: Uint8Array) =>
      chunk('zTXt', Buffer.concat([Buffer.from('XML:com.adobe.xmp\0\0', 'latin1'), body]));
    const turned = Buffer.from('<x tiff:Orientation="6"/>');
    const width = (body: Uint8Array) => decodeImageSync(pngFile(header, pixels, [text(body)]), 'x').width;
    expect(width(deflateSync(turned))).to.equal(1);
    expect(width(deflateSync(Buffer.concat([turned, new Uint8Array(2 ** 24)])))).to.equal(2);
    expect(width(deflateSync(turned).subarray(0, 12))).to.equal(2);
    expect(width(Buffer.from('nonsense'))).to.equal(2);
  });
});
