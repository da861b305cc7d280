/** What the options of explain do: options.spec.ts reads the titles. */
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout } from 'node:timers/promises';
import { expect } from 'chai';
import type { Start } from '../../lib/explain/start.ts';
import { networkNamed } from '../../reference/networks/index.ts';
import { commandLines, narrowWeights } from '../support/command-lines.ts';
import { root } from '../support/source.ts';

describe('options of explain', () => {
  const { path, text, run, json, refused, write } = commandLines();

  /** What a page that was written begins with. */
  const startIn = (name: string): Start =>
    JSON.parse(/<script type="application\/json" id="start">(.*)<\/script>/.exec(text(name))![1]);

  it('explain --out, --json: one page with weights and photo in it, which may reach nothing', async () => {
    const photo = `${root}/fixtures/image/rgb8.png`;
    const told = await json(`explain ${photo} --out page.html`);
    expect(told).to.include({ network: 'cifar-alexnet', image: photo, file: 'page.html', url: null });
    expect(told.bytes)
      .to.equal(Buffer.byteLength(text('page.html')))
      .and.below(8e6);
    expect(startIn('page.html')).to.deep.include({
      random: false,
      weights: 'embedded',
      photo: { name: 'rgb8.png', at: 'embedded' },
    });
    expect(text('page.html'))
      .to.include("connect-src 'none'")
      .and.match(/<script type="text\/plain" id="photo">iVBOR/);
  });

  it('explain --force: what the program did not write is kept, unless forced; its own page is not', async () => {
    write('mine.html', '<p>mine');
    expect(await refused('explain --out mine.html')).to.include('mine.html: exists');
    await json('explain --out mine.html --force');
    await json('explain --out mine.html');
  });

  it('explain --neighbours: codes that are kept for the same files; what is no picture is told', async () => {
    const before = process.env.XDG_CACHE_HOME;
    process.env.XDG_CACHE_HOME = path('cache');
    const kept = () => readdirSync(path('cache/alexnet-oracle/pictures'));
    const pictures = (name: string) => /id="pictures">(.*?)<\/script>/.exec(text(name))?.[1];
    try {
      mkdirSync(path('photos'));
      copyFileSync(`${root}/fixtures/image/rgb8.png`, path('photos/a.png'));
      await json('explain --neighbours photos --out one.html');
      expect(startIn('one.html').pictures).to.equal('embedded');
      const [first] = kept();
      const file = path(`cache/alexnet-oracle/pictures/${first}`);
      const whole = readFileSync(file);
      // what is kept is taken: what is computed anew is another file under the name
      const { ino } = statSync(file);
      await json('explain --neighbours photos --out two.html');
      expect([statSync(file).ino, pictures('two.html')]).to.deep.equal([ino, pictures('one.html')]);
      for (const damaged of [
        whole.subarray(0, 1000),
        Buffer.from('nothing'),
        whole.with(whole.length - 9, whole.at(-9)! ^ 1),
      ]) {
        writeFileSync(file, damaged);
        await json('explain --neighbours photos --out two.html');
        expect(pictures('two.html')).to.equal(pictures('one.html'));
        expect(readFileSync(file)).to.deep.equal(whole);
      }
      write('photos/broken.png', 'nothing');
      await json('explain --neighbours photos --out three.html');
      expect(startIn('three.html').notes.join()).to.include('broken.png');
      expect(pictures('three.html')).to.equal(pictures('one.html'));
      expect(kept()).to.deep.equal([first]);
      expect(await refused('explain --neighbours nowhere --out four.html')).to.include(
        'nowhere: no such file',
      );
    } finally {
      if (before === undefined) delete process.env.XDG_CACHE_HOME;
      else process.env.XDG_CACHE_HOME = before;
    }
  });

  it('explain --network, --seed, --init: drawn in the page, not carried by it', async () => {
    await json('explain --network caffenet --seed 5 --init paper --out drawn.html');
    expect(startIn('drawn.html')).to.deep.include({ random: true, weights: { seed: 5, init: 'paper' } });
    expect(startIn('drawn.html').network.name).to.equal('caffenet');
    expect(text('drawn.html').length).to.be.below(1e6);
  });

  it('explain --weights: their network at their widths', async () => {
    const narrow = await narrowWeights(path('w.safetensors'), networkNamed('torchvision'), 1);
    await json('explain --weights w.safetensors --network torchvision --out narrow.html');
    const start = startIn('narrow.html');
    expect(start.source).to.match(/^w\.safetensors/);
    expect(start.network.layers).to.deep.equal(JSON.parse(JSON.stringify(narrow.layers)));
    expect(await refused('explain w.safetensors --out x.html')).to.match(/w\.safetensors: .*picture|JPEG/);
    expect(existsSync(path('x.html'))).to.equal(false);
  });

  it('explain --no-open: otherwise the browser is told the address; Ctrl-C ends', async () => {
    write(
      'xdg-open',
      `#!/bin/sh\necho "$1" > ${path('opened')}.part\nmv ${path('opened')}.part ${path('opened')}\n`,
    );
    chmodSync(path('xdg-open'), 0o755);
    const before = process.env.PATH;
    process.env.PATH = `${path('.')}:${before}`;
    const serving = async (line: string, until: () => boolean): Promise<string> => {
      const listeners = process.listenerCount('SIGINT');
      const ended = run(line);
      while (process.listenerCount('SIGINT') === listeners || !until()) await setTimeout(10);
      process.emit('SIGINT');
      const { status, out } = await ended;
      expect(status).to.equal(0);
      return out;
    };
    try {
      await serving('explain --no-open', () => true);
      await setTimeout(100);
      expect(existsSync(path('opened'))).to.equal(false);
      const told = await serving('explain --json', () => existsSync(path('opened')));
      expect(JSON.parse(told)).to.include({ url: text('opened').trim(), file: null, image: null });
    } finally {
      process.env.PATH = before;
    }
  });
});
