/** What the options of picture do: options.spec.ts reads the titles. */
import { readFileSync } from 'node:fs';
import { expect } from 'chai';
import { decodeImageSync } from '../../lib/image/decode.ts';
import { encodePng } from '../../lib/image/encode.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { commandLines, narrowWeights } from '../support/command-lines.ts';
import { root } from '../support/source.ts';

describe('options of picture', () => {
  const { path, text, bytes, json, refused, run, write } = commandLines();
  const photo = `${root}/fixtures/image/rgb8.png`;

  it('picture --out, --json: PNG and SVG, the same bytes again; otherwise there is nothing to do', async () => {
    for (const name of ['k.png', 'k.svg']) {
      const told = await json(`picture kernels --out ${name}`);
      expect(told).to.include({
        version: 1,
        picture: 'kernels',
        network: 'cifar-alexnet',
        image: null,
        file: name,
      });
      const before = bytes(name);
      expect((await run(`picture kernels --out ${name}`)).out).to.match(/^k\.\w+: kernels of cifar-alexnet/);
      expect(bytes(name).equals(before), name).to.equal(true);
    }
    expect(decodeImageSync(bytes('k.png'), 'k.png').width).to.be.above(600);
    expect(text('k.svg')).to.match(/^<svg [^>]*><!-- alexnet-oracle --><title>Kernels of conv1/);
    expect(await refused('picture kernels')).to.include('--out FILE.png');
    expect(await refused('picture kernels --out k.gif')).to.include('.png or .svg');
    expect(await refused('picture kernels --count 3 --json')).to.include(
      '--count does not go with picture kernels',
    );
    expect(await refused(`picture network ${photo} --json`)).to.include(
      'a photo does not go with picture network',
    );
  });

  it('picture --force: what the program did not write is kept, unless forced', async () => {
    write('mine.png', readFileSync(photo));
    write('mine.svg', '<svg xmlns="http://www.w3.org/2000/svg"></svg>');
    for (const name of ['mine.png', 'mine.svg']) {
      expect(await refused(`picture network --out ${name}`)).to.include(`${name}: exists`);
      await json(`picture network --out ${name} --force`);
      await json(`picture network --out ${name}`);
    }
    write('photo.png', readFileSync(photo));
    expect(await refused('picture saliency photo.png --out photo.png')).to.include(
      'would overwrite an input',
    );
  });

  it('picture --network, --seed, --init, --weights, --layer: whose kernels', async () => {
    const narrow = await narrowWeights(path('w.safetensors'), networkNamed('torchvision'), 1);
    const told = await json('picture kernels --weights w.safetensors --network torchvision --layer conv2');
    const [first, second] = narrow.layers.flatMap((layer) =>
      layer.kind === 'conv2d' ? [layer.channels] : [],
    );
    expect(told.shape).to.deep.equal([second, first, 5, 5]);
    expect(told.weights).to.match(/^w\.safetensors/);
    const drawn = async (more: string) =>
      (await json(`picture kernels --network cifar10-full --layer conv1 ${more}`)).values;
    const one = await drawn('--seed 1');
    expect(await drawn('--seed 1')).to.deep.equal(one);
    expect(await drawn('--seed 2')).not.to.deep.equal(one);
    expect(await drawn('--seed 1 --init paper')).not.to.deep.equal(one);
    expect(await refused('picture kernels --layer fc9 --json')).to.include('there are: conv1, conv2');
    expect(await refused('picture features --layer fc9 --json')).to.include('there are: conv1');
  });

  it('picture --class: by number or by name', async () => {
    const named = await json('picture saliency --class ship');
    expect(named).to.include({ class: 8, name: 'ship' });
    expect(await json('picture saliency --class 8')).to.deep.equal(named);
    expect(await json('picture saliency --class 3')).to.include({ name: 'cat' });
    expect(await refused('picture saliency --class 10 --json')).to.include('a number from 0 to 9, or a name');
  });

  it('picture --square, --places: what is covered, and where', async () => {
    const told = await json('picture occlusion --square 9 --places 3');
    expect(told).to.include({ square: 9 });
    expect(told.probabilities).to.have.length(9);
    expect(told.rows).to.have.length(3);
    expect(await refused('picture occlusion --square 99 --json')).to.include('--square 99');
  });

  it('picture --folder, --count: among which pictures, and how many', async () => {
    for (const [i, name] of ['a.png', 'b.png', 'c.png'].entries()) {
      const grey = new Uint8Array(3 * 32 * 32).fill(60 * i);
      write(name, encodePng({ width: 32, height: 32, data: grey }));
    }
    const told = await json(`picture neighbours ${path('a.png')} --folder ${path('.')} --count 1`);
    expect(told.neighbours).to.have.length(1);
    expect(await refused('picture neighbours --json')).to.include('--folder DIR');
  });
});
