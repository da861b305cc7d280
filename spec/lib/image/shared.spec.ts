/** The shared photographs and awkward files against Pillow, torchvision and Caffe. */
import { createHash } from 'node:crypto';
import { expect } from 'chai';
import { InputError } from '../../../lib/errors.ts';
import { decodeImageSync } from '../../../lib/image/decode.ts';
import { loadImages } from '../../../lib/image/load.ts';
import {
  caffe,
  cropViews,
  type Image,
  krizhevsky,
  preprocess,
  torchvisionPreprocess,
} from '../../../reference/input/preprocess.ts';
import {
  differences,
  manifest,
  needsShared,
  shared,
  sharedArrays,
  sharedPicture,
} from '../../support/golden-pictures.ts';

/** A wrong checksum is refused here; Pillow overlooks it in pixel data. */
const badChecksum = ['made_bad_crc.png', 'xcsn0g01.png'];
/** Transparency goes over white here; Pillow's convert('RGB'), which the manifest records, drops it. */
const overWhite = ['bgan6a16.png'];

describe('lib/image on the shared pictures', () => {
  before(needsShared);

  const decoded = new Map<string, Image>();
  const decode = (name: string): Image => {
    const known = decoded.get(name) ?? decodeImageSync(sharedPicture(name), name);
    decoded.set(name, known);
    return known;
  };

  it('decodes or refuses every file as Pillow does, PNG without alpha to the last bit', () => {
    const entries = Object.entries(manifest());
    expect(entries.length).to.equal(54);
    for (const [name, entry] of entries) {
      if (entry.pillow !== 'ok' || badChecksum.includes(name)) {
        expect(() => decode(name), name).to.throw(InputError, new RegExp(`^${name}: [^\n]+$`));
        continue;
      }
      const { width, height, data } = decode(name);
      const sideways = (entry.exif_orientation ?? 1) >= 5;
      expect(sideways ? [height, width] : [width, height], name).to.deep.equal(entry.size);
      if (!name.endsWith('.png') || name === 'made_jpeg_named.png' || overWhite.includes(name)) continue;
      expect(createHash('sha256').update(data).digest('hex'), name).to.equal(entry.rgb_sha256);
    }
  });

  it('resizes and crops as Pillow does: PNG to the last bit, JPEG within a fifth of a grey level in the mean', () => {
    let [exact, close] = [0, 0];
    const orientations = manifest();
    for (const [key, { data }] of sharedArrays('golden_preprocess_uint8.npz')) {
      const [name, exif, size] = key.split('|');
      if (badChecksum.includes(name)) continue;
      if (exif === '' && (orientations[name].exif_orientation ?? 1) > 1) continue; // as it lies, not upright
      const [view] = cropViews(decode(name), krizhevsky(Number(size)));
      const { max, mean } = differences(view.data, data as Uint8Array);
      if (/\.png$/.test(name) && name !== 'made_jpeg_named.png') {
        expect(max, key).to.equal(0);
        exact++;
      } else {
        expect(mean, key).to.be.below(0.2);
        expect(max, key).to.be.at.most(3);
        close++;
      }
    }
    expect([exact, close]).to.deep.equal([18, 34]);
  });

  it("makes torchvision's and Caffe's input with their bits where the decoder has Pillow's", () => {
    let compared = 0;
    for (const [key, { data }] of sharedArrays('golden_tensor_pipelines.npz')) {
      const [name, pipeline] = key.split('|');
      const spec = { torchvision_input: torchvisionPreprocess, caffe_bgr_mean: caffe }[pipeline];
      if (!spec) continue;
      compared++;
      const { max, mean } = differences(preprocess(decode(name), spec).data, data as Float32Array);
      if (name.endsWith('.png')) expect(max, key).to.equal(0);
      else expect(mean, key).to.be.below(spec === caffe ? 0.2 : 0.2 / 255 / 0.224);
    }
    expect(compared).to.equal(8);
  });

  it('loads the folder: what can be decoded as tensors, the rest as failures of one line', async () => {
    const paths = ['made_zero_byte.jpg', 'caffe_cat.jpg', 'xd3n2c08.png', 'made_1x1.jpg'];
    const { images, failures } = await loadImages(
      paths.map((name) => shared(`images/${name}`).pathname),
      (image) => preprocess(image, krizhevsky(227)),
    );
    expect(images.map(({ path }) => path.split('/').at(-1))).to.deep.equal(['caffe_cat.jpg', 'made_1x1.jpg']);
    expect(failures.length).to.equal(2);
    expect(images[0].tensor.shape).to.deep.equal([1, 3, 227, 227]);
  });
});
