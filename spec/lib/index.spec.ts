/** The main entry: a function for each command of the binary, and one kind of error for one kind of mistake. */
import { readdirSync } from 'node:fs';
import { expect } from 'chai';
import { Command } from 'commander';
import * as api from '../../lib/index.ts';

const commands = new URL('../../lib/cli/commands/', import.meta.url);

describe('lib/index', () => {
  it('each command has its function, of its name', async () => {
    const program = new Command();
    for (const file of readdirSync(commands)) {
      if (file.endsWith('.ts')) (await import(new URL(file, commands).href)).register(program);
    }
    const names = program.commands.flatMap((command) =>
      command.commands.length > 0
        ? command.commands.map((sub) => `${sub.name()}Weights`)
        : [command.name() === 'export' ? 'exportOnnx' : command.name()],
    );
    expect(names).to.have.length.of.at.least(13);
    for (const name of names) expect((api as Record<string, unknown>)[name], name).to.be.a('function');
  });

  const network = 'lenet' as string;
  const doors: Record<string, () => unknown> = {
    networkNamed: () => api.networkNamed(network),
    summary: () => api.summary({ network }),
    exportOnnx: () => api.exportOnnx('never.onnx', { network }),
    verify: () => api.verify({ network, device: 'cpu' }),
    predict: () => api.predict('never.jpg', { network, seed: 0, engine: 'oracle' }),
    'Classifier.open': () => api.Classifier.open({ network, engine: 'oracle' }),
    inspectWeights: () => api.inspectWeights('package.json', network),
    diffWeights: () => api.diffWeights('package.json', 'package.json', network),
  };
  for (const [name, call] of Object.entries(doors)) {
    it(`an unknown network is one kind of error, in one wording: ${name}`, async () => {
      const error = await (async () => call())().catch((reason) => reason);
      expect(error).to.be.instanceOf(api.InputError);
      expect((error as Error).message).to.match(/^unknown network 'lenet' \(there are: alexnet2012, /);
    });
  }
});
