// See tests/bench/kill.
import { account, killDuring, window } from '../service/lib/kills.mjs';
import { everyone, fields, options, start } from './senders.mjs';

const { devices, kills, in_flight } = options({ devices: 200_000, kills: 20, in_flight: 1000 });
const DEADLINE_MS = 120_000;
const config = {
  'dispatcher.workers': 2,
  'dispatcher.jobs': 4,
  'dispatcher.in_flight_max': in_flight,
  'dispatcher.flush_max': 256,
  'serve.restart_max_ms': 200,
};

const service = await start(devices / 2, config);
try {
  // Time enough for the kills: at once it would be over before the first worker is back.
  const latency = { ms: 50, max_ms: 150 };
  await service.sim.faults({ apns: { latency }, fcm: { latency } });
  const rounds = [
    { deaths: 'redis', victims: ['redis'] },
    { deaths: 'all', victims: ['dispatcher', 'redis', 'all', 'both'] },
  ];
  for (const { deaths, victims } of rounds) {
    const started = performance.now();
    const { id } = await service.publish(everyone());
    const killed = await killDuring(service, id, { victims, stride: devices / kills, deadlineMs: DEADLINE_MS });
    const seconds = (performance.now() - started) / 1000;
    const result = await account(service, id);
    console.log(`bench=kill ${fields({
      deaths,
      devices,
      kills_dispatcher: killed.dispatchers,
      kills_redis: killed.redis,
      lost: result.lost,
      repeats: result.repeats,
      repeats_bound: killed.dispatchers * window(config),
      shown_twice: result.shown_twice,
      outcomes_agree: result.agree ? 'yes' : 'no',
      accepted: result.total.accepted,
      seconds: seconds.toFixed(1),
    })}`);
  }
} finally {
  await service.stop();
}
