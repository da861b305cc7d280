/** alexnet doctor: what works here, why the rest does not, and the commands that mend it. */
import { type Command, Option } from 'commander';
import { addCuda, CUDA_VERSION, removeCuda } from '../../runtime/cuda.ts';
import { LABELS, type Probe } from '../../runtime/devices.ts';
import { type Diagnosis, doctor } from '../../runtime/doctor.ts';
import { jsonOption } from '../options.ts';
import { print, tell } from '../output.ts';

interface DoctorOptions {
  readonly json?: boolean;
  readonly addCuda?: boolean;
  readonly removeCuda?: boolean;
}

export function register(program: Command): void {
  program
    .command('doctor')
    .description('which devices work here, why the others do not, and the commands that add what is missing')
    .addOption(
      new Option(
        '--add-cuda',
        `put onnxruntime ${CUDA_VERSION} with CUDA, from the npm registry, into the place of the installed one`,
      ).conflicts('removeCuda'),
    )
    .option('--remove-cuda', 'put back what --add-cuda replaced')
    .addOption(jsonOption())
    .action(async ({ json, addCuda: add, removeCuda: remove }: DoctorOptions) => {
      if (add) {
        const { version, root } = await addCuda(tell);
        tell(`onnxruntime ${version} with CUDA is in ${root}; --remove-cuda puts back what was there`);
      }
      if (remove) tell(`what --add-cuda replaced is back in ${(await removeCuda()).root}`);
      const diagnosis = await doctor();
      await print(json, diagnosis, () => doctorText(diagnosis));
      if (!diagnosis.onnxruntime.loads) process.exitCode = 3;
    });
}

/** The diagnosis for people. */
function doctorText(diagnosis: Diagnosis): string {
  const { node, oracle, onnxruntime, devices, auto, missing } = diagnosis;
  const lines = [
    ['Node', `${node.version} on ${node.platform}`],
    ['oracle', `${oracle.vectors ? `${oracle.vectors}-bit vectors` : 'plain loops'}: ${oracle.why}`],
    ['onnxruntime', onnxruntime.loads ? `${onnxruntime.version}` : `does not load: ${onnxruntime.reason}`],
    ...hardware(diagnosis),
    [],
    ...(onnxruntime.loads ? devices.map((found) => [LABELS[found.device], state(found)]) : []),
    ...(auto ? [[], ['--device auto', `takes ${LABELS[auto]}`]] : []),
  ].map(([name, value]) => (name ? `${name.padEnd(15)}${value}` : ''));
  const mends = missing.flatMap(({ what, command }) => ['', `To add ${what}:`, `  ${command}`]);
  return `${[...lines, ...mends].join('\n')}\n`;
}

function* hardware({ gpus, deviceFiles, vulkan, cuda }: Diagnosis): Generator<string[]> {
  if (gpus.length === 0) yield ['GPU', 'none found (nvidia-smi, PCI bus)'];
  for (const { name, driver, memoryMiB, computeCapability } of gpus) {
    const facts = [
      driver ? `driver ${driver}` : 'no driver',
      memoryMiB && `${memoryMiB} MiB`,
      computeCapability && `compute capability ${computeCapability}`,
    ];
    yield ['GPU', `${name}, ${facts.filter(Boolean).join(', ')}`];
  }
  if (deviceFiles.length > 0) yield ['GPU files', deviceFiles.join(' ')];
  if (process.platform === 'linux') {
    yield ['Vulkan', `${vulkan.loader ?? 'no loader'}; drivers: ${vulkan.drivers.join(' ') || 'none'}`];
  }
  if (cuda) {
    const missing = cuda.missing.length === 0 ? 'all found' : `missing ${cuda.missing.join(' ')}`;
    yield ['CUDA', `onnxruntime needs CUDA ${cuda.cuda ?? '?'}, cuDNN ${cuda.cudnn ?? '?'}: ${missing}`];
  }
}

const state = ({ works, reason, software }: Probe): string => {
  if (!works) return `no: ${reason}`;
  return software ? `works, in software on the CPU (${software})` : 'works';
};
