/** What an evaluation shows of many classes, made up here. */
import { expect } from 'chai';
import { PNG } from 'pngjs';
import type { Evaluation } from '../../../lib/evaluate/index.ts';
import { wilson } from '../../../lib/evaluate/tally.ts';
import { confusionSvg, evaluationHtml, evaluationText } from '../../../lib/report/evaluation.ts';
import { bitsChart, channelMap, stripChart } from '../../../lib/report/plots/verification.ts';

/** K classes of 100 pictures; `wrong(k)` of each are taken for the next class. */
function evaluationOf(K: number, wrong: (k: number) => number): Evaluation {
  const names = Array.from({ length: K }, (_, k) => `name${k}`);
  const confusion = names.flatMap((_, k) => {
    const own = { truth: k, predicted: k, count: 100 - wrong(k) };
    const taken = { truth: k, predicted: (k + 1) % K, count: wrong(k) };
    return [own, taken].filter(({ count }) => count > 0);
  });
  const right = confusion.reduce(
    (sum, { truth, predicted, count }) => sum + (truth === predicted ? count : 0),
    0,
  );
  return {
    data: { path: 'd', format: 'MNIST', split: 'test', pictures: 100 * K },
    ...{ network: 'n', weights: 'w', random: false, device: null, views: 1, mean: null, matched: 'name' },
    ...{ names, count: 100 * K, failures: [], loss: 1 },
    top1: wilson(right, 100 * K),
    topK: { k: 5, ...wilson(right, 100 * K) },
    classes: names.map((name, k) => ({ class: k, name, ...wilson(100 - wrong(k), 100) })),
    confusion,
    mistakes: [],
    timing: { seconds: 1, picturesPerSecond: 1, waited: 0 },
  };
}
const names = (text: string): string[] => [...text.matchAll(/name\d+/g)].map(([name]) => name);

describe('the report of an evaluation', () => {
  it('lists the most frequent mistakes first, of equals that of the first class', () => {
    const text = evaluationText(evaluationOf(30, (k) => (k < 12 ? k % 6 : 0)));
    const [, list] = text.split('answer (the most frequent mistakes)');
    const rows = list.split('\n').filter((line) => /^name/.test(line));
    expect(rows.map((row) => [names(row)[0], Number(/(\d+)$/.exec(row)![1])])).to.deep.equal([
      ...[
        ['name5', 5],
        ['name11', 5],
        ['name4', 4],
        ['name10', 4],
        ['name3', 3],
      ],
      ...[
        ['name9', 3],
        ['name2', 2],
        ['name8', 2],
        ['name1', 1],
        ['name7', 1],
      ],
    ]);
    const [classes] = text.split('answer (the most');
    const least = classes.split('\n').filter((line) => /^name/.test(line));
    expect(least.slice(0, 4).map((row) => names(row)[0])).to.deep.equal([
      'name5',
      'name11',
      'name4',
      'name10',
    ]);
  });

  it('draws at most 40 classes, those with the most mistakes, and says so', async () => {
    const drawn = async (K: number) => {
      const evaluation = evaluationOf(K, (k) => (k % 2 ? 9 : 0));
      const shown = new Set(names(await confusionSvg(evaluation)));
      return { shown, note: /The \d+ of \d+ classes/.exec(await evaluationHtml(evaluation))?.[0] };
    };
    const all = await drawn(40);
    expect([all.shown.size, all.note]).to.deep.equal([40, undefined]);
    const some = await drawn(90);
    expect([some.shown.size, some.note]).to.deep.equal([40, 'The 40 of 90 classes']);
  });

  it('shows what was wrong in its order, how many of how many, and lets no name break out of its place', async () => {
    const evaluation = evaluationOf(3, () => 30);
    const planes = new Uint8Array(3 * 16).map((_, i) => 5 * i);
    const wrong = Array.from({ length: 60 }, (_, n) => ({
      picture: { name: `<img src=x onerror="a()">&${n}`, planes, channels: 3, height: 4, width: 4 } as const,
      ...{ truth: 0, predicted: 1, probability: 1 - n / 100 },
    }));
    const names = ['<b>ape</b>', 'bee" onload="a()', 'cat'];
    const html = await evaluationHtml({ ...evaluation, names, mistakes: wrong });
    expect(html).to.contain(
      '90 of 300 pictures were taken for another class; here are the 60 most confident.',
    );
    const images = [...html.matchAll(/<image href="data:image\/png;base64,([^"]*)"/g)];
    expect(images).to.have.length(60);
    const { data } = PNG.sync.read(Buffer.from(images[59][1], 'base64'));
    expect([...data]).to.deep.equal(
      Array.from({ length: 64 }, (_, i) => (i % 4 === 3 ? 255 : planes[(i % 4) * 16 + (i >> 2)])),
    );
    const shares = [...html.matchAll(/<figcaption>.*?: ([\d.]+) %<br>(.*?)<\/figcaption>/gs)];
    expect(shares.map(([, share, name]) => [share, name])).to.deep.equal(
      wrong.map((_, n) => [`${100 - n}.00`, `&lt;img src=x onerror=&quot;a()&quot;&gt;&amp;${n}`]),
    );
    expect(html).to.contain('<b>&lt;b&gt;ape&lt;/b&gt;</b>, taken for <b>bee&quot; onload=&quot;a()</b>');
    expect(html).not.to.match(/<img|<b>ape|label="[^"]*" onload=/);
    const gone = { ...wrong[0], picture: { name: '/no/such.jpg', file: '/no/such.jpg' } };
    const lost = await evaluationHtml({ ...evaluation, mistakes: [gone] }, { threads: 1 });
    expect(lost).to.match(/<span class="mark">\/no\/such\.jpg: no such file[^<]*<\/span>/);
  });

  it('colours a cell by its share of the row', async () => {
    const svg = await confusionSvg(evaluationOf(2, (k) => (k === 0 ? 50 : 1)));
    const fills = [...svg.matchAll(/var\(--heat(\d)\)/g)].map(([, heat]) => Number(heat));
    // the ground; 1 % is the first colour, 50 % the fourth, 99 % the fifth
    expect(fills.sort()).to.deep.equal([0, 1, 4, 4, 5]);
    // both sides of each upper edge, in the order of the classes: 98 % right, 2 % wrong and so on
    const wrong = [2, 3, 10, 11, 30, 31, 60, 61];
    const both = await confusionSvg(evaluationOf(wrong.length, (k) => wrong[k]));
    const levels = [...both.matchAll(/var\(--heat([1-5])\)/g)].map(([, heat]) => Number(heat));
    expect(levels).to.deep.equal([5, 1, 5, 2, 5, 2, 5, 3, 5, 3, 5, 4, 4, 4, 4, 5]);
  });
});

describe('the charts of all layers', () => {
  /** The fills of each group of marks, in their order. */
  const fillsIn = (svg: string): string[][] =>
    svg
      .split('<g class="mark-')
      .map((group) => [...group.matchAll(/fill="var\(--(\w+)\)"/g)].map(([, fill]) => fill));

  it('a cell and a tick beyond the bound have a colour of their own, right up to it', async () => {
    // as many values up to ½, 1 and 2 times the bound, and one beyond the last edge
    const overBound = { edges: [0, 0.5, 1, 2], counts: [0, 1, 1, 1, 1] };
    const svg = await stripChart(
      [1, 1.0001, Infinity].map((largest, i) => ({ layer: `layer${i}`, overBound, largest })),
      760,
    );
    const fills = fillsIn(svg);
    const row = ['accent', 'accent', 'bad', 'bad'];
    expect(fills).to.deep.include([...row, ...row, ...row]);
    expect(fills).to.deep.include(['ink', 'bad', 'bad']);
  });

  it('a layer that lost bits has the colour of a fault', async () => {
    const measure = (bits: number) => ({ verdict: 'pass', bits, overBound: 0.1 }) as const;
    const svg = await bitsChart(
      ['', 'fewer bits'].map((lost, i) => ({
        ...{ layer: `layer${i}`, lost, before: measure(22), now: measure(20) },
      })),
      760,
    );
    expect(fillsIn(svg)).to.deep.include(['accent', 'bad']);
  });
});

describe('the map of a layer', () => {
  it('has a colour for each class of error over bound, and one of its own for what is beyond it', async () => {
    const overBound = [0, 1e-4, 1.1e-4, 0.01, 0.02, 1, 1.0001, Infinity, Number.NaN];
    const svg = await channelMap({ per: 1, overBound });
    const colours: string[] = [];
    for (const [path] of svg.matchAll(/<path [^>]*>/g)) {
      const fill = /var\(--(heat\d|bad)\)/.exec(path)?.[1];
      const step = 18;
      for (const [, x] of fill ? path.matchAll(/M(\d+),0h/g) : []) colours[Number(x) / step] = fill!;
    }
    expect(colours).to.deep.equal([
      ...['heat0', 'heat1', 'heat2', 'heat3', 'heat4', 'heat5'],
      ...['bad', 'bad', 'bad'],
    ]);
  });
});
