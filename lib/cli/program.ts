/** The program: runs one command line and returns its exit code; every error is one line. */
import { Command, CommanderError, Help } from 'commander';
import { InputError } from '../errors.ts';
import { version } from '../version.ts';
import { columns, say, tell, tellError, watchOutput } from './output.ts';

/** As --help lists them. Only the one that is named is loaded: half of the start of `alexnet doctor`. */
const commands = {
  summary: () => import('./commands/summary.ts'),
  export: () => import('./commands/export.ts'),
  verify: () => import('./commands/verify.ts'),
  predict: () => import('./commands/predict.ts'),
  explain: () => import('./commands/explain.ts'),
  picture: () => import('./commands/picture.ts'),
  evaluate: () => import('./commands/evaluate.ts'),
  doctor: () => import('./commands/doctor.ts'),
  conform: () => import('./commands/conform.ts'),
  run: () => import('./commands/run.ts'),
  weights: () => import('./commands/weights.ts'),
  train: () => import('./commands/train.ts'),
};

/** Runs `alexnet` with these arguments. */
export async function alexnet(argv: readonly string[]): Promise<number> {
  const program = new Command('alexnet')
    .description('AlexNet that can be checked: oracle, ONNX export, layer-by-layer verification, inference')
    .version(version);
  const named = Object.entries(commands).filter(([name]) => name === argv[2]);
  const all = ['--version', '-V'].includes(argv[2]) ? [] : Object.entries(commands);
  const loaded = named.length > 0 ? named : all;
  for (const { register } of await Promise.all(loaded.map(([, load]) => load()))) register(program);
  return attempt(program, argv);
}

/** 0 ok · 1 disagreement · 2 bad usage or input · 3 environment. Errors become one line on stderr. */
export async function attempt(program: Command, argv: readonly string[]): Promise<number> {
  watchOutput(argv.includes('--json'));
  for (const command of withinOf(program)) {
    command
      .option('--debug', 'show the stack trace of an error')
      .configureOutput({
        writeOut: say,
        writeErr: (text) => text.trimEnd().split('\n').forEach(tell),
        outputError: () => {},
        getOutHelpWidth: columns,
        getErrHelpWidth: columns,
      })
      .configureHelp(help)
      .exitOverride();
  }
  program.hook('preAction', (_, command) => {
    refuseEmpty(command);
    // this file's own: no command knows it
    command.setOptionValue('debug', undefined);
  });
  try {
    await program.parseAsync([...argv]);
    // errors of a stream come after the write
    await new Promise(setImmediate);
    return Number(process.exitCode ?? 0);
  } catch (error) {
    return explain(error as Error, argv.includes('--debug'));
  }
}

/** An empty word is a variable of a script that was not set. */
function refuseEmpty(command: Command): void {
  for (const [key, value] of Object.entries(command.opts())) {
    const option = command.options.find((one) => one.attributeName() === key);
    if ([value].flat().includes(''))
      throw new InputError(`${option?.long} is empty: give it a value, or leave it out`);
  }
  if (command.args.includes('')) throw new InputError('an argument is empty: give a name, or leave it out');
}

/** Where a description would have fewer columns beside its term than this, it stands below. */
const BESIDE = 30;

const help: Partial<Help> = {
  minWidthToWrap: 10,
  commandUsage(this: Help, command) {
    return indented(this, Help.prototype.commandUsage.call(this, command), 'Usage: '.length).trimStart();
  },
  formatItem(this: Help, term, termWidth, description, helper) {
    if ((this.helpWidth ?? 80) - termWidth - 4 >= BESIDE)
      return Help.prototype.formatItem.call(this, term, termWidth, description, helper);
    return indented(this, term, 2) + (description && `\n${indented(this, description, 4)}`);
  },
};

/** Wrapped between words, each line this far from the left. */
function indented(helper: Help, text: string, by: number): string {
  const lines = helper.boxWrap(text, (helper.helpWidth ?? 80) - by).split('\n');
  return lines.map((line) => ' '.repeat(by) + line).join('\n');
}

/** The command, its commands, and theirs. */
const withinOf = (command: Command): Command[] => [command, ...command.commands.flatMap(withinOf)];

function explain(error: Error, debug: boolean): number {
  if (error instanceof CommanderError && error.exitCode === 0) return 0;
  if (error instanceof CommanderError && error.code === 'commander.help') return 2;
  return tellError(error, debug);
}
