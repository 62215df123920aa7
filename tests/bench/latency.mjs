// See tests/bench/latency.
import { until } from '../service/lib/wait.mjs';
import { PLATFORMS, fields, options, residentMib, send, setting, start } from './senders.mjs';

const { devices, min_ms, max_ms, idle_s } = options({ devices: 200_000, min_ms: 100, max_ms: 300, idle_s: 5 });
const STREAMS = { apns: 1000, fcm: 100 }; // what the simulator offers a connection, as its models do

const service = await start(devices, { 'apns.idle_close_s': idle_s, 'fcm.idle_close_s': idle_s });
const open = async (platform) => (await service.sim.stats())[platform].connections_open;
try {
  const [{ pid }] = await service.workers('dispatcher');
  for (const platform of PLATFORMS) {
    const limit = await setting(service, platform, 'connections_max');
    await send(service, platform); // caches and connections warm
    const atOnce = await send(service, platform);
    await until('the pool to be small', async () => (await open(platform)) <= 1, 600_000);
    await service.sim.faults({ [platform]: { latency: { ms: min_ms, max_ms } } });
    let peak = 0;
    const late = await send(service, platform, { watch: async () => (peak = Math.max(peak, await open(platform))) });
    await service.sim.faults({ [platform]: { latency: null } });
    const ended = performance.now();
    await until('the pool to be small', async () => (await open(platform)) <= 1, 600_000);
    const shrunk = (performance.now() - ended) / 1000;
    // Every stream of every connection allowed always in flight, and no time for anything else.
    const mean = (min_ms + max_ms) / 2000;
    const ideal = Math.max(atOnce.seconds, max_ms / 1000 + (devices * mean) / (limit * STREAMS[platform]));
    console.log(`bench=latency ${fields({
      provider: platform,
      devices,
      answer_ms: `${min_ms}-${max_ms}`,
      seconds: late.seconds.toFixed(2),
      pushes_per_second: Math.round(late.accepted / late.seconds),
      pushes_per_cpu_second: Math.round(late.accepted / late.cpu),
      at_once_seconds: atOnce.seconds.toFixed(2),
      at_once_per_cpu_second: Math.round(atOnce.accepted / atOnce.cpu),
      ideal_seconds: ideal.toFixed(2),
      ratio_ideal: (late.seconds / ideal).toFixed(2),
      connections_peak: peak,
      connections_max: limit,
      seconds_to_shrink: shrunk.toFixed(1),
      dispatcher_peak_mib: residentMib(pid),
    })}`);
  }
} finally {
  await service.stop();
}
