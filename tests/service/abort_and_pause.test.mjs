// What stops pushes: the abort of an alert, and the switch of a platform. The numbers stay exact,
// and the simulator's ledger says the same.
import { randomUUID } from 'node:crypto';
import { Phone } from './lib/service.mjs';
import { http } from './lib/http.mjs';
import { OUTCOMES } from './lib/outcomes.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const PHONES = 4000;
// APNs answers slowly, one request at a time: a send to all takes minutes.
const SLOW = { apns: { latency: { ms: 40, max_ms: 60 }, mcs_never: true } };

const service = sharedService({ config: { 'dispatcher.workers': 2, 'dispatcher.flush_ms': 20, 'dispatcher.handover_min_s': 1 } });
const admin = (() => {
  let key;
  return async () => (key ??= await service().createKey(['--name', 'chief', '--scopes', 'admin']));
})();

const call = (method, path, { key = service().key, body } = {}) =>
  http(method, `${service().newsroom}${path}`, {
    headers: { ...(key ? { authorization: `Bearer ${key}` } : {}), 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body }),
  });
const abort = (id, options) => call('POST', `/v1/alerts/${id}:abort`, options);
const turn = async (verb, body) => {
  const answer = await call('POST', `/v1/push:${verb}`, { key: await admin(), body });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};
const stats = async (id) => (await service().get(`/v1/alerts/${id}/stats`)).json;
const sent = async (id) => (await service().sim.ledger({ alert: id })).filter((push) => push.alert_id === id).length;

function assertSums(counts) {
  for (const c of [counts.total, ...Object.values(counts.platforms), ...Object.values(counts.editions)]) {
    assert.equal(OUTCOMES.reduce((sum, name) => sum + c[name], 0) + c.to_go, c.targeted, JSON.stringify(counts));
  }
}

const ended = (id, state) =>
  until(`alert ${id} to be ${state}`, async () => {
    const counts = await stats(id);
    assertSums(counts);
    if (counts.state !== state) throw new Error(JSON.stringify(counts));
    return counts;
  });

async function importPhones() {
  const lines = [];
  for (let i = 0; i < PHONES; i++) {
    lines.push(JSON.stringify({
      id: `crowd-${i}-${randomUUID()}`, platform: i % 2 ? 'fcm' : 'apns', token: Phone.token(i % 2 ? 'fcm' : 'apns'),
      edition: ['en', 'ar', 'es'][i % 3], regions: ['africa'], sections: ['health'],
    }));
  }
  const result = await service().tocsin(['devices', 'import', '-', ...service().flags], { input: `${lines.join('\n')}\n` });
  assert.equal(result.code, 0, result.stderr);
}

const audience = { regions: ['africa'], sections: ['health'] };

test('an abort in the middle of a send: nothing more is handed over, and every phone is counted', async (t) => {
  await importPhones();
  await service().sim.faults(SLOW);
  t.after(() => service().sim.faults({ apns: { latency: null, mcs_never: null } }));
  const { id } = await service().publish({ audience });
  await until('some to be handed over', async () => (await stats(id)).platforms.apns?.accepted > 0);
  const answer = await abort(id);
  assert.equal(answer.status, 200, answer.text);
  assert.ok(['aborting', 'aborted'].includes(answer.json.state), answer.text);
  assertSums(answer.json);
  const counts = await ended(id, 'aborted');
  assert.equal(counts.total.targeted, PHONES);
  assert.equal(counts.total.to_go, 0);
  assert.ok(counts.total.aborted > 0 && counts.total.accepted > 0, JSON.stringify(counts.total));
  assert.equal(await sent(id), counts.total.accepted);
  assert.equal(await service().metric('tocsin_push_outcomes_total{outcome="aborted"}'), counts.total.aborted);
  // Again: the same numbers, and nothing happens.
  const again = await abort(id);
  assert.equal(again.status, 200);
  assert.deepEqual(again.json, counts);
  // A correction is for those who have the alert, not for those it was kept from.
  await service().sim.faults({ apns: { latency: null, mcs_never: null } });
  const update = await service().post({
    msg_type: 'update', references: [id], content: { en: { headline: 'e2' }, ar: { headline: 'ع٢' }, es: { headline: 's2' } },
  });
  assert.equal(update.status, 202, update.text);
  const next = await ended(id, 'done');
  assert.equal(next.total.targeted, counts.total.accepted);
  assert.equal(next.total.accepted, counts.total.accepted);
  assert.equal((await service().get(`/v1/alerts/${id}/stats?revision=1`)).json.state, 'aborted');
});

test('aborts of what is over, of what waits for its plan or a retry, and of nothing', async (t) => {
  const phone = await Phone.register(service(), { regions: ['africa'], sections: ['sports'] });
  const { id } = await service().publish({ audience: { regions: ['africa'], sections: ['sports'] } });
  await service().settled(id);
  const late = await abort(id);
  assert.equal(late.status, 200);
  assert.equal(late.json.state, 'done');
  assert.equal(late.json.total.aborted, 0);
  assert.deepEqual(await phone.got(), [id]);

  // Refused for now: it waits for half an hour, and is aborted there.
  await service().sim.faults({ apns: { answer: { status: 503, reason: 'ServiceUnavailable', retry_after: 1800 } } });
  t.after(() => service().sim.faults({ apns: { answer: null } }));
  const waiting = await service().publish({ audience: { regions: ['africa'], sections: ['sports'] } });
  await until('a retry to wait', async () => (await service().metric('tocsin_push_retries_total')) > 0);
  await abort(waiting.id);
  const counts = await ended(waiting.id, 'aborted');
  assert.equal(counts.total.aborted, 1);
  assert.equal(await sent(waiting.id), 0);

  assert.equal((await abort(randomUUID())).status, 404);
  assert.equal((await abort('no-id')).status, 404);
  const refused = await service().metric('tocsin_control_refused_total');
  assert.equal((await abort(id, { key: null })).status, 401);
  const reader = await service().createKey(['--name', 'reader', '--scopes', 'read']);
  assert.equal((await abort(id, { key: reader })).status, 403);
  const elsewhere = await service().createKey(['--name', 'elsewhere', '--scopes', 'publish,read', '--regions', 'europe']);
  assert.equal((await abort(id, { key: elsewhere })).status, 403);
  assert.equal((await abort(id, { body: { reason: 'x' } })).status, 422);
  assert.equal((await abort(id, { body: '{' })).status, 400);
  assert.equal(await service().metric('tocsin_control_refused_total'), refused + 4);
  assert.equal((await abort(id, { key: await admin() })).status, 200);
});

test('a paused platform waits, the other one sends; resumed it sends, once each', async (t) => {
  const where = { regions: ['africa'], sections: ['economy'] };
  const apns = await Phone.register(service(), where);
  const fcm = await Phone.register(service(), { platform: 'fcm', ...where });
  t.after(() => turn('resume', {}));
  const paused = await turn('pause', { platform: 'apns', reason: 'إيقاف "اختبار"' });
  assert.equal(paused.apns.reason, 'إيقاف "اختبار"');
  assert.equal(paused.fcm, null);
  await until('both workers to pause', async () => (await service().metric('tocsin_push_lanes_paused')) === 2);
  const { id } = await service().publish({ audience: where });
  await until('the other platform to be served', async () => (await stats(id)).platforms.fcm?.accepted === 1);
  const counts = await stats(id);
  assert.equal(counts.state, 'sending');
  assert.equal(counts.platforms.apns.to_go, 1);
  assert.deepEqual(counts.paused, { apns: paused.apns }, 'who waits, and why');
  const shown = await service().tocsin(['stats', id]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.ok(shown.stdout.includes(`apns waits: paused at ${paused.apns.since} by key ${paused.apns.by}: ${paused.apns.reason}`), shown.stdout);
  assert.deepEqual(await apns.got(), []);
  assert.deepEqual(await fcm.got(), [id]);
  // The switch outlives the workers.
  await service().killWorker('dispatcher');
  await until('both workers to be paused again', async () => (await service().metric('tocsin_push_lanes_paused')) === 2);
  assert.deepEqual(await apns.got(), []);
  await turn('resume', { platform: 'apns' });
  assert.deepEqual((await service().settled(id)).paused, {});
  assert.deepEqual(await apns.got(), [id]);
});

test('what a pause holds for longer than its time ends as expired, and is not sent later', async (t) => {
  const where = { regions: ['africa'], sections: ['environment'] };
  const phones = [await Phone.register(service(), where), await Phone.register(service(), { platform: 'fcm', ...where })];
  t.after(() => turn('resume', {}));
  await turn('pause', { platform: 'all', reason: 'drill' });
  await until('both workers to pause', async () => (await service().metric('tocsin_push_lanes_paused')) > 3);
  const { id } = await service().publish({ audience: where, ttl_s: 2 });
  await until('the plan', async () => {
    const counts = await stats(id);
    return counts.total.expired > 0 || (counts.paused.apns?.reason === 'drill' && counts.paused.fcm?.reason === 'drill');
  });
  const counts = await ended(id, 'done');
  assert.equal(counts.total.expired, 2, JSON.stringify(counts.total));
  assert.deepEqual(counts.paused, {}, 'nobody waits any more');
  await turn('resume', {});
  const next = await service().publish({ audience: where });
  await service().settled(next.id);
  for (const phone of phones) assert.deepEqual(await phone.got(), [next.id]);
});

test('all paused: an abort still counts, and the command line tells', async (t) => {
  const where = { regions: ['africa'], sections: ['technology'] };
  const phone = await Phone.register(service(), where);
  t.after(() => turn('resume', {}));
  const cli = async (...args) => {
    const result = await service().tocsin(args, { env: { TOCSIN_KEY: await admin() } });
    assert.equal(result.code, 0, result.stderr);
    return JSON.parse(result.stdout);
  };
  assert.equal((await cli('push', 'pause', '--reason', 'drill')).all.reason, 'drill');
  await until('both workers to pause', async () => (await service().metric('tocsin_push_lanes_paused')) > 3);
  const { id } = await service().publish({ audience: where });
  await until('the plan', async () => (await stats(id)).total.targeted === 1);
  assert.equal((await cli('push', 'show')).all.reason, 'drill');
  await cli('abort', id);
  assert.equal((await ended(id, 'aborted')).total.aborted, 1);
  assert.equal((await cli('push', 'resume')).all, null);
  assert.deepEqual(await phone.got(), []);

  assert.equal((await call('POST', '/v1/push:pause', { body: {} })).status, 403);
  const bad = await call('POST', '/v1/push:pause', { key: await admin(), body: { platform: 'pigeon', more: 1 } });
  assert.equal(bad.status, 422);
  assert.deepEqual(bad.json.errors.map((e) => e.pointer).sort(), ['/more', '/platform']);
  assert.equal((await service().tocsin(['push', 'stop'])).code, 2);
  assert.equal((await service().tocsin(['abort', 'x'])).code, 2);
});
