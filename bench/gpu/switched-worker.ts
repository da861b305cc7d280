/** A worker of the GPU check's step `switched`: posts the fewest bits that it sees on CUDA. */
import { parentPort, workerData } from 'node:worker_threads';
import { TF32_VARIABLE } from '../../lib/runtime/tf32.ts';
import { leastBits } from './parts.ts';

if (workerData.when === 'worker') process.env[TF32_VARIABLE] = '0';
parentPort!.postMessage(await leastBits(workerData.network));
