/**
 * npm run verify:all [-- --device cpu|webgpu] [--narrow] [--write]: every network, three seeds and a photo,
 * layer by layer.
 *
 * At full size on the CPU by default; on WebGPU (a GPU, or SwiftShader through VK_ICD_FILENAMES) at narrow
 * widths but for alexnet2012: a sixteenth of the channels, in multiples of 8, which keeps clear of
 * onnxruntime 1.30's fault in grouped convolutions (docs/devices.md). --write puts the table into
 * docs/verify-all.md. The photo is ../shared/data/images/caffe_cat.jpg where it is.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { readInput } from '../lib/networks/input.ts';
import { scientific, table } from '../lib/report/table.ts';
import { chooseDevice, type Device, LABELS } from '../lib/runtime/devices.ts';
import { installation } from '../lib/runtime/installation.ts';
import { holdDevice } from '../lib/runtime/session.ts';
import { type VerifyResult, verify } from '../lib/verify/index.ts';
import { networks } from '../reference/networks/index.ts';
import type { Network } from '../reference/networks/layers.ts';
import { initialise } from '../reference/training/init.ts';
import { narrow } from '../spec/support/models.ts';

const here = (path: string): string => fileURLToPath(new URL(path, import.meta.url));
const PHOTO = here('../../shared/data/images/caffe_cat.jpg');
const DOCUMENT = here('../docs/verify-all.md');
const HEAD = `# Every network, layer by layer

Largest error over bound and over expectation, fewest effective bits, accumulated error of the output, and the standard error of
the top-1 margin over the margin, of all layers of each run;
the graph is run with optimisation off, basic, extended and all, and untouched. A right engine shows no value above 1 and no verdict but pass.

`;

const NARROW = `narrow: a sixteenth of the channels, in multiples of 8 so that a group of two never has four or more output channels
that 4 does not divide, where onnxruntime 1.30 on WebGPU is wrong ([devices.md](devices.md)), and 12 classes.`;

const { values: options } = parseArgs({
  options: {
    device: { type: 'string', default: 'cpu' },
    narrow: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
  },
});
const { device, software } = await chooseDevice(options.device as Device);
await using _held = await holdDevice(device);
const small = (network: Network): boolean =>
  options.narrow || (device === 'webgpu' && network.name !== 'alexnet2012');

const rows: string[][] = [];
let wrong = 0;
for (const network of networks) {
  for (const [seed, input] of inputsFor(network)) {
    const result = await once(small(network) ? narrow(network, 8) : network, seed, input);
    rows.push(row(network, seed, input, result));
    if (result.verdict !== 'pass') wrong++;
    process.stdout.write(`${rows[rows.length - 1].join('  ')}\n`);
  }
}

/** Seeds 0 to 2 on noise, and seed 0 on the photo where the network takes one. */
function inputsFor({ preprocess }: Network): [number, string | undefined][] {
  const noise: [number, undefined][] = [0, 1, 2].map((seed) => [seed, undefined]);
  const photo = existsSync(PHOTO) && preprocess.meanImage !== 'required' && preprocess.resize.mode !== 'none';
  return photo ? [...noise, [0, PHOTO]] : noise;
}

async function once(network: Network, seed: number, photo: string | undefined): Promise<VerifyResult> {
  const weights = initialise(network, seed, 'kaiming');
  const { tensor } = await readInput(network, { from: photo, seed });
  return verify({
    network: network.name,
    weights,
    input: tensor,
    device,
    levels: ['basic', 'extended', 'all'],
  });
}

function row(
  network: Network,
  seed: number,
  photo: string | undefined,
  { layers, verdict, margin }: VerifyResult,
): string[] {
  const compared = layers.flatMap(({ introduced }) => introduced ?? []);
  const bits = compared.flatMap((one) => one.bits ?? []);
  return [
    network.name,
    small(network) ? 'narrow' : 'full',
    `${seed}`,
    photo ? 'photo' : 'noise',
    LABELS[device],
    Math.max(...compared.map(({ overBound }) => overBound)).toPrecision(2),
    Math.max(...compared.map(({ overExpectation }) => overExpectation ?? 0)).toPrecision(2),
    Math.min(...bits).toFixed(1),
    scientific(layers[layers.length - 1].accumulated ?? Number.NaN),
    margin ? scientific(margin.standardError / margin.margin) : '',
    verdict,
  ];
}

const titles =
  'network size seed input device error/bound error/expectation bits accumulated error/margin verdict'.split(
    ' ',
  );
const summary = `${rows.length} runs, ${wrong} not passed`;
if (options.write) writeFileSync(DOCUMENT, document());
process.stdout.write(
  `\n${table(
    titles.map((title) => ({ title })),
    rows,
  )}\n\n${summary}\n`,
);
process.exitCode = wrong === 0 ? 0 : 1;

/** The document with this device's table in the place of an older one. */
function document(): string {
  const start = `<!-- ${device} -->`;
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  const how = `\`npm run verify:all -- --device ${device}${options.narrow ? ' --narrow' : ''} --write\``;
  const section = [
    start,
    `## ${LABELS[device]}${software ? `, ${software}` : ''}`,
    '',
    `${how}, onnxruntime-node ${installation()?.version}, Node ${process.versions.node}: ${summary}.`,
    '',
    ...(rows.some(([, size]) => size === 'narrow') ? [NARROW, ''] : []),
    line(titles),
    line(titles.map(() => '---')),
    ...rows.map(line),
    '',
  ].join('\n');
  const old = existsSync(DOCUMENT) ? readFileSync(DOCUMENT, 'utf8') : HEAD;
  const others = old.split(/(?=<!-- \w+ -->\n)/).filter((part) => !part.startsWith(start));
  return [...others, section].join('');
}
