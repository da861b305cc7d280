/** The page of `evaluate --html`, held against what `predict` says of the same pictures. */
import { cpSync } from 'node:fs';
import { expect } from 'chai';
import { commandLines } from '../support/command-lines.ts';
import { fixture } from '../support/data-fixtures.ts';

interface Guess {
  readonly name: string;
  readonly probability: number;
}
const classes = ['circle', 'cross', 'square', 'stripes'];

describe('the page of evaluate', function () {
  this.timeout(120_000);
  const { path, write, text, json, refused } = commandLines();

  it('shows what predict says of each that was wrong, and lies over nothing that was read or is another’s', async () => {
    cpSync(fixture('folders'), path('shapes'), { recursive: true });
    write('four.txt', `${classes.join('\n')}\na\nb\nc\nd\ne\nf\n`);
    const how = '--network cifar-alexnet --class-names four.txt --device cpu --threads 1';
    const found = await json(`evaluate shapes --split train ${how} --html shapes.html`);
    const { predictions } = await json(
      `predict ${classes.map((name) => `shapes/train/${name}`).join(' ')} ${how} --top 1`,
    );
    const wrong = predictions
      .map(({ image, guesses: [{ name, probability }] }: { image: string; guesses: Guess[] }) => ({
        ...{ image, name, probability, truth: image.split('/').at(-2) },
      }))
      .filter(({ name, truth }: { name: string; truth: string }) => name !== truth)
      .sort((a: Guess, b: Guess) => b.probability - a.probability);
    expect(found.count - found.top1.right)
      .to.equal(wrong.length)
      .and.to.be.above(2);
    const captions = [...text('shapes.html').matchAll(/<figcaption>(<b>.*?)<\/figcaption>/gs)];
    expect(captions.map(([, words]) => words)).to.deep.equal(
      wrong.map(
        ({ image, name, truth, probability }: Record<string, string>) =>
          `<b>${truth}</b>, taken for <b>${name}</b>: ${(100 * Number(probability)).toFixed(2)} %<br>${image}`,
      ),
    );
    write('mine.html', 'mine');
    const line = `evaluate shapes --split train ${how}`;
    expect(await refused(`${line} --html mine.html`)).to.match(/mine\.html: exists/);
    const picture = wrong[0].image;
    expect(await refused(`${line} --html ${picture} --force`)).to.match(/would overwrite an input/);
  });
});
