// Whom an update or a retraction reaches on phones: those who have the alert, whatever they follow by
// now, each once and never before the alert itself. The simulator's ledger is the witness.
import { randomUUID } from 'node:crypto';
import { http } from './lib/http.mjs';
import { OUTCOMES, assertSums } from './lib/outcomes.mjs';
import { WsReader } from './lib/readers.mjs';
import { Phone } from './lib/service.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const CROWD = 3000;
// One request at a time, each answered late: a send to all takes minutes.
const SLOW = { apns: { latency: { ms: 40, max_ms: 60 }, mcs_never: true }, fcm: { latency: { ms: 400, max_ms: 600 } } };
const FAST = { apns: { latency: null, mcs_never: null }, fcm: { latency: null } };
const content = { en: { headline: 'Corrected' }, ar: { headline: 'مصحح' }, es: { headline: 'Corregido' } };

const service = sharedService({ config: { 'dispatcher.workers': 2, 'dispatcher.flush_ms': 20 } });

const post = async (own, path, body = {}) => {
  const answer = await http('POST', `${own.newsroom}${path}`, {
    headers: { authorization: `Bearer ${own.key}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    body,
  });
  assert.ok(answer.status < 300, answer.text);
  return answer.json;
};
const update = (own, id, body = { content }) => post(own, `/v1/alerts/${id}:update`, body);
const retract = (own, id, body) => post(own, `/v1/alerts/${id}:retract`, body);
const preview = (own, id, type) =>
  post(own, '/v1/alerts:preview', { msg_type: type, references: [id], ...(type === 'update' ? { content } : {}) });
const stats = async (own, id, revision) => (await own.get(`/v1/alerts/${id}/stats?revision=${revision}`)).json;
const revisionsOf = async (phone, id) =>
  (await phone.pushes()).filter((push) => push.alert_id === id).map((push) => Number(revision(push)));
const revision = (push) => (push.payload.message ?? push.payload).data?.revision ?? push.payload.revision;

async function crowd(own, where, count = CROWD) {
  const lines = Array.from({ length: count }, (_, i) => JSON.stringify({
    id: `crowd-${i}-${randomUUID()}`, platform: i % 2 ? 'fcm' : 'apns', token: Phone.token(i % 2 ? 'fcm' : 'apns'),
    edition: ['en', 'ar', 'es'][i % 3], ...where,
  }));
  const result = await own.tocsin(['devices', 'import', '-', ...own.flags], { input: `${lines.join('\n')}\n` });
  assert.equal(result.code, 0, result.stderr);
}

// What each token was given of an alert, in order of arrival: token -> revisions.
async function byToken(own, id) {
  const seen = new Map();
  for (const push of (await own.sim.ledger({ alert: id })).filter((p) => p.alert_id === id)) {
    seen.set(push.token, [...(seen.get(push.token) ?? []), Number(revision(push))]);
  }
  return seen;
}

// The counters of an alert and of its correction, once all is over.
async function bothSettled(own, id) {
  const counts = [await own.settled(id, 1), await own.settled(id, 2)];
  for (const c of counts) assertSums(c);
  return counts;
}

function assertTotals(counts) {
  const c = counts.total;
  assert.equal(OUTCOMES.reduce((sum, name) => sum + c[name], 0) + c.to_go, c.targeted, JSON.stringify(counts));
}

test('who has the alert gets its corrections, whatever was followed, renamed or removed since', async () => {
  const where = { regions: ['africa'], sections: ['sports'] };
  const elsewhere = { regions: ['asia'], sections: ['health'] };
  const join = (follows) => Phone.register(service(), { ...where, ...follows });
  const stayed = await join({});
  const moved = await join({});
  const renewed = await join({ platform: 'fcm' });
  const translated = await join({ edition: 'en' });
  const left = await join({});
  const dead = await join({ behaviour: 'unregistered', timestamp_ms: Date.now() + 3_600_000 });
  const other = await join(elsewhere);
  const { id } = await service().publish({ audience: where });
  await service().settled(id);

  assert.equal((await moved.put(elsewhere)).status, 200);
  const formerToken = renewed.token;
  renewed.token = Phone.token('fcm');
  await service().sim.tokens([{ platform: 'fcm', token: renewed.token, behaviour: 'ok' }]);
  assert.equal((await renewed.put({ token: renewed.token })).status, 200);
  assert.equal((await translated.put({ edition: 'ar' })).status, 200);
  assert.equal((await left.remove()).status, 204);
  assert.equal((await other.put(where)).status, 200);
  const newcomer = await join({});
  await until('the dead token to be gone', async () => (await dead.read()).status === 404);

  for (const [type, n] of [['update', 2], ['cancel', 3]]) {
    const counted = await preview(service(), id, type);
    assert.equal(counted.total, 4, JSON.stringify(counted));
    await (type === 'update' ? update : retract)(service(), id);
    const told = await service().settled(id, n);
    assert.equal(told.total.targeted, counted.total);
    assert.equal(told.total.accepted, 4);
    assertSums(told);
    for (const [edition, count] of Object.entries(counted.editions)) {
      assert.equal(told.editions[edition]?.targeted ?? 0, count, edition);
    }
  }
  for (const phone of [stayed, moved, translated]) assert.deepEqual(await revisionsOf(phone, id), [1, 2, 3]);
  assert.deepEqual(await revisionsOf(renewed, id), [2, 3]);
  assert.equal((await service().sim.ledger({ platform: 'fcm', token: formerToken })).length, 1);
  assert.deepEqual(await revisionsOf(left, id), [1]);
  for (const phone of [dead, other, newcomer]) assert.deepEqual(await revisionsOf(phone, id), []);
  assert.deepEqual((await translated.pushes()).map((push) => push.payload.edition), ['en', 'ar', 'ar']);
});

// A correction 2 s after the send while that is still being dispatched, with and without waiting for
// what is under way. A service for each: the wait is its configuration.
for (const [verb, wait] of [['update', 500], ['update', 0], ['retract', 500], ['retract', 0]]) {
  test(`${verb} during the send, wait ${wait} ms: nobody is left with the mistake, and nobody is told twice`, async (t) => {
    const own = await ownService(t, {
      config: { 'dispatcher.workers': 2, 'dispatcher.flush_ms': 20, 'queue.correction_wait_ms': wait },
    });
    const where = { regions: ['africa'], sections: ['health'] };
    await crowd(own, where);
    await own.sim.faults(SLOW);
    const { id } = await own.publish({ audience: where });
    await until('some of both to be handed over', async () => {
      const { platforms } = await stats(own, id, 1);
      return platforms.apns?.accepted > 0 && platforms.fcm?.accepted > 0;
    });
    await (verb === 'update' ? update : retract)(own, id);
    const during = await stats(own, id, 1);
    assert.ok(during.total.accepted < CROWD, JSON.stringify(during.total));
    assertTotals(during);
    await until('what was queued to be dropped', async () => (await stats(own, id, 1)).total.superseded > 0);
    await own.sim.faults(FAST);
    const [first, second] = await bothSettled(own, id);
    const seen = await byToken(own, id);
    const kinds = {};
    for (const revisions of seen.values()) kinds[revisions.join()] = (kinds[revisions.join()] ?? 0) + 1;
    t.diagnostic(JSON.stringify({ kinds, first: first.total, second: second.total }));
    assert.ok(first.total.superseded > 0, JSON.stringify(first.total));
    assert.equal(first.total.accepted + first.total.superseded, CROWD);
    assert.equal(kinds['1,2'], first.total.accepted);
    if (verb === 'update') {
      assert.deepEqual(Object.keys(kinds).sort(), ['1,2', '2']);
      assert.equal(second.total.targeted, CROWD);
      assert.equal(second.total.accepted, CROWD);
      assert.equal(seen.size, CROWD);
    } else {
      assert.deepEqual(Object.keys(kinds), ['1,2']);
      assert.equal(second.total.accepted, first.total.accepted);
      assert.equal(second.total.accepted + second.total.suppressed, second.total.targeted);
    }
    assert.equal(await own.metric('tocsin_push_outcomes_total{outcome="superseded"}'), first.total.superseded);
    assert.equal(await own.metric('tocsin_push_outcomes_total{outcome="suppressed"}'), second.total.suppressed);
  });
}

test('a dispatcher dies in the middle and the alert is withdrawn: whoever has it is told', async (t) => {
  const own = await ownService(t, { config: { 'dispatcher.workers': 1, 'dispatcher.flush_ms': 500 } });
  const where = { regions: ['africa'], sections: ['economy'] };
  await crowd(own, where, 1200);
  await own.sim.faults({ ...SLOW, apns: { latency: { ms: 5, max_ms: 10 }, mcs_never: true } });
  const { id } = await own.publish({ audience: where });
  await until('some to be handed over', async () => (await stats(own, id, 1)).total.accepted > 20);
  const [worker] = await own.workers('dispatcher');
  process.kill(worker.pid, 'SIGKILL');
  await retract(own, id);
  await own.sim.faults(FAST);
  const [first, second] = await bothSettled(own, id);
  const seen = await byToken(own, id);
  for (const [token, revisions] of seen) assert.equal(revisions.at(-1), 2, `${token}: ${revisions}`);
  assert.equal(seen.size, second.total.accepted);
  assert.equal(first.total.accepted + first.total.unknown, second.total.accepted);
});

test('paused: what waits for the alert gets the update instead, and of a retraction nothing', async (t) => {
  const where = { regions: ['africa'], sections: ['technology'] };
  const phone = await Phone.register(service(), where);
  const admin = await service().createKey(['--name', 'chief', '--scopes', 'admin']);
  const turn = (verb) => http('POST', `${service().newsroom}/v1/push:${verb}`, {
    headers: { authorization: `Bearer ${admin}`, 'content-type': 'application/json' }, body: { reason: 'drill' },
  });
  assert.equal((await turn('pause')).status, 200);
  t.after(() => turn('resume'));
  await until('both workers to pause', async () => (await service().metric('tocsin_push_lanes_paused')) > 3);
  const taken = await service().publish({ audience: where });
  const withdrawn = await service().publish({ audience: where });
  for (const { id } of [taken, withdrawn]) {
    await until('the plan', async () => (await stats(service(), id, 1)).total.targeted === 1);
  }
  await update(service(), taken.id);
  await retract(service(), withdrawn.id);
  for (const { id } of [taken, withdrawn]) {
    assert.equal((await service().settled(id, 1)).total.superseded, 1);
  }
  assert.equal((await service().settled(withdrawn.id, 2)).total.accepted, 0);
  assert.equal((await turn('resume')).status, 200);
  assert.equal((await service().settled(taken.id, 2)).total.accepted, 1);
  assert.deepEqual(await revisionsOf(phone, taken.id), [2]);
  assert.deepEqual(await phone.got(), [taken.id]);
});

test('a correction of a test reaches those who got the test and are still test phones and readers', async (t) => {
  const where = { regions: ['africa'], sections: ['environment'] };
  const tester = await Phone.register(service(), { ...where, test: true });
  const former = await Phone.register(service(), { ...where, test: true });
  const reader = await Phone.register(service(), where);
  const listeners = [
    new WsReader(service().gateway, { query: { regions: 'africa', test: 'true' } }),
    new WsReader(service().gateway, { query: { regions: 'africa' } }),
  ];
  closing(t, ...listeners);
  for (const listener of listeners) await listener.welcome();
  for (const status of ['test', 'exercise']) {
    const { id } = await service().publish({ audience: where, status });
    assert.equal((await service().settled(id)).total.accepted, 2);
    assert.equal((await former.put({ test: false })).status, 200);
    await update(service(), id);
    await service().settled(id, 2);
    await retract(service(), id);
    await service().settled(id, 3);
    assert.deepEqual(await revisionsOf(tester, id), [1, 2, 3]);
    assert.deepEqual(await revisionsOf(former, id), [1]);
    assert.deepEqual(await reader.got(), []);
    await listeners[0].inbox.find((m) => m.type === 'cancel' && m.id === id);
    assert.equal((await former.put({ test: true })).status, 200);
  }
  const { id } = await service().publish({ audience: where });
  await listeners[1].inbox.find((m) => m.type === 'alert' && m.id === id);
  assert.deepEqual(listeners[1].alerts.map((m) => m.id), [id]);
});

test('recipients that are no longer known: readers are told, phones not, and the answer says so', async (t) => {
  const where = { regions: ['africa'], sections: ['politics'] };
  const phone = await Phone.register(service(), where);
  const reader = closing(t, new WsReader(service().gateway, { query: { regions: 'africa' } }));
  await reader.welcome();
  const { id } = await service().publish({ audience: where });
  await service().settled(id);
  await service().redis(['hset', `{t}:stats:${id}:1`, 'known_until', '1']);
  const answer = await update(service(), id);
  assert.equal(answer.recipients, 'forgotten');
  assert.equal((await service().settled(id, 2)).total.targeted, 0);
  await reader.inbox.find((m) => m.type === 'update' && m.id === id);
  assert.deepEqual(await revisionsOf(phone, id), [1]);
});
