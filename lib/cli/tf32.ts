/** Before CUDA is touched: runs the program again with TF32 off, unless it is to be kept. */
import type { Device } from '../runtime/failures.ts';
import { restartWithoutTf32 } from '../runtime/tf32.ts';

/** Whether the program ran again; its exit code is this one's then. */
export async function restartForTf32(device: Device, keepTf32: boolean): Promise<boolean> {
  const code = await restartWithoutTf32(device, keepTf32, (line) => process.stderr.write(`${line}\n`));
  if (code === undefined) return false;
  process.exitCode = code;
  return true;
}
