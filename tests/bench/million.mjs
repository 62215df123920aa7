// See tests/bench/million.
import { cpuTicks } from '../service/lib/processes.mjs';
import { parseLogLine } from '../service/lib/service.mjs';
import { PLATFORMS, arrival, done, fields, mixed, news, options, post, residentMib, setting, start } from './senders.mjs';

const { devices, rounds, latency_ms, storm_ms } = options({ devices: 1_000_000, rounds: 1, latency_ms: 300, storm_ms: 0 });
const service = await start(mixed(devices));
const KIB = 1024;
const URGENCIES = 4;

// What README.md says of a dispatcher's memory, in MiB.
async function bound() {
  const of = (section, key) => setting(service, section, key);
  const connections = (await of('apns', 'connections_max')) + (await of('fcm', 'connections_max'));
  const jobs = PLATFORMS.length * URGENCIES * (await of('dispatcher', 'jobs'));
  const inFlight = PLATFORMS.length * (await of('dispatcher', 'in_flight_max'));
  return Math.round(32 + 6 * jobs + (1.2 * inFlight) / KIB + 0.7 * connections);
}

// One alert to all. `storm`: every phone is refused for a while and has to be kept for later.
async function run(answerMs, storm = false) {
  const [{ pid }] = await service.workers('dispatcher');
  const pids = { dispatcher: pid, redis: service.redisPid(), simulator: service.sim.run.pid };
  await service.sim.reset(); // ends latencies too
  const latency = answerMs ? { ms: answerMs } : null;
  await service.sim.faults({ apns: { latency }, fcm: { latency } });
  if (storm) {
    const answer = { for_ms: storm_ms };
    await service.sim.faults({
      apns: { answer: { ...answer, status: 429, reason: 'TooManyRequests' } },
      fcm: { answer: { ...answer, reason: 'internal', probability: 0.5 } },
    });
  }
  const ticks = Object.entries(pids).map(([name, of]) => [name, cpuTicks(of)]);
  const from = service.log.length;
  const alert = await post(service, news('flash'));
  const connections = { apns: 0, fcm: 0 };
  const stats = await done(service, alert.id, {
    watch: async () => {
      const now = await service.sim.stats();
      for (const p of PLATFORMS) connections[p] = Math.max(connections[p], now[p].connections_open);
    },
  });
  const doneSeconds = (Date.now() - alert.posted) / 1000;
  const cpu = ticks.map(([name, before]) => [`${name}_cpu_s`, ((cpuTicks(pids[name]) - before) / 100).toFixed(1)]);
  const planned = parseLogLine(service.log.slice(from).find((line) => line.includes('event=push_planned')));
  const came = await arrival(service, alert, devices);
  console.log(`bench=million ${fields({
    devices,
    answer_ms: answerMs,
    storm_ms: storm ? storm_ms : 0,
    seconds: came.last.toFixed(2),
    plan_s: ((Date.parse(planned.ts) - alert.posted) / 1000).toFixed(3),
    first_accept_s: came.first.toFixed(3),
    p90_accept_s: came.p90.toFixed(2),
    last_accept_s: came.last.toFixed(2),
    counted_s: doneSeconds.toFixed(2),
    accepted: stats.total.accepted,
    lost: came.lost,
    dup: came.dup,
    pushes_per_second: Math.round(came.accepted / came.last),
    ...Object.fromEntries(cpu),
    apns_connections: connections.apns,
    fcm_connections: connections.fcm,
    dispatcher_peak_mib: residentMib(pid),
    bound_mib: await bound(),
  })}`);
}

try {
  for (let i = 0; i < rounds; i++) await run(0);
  if (latency_ms) await run(latency_ms);
  if (storm_ms) await run(0, true);
} finally {
  await service.stop();
}
