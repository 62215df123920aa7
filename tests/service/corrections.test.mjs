// Corrections over the newsroom API: by path or by body, what they are refused for, what lists and
// revisions say of them, and what the command line does.
import { randomUUID } from 'node:crypto';
import { assertProblem, http } from './lib/http.mjs';
import { WsReader } from './lib/readers.mjs';
import { Phone, alertBody } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';

const service = sharedService({ config: { 'newsroom.revisions_max': 3 } });
const correct = (id, verb, body, { key = service().key, idempotencyKey = randomUUID(), type = 'application/json' } = {}) =>
  http('POST', `${service().newsroom}/v1/alerts/${id}:${verb}`, {
    headers: {
      ...(key ? { authorization: `Bearer ${key}` } : {}),
      ...(idempotencyKey ? { 'idempotency-key': idempotencyKey } : {}),
      'content-type': type,
    },
    body,
  });
const content = { en: { headline: 'Corrected' } };
const original = { en: { headline: 'First' }, ar: { headline: 'أولًا' }, es: { headline: 'Primero' } };
const listed = async (id) =>
  (await service().get('/v1/alerts?limit=100')).json.alerts.filter((alert) => alert.id === id);

test('an update and a retraction by path are those by body: same answer, same frames, told apart', async (t) => {
  const reader = closing(t, new WsReader(service().gateway, { query: { regions: 'europe' } }));
  await reader.welcome();
  const first = await service().publish({ audience: { regions: ['europe'] }, content: original });
  const key = randomUUID();
  const update = await correct(first.id, 'update', { content, sound: true }, { idempotencyKey: key });
  assert.equal(update.status, 202, update.text);
  assert.equal(update.json.id, first.id);
  assert.equal(update.json.revision, 2);
  assert.equal(update.headers.location, `/v1/alerts/${first.id}`);
  // The same again, by path and as the long form, is the same.
  for (const again of [
    await correct(first.id, 'update', { sound: true, content }, { idempotencyKey: key }),
    await service().post({ msg_type: 'update', references: [first.id], content, sound: true }, { idempotencyKey: key }),
  ]) {
    assert.equal(again.status, 202, again.text);
    assert.equal(again.headers['idempotency-replayed'], 'true');
    assert.deepEqual(again.json, update.json);
  }
  assertProblem(assert, await correct(first.id, 'update', { content }, { idempotencyKey: key }), 422, ['Idempotency-Key']);
  const [one, two] = (await listed(first.id)).reverse();
  assert.equal(one.superseded, true);
  assert.equal(one.retracted, undefined);
  assert.equal(two.superseded, undefined);
  assert.equal(two.sound, true);

  const retraction = await correct(first.id, 'retract');
  assert.equal(retraction.status, 202, retraction.text);
  assert.equal(retraction.json.revision, 3);
  assert.deepEqual((await listed(first.id)).map((a) => [a.revision, a.msg_type, a.superseded, a.retracted]), [
    [3, 'cancel', undefined, undefined], [2, 'update', undefined, true], [1, 'alert', undefined, true],
  ]);
  const last = await reader.inbox.find((m) => m.type === 'cancel' && m.id === first.id);
  assert.equal(last.sound, undefined);
  const frames = reader.inbox.items.filter((m) => m.id === first.id);
  assert.deepEqual(frames.map((m) => [m.type, m.revision, m.sound]), [
    ['alert', 1, undefined], ['update', 2, true], ['cancel', 3, undefined],
  ]);

  const revisions = await service().get(`/v1/alerts/${first.id}/revisions`);
  assert.equal(revisions.status, 200, revisions.text);
  assert.deepEqual(revisions.json.revisions.map((r) => [r.revision, r.msg_type, r.content.en.headline, r.superseded, r.retracted]), [
    [1, 'alert', 'First', undefined, true],
    [2, 'update', 'Corrected', undefined, true],
    [3, 'cancel', 'Corrected', undefined, undefined],
  ]);
  for (const revision of revisions.json.revisions) {
    assert.match(revision.sent_at, /^\d{4}-/);
    assert.ok(revision.created_by);
  }
});

test('what a correction is refused for names its place, and nothing is stored', async () => {
  const { id } = await service().publish({ audience: { regions: ['europe'] } });
  const unknown = '0190b6a0-0000-7000-8000-000000000000';
  const refused = await service().metric('tocsin_alerts_refused_total');
  assertProblem(assert, await correct(unknown, 'update', { content }), 404, ['{id}']);
  assertProblem(assert, await correct('no-id', 'retract', {}), 404, ['{id}']);
  assertProblem(assert, await correct(id, 'update', {}), 422, ['/content']);
  assertProblem(assert, await correct(id, 'update', { content, msg_type: 'cancel', references: [unknown] }), 422,
    ['/msg_type', '/references']);
  assertProblem(assert, await correct(id, 'update', { content, audience: { regions: ['all'] }, sound: 'loud' }), 422,
    ['/audience', '/sound']);
  assertProblem(assert, await correct(id, 'update', { content, status: 'test' }), 409, ['/status']);
  assertProblem(assert, await correct(id, 'update', ''), 400);
  assertProblem(assert, await correct(id, 'update', '{'), 400);
  assertProblem(assert, await correct(id, 'update', { content }, { idempotencyKey: null }), 400, ['Idempotency-Key']);
  assertProblem(assert, await correct(id, 'update', { content }, { type: 'text/plain' }), 415);
  const elsewhere = await service().createKey(['--name', 'elsewhere', '--regions', 'asia']);
  assertProblem(assert, await correct(id, 'update', { content }, { key: elsewhere }), 403, ['/audience/regions']);
  assertProblem(assert, await service().post(alertBody({ sound: true })), 422, ['/sound']);
  assert.equal(await service().metric('tocsin_alerts_refused_total'), refused + 12);
  assertProblem(assert, await correct(id, 'retract', {}, { key: null }), 401);
  assertProblem(assert, await service().get(`/v1/alerts/${unknown}/revisions`), 404);
  assert.equal((await listed(id)).length, 1);

  // revisions_max is 3: two updates, then only a retraction.
  for (const wanted of [202, 202, 409]) {
    const answer = await correct(id, 'update', { content });
    assert.equal(answer.status, wanted, answer.text);
    if (wanted === 409) assert.equal(answer.json.errors[0].code, 'too_many_revisions');
  }
  assert.equal((await correct(id, 'retract', {})).json.revision, 4);
  const again = await correct(id, 'retract', {});
  assertProblem(assert, again, 409, ['{id}']);
  assert.equal(again.json.errors[0].code, 'cancelled');
});

test('silent or sounding as asked, on both platforms', async () => {
  const where = { regions: ['africa'], sections: ['sports'] };
  const phones = [await Phone.register(service(), where), await Phone.register(service(), { platform: 'fcm', ...where })];
  const { id } = await service().publish({ audience: where, urgency: 'high' });
  await service().settled(id);
  await correct(id, 'update', { content, sound: true });
  await service().settled(id, 2);
  await correct(id, 'retract', { sound: false });
  await service().settled(id, 3);
  const [apns, fcm] = await Promise.all(phones.map((phone) => phone.pushes()));
  assert.deepEqual(apns.map((push) => push.payload.aps.sound), ['default', 'default', undefined]);
  assert.deepEqual(apns.map((push) => push.payload.aps['interruption-level']), ['active', 'active', 'passive']);
  assert.deepEqual(fcm.map((push) => (push.payload.message ?? push.payload).android.notification.sound),
    ['default', 'default', undefined]);
  for (const pushes of [apns, fcm]) {
    assert.deepEqual(new Set(pushes.map((push) => push.collapse_id)), new Set([id]));
  }
});

test('tocsin publish --update and --retract', async () => {
  const { id } = await service().publish({ audience: { regions: ['europe'] }, content: original });
  const run = (...args) => service().tocsin(['publish', ...args], { env: { TOCSIN_KEY: service().key } });
  const update = await run('--update', id, '--headline', 'en=By hand', '--sound', 'yes');
  assert.equal(update.code, 0, update.stderr);
  assert.equal(JSON.parse(update.stdout).revision, 2);
  const retraction = await run('--retract', id);
  assert.equal(retraction.code, 0, retraction.stderr);
  const { revisions } = (await service().get(`/v1/alerts/${id}/revisions`)).json;
  assert.deepEqual(revisions.map((r) => [r.msg_type, r.content.en.headline, r.sound]), [
    ['alert', 'First', undefined], ['update', 'By hand', true], ['cancel', 'By hand', undefined],
  ]);
  for (const bad of [['--update', 'x', '--headline', 'en=a'], ['--update', id, '--retract', id], ['--retract', id, '--sound', 'maybe']]) {
    assert.equal((await run(...bad)).code, 2, bad.join(' '));
  }
  const late = await run('--retract', id);
  assert.equal(late.code, 1);
  assert.match(late.stderr, /cancelled/);
});
