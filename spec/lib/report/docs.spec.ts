import { existsSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Command } from 'commander';
import { register } from '../../../lib/cli/commands/verify.ts';
import { findingRules } from '../../../lib/report/findings.ts';

describe('docs/ci.md', () => {
  const text = readFileSync(new URL('../../../docs/ci.md', import.meta.url), 'utf8');
  const program = new Command();
  register(program);
  const options = program.commands[0].options.map(({ long }) => long);

  it('names only options that verify has, and every report', () => {
    const named = new Set(text.match(/(?<=alexnet verify[^`\n]*|`)--[a-z-]+/g));
    for (const option of named) expect(options).to.include(option);
    for (const report of ['--report-json', '--junit', '--sarif', '--html', '--baseline'])
      expect([...named]).to.include(report);
  });

  it('lists the rules with their levels', () => {
    const rows = [...text.matchAll(/^\| `([a-z-]+)` +\| (error|warning|note) /gm)];
    const listed = rows.map(([, id, level]) => `${id} ${level}`);
    expect(listed).to.have.members(Object.values(findingRules).map(({ id, level }) => `${id} ${level}`));
  });

  it('imports only what the package exports, from files that are there', () => {
    const root = new URL('../../../', import.meta.url);
    const { exports } = JSON.parse(readFileSync(new URL('package.json', root), 'utf8'));
    const imported = [...text.matchAll(/from 'alexnet-oracle([^']*)'/g)].map(([, path]) => `.${path}`);
    expect(imported).to.include.members(['.', './chai', './agree']);
    for (const path of imported) {
      const file = exports[path].default.replace(/^\.\/dist\/(.*)\.js$/, '$1.ts');
      expect(existsSync(new URL(file, root)), file).to.equal(true);
    }
  });
});
