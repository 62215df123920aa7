// A person's key sends an actual alert only with the confirm_token of its preview: what was shown
// is what is sent, to as many as were shown.
import { randomUUID } from 'node:crypto';
import { assertProblem, http } from './lib/http.mjs';
import { Phone, alertBody } from './lib/service.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

// Without the undo window, so that what is sent is there at once.
const service = sharedService({ config: { 'newsroom.hold_s': 0 } });
const PERSON = ['--name', 'Maya', '--person', '--all-regions'];

async function preview(own, key, body) {
  const answer = await http('POST', `${own.newsroom}/v1/alerts:preview`, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` }, body,
  });
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
}
const send = (own, key, body, token, options = {}) =>
  own.post(body, { key, headers: token ? { 'confirm-token': token } : {}, ...options });
function assertCode(answer, status, code) {
  assertProblem(assert, answer, status, ['Confirm-Token']);
  assert.equal(answer.json.errors[0].code, code);
}
const alertCount = async () => (await service().get('/v1/alerts')).json.alerts.length;

test('a person sends an actual alert only with the token of its preview', async () => {
  const key = await service().createKey(PERSON);
  const body = alertBody();
  const before = await service().metric('tocsin_confirms_refused_total');
  const count = await alertCount();
  assertCode(await send(service(), key, body), 428, 'confirm_required');
  assert.equal(await service().metric('tocsin_confirms_refused_total'), before + 1);
  assert.equal(await alertCount(), count, 'nothing was stored');
  const told = await preview(service(), key, body);
  assert.equal(told.needs_approval, false);
  assert.ok(Date.parse(told.confirm_expires_at) > Date.now());
  const answer = await send(service(), key, body, told.confirm_token);
  assert.equal(answer.status, 202, answer.text);
  assert.equal(await alertCount(), count + 1);
});

test('a test or exercise needs no token, nor does a service key; what is given is checked', async () => {
  const key = await service().createKey(PERSON);
  for (const status of ['test', 'exercise']) {
    assert.equal((await send(service(), key, alertBody({ status }))).status, 202);
    assertCode(await send(service(), key, alertBody({ status }), 'x'), 409, 'confirm_mismatch');
  }
  const body = alertBody();
  assertCode(await send(service(), service().key, body, '1.2.3'), 409, 'confirm_mismatch');
  const { confirm_token: token } = await preview(service(), service().key, body);
  assert.equal((await send(service(), service().key, body, token)).status, 202);
});

test('a token gives no right that the key has not', async () => {
  const reader = await service().createKey([...PERSON, '--scopes', 'read']);
  const body = alertBody();
  const { confirm_token: token } = await preview(service(), reader, body);
  const refused = await send(service(), reader, body, token);
  assertProblem(assert, refused, 403, ['']);
  const regional = await service().createKey(['--name', 'Omar', '--person', '--regions', 'europe']);
  assertProblem(assert, await send(service(), regional, body, token), 403, ['/audience/regions']);
});

test('the token is of one alert and one key', async () => {
  const key = await service().createKey(PERSON);
  const other = await service().createKey(PERSON);
  const body = alertBody({ audience: { regions: ['mena'] } });
  const { confirm_token: token } = await preview(service(), key, body);
  for (const changed of [
    { ...body, urgency: 'flash' },
    { ...body, audience: { regions: ['all'] } },
    { ...body, ttl_s: 60 },
    { ...body, content: { ...body.content, en: { headline: 'Another' } } },
    { ...body, tags: ['x'] },
  ]) assertCode(await send(service(), key, changed, token), 409, 'confirm_mismatch');
  assertCode(await send(service(), other, body, token), 409, 'confirm_mismatch');
  const [expires, audience, mac] = token.split('.');
  assertCode(await send(service(), key, body, `${Number(expires) + 60_000}.${audience}.${mac}`), 409, 'confirm_mismatch');
  assertCode(await send(service(), key, body, `${expires}.${Number(audience) + 1}.${mac}`), 409, 'confirm_mismatch');
  // The same alert laid out in another way is the same alert.
  const turned = Object.fromEntries(Object.entries(body).reverse());
  assert.equal((await send(service(), key, turned, token)).status, 202);
});

test('a client that retries gets its first answer, whatever its token is worth by then', async () => {
  const key = await service().createKey(PERSON);
  const body = alertBody();
  const idempotencyKey = randomUUID();
  const { confirm_token: token } = await preview(service(), key, body);
  const answers = await Promise.all([1, 2, 3].map(() => send(service(), key, body, token, { idempotencyKey })));
  for (const answer of answers) assert.equal(answer.status, 202, answer.text);
  assert.equal(new Set(answers.map((a) => a.json.id)).size, 1);
  for (const worthless of [undefined, 'x']) {
    const again = await send(service(), key, body, worthless, { idempotencyKey });
    assert.equal(again.status, 202, again.text);
    assert.equal(again.json.id, answers[0].json.id);
  }
  const changed = await send(service(), key, alertBody(), 'x', { idempotencyKey });
  assertProblem(assert, changed, 422, ['Idempotency-Key']);
});

test('updates and cancels are confirmed as they will be sent, after the revision that was shown', async () => {
  const key = await service().createKey(PERSON);
  const { id } = await service().publish();
  const update = { msg_type: 'update', references: [id], content: { en: { headline: 'Corrected' } } };
  assertCode(await send(service(), key, update), 428, 'confirm_required');
  const shown = await preview(service(), key, update);
  // Someone else was quicker.
  const quicker = await service().post({ ...update, content: { es: { headline: 'Corregido' } } });
  assert.equal(quicker.status, 202, quicker.text);
  assertCode(await send(service(), key, update, shown.confirm_token), 409, 'confirm_mismatch');
  const again = await preview(service(), key, update);
  const answer = await send(service(), key, update, again.confirm_token);
  assert.equal(answer.status, 202, answer.text);
  assert.equal(answer.json.revision, 3);
  const cancel = { msg_type: 'cancel', references: [id] };
  assertCode(await send(service(), key, cancel), 428, 'confirm_required');
  const { confirm_token: token } = await preview(service(), key, cancel);
  assert.equal((await send(service(), key, cancel, token)).status, 202);
});

test('a token ends: 409 confirm_expired', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'newsroom.confirm_ttl_s': 1 } });
  const key = await own.createKey(PERSON);
  const body = alertBody();
  const { confirm_token: token, confirm_expires_at: end } = await preview(own, key, body);
  // Until the end that was told.
  await until('it to be over', () => Date.now() > Date.parse(end));
  assertCode(await send(own, key, body, token), 409, 'confirm_expired');
});

test('an audience that grew or shrank since the preview must be looked at again', async (t) => {
  const own = await ownService(t, { config: { 'newsroom.approval_above': 11 } });
  const key = await own.createKey(PERSON);
  const body = alertBody({ audience: { regions: ['asia'] } });
  const first = await preview(own, key, body);
  assert.equal(first.total, 0);
  const phones = [];
  const grow = async () => phones.push(await Phone.register(own, { regions: ['asia'] }));
  for (let i = 0; i < 10; i++) await grow();
  const few = await send(own, key, body, first.confirm_token);
  assert.equal(few.status, 202, 'ten more are nobody\'s accident');
  await grow();
  const next = alertBody({ audience: { regions: ['asia'] } });
  const { confirm_token: stale } = await preview(own, key, { ...next, audience: { regions: ['europe'] } });
  assertCode(await send(own, key, next, stale), 409, 'confirm_mismatch');
  const shown = await preview(own, key, next);
  assert.equal(shown.total, 11);
  assert.equal(shown.needs_approval, false);
  await grow();
  const crowd = await preview(own, key, next);
  assert.deepEqual([crowd.total, crowd.needs_approval], [12, true]);
  assert.equal((await preview(own, own.key, next)).needs_approval, false, 'a service is no person');
  for (let i = 0; i < 10; i++) await grow();
  const refused = await send(own, key, next, shown.confirm_token);
  assertCode(refused, 409, 'audience_changed');
  assert.match(refused.json.errors[0].detail, /for 11 devices and would now reach 22/);
  for (const phone of phones.slice(0, 11)) assert.equal((await phone.remove()).status, 204);
  const shrunk = await send(own, key, next, (await preview(own, key, next)).confirm_token);
  assert.equal(shrunk.status, 202, shrunk.text);
});

test('all newsroom workers share the secret, also after it was lost', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'newsroom.workers': 3 } });
  const key = await own.createKey(PERSON);
  const exchange = async () => {
    for (let i = 0; i < 12; i++) {
      const body = alertBody();
      const { confirm_token: token } = await preview(own, key, body);
      const answer = await send(own, key, body, token);
      assert.equal(answer.status, 202, answer.text);
    }
  };
  await exchange();
  const body = alertBody();
  const { confirm_token: old } = await preview(own, key, body);
  await own.redis(['del', '{t}:confirm_secret']);
  await exchange();
  assertCode(await send(own, key, body, old), 409, 'confirm_mismatch');
});
