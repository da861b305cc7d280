/** From a cold start to the first result: whole processes, as a user starts them. */
import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { networkNamed } from '../reference/networks/index.ts';
import { median } from './statistics.ts';
import { modelPath } from './subject.ts';

export interface ColdRow {
  readonly command: string;
  /** Medians. */
  readonly wallMs: number;
  readonly cpuMs: number;
}

const root = fileURLToPath(new URL('../', import.meta.url));
/** Nothing but onnxruntime: a session from the file, one run. */
const BARE = `
import { InferenceSession, Tensor } from 'onnxruntime-node';
const session = await InferenceSession.create(process.argv[1], { intraOpNumThreads: 1 });
const image = new Tensor('float32', new Float32Array(3 * 224 * 224), [1, 3, 224, 224]);
const outputs = await session.run({ [session.inputNames[0]]: image });
if (Object.keys(outputs).length !== 1) process.exit(1);
`;
/** Makes a process say, last of all, what CPU time it took. */
const METER = `data:text/javascript,${encodeURIComponent(`process.on('exit', () => {
  const { user, system } = process.cpuUsage();
  process.stderr.write('CPU ' + (user + system) / 1000);
})`)}`;

/** Runs each command `rounds` times in turn. Throws if one fails; [] where there is no photograph or no dist/. */
export function coldRows(rounds: number): ColdRow[] {
  const main = `${root}dist/lib/cli/main.js`;
  const photographs = resolve(root, '../shared/data/images');
  const photograph =
    existsSync(photographs) && readdirSync(photographs).find((name) => /\.jpe?g$/i.test(name));
  if (!existsSync(main) || !photograph) return [];
  const model = modelPath(networkNamed('torchvision'));
  const predict = [
    main,
    'predict',
    `${photographs}/${photograph}`,
    '--network',
    'torchvision',
    '--weights',
    model,
  ];
  const commands: Record<string, string[]> = {
    'onnxruntime-node alone': ['--input-type=module', '--eval', BARE, model],
    'alexnet predict --engine onnxruntime': [...predict, '--engine', 'onnxruntime', '--device', 'cpu'],
    'alexnet predict --engine oracle': [...predict, '--engine', 'oracle'],
  };
  const times = new Map(
    Object.keys(commands).map((name) => [name, { wall: [] as number[], cpu: [] as number[] }]),
  );
  for (let round = 0; round < rounds; round++) {
    for (const [name, args] of Object.entries(commands)) {
      const start = performance.now();
      const { status, stderr } = spawnSync(process.execPath, ['--import', METER, ...args], {
        cwd: root,
        encoding: 'utf8',
      });
      if (status !== 0) throw new Error(`${name}: ${stderr}`);
      times.get(name)!.wall.push(performance.now() - start);
      times.get(name)!.cpu.push(Number(stderr.slice(stderr.lastIndexOf('CPU ') + 4)));
    }
  }
  return [...times].map(([command, { wall, cpu }]) => ({
    command,
    wallMs: Math.round(median(wall)),
    cpuMs: Math.round(median(cpu)),
  }));
}
