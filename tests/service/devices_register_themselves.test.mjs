// PUT, GET and DELETE /v1/devices/{id}: what a phone can rely on.
import { randomBytes, randomUUID } from 'node:crypto';
import { assertProblem, http } from './lib/http.mjs';
import { Phone } from './lib/service.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';

const service = sharedService();
const refused = (answer, status, pointers) => assertProblem(assert, answer, status, pointers);
const publish = async () => {
  const alert = await service().publish();
  await service().settled(alert.id);
  return alert;
};

test('the first PUT answers 201 with a secret, what was kept and what was dropped', async () => {
  const phone = await Phone.register(service(), {
    regions: ['mena', 'atlantis'], sections: ['sports', 'gossip'], tags: ['Lebanon'],
    min_urgency: 'normal', time_zone: 'Asia/Beirut', edition: 'ar',
  });
  const { id, secret, registered_at, kept, dropped, token_moved } = phone.answer;
  assert.equal(id, phone.id);
  assert.ok(secret.length >= 32);
  assert.match(registered_at, /^\d{4}-\d\d-\d\dT/);
  assert.equal(token_moved, false);
  assert.deepEqual(kept.regions, ['mena']);
  assert.deepEqual(kept.sections, ['sports']);
  assert.equal(kept.edition, 'ar');
  assert.deepEqual(
    dropped.map((d) => [d.pointer, d.value]).sort(),
    [['/regions/1', 'atlantis'], ['/sections/1', 'gossip']],
  );
  assert.ok(dropped.every((d) => d.reason.length > 0));
  const read = await phone.read();
  assert.equal(read.status, 200);
  assert.deepEqual(read.json.regions ?? read.json.kept.regions, ['mena']);
  assert.equal(read.text.includes(phone.secret), false, 'the secret is shown once');
});

test('a later PUT replaces everything and needs the secret', async () => {
  const phone = await Phone.register(service(), { regions: ['mena'], tags: ['Lebanon'] });
  refused(await phone.put({}, null), 401);
  refused(await phone.put({}, 'x'.repeat(40)), 403);
  const answer = await phone.put({ regions: ['europe'], tags: [] });
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.secret, undefined);
  assert.deepEqual(answer.json.kept.regions, ['europe']);
  const mena = await publish();
  assert.ok(!(await phone.got()).includes(mena.id), 'no longer follows mena');
});

test('the same PUT again changes nothing', async () => {
  const phone = await Phone.register(service(), { regions: ['mena'] });
  for (let i = 0; i < 3; i++) assert.equal((await phone.put()).status, 200);
  const { id } = await publish();
  assert.deepEqual(await phone.got(), [id]);
});

test('the app may bring its own secret, so that a lost answer can be repeated', async () => {
  const id = `phone-${randomUUID()}`;
  const secret = randomBytes(32).toString('hex');
  const put = () =>
    http('PUT', `${service().gateway}/v1/devices/${id}`, {
      headers: { 'content-type': 'application/json', authorization: `Bearer ${secret}` },
      body: { platform: 'apns', token: 'ab'.repeat(32), edition: 'en', regions: ['mena'] },
    });
  const first = await put();
  assert.equal(first.status, 201, first.text);
  assert.ok(first.json.secret === undefined || first.json.secret === secret);
  assert.equal((await put()).status, 200);
  const short = await http('PUT', `${service().gateway}/v1/devices/phone-${randomUUID()}`, {
    headers: { 'content-type': 'application/json', authorization: 'Bearer short' },
    body: { platform: 'apns', token: 'cd'.repeat(32), edition: 'en', regions: [] },
  });
  assert.ok([400, 401, 422].includes(short.status), short.text);
});

test('GET and DELETE: 401 without, 403 with a wrong secret, 404 for an unknown id', async () => {
  const phone = await Phone.register(service(), {});
  for (const method of ['read', 'remove']) {
    refused(await phone[method](null), 401);
    refused(await phone[method]('y'.repeat(40)), 403);
  }
  const url = `${service().gateway}/v1/devices/phone-${randomUUID()}`;
  for (const method of ['GET', 'DELETE']) {
    refused(await http(method, url, { headers: { authorization: `Bearer ${'y'.repeat(40)}` } }), 404);
  }
  assert.equal((await phone.remove()).status, 204);
});

test('a deleted device gets no push, and its id can be used again', async () => {
  const phone = await Phone.register(service(), { regions: ['mena'] });
  const stays = await Phone.register(service(), { regions: ['mena'] });
  assert.equal((await phone.remove()).status, 204);
  refused(await phone.read(), 404);
  const { id } = await publish();
  assert.deepEqual(await phone.got(), []);
  assert.deepEqual(await stays.got(), [id]);
  const again = await phone.put({}, null);
  assert.equal(again.status, 201);
  const next = await publish();
  assert.deepEqual(await phone.got(), [next.id]);
});

test('a token that shows up under another id moves there: one push, not two', async () => {
  const old = await Phone.register(service(), { regions: ['mena'], edition: 'en' });
  const fresh = await Phone.register(service(), { regions: ['mena'], edition: 'ar', token: old.token });
  assert.equal(fresh.answer.token_moved, true);
  const { id } = await publish();
  const pushes = await fresh.pushes();
  assert.deepEqual(pushes.map((p) => p.alert_id), [id]);
  assert.match(JSON.stringify(pushes[0].payload), /عاجل/);
  refused(await old.read(), 404);
});

test('a device whose token changes is reached at the new one only', async () => {
  const phone = await Phone.register(service(), { regions: ['mena'] });
  const before = phone.token;
  phone.token = Phone.token('apns');
  await service().sim.tokens([{ platform: 'apns', token: phone.token, behaviour: 'ok' }]);
  assert.equal((await phone.put({ token: phone.token })).status, 200);
  const { id } = await publish();
  assert.deepEqual(await phone.got(), [id]);
  assert.deepEqual(await service().sim.ledger({ platform: 'apns', token: before }), []);
});

test('422 with every hard fault at once; 400, 413, 415 as everywhere', async () => {
  const put = (body, headers = {}) =>
    http('PUT', `${service().gateway}/v1/devices/phone-${randomUUID()}`, {
      headers: { 'content-type': 'application/json', ...headers }, body,
    });
  refused(await put({ platform: 'fax', token: 'abc', edition: 'xx', regions: 'mena' }), 422, [
    '/platform', '/edition', '/regions',
  ]);
  const unknown = await put({ platform: 'fcm', token: 'tok:1', edition: 'en', regions: ['asia'], nonsense: 1 });
  assert.equal(unknown.status, 201, 'an app newer than the service still registers');
  assert.deepEqual(unknown.json.dropped.map((d) => d.pointer), ['/nonsense']);
  refused(await put({}), 422, ['/platform', '/token', '/edition']);
  refused(await put({ platform: 'apns', token: 'not hex', edition: 'en', regions: [] }), 422, ['/token']);
  refused(await put({ platform: 'apns', token: 'abc', edition: 'en', regions: [] }), 422, ['/token']);
  refused(await put('{'), 400);
  refused(await put(JSON.stringify({ platform: 'fcm', token: 'x'.repeat(100_000), edition: 'en' })), 413);
  refused(await put('{}', { 'content-type': 'text/plain' }), 415);
  for (const id of ['short', 'x'.repeat(65), 'sp%20ace-123', '..%2f..%2fetc1']) {
    const answer = await http('PUT', `${service().gateway}/v1/devices/${id}`, {
      headers: { 'content-type': 'application/json' },
      body: { platform: 'fcm', token: 'tok:en_1', edition: 'en', regions: [] },
    });
    assert.ok([404, 422].includes(answer.status), `${id}: ${answer.text}`);
  }
});

test('200 devices registering at once all get their alert, once', async () => {
  const phones = await Promise.all(
    Array.from({ length: 200 }, (_, i) =>
      Phone.register(service(), { platform: i % 2 ? 'fcm' : 'apns', regions: ['latin-america'], edition: ['en', 'ar', 'es'][i % 3] }),
    ),
  );
  const alert = await service().publish({ audience: { regions: ['latin-america'] } });
  const stats = await service().settled(alert.id);
  assert.equal(stats.total.targeted, 200);
  assert.equal(stats.total.accepted, 200);
  assert.deepEqual(
    Object.fromEntries(Object.entries(stats.platforms).filter(([, c]) => c.targeted).map(([p, c]) => [p, c.targeted])),
    { apns: 100, fcm: 100 },
  );
  assert.deepEqual(Object.fromEntries(Object.entries(stats.editions).map(([e, c]) => [e, c.accepted])), { en: 67, ar: 67, es: 66 });
  for (const phone of phones) assert.deepEqual(await phone.got(), [alert.id]);
});
