// The faults of tests/bench/chaos, in turn; prints its line.
import { runChaos } from '../service/lib/chaos.mjs';

const [readers, rounds] = process.argv.slice(2).map(Number);
const { repaired, ...counts } = await runChaos({ readers, rounds, say: console.error });
const pairs = [...Object.entries(counts), ...Object.entries(repaired).map(([name, ms]) => [`repair_ms_${name}`, ms])];
console.log(`bench=chaos ${pairs.map(([name, value]) => `${name}=${value}`).join(' ')}`);
process.exitCode = counts.missed + counts.dup + counts.reordered + counts.unknown > 0 ? 1 : 0;
