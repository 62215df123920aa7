// One text is not sent twice, and a key that runs away is stopped, whoever sends and however many
// newsroom workers there are.
import { randomUUID } from 'node:crypto';
import { assertProblem, http } from './lib/http.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService({ sim: false, config: {
  'newsroom.workers': 3, 'newsroom.duplicate_window_s': 1800, 'newsroom.breaker_alerts': 0,
} });
const saying = (headline, more = {}) => alertBody({ content: { en: { headline } }, fallback_language: 'en', ...more });
const post = (body, headers = {}, options = {}) => service().post(body, { headers, ...options });
function assertDuplicate(answer, id) {
  assertProblem(assert, answer, 409, ['/content']);
  assert.equal(answer.json.errors[0].code, 'duplicate');
  assert.ok(answer.json.errors[0].detail.includes(id), answer.text);
}
async function accepted(answering) {
  const answer = await answering;
  assert.equal(answer.status, 202, answer.text);
  return answer.json.id;
}

test('a double click sends once, on whatever workers the two land', async () => {
  for (let round = 0; round < 10; round++) {
    const body = alertBody();
    const answers = await Promise.all([1, 2, 3, 4].map(() => post(body)));
    const good = answers.filter((a) => a.status === 202);
    assert.equal(good.length, 1, answers.map((a) => a.text).join('\n'));
    for (const answer of answers) if (answer !== good[0]) assertDuplicate(answer, good[0].json.id);
  }
});

test('a retry under the same Idempotency-Key is no duplicate', async () => {
  const body = alertBody();
  const idempotencyKey = randomUUID();
  const ids = await Promise.all([1, 2, 3].map(() => accepted(post(body, {}, { idempotencyKey }))));
  assert.equal(new Set(ids).size, 1);
});

test('the same text in any edition, typed in any way, by any key, to anybody', async () => {
  const before = await service().metric('tocsin_duplicates_refused_total');
  const id = await accepted(post(saying('Nile rises above flood level')));
  const other = await service().createKey(['--name', 'another desk']);
  assertDuplicate(await post(saying('Nile rises above flood level', { audience: { regions: ['asia'] }, urgency: 'low' }),
    {}, { key: other }), id);
  assertDuplicate(await post(saying('  NILE  rises\u00a0above flood level\u200f')), id);
  assertDuplicate(await post(alertBody({ content: {
    es: { headline: 'Nile rises above flood level' }, ar: { headline: 'نص آخر تماما' } }, fallback_language: 'es' })), id);
  assert.equal(await service().metric('tocsin_duplicates_refused_total'), before + 3);
  await accepted(post(saying('Nile rises above flood level!')));
  await accepted(post(alertBody({ content: { en: { headline: 'Nile rises above flood level', body: 'New details' } },
    fallback_language: 'en' })));
});

test('who insists may; what is no new actual alert is free', async () => {
  const body = saying('Ceasefire agreed');
  const id = await accepted(post(body));
  assertDuplicate(await post(body), id);
  assertDuplicate(await post(body, { 'allow-duplicate': 'false' }), id);
  assertProblem(assert, await post(body, { 'allow-duplicate': 'yes' }), 400, ['Allow-Duplicate']);
  const again = await accepted(post(body, { 'allow-duplicate': 'true' }));
  assertDuplicate(await post(body), again);
  for (const status of ['test', 'exercise']) {
    await accepted(post({ ...body, status }));
    await accepted(post({ ...body, status }));
  }
  const update = { msg_type: 'update', references: [id], content: body.content };
  await accepted(post(update));
  await accepted(post(update));
  await accepted(post({ msg_type: 'cancel', references: [id] }));
});

test('a preview tells before', async (t) => {
  const codes = async (body, own = service(), key = own.key) => {
    const answer = await http('POST', `${own.newsroom}/v1/alerts:preview`, {
      headers: { 'content-type': 'application/json', authorization: `Bearer ${key}` }, body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.warnings.filter((w) => ['duplicate', 'breaker_open'].includes(w.code));
  };
  const body = alertBody();
  assert.deepEqual(await codes(body), []);
  const id = await accepted(post(body));
  const [warning] = await codes(body);
  assert.deepEqual([warning.pointer, warning.code], ['/content', 'duplicate']);
  assert.ok(warning.detail.includes(id));
  assert.deepEqual(await codes({ ...body, status: 'test' }), []);
  assert.deepEqual(await codes({ msg_type: 'update', references: [id], content: body.content }), []);
  const own = await ownService(t, { sim: false, config: { 'newsroom.breaker_alerts': 1 } });
  await accepted(own.post(alertBody()));
  assert.deepEqual(await codes(alertBody(), own), []);
  assert.equal((await own.post(alertBody())).status, 429);
  assert.deepEqual((await codes(alertBody(), own)).map((w) => w.code), ['breaker_open']);
  assert.deepEqual(await codes(alertBody(), own, await own.createKey(['--name', 'other'])), []);
});

test('a test does not stand in the way of the real alert', async () => {
  const body = saying('Sirens across the north');
  await accepted(post({ ...body, status: 'test' }));
  await accepted(post(body));
});

test('two stories may say the same; one may not twice, nor does none differ from one', async () => {
  const body = saying('Live: what we know so far');
  const first = await accepted(post({ ...body, story_id: 'flood' }));
  const second = await accepted(post({ ...body, story_id: 'election' }));
  assertDuplicate(await post({ ...body, story_id: 'flood' }), first);
  assertDuplicate(await post({ ...body, story_id: 'election' }), second);
  assertDuplicate(await post(body), second);
  const plain = saying('Live: what else we know');
  const none = await accepted(post(plain));
  assertDuplicate(await post({ ...plain, story_id: 'flood' }), none);
});

test('the window ends', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'newsroom.duplicate_window_s': 1 } });
  const body = alertBody();
  await accepted(own.post(body));
  await until('the text to be forgotten', async () => {
    const answer = await own.post(body);
    assert.ok(answer.status === 202 || answer.status === 409, answer.text);
    return answer.status === 202;
  });
});

test('a key that runs away is stopped until an admin resets it; its cancels and other keys go on', async (t) => {
  const own = await ownService(t, { sim: false, config: {
    'newsroom.workers': 2, 'newsroom.breaker_alerts': 5, 'newsroom.breaker_window_s': 3600,
  } });
  const admin = await own.createKey(['--name', 'chief', '--scopes', 'admin']);
  const keyId = own.key.split('_')[1];
  const reset = (key, id = keyId) => http('POST', `${own.newsroom}/v1/keys/${id}:reset-breaker`, {
    headers: { authorization: `Bearer ${key}` } });
  assert.deepEqual((await reset(admin)).json, { reset: false });
  for (let i = 0; i < 8; i++) await accepted(own.post(alertBody({ status: 'test' })));
  const answers = await Promise.all(Array.from({ length: 12 }, () => own.post(alertBody())));
  const good = answers.filter((a) => a.status === 202);
  const refused = answers.filter((a) => a.status === 429);
  assert.deepEqual([good.length, refused.length], [5, 7], answers.map((a) => a.text).join('\n'));
  for (const answer of refused) assert.equal(answer.json.errors[0].code, 'breaker_open');
  assert.equal(await own.metric('tocsin_breakers_tripped_total'), 1);
  assert.equal(await own.metric('tocsin_breakers_refused_total'), 7);
  await own.waitLog('breaker_tripped', { key_id: keyId });
  const typed = await own.tocsin(['publish', '--urgency', 'low', '--regions', 'mena', '--fallback', 'en', '--headline', 'en=Typed']);
  assert.equal(typed.code, 1);
  assert.match(typed.stderr, /429.*an admin resets its breaker \(tocsin key reset\)/);
  assert.equal(await own.metric('tocsin_breakers_refused_total'), 8, 'the command line asks once, not again and again');
  const { id } = good[0].json;
  const update = { msg_type: 'update', references: [id], content: { en: { headline: 'Again' } } };
  assert.equal((await own.post(update)).status, 429, 'updates sound on phones, too');
  await accepted(own.post({ msg_type: 'cancel', references: [id] }));
  await accepted(own.post(alertBody({ status: 'test' })));
  await accepted(own.post(alertBody(), { key: await own.createKey(['--name', 'other']) }));

  assertProblem(assert, await reset(own.key), 403);
  assertProblem(assert, await reset(admin, 'nobody'), 404);
  assert.deepEqual((await reset(admin)).json, { reset: true });
  for (let i = 0; i < 5; i++) await accepted(own.post(alertBody()));
  assert.equal((await own.post(alertBody())).status, 429);
  const shown = await own.tocsin(['key', 'reset', keyId, ...own.flags]);
  assert.equal(shown.code, 0, shown.stderr);
  assert.match(shown.stderr, /may send again/);
  await accepted(own.post(alertBody()));
  assert.match((await own.tocsin(['key', 'reset', keyId, ...own.flags])).stderr, /was not stopped/);
  assert.equal((await own.tocsin(['key', 'reset', 'nobody', ...own.flags])).code, 1);

  const entries = (await own.redis(['xrange', '{t}:audit', '-', '+'])).split('\n')
    .filter((line) => line.includes('"breaker.')).map((line) => JSON.parse(line));
  assert.deepEqual(entries.map((e) => e.action),
    ['breaker.tripped', 'breaker.reset', 'breaker.tripped', 'breaker.reset']);
  assert.deepEqual(entries.map((e) => e.actor.key_id), [keyId, admin.split('_')[1], keyId, null]);
  assert.deepEqual(entries[0].detail, { alerts: 5, within_s: 3600 });
});

test('the command line insists with --allow-duplicate', async () => {
  const args = ['publish', '--urgency', 'low', '--regions', 'mena', '--fallback', 'en', '--headline', 'en=From the shell'];
  assert.equal((await service().tocsin(args)).code, 0);
  const refused = await service().tocsin(args);
  assert.equal(refused.code, 1);
  assert.match(refused.stderr, /said the same/);
  const insisted = await service().tocsin([...args, '--allow-duplicate']);
  assert.equal(insisted.code, 0, insisted.stderr);
});
