/** One dump judged in a process of its own, the weights read before: what values.ts prints of it. */
import { loadWeights, networkNamed, verify } from '../lib/index.ts';

const [name, file, input, values] = process.argv.slice(2);
const network = networkNamed(name);
const { weights } = await loadWeights(file, network);
const start = process.cpuUsage();
const { verdict, layers } = await verify({ network, weights, input, values });
const { user, system } = process.cpuUsage(start);
const bits = Math.min(...layers.map(({ introduced }) => introduced?.bits ?? Number.POSITIVE_INFINITY));
console.log(
  `${verdict}, ${layers.length} layers, at least ${bits.toFixed(1)} bits, ` +
    `${((user + system) / 1e6).toFixed(1)} s of CPU to judge`,
);
