/**
 * Every option does something: each option of each command, and each option of each public function, has a test that
 * fails where it is ignored. Options of a function that a command has too are tested through the command.
 *
 * The titles of options-*.spec.ts tell what they show: 'verify --seed, --save; verify() log: …'. Other tests are named
 * below.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { expect } from 'chai';
import { Command } from 'commander';
import * as agree from '../../lib/agree/agree.ts';
import * as api from '../../lib/index.ts';
import { root } from '../support/source.ts';

const JSON_SPEC = 'suite/json.spec.ts';
const FILES =
  'suite/files-cli.spec.ts: every command overwrites what it wrote, and keeps what it did not unless forced';
const GET = 'lib/weights/get.spec.ts';
const GET_OPTIONS = 'lib/weights/get-options.spec.ts';
const VALUES = 'suite/values.spec.ts';
const AGREE = 'lib/agree/agree.spec.ts';
const CLASSIFIER = 'lib/classify/classifier.spec.ts';
const HAVE = 'lib/classify/pictures.spec.ts: what cannot be had is one line for that picture';
const NODES = `${AGREE}: TF32 products within the bound are found by their bits, unless they are allowed`;
const CONVOLUTION = `${AGREE}: a right convolution agrees with its oracle, within bounds that follow from the layer`;

/** Tests elsewhere. */
const elsewhere: Readonly<Record<string, string>> = {
  'summary --json': `${JSON_SPEC}: summary`,
  'export --json': `${JSON_SPEC}: export`,
  'verify --json': `${JSON_SPEC}: verify`,
  'predict --json': `${JSON_SPEC}: predict, with a picture that cannot be read`,
  'evaluate --json': `${JSON_SPEC}: evaluate and train`,
  'train --json': `${JSON_SPEC}: evaluate and train`,
  'doctor --json': `${JSON_SPEC}: doctor`,
  'conform --json': `${JSON_SPEC}: conform --write, and of what it wrote`,
  'run --json': `${JSON_SPEC}: run`,
  'weights inspect --json': `${JSON_SPEC}: weights inspect, convert and diff`,
  'weights convert --json': `${JSON_SPEC}: weights inspect, convert and diff`,
  'weights diff --json': `${JSON_SPEC}: weights inspect, convert and diff`,
  'weights get --json': `${JSON_SPEC}: weights get, the list`,
  'conform --write': `${JSON_SPEC}: conform --write, and of what it wrote`,
  'export --force': FILES,
  'export --triton':
    'suite/serving.spec.ts: two models, whose configuration is that of the files, field by field',
  'export --towers': 'lib/networks/towers.spec.ts: the command writes them too',
  'verify --towers':
    'lib/verify/towers.spec.ts: the command: each tower in a process of its own, its bytes in the JSON',
  'verify --force': FILES,
  'weights convert --force': FILES,
  'writeTensors() force': 'suite/options-files.spec.ts: writeTensors() force: as the commands have it',
  'train --force':
    "suite/train-failures.spec.ts: files that no run wrote are kept, a killed run's folder is taken up, two runs do not share one",
  'train --dry-run':
    'suite/train-rehearsal.spec.ts: looks at every picture, counts classes and steps, says what memory a step takes, and writes nothing',
  'train --strict':
    'suite/train-rehearsal.spec.ts: looks at every picture, counts classes and steps, says what memory a step takes, and writes nothing',
  'verify --endpoint':
    'suite/endpoint.spec.ts: every layer of a tapped model, the server named, its latency told',
  'verify --values': `${VALUES}: the command: exit codes, reports, and options that do not go with it`,
  'verify --names': `${VALUES}: names: PyTorch modules, OpenCV nodes, a map; what belongs to nothing is listed with what is near`,
  'verify --layout': `${VALUES}: a layout that is told must be that of the shapes`,
  'verify --baseline':
    'suite/report-cli.spec.ts: --baseline: exit 0 against itself, exit 1 where bits were lost, exit 2 for what is none',
  'getWeights() folder': `${GET}: downloads once, with progress, and then takes what is in the cache`,
  'getWeights() sources': `${GET}: downloads once, with progress, and then takes what is in the cache`,
  'getWeights() progress': `${GET}: downloads once, with progress, and then takes what is in the cache`,
  'getWeights() retries': `${GET}: gives up after the retries, keeping what came under another name`,
  'getWeights() pause': `${GET_OPTIONS}: waits before each retry, twice as long each time`,
  'getWeights() headers': `${GET_OPTIONS}: sends the headers that it is given`,
  'getWeights() idle': `${GET}: gives up a connection on which nothing arrives`,
  'getWeights() env': `${GET}: goes through the proxy that http_proxy names, with its password, and past it for no_proxy`,
  'Classifier.open() cpuThreads': `${CLASSIFIER}: cpuThreads: so many compute`,
  'Classifier.open() maxDelayMs': `${CLASSIFIER}: maxDelayMs: a device that is free waits so long for more`,
  'Classifier.open() maxCalls': `${CLASSIFIER}: maxCalls: beyond, a call is refused at once, and later it is not`,
  'Classifier.open() maxBytes': HAVE,
  'Classifier.open() timeoutMs': HAVE,
  'agreesWith() bound': `${AGREE}: one wrong element in thousands is found, with its index and its bound`,
  'agreesWith() atol': `${AGREE}: an expectation that was rounded to float32 itself is allowed that rounding`,
  'agreesWith() rtol': `${AGREE}: an expectation that was rounded to float32 itself is allowed that rounding`,
  'agreesWith() layer': CONVOLUTION,
  'agreesWith() inputs': CONVOLUTION,
  'agreesWith() weights': CONVOLUTION,
  'agreesWith() require': NODES,
  'agreesWith() device': NODES,
  'agreesWith() runningSum': `${AGREE}: the running sum of LRN in onnxruntime has its own bound`,
};

/** Functions with options, and the command that has the same. */
const functions: readonly (readonly [name: string, command: string, call: (unknown: never) => unknown])[] = [
  ['summary', 'summary', (o) => api.summary(o)],
  ['exportOnnx', 'export', (o) => api.exportOnnx('a.onnx', o)],
  ['exportTriton', 'export', (o) => api.exportTriton('a', o)],
  ['exportTowers', 'export', (o) => api.exportTowers('a', o)],
  ['verify', 'verify', (o) => api.verify(o)],
  ['run', 'run', (o) => api.run('a.onnx', o)],
  ['conform', 'conform', (o) => api.conform(['a'], o)],
  ['writeVectors', 'conform', (o) => api.writeVectors('a', o)],
  ['predict', 'predict', (o) => api.predict([], o)],
  ['predictInto', 'predict', (o) => api.predictInto('a.jsonl', [], o)],
  ['Classifier.open', 'predict', (o) => api.Classifier.open(o)],
  ['evaluate', 'evaluate', (o) => api.evaluate(o)],
  ['train', 'train', (o) => api.train(o)],
  ['convertWeights', 'weights convert', (o) => api.convertWeights('a', 'b.npz', o)],
  ['getWeights', 'weights get', (o) => api.getWeights('a', o)],
  ['writeTensors', '', (o) => api.writeTensors('a.npz', {}, o)],
  ['agreesWith', '', (o) => agree.disagreement([] as never, [] as never, o)],
];

interface Option {
  readonly entry: string;
  /** What a function calls it. */
  readonly key: string;
  readonly command: string;
}

async function commandOptions(): Promise<Option[]> {
  const program = new Command('alexnet');
  for (const file of readdirSync(`${root}/lib/cli/commands`))
    (await import(`../../lib/cli/commands/${file}`)).register(program);
  const within = (command: Command, names: readonly string[]): Option[] => [
    ...command.options.map((option) => {
      const path = names.join(' ');
      return { entry: `${path} ${option.long}`, key: option.attributeName(), command: path };
    }),
    ...command.commands.flatMap((inner) => within(inner, [...names, inner.name()])),
  ];
  return within(program, []);
}

/** The options of a function, as its own message tells them. */
async function keysOf(call: (unknown: never) => unknown): Promise<string[]> {
  const message = await Promise.resolve()
    .then(() => call({ unknown: 1 } as never))
    .then(String, (error: Error) => error.message);
  return /unknown option 'unknown' \(there are: (.+)\)$/.exec(message)![1].split(', ');
}

async function allOptions(): Promise<string[]> {
  const options = await commandOptions();
  const own: string[] = [];
  for (const [name, command, call] of functions) {
    const known = options.filter((option) => option.command === command).map(({ key }) => key);
    own.push(...(await keysOf(call)).filter((key) => !known.includes(key)).map((key) => `${name}() ${key}`));
  }
  return [...options.map(({ entry }) => entry), ...own];
}

const titlesIn = (file: string): string[] =>
  [...readFileSync(`${root}/spec/${file}`, 'utf8').matchAll(/^\s*it\(\s*(['"`])(.+?)\1,/gm)].map(
    ([, , title]) => title,
  );

/** 'verify --seed, --save; verify() log: …' shows three options. */
function shownBy(title: string): string[] {
  const [head] = title.split(': ');
  return head.split('; ').flatMap((part) => {
    const [, command, list] = /^(.+?) ((?:--|(?<=\(\) )).+)$/.exec(part) ?? [];
    return (list ?? '').split(', ').map((option) => `${command} ${option}`);
  });
}

describe('options', () => {
  const shown = readdirSync(`${root}/spec/suite`)
    .filter((name) => /^options-.*\.spec\.ts$/.test(name))
    .flatMap((name) => titlesIn(`suite/${name}`).flatMap(shownBy));

  it('each has a test that fails where it is ignored', async () => {
    const tested = new Set([...shown, ...Object.keys(elsewhere)]);
    expect((await allOptions()).filter((option) => !tested.has(option))).to.deep.equal([]);
  });

  it('each test is of an option that there is', async () => {
    const options = await allOptions();
    expect([...shown, ...Object.keys(elsewhere)].filter((option) => !options.includes(option))).to.deep.equal(
      [],
    );
  });

  it('the tests elsewhere are there', () => {
    const missing = Object.values(elsewhere).filter((place) => {
      const [, file, title] = /^(\S+): (.+)$/.exec(place)!;
      return !titlesIn(file).includes(title);
    });
    expect(missing).to.deep.equal([]);
  });
});
