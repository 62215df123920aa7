// See tests/bench/collide.
import { until } from '../service/lib/wait.mjs';
import { arrival, done, fields, median, mixed, news, options, post, start } from './senders.mjs';

const { devices, rounds, latency_ms } = options({ devices: 1_000_000, rounds: 3, latency_ms: 0 });
const THIRD = { editions: ['ar'] }; // a third of the phones
const QUARTER = { regions: ['europe'] };
const service = await start(mixed(devices, { min_urgency: 'low' }));
const latency = latency_ms ? { ms: latency_ms } : null;

const accepted = async (id) => (await service.get(`/v1/alerts/${id}/stats`)).json.total.accepted;

// What became of these alerts once all of them are over.
async function results(alerts) {
  const all = [];
  for (const alert of alerts) {
    const { total } = await done(service, alert.id);
    all.push({ ...(await arrival(service, alert, total.targeted)), targeted: total.targeted });
  }
  const bad = all.find((one) => one.lost || one.dup || one.accepted !== one.targeted);
  if (bad) throw new Error(`lost or doubled: ${JSON.stringify(bad)}`);
  return all;
}

async function begin() {
  await service.sim.reset();
  await service.sim.faults({ apns: { latency }, fcm: { latency } });
}

async function share() {
  await begin();
  const [alone] = await results([await post(service, news('high', THIRD))]);
  await begin();
  const three = await results(await Promise.all([1, 2, 3].map(() => post(service, news('high', THIRD)))));
  return {
    targeted: alone.targeted,
    alone: alone.last,
    ...Object.fromEntries(three.map((one, i) => [`share${i + 1}`, one.last / (3 * alone.last)])),
  };
}

async function overtake() {
  await begin();
  const [alone] = await results([await post(service, news('flash', QUARTER))]);
  await begin();
  const normal = await post(service, news('normal'));
  await until('a tenth of the normal alert', async () => (await accepted(normal.id)) > devices / 10);
  const flash = await post(service, news('flash', QUARTER));
  const [over, under] = await results([flash, normal]);
  if (under.last + normal.posted / 1000 < over.p90 + flash.posted / 1000) throw new Error('the normal alert was over first');
  return { targeted: over.targeted, normal: under.targeted, alone: alone.p90, during: over.p90, first: over.first, normal_s: under.last };
}

async function of(work) {
  const runs = [];
  for (let i = 0; i < rounds; i++) {
    runs.push(await work());
    console.error(`round ${i + 1}: ${fields(Object.fromEntries(Object.entries(runs[i]).map(([k, v]) => [k, Math.round(v * 1000) / 1000])))}`);
  }
  return (name) => median(runs.map((run) => (typeof name === 'function' ? name(run) : run[name])));
}

try {
  const shared = await of(share);
  const over = await of(overtake);
  console.log(`bench=collide ${fields({
    devices,
    rounds,
    answer_ms: latency_ms,
    alerts: 3,
    targeted_each: shared('targeted'),
    alone_seconds: shared('alone').toFixed(2),
    share_1: shared('share1').toFixed(2),
    share_2: shared('share2').toFixed(2),
    share_3: shared('share3').toFixed(2),
    normal_targeted: over('normal'),
    normal_seconds: over('normal_s').toFixed(2),
    flash_targeted: over('targeted'),
    flash_alone_p90_seconds: over('alone').toFixed(2),
    flash_first_seconds: over('first').toFixed(3),
    flash_p90_seconds: over('during').toFixed(2),
    ratio_flash: over((run) => run.during / run.alone).toFixed(2),
  })}`);
} finally {
  await service.stop();
}
