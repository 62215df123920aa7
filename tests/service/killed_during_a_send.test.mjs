// kill -9 of dispatchers and of Redis, again and again, while an alert is being pushed to thousands
// of phones: nobody is left out, repeats stay in the window the README states and replace what they
// repeat, and the counters agree with the provider's ledger.
import { randomUUID } from 'node:crypto';
import { Phone } from './lib/service.mjs';
import { account, killDuring, window } from './lib/kills.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const PHONES = 8000;
const config = {
  'dispatcher.workers': 2,
  'dispatcher.jobs': 2,
  'dispatcher.in_flight_max': 100,
  'dispatcher.flush_max': 32,
  'queue.claim_ms': 2000,
  'serve.restart_max_ms': 100,
};
const service = sharedService({ config });
const audience = { regions: ['africa'] };

// Half of the phones are Apple's, and all slow enough that a send takes a while.
async function crowd(own, count = PHONES) {
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({
    id: randomUUID(), platform: i % 2 ? 'fcm' : 'apns', token: Phone.token(i % 2 ? 'fcm' : 'apns'),
    edition: ['en', 'ar', 'es'][i % 3], ...audience,
  }));
  const result = await own.tocsin(['devices', 'import', '-', ...own.flags], { input: `${lines.join('\n')}\n` });
  assert.equal(result.code, 0, result.stderr);
  await own.sim.faults({ apns: { latency: { ms: 10, max_ms: 40 } }, fcm: { latency: { ms: 10, max_ms: 40 } } });
}

async function check(own, id, count = PHONES) {
  const result = await account(own, id);
  assert.equal(result.targeted, count);
  assert.equal(result.lost, 0, JSON.stringify(result));
  assert.ok(result.agree, JSON.stringify(result));
  assert.equal(result.total.accepted, count, JSON.stringify(result));
  assert.equal(result.shown_twice, 0, 'a repeat has the same collapse id');
  return result;
}

let imported;
const crowdOnce = () => (imported ??= crowd(service()));

async function send(victims, stride) {
  await crowdOnce();
  const { id } = await service().publish({ audience });
  const killed = await killDuring(service(), id, { victims, stride });
  return { ...await check(service(), id), ...killed };
}

// Waits until so many pushes of the alert were accepted.
const handedOver = (own, id, count) => until(`${count} to be handed over`, async () =>
  (await own.sim.summary()).alerts[id]?.accepted >= count);

test('Redis killed again and again: everyone once, the dispatchers know what they sent', async () => {
  const { redis, repeats } = await send(['redis'], PHONES / 5);
  assert.ok(redis > 2);
  assert.equal(repeats, 0);
});

test('dispatchers and Redis killed again and again: everyone, repeats in the stated window', async (t) => {
  const { dispatchers, redis, repeats } = await send(['dispatcher', 'redis', 'all', 'both'], PHONES / 10);
  t.diagnostic(`${repeats} repeats after ${dispatchers} dispatchers, ${redis} times Redis`);
  assert.ok(dispatchers > 4 && redis > 2, `${dispatchers} ${redis}`);
  assert.ok(repeats <= dispatchers * window(config), `${repeats} repeats after ${dispatchers} kills`);
});

test('Redis away for longer than work may lie: nobody takes what others still do', async (t) => {
  const count = 4000;
  const own = await ownService(t, { config: { ...config, 'queue.claim_ms': 3000, 'serve.restart_min_ms': 3500, 'serve.restart_max_ms': 5000 } });
  await crowd(own, count);
  const { id } = await own.publish({ audience });
  await handedOver(own, id, count / 8);
  process.kill(own.redisPid(), 'SIGKILL');
  await until('Redis to be away', async () => (await own.get(`/v1/alerts/${id}/stats`)).status === 503);
  await until('the alert to be done', async () => (await own.get(`/v1/alerts/${id}/stats`)).json.state === 'done');
  assert.equal((await check(own, id, count)).repeats, 0);
});

test('a dispatcher that was stopped for so long that others took its work: it sends no more of it', async () => {
  await crowdOnce();
  const from = service().log.length;
  const { id } = await service().publish({ audience });
  const { worker } = await service().waitLog('push_job_started', { alert_id: id, platform: 'apns' }, from);
  await handedOver(service(), id, PHONES / 8);
  const { pid } = (await service().workers('dispatcher')).find((one) => String(one.worker) === worker);
  process.kill(pid, 'SIGSTOP');
  const stopped = service().log.length;
  try {
    await service().waitLog('push_job_started', { alert_id: id, platform: 'apns' }, stopped);
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await service().waitLog('push_job_lost', { alert_id: id }, stopped);
  await service().settled(id);
  const { repeats } = await check(service(), id);
  assert.ok(repeats <= 2 * window(config), `${repeats} repeats: what it held, and what it sent before it knew`);
});
