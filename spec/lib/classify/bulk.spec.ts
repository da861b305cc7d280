import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'chai';
import { type BulkOptions, numberOf, predictInto } from '../../../lib/classify/bulk.ts';
import type { Prediction } from '../../../lib/classify/classifier.ts';
import { formatOf } from '../../../lib/classify/lines.ts';
import { predict } from '../../../lib/classify/predict.ts';
import { InputError } from '../../../lib/errors.ts';
import { fixture } from '../../support/data-fixtures.ts';

const how = { network: 'cifar-alexnet', engine: 'oracle', threads: 1, top: 2, maxBatch: 1 } as const;
const photos = `${fixture('folders')}/val`;
const few = ['circle', 'cross'].map((name) => `${photos}/${name}`);

describe('lib/classify/bulk', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'alexnet-bulk-'));
  after(() => rmSync(folder, { recursive: true }));
  const at = (name: string): string => join(folder, name);
  const linesOf = (name: string): string[] => readFileSync(at(name), 'utf8').trimEnd().split('\n');
  const into = (name: string, paths: readonly string[], options: BulkOptions = {}) =>
    predictInto(at(name), paths, { ...how, ...options });
  const refused = async (name: string, options: BulkOptions = {}, paths = [photos]) => {
    const error = await into(name, paths, options).catch((reason) => reason);
    expect(error).to.be.instanceOf(InputError);
    return error.message.replace(`${folder}/`, '') as string;
  };

  it('the shards of a list have each picture once, and its line is what predict gives', async () => {
    const bad = at('bad.png');
    writeFileSync(bad, 'none');
    writeFileSync(at('list.txt'), `${photos}\r\n\n${bad}\n${photos}\n`);
    const found: Prediction[] = [];
    for (const shard of ['0/3', '1/3', '2/3']) {
      const { pictures, written } = await into(`part${shard[0]}.jsonl`, [at('list.txt')], { shard });
      expect([pictures, linesOf(`part${shard[0]}.jsonl`).length]).to.deep.equal([written, written]);
      found.push(...linesOf(`part${shard[0]}.jsonl`).map((line) => JSON.parse(line)));
    }
    const { predictions } = await predict([photos, bad], how);
    expect(found).to.have.deep.members([...predictions]);
    expect(predictions.at(-1)!.error).to.match(/bad\.png: not a picture/);
  });

  it('a name has its number from outside', () => {
    // http://www.isthe.com/chongo/src/fnv/test_fnv.c: fnv1a_32
    expect(['', 'a', 'foobar'].map(numberOf)).to.deep.equal([0x811c9dc5, 0xe40c292c, 0xbf9cf968]);
  });

  for (const ending of ['jsonl', 'csv'])
    it(`cut off anywhere and gone on with, each picture has one whole line (${ending})`, async () => {
      const name = `cut.${ending}`;
      const all = await into(name, few);
      const whole = readFileSync(at(name));
      const lines = linesOf(name);
      expect(lines).to.have.length(all.pictures + (ending === 'csv' ? 1 : 0));
      for (const cut of [0, 5, Math.floor(whole.length / 2), whole.length - 1, whole.length]) {
        writeFileSync(at(name), whole.subarray(0, cut));
        const { before, written } = await into(name, few, { resume: true });
        expect(before + written).to.equal(all.pictures);
        expect(linesOf(name), `cut at ${cut}`).to.deep.equal(lines);
      }
    });

  it('stops where it is told, and what is there stays', async () => {
    const control = new AbortController();
    const progress = (done: number) => done === 3 && control.abort();
    const { written, pictures } = await into('stop.jsonl', [photos], { signal: control.signal, progress });
    expect([written, linesOf('stop.jsonl').length]).to.deep.equal([3, 3]);
    expect(pictures).to.be.above(3);
    expect(await refused('stop.jsonl')).to.equal(
      'stop.jsonl: is there already: --resume goes on with it, or name another file',
    );
  });

  it('nothing is written to a file of something else, or of another process', async () => {
    for (const [name, content, reason] of [
      ['other.jsonl', 'notes\n', 'line 1 is not of such a file'],
      ['torn.jsonl', 'notes', 'its end is not of such a file'],
      ['top.csv', 'image,error,class1,name1,probability1\n', 'line 1 is not of such a file'],
    ] as const) {
      writeFileSync(at(name), content);
      expect(await refused(name, { resume: true })).to.equal(`${name}: ${reason}: name another one`);
      expect(readFileSync(at(name), 'utf8')).to.equal(content);
    }
    const progress = (done: number) => done === 2 && appendFileSync(at('two.jsonl'), 'x');
    expect(await refused('two.jsonl', { progress })).to.equal(
      'two.jsonl: another process writes there: give each its own file',
    );
    expect(await refused('a.txt')).to.match(/must end in \.jsonl or \.csv/);
    for (const shard of ['3/3', '1', '-1/2'])
      expect(await refused('a.jsonl', { shard })).to.match(/shard must be i\/n, with i from 0 to n − 1/);
  });

  it('CSV: quotes and commas of a name come back; one with a line break is refused', () => {
    const { line, nameIn } = formatOf('a.csv', 1);
    const image = 'a, "b".jpg';
    const words = line({ image, guesses: [{ class: 3, name: 'x,\ny', probability: 0.5 }] });
    expect(words).to.equal('"a, ""b"".jpg",,3,"x, y",0.5\n');
    expect(nameIn(words.trimEnd(), 1)).to.equal(image);
    expect(() => line({ image: 'a\nb', error: 'x' })).to.throw(
      InputError,
      '"a\\nb": a name with a line break',
    );
  });
});
