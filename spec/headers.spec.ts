/**
 * Definition lists in comments stay lists: a formatter that fills paragraphs runs their lines together. In a
 * paragraph with an entry ("term", two spaces or more, text) every text begins in the same column, and a line that
 * goes on stands under it.
 */
import { expect } from 'chai';
import { sourcesBelow } from './support/source.ts';

/** What is wrong in the comments of a file, as `line: text`. */
function brokenLists(lines: readonly string[]): string[] {
  const wrong: string[] = [];
  let column = 0;
  for (const [index, line] of lines.entries()) {
    const text = /^\s*\*(?!\/) ?(.*)$/.exec(line)?.[1];
    if (!text?.trim()) {
      column = 0;
      continue;
    }
    const entry = /^\S+(?: \S+){0,4}? {2,}(?=\S)/.exec(text)?.[0];
    const begins = entry?.length ?? (text.startsWith('Letters ') ? 8 : text.search(/\S/));
    const fits = column === 0 || (entry ? begins === column : begins >= column);
    const run = /\S {2,}\S/.test(entry ? text.slice(begins) : text) && (column > 0 || /^\S/.test(text));
    if (!fits || run) wrong.push(`${index + 1}: ${text}`);
    if (entry && column === 0) column = begins;
  }
  return wrong;
}

describe('comments', () => {
  it('definition lists are not run together', () => {
    const wrong = ['reference', 'export', 'lib', 'companion']
      .flatMap(sourcesBelow)
      .flatMap(({ path, lines }) => brokenLists(lines).map((where) => `${path}:${where}`));
    expect(wrong).to.deep.equal([]);
  });

  it('and one that is run together is found', () => {
    expect(brokenLists([' * one    first', ' *        goes on', ' * three  second'])).to.deep.equal([]);
    expect(brokenLists([' * one    first', ' * goes on', ' *        here'])).to.have.length(1);
    expect(brokenLists([' * one    first. two    second'])).to.have.length(1);
    expect(brokenLists([' * one    first', ' * three   second'])).to.have.length(1);
  });
});
