/** What the documents say of the repository: the files that they name are there. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect } from 'chai';
import { relinked } from '../scripts/links.ts';

const root = fileURLToPath(new URL('..', import.meta.url));
const documents = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'exercises/README.md'].concat(
  readdirSync(join(root, 'docs'))
    .filter((name) => name.endsWith('.md'))
    .map((name) => join('docs', name)),
);

/** docs/adding-an-operation.md tells of an operation that is not there. */
const example = /\belu\b/;

const folders = 'reference export lib spec fixtures bench docs recipes scripts exercises'.split(' ');
const everything = new Set(
  folders.flatMap((folder) =>
    readdirSync(join(root, folder), { recursive: true, encoding: 'utf8' }).map((name) => basename(name)),
  ),
);

/** Names in `code`: with a folder they must lie there; bare ones may be anywhere. */
function isThere(name: string): boolean {
  if (!name.includes('/')) return everything.has(name);
  return ['', 'spec', 'lib', 'docs'].some((folder) => existsSync(join(root, folder, name)));
}

/** The anchors that GitHub gives a document's headings. */
const headings = (file: string): string[] =>
  [...readFileSync(file, 'utf8').matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\- ]/gu, '')
      .replaceAll(' ', '-'),
  );

describe('documents', () => {
  for (const document of documents) {
    const text = readFileSync(join(root, document), 'utf8');

    it(`${document} names only source files that are there`, () => {
      const named = [...text.matchAll(/`([\w./-]+\.ts)`/g)].map(([, name]) => name);
      expect(named.filter((name) => !example.test(name) && !isThere(name))).to.deep.equal([]);
    });

    it(`${document} links only to what is there, headings too`, () => {
      const links = [...text.matchAll(/\]\((?!https?:)([^)#]*)(?:#([^)]*))?\)/g)];
      const missing = links.filter(([, target, anchor]) => {
        const file = target === '' ? join(root, document) : join(root, dirname(document), target);
        return !existsSync(file) || (anchor && file.endsWith('.md') && !headings(file).includes(anchor));
      });
      expect(missing.map(([link]) => link)).to.deep.equal([]);
    });
  }

  for (const document of documents.filter((path) => path.startsWith('docs/'))) {
    it(`${document} leads to the lines that it names (npm run links mends the numbers)`, () => {
      const text = readFileSync(join(root, document), 'utf8');
      expect(relinked(text)).to.equal(text);
    });
  }

  it('a link to a line that is gone, or to one of two, is found', () => {
    const one = (text: string) => () => relinked('[`sum`](../a.ts#L1)', () => text);
    expect(one('\nlet sum = 0;')()).to.equal('[`sum`](../a.ts#L2)');
    for (const text of ['', 'sum = 0', 'let sum = 0;\nlet sum = 1;']) expect(one(text)).to.throw('stands on');
  });

  it("paper.md's net is the one in alexnet2012.ts", () => {
    const [, shown] = /```ts\n([\s\S]*?)```/.exec(readFileSync(join(root, 'docs/paper.md'), 'utf8'))!;
    const source = readFileSync(join(root, 'reference/networks/alexnet2012.ts'), 'utf8');
    expect(source.replace(/^ {4}/gm, '')).to.include(`layers: [\n${shown}`);
  });

  it('docs/README.md leads to every document', () => {
    const contents = readFileSync(join(root, 'docs/README.md'), 'utf8');
    const missing = documents.filter((path) => path.startsWith('docs/') && path !== 'docs/README.md');
    expect(missing.filter((path) => !contents.includes(`(${basename(path)})`))).to.deep.equal([]);
  });

  it('paper.md gives a file and a spec for every section', () => {
    const rows = readFileSync(join(root, 'docs/paper.md'), 'utf8').split('\n').filter(isRow).slice(2);
    expect(rows.length).to.be.above(10);
    for (const row of rows) {
      const [, , file, spec] = cells(row);
      expect(file, row).to.match(/`[\w./]+\.ts`/);
      expect(spec, row).to.match(/`[\w./]+\.spec\.ts`/);
    }
  });

  it('deviations.md gives a spec for every difference', () => {
    const rows = readFileSync(join(root, 'docs/deviations.md'), 'utf8').split('\n').filter(isRow).slice(2);
    expect(rows.length).to.be.above(20);
    for (const row of rows) expect(cells(row)[4], row).to.match(/^(same|.*`[\w./]+\.spec\.ts`)$/);
  });
});

const isRow = (line: string): boolean => line.startsWith('|');
const cells = (row: string): string[] =>
  row
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
