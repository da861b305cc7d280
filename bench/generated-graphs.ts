/**
 * npx tsx bench/generated-graphs.ts [COUNT [FIRST]]: false alarms of verify's graph mode over COUNT (500)
 * right graphs, and how many of them with one wrong node are noticed. Exit 1 where a right one fails or a
 * wrong one does not.
 */
import { tallied, tallyText } from '../spec/support/generated/tally.ts';

const [count = 500, first = 0] = process.argv.slice(2).map(Number);
const tally = await tallied(count, first);
console.log(tallyText(count, tally));
if (tally.wrong.length > 0) process.exitCode = 1;
