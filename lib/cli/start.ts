#!/usr/bin/env node
/**
 * npm start [-- photo.jpg …] [--device D]: writes alexnet.onnx, cross-checks every layer, names the photos'
 * classes.
 */
import { Command } from 'commander';
import { dense } from '../../reference/tensor.ts';
import { best } from '../classify/classifier.ts';
import { classNames } from '../labels/labels.ts';
import { exportOnnx } from '../networks/export.ts';
import { megabytes, thousands } from '../report/table.ts';
import { verificationText } from '../report/terminal.ts';
import { chooseDevice, type DeviceWord } from '../runtime/devices.ts';
import { BAND_NOTE, lrnOf } from '../runtime/session.ts';
import { restartForTf32 } from '../runtime/tf32.ts';
import { verify } from '../verify/index.ts';
import { predictionText } from './commands/predict.ts';
import { deviceOption, forceOption } from './options.ts';
import { say, sayLine, tell } from './output.ts';
import { attempt } from './program.ts';

interface Options {
  readonly device: DeviceWord;
  readonly force?: boolean;
}

const MODEL = 'alexnet.onnx';

async function start(photos: readonly string[], asked: DeviceWord, force?: boolean): Promise<void> {
  const choice = await chooseDevice(asked);
  const { device } = choice;
  if (await restartForTf32(device, false, tell)) return;
  const lrn = lrnOf(device);
  const made = await exportOnnx(MODEL, { network: 'alexnet2012', seed: 0, lrn, force });
  sayLine(
    `${MODEL}: ${made.network}, ${thousands(made.parameters)} parameters (${made.weights}), ${megabytes(made.bytes)}`,
  );
  if (lrn === 'band') sayLine(BAND_NOTE);
  const result = await verify({ model: MODEL, input: photos, device: choice, log: sayLine });
  say(`\n${verificationText(result)}\n`);
  if (photos.length > 0) {
    sayLine(
      'The weights are random (seed 0), so the names below mean nothing; `alexnet predict --weights FILE` gives real ones.',
    );
    const output = result.values.device.get(result.layers.at(-1)!.layer)!;
    const [N, K] = output.shape;
    const names = classNames(made.network, K);
    say('\n');
    for (let n = 0; n < N; n++) {
      const probabilities = Float64Array.from(dense(output).subarray(n * K, (n + 1) * K));
      say(`${predictionText({ image: photos[n], guesses: best(probabilities, names, 5) })}\n`);
    }
  }
  if (result.verdict === 'fail') process.exitCode = 1;
}

const program = new Command('npm start --')
  .description(
    'writes alexnet.onnx and cross-checks every layer on the best device; names the classes of photos',
  )
  .argument('[photo...]', 'JPEG or PNG files')
  .addOption(deviceOption())
  .addOption(forceOption())
  .action((photos: string[], { device, force }: Options) => start(photos, device, force));

process.exitCode = await attempt(program, process.argv);
