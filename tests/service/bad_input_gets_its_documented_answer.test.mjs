// Every way to be refused at POST /v1/alerts, and the order of the checks.
import { randomUUID } from 'node:crypto';
import { assertProblem, http, raw } from './lib/http.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';

const service = sharedService({ sim: false });
const refused = (answer, status, pointers) => assertProblem(assert, answer, status, pointers);

test('401 without a key, with a malformed, an unknown and a wrong one', async () => {
  const [, id] = service().key.split('_');
  const wrong = ['', 'Bearer', 'Basic abc', 'Bearer nonsense', `Bearer tcn_${'a'.repeat(12)}_${'b'.repeat(43)}`,
    `Bearer tcn_${id}_${'c'.repeat(43)}`, `${service().key}`];
  for (const value of [undefined, ...wrong]) {
    const answer = await service().post(alertBody(), {
      key: null,
      headers: value === undefined ? {} : { authorization: value },
    });
    refused(answer, 401);
    assert.match(answer.headers['www-authenticate'], /^Bearer/);
  }
});

test('401 comes before everything else', async () => {
  const answer = await service().post('{', { key: null, headers: { 'content-type': 'text/plain' } });
  refused(answer, 401);
});

test('415 for another content type, and charset=utf-8 is fine', async () => {
  for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'application/jsonp', null]) {
    refused(await service().post(JSON.stringify(alertBody()), { headers: { 'content-type': type } }), 415);
  }
  const answer = await service().post(alertBody(), {
    headers: { 'content-type': 'application/json; charset=utf-8' },
  });
  assert.equal(answer.status, 202, answer.text);
});

test('413 above newsroom.body_max_bytes, by length and by chunks', async () => {
  const body = JSON.stringify(alertBody({ source: 'x'.repeat(70_000) }));
  refused(await service().post(body), 413);
  const chunk = `${(70_000).toString(16)}\r\n${'x'.repeat(70_000)}\r\n`;
  const answer = await raw(
    service().newsroomPort,
    `POST /v1/alerts HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${service().key}\r\n` +
      `Idempotency-Key: ${randomUUID()}\r\nContent-Type: application/json\r\n` +
      `Transfer-Encoding: chunked\r\n\r\n${chunk}0\r\n\r\n`,
    { enough: (text) => /\r\n\r\n/.test(text) },
  );
  assert.match(answer.text, /^HTTP\/1\.1 413 /);
});

test('400 without an Idempotency-Key and for a malformed one', async () => {
  for (const value of [null, '', 'x'.repeat(129), 'två ord', 'tab\there']) {
    let answer;
    try {
      answer = await service().post(alertBody(), { idempotencyKey: value });
    } catch (error) {
      // Node itself refuses to send some of them: say it over a plain socket.
      assert.equal(error.code, 'ERR_INVALID_CHAR');
      continue;
    }
    refused(answer, 400, ['Idempotency-Key']);
  }
  const longest = await service().post(alertBody(), { idempotencyKey: 'k'.repeat(128) });
  assert.equal(longest.status, 202, longest.text);
});

test('400 for broken JSON, naming the place', async () => {
  const broken = ['', '{', '[1,2', 'nonsense', '{"urgency":"high",}', '{"a":1}{"b":2}', '{"urgency":"\\ud800"}',
    '"\u0001"', '{"urgency": high}', `${'['.repeat(5000)}`];
  for (const body of broken) {
    const answer = await service().post(body);
    assert.ok(answer.status === 400 || answer.status === 422, `${body.slice(0, 40)}: ${answer.text}`);
    if (answer.status === 400) {
      refused(answer, 400);
      assert.ok(answer.json.errors.length >= 1 && answer.json.errors[0].detail.length > 0);
    }
  }
  for (const body of ['', '{', '[1,2', 'nonsense', '{"urgency":"high",}', '{"urgency": high}']) {
    refused(await service().post(body), 400);
  }
  const notUtf8 = Buffer.concat([Buffer.from('{"urgency":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
  const answer = await service().post(notUtf8);
  assert.ok(answer.status === 400 || answer.status === 422, answer.text);
  refused(answer, answer.status);
});

test('422 lists every fault at once, each with its JSON pointer', async () => {
  const answer = await service().post({
    urgency: 'extreme',
    status: 'sometimes',
    audience: { regions: ['atlantis', 'mena'], sections: ['gossip'], editions: ['en', 'xx'], platforms: ['fax'] },
    content: {
      en: { headline: 'ok', url: 'javascript:alert(1)', image_url: 'ftp://x/y', dir: 'rtl' },
      zz: { headline: 'unknown language' },
    },
    fallback_language: 'ar',
    tags: ['ok', ''],
    ttl_s: -1,
    nonsense: true,
  });
  refused(answer, 422, [
    '/urgency',
    '/status',
    '/audience/regions/0',
    '/audience/sections/0',
    '/audience/editions/1',
    '/audience/platforms/0',
    '/content/en/url',
    '/content/en/image_url',
    '/content/en/dir',
    '/content/zz',
    '/fallback_language',
    '/tags/1',
    '/ttl_s',
    '/nonsense',
  ]);
  const codes = Object.fromEntries(answer.json.errors.map((e) => [e.pointer, e.code]));
  assert.equal(codes['/nonsense'], 'unknown_field');
});

test('422 for what is missing: urgency, regions, and content for every targeted edition', async () => {
  refused(await service().post({}), 422, [
    '/urgency', '/audience/regions', '/content/en/headline', '/content/ar/headline', '/content/es/headline',
  ]);
  const body = alertBody();
  delete body.content.ar;
  body.content.es = { body: 'no headline' };
  const answer = await service().post(body);
  refused(answer, 422, ['/content/ar/headline', '/content/es/headline']);
  const onlyEnglish = alertBody({ audience: { regions: ['mena'], editions: ['en'] } });
  delete onlyEnglish.content.ar;
  delete onlyEnglish.content.es;
  assert.equal((await service().post(onlyEnglish)).status, 202);
  const fallback = alertBody({ fallback_language: 'en' });
  delete fallback.content.ar;
  delete fallback.content.es;
  assert.equal((await service().post(fallback)).status, 202);
});

test('422 for wrong types, over-long texts, control characters and blank headlines', async () => {
  const faults = [
    [{ urgency: 3 }, '/urgency'],
    [{ audience: { regions: 'mena' } }, '/audience/regions'],
    [{ audience: { regions: [] } }, '/audience/regions'],
    [{ audience: { regions: ['mena', 5] } }, '/audience/regions/1'],
    [{ tags: Array.from({ length: 17 }, (_, i) => `t${i}`) }, '/tags'],
    [{ tags: ['x'.repeat(65)] }, '/tags/0'],
    [{ collapse_id: 'x'.repeat(65) }, '/collapse_id'],
    [{ source: 'x'.repeat(129) }, '/source'],
    [{ story_id: 'x'.repeat(129) }, '/story_id'],
    [{ ttl_s: 2419201 }, '/ttl_s'],
    [{ ttl_s: 1.5 }, '/ttl_s'],
    [{ ttl_s: '60' }, '/ttl_s'],
    [{ references: ['not-an-id'] }, '/references'],
  ];
  for (const [change, pointer] of faults) {
    const answer = await service().post(alertBody(change));
    refused(answer, 422);
    const pointers = answer.json.errors.map((e) => e.pointer);
    assert.ok(pointers.includes(pointer), `${JSON.stringify(change)}: ${pointers}`);
  }
  for (const headline of ['', '   ', 'bell\u0007', 'line\u0000', 'x'.repeat(513), 7]) {
    const body = alertBody();
    body.content.en.headline = headline;
    refused(await service().post(body), 422, ['/content/en/headline']);
  }
});

test('times that cannot be, and a draft posted as an alert, are refused by name', async () => {
  for (const [change, pointer, code] of [
    [{ send_at: '2020-01-01T00:00:00Z' }, '/send_at', 'past'],
    [{ send_at: '2099-01-01T00:00:00Z' }, '/send_at', 'too_far'],
    [{ embargoed_until: '2099-01-01T00:00:00Z' }, '/embargoed_until', 'too_far'],
    [{ send_at: 'tomorrow' }, '/send_at', 'invalid_value'],
    [{ hold_s: 3601 }, '/hold_s', 'out_of_range'],
    [{ status: 'draft' }, '/status', 'not_supported'],
  ]) {
    const answer = await service().post(alertBody(change));
    refused(answer, 422, [pointer]);
    assert.equal(answer.json.errors[0].code, code);
  }
});

test('403 names the region, the edition and the urgency that the key lacks', async () => {
  const key = await service().createKey([
    '--name', 'narrow', '--regions', 'mena', '--editions', 'en', '--max-urgency', 'normal',
  ]);
  const { en, ar } = alertBody().content;
  const answer = await service().post(
    alertBody({ urgency: 'flash', audience: { regions: ['europe', 'mena'], editions: ['en', 'ar'] }, content: { en, ar } }),
    { key },
  );
  refused(answer, 403, ['/audience/regions', '/content/ar', '/urgency']);
  refused(await service().post(alertBody({ urgency: 'low', audience: { regions: ['all'], editions: ['en'] } }), { key }), 403);
  const all = await service().post(alertBody({ urgency: 'low', audience: { regions: ['mena'] } }), { key });
  refused(all, 403);
  const fine = await service().post(
    alertBody({ urgency: 'low', audience: { regions: ['mena'], editions: ['en'] }, content: { en } }),
    { key },
  );
  assert.equal(fine.status, 202, fine.text);
  // A fault in the body is said before a missing scope.
  refused(await service().post(alertBody({ urgency: 'extreme' }), { key }), 422, ['/urgency']);
});

test('403 for a key that may only read, and for reading with one that may only publish', async () => {
  const reader = await service().createKey(['--name', 'reader', '--scopes', 'read']);
  refused(await service().post(alertBody(), { key: reader }), 403);
  assert.equal((await service().get('/v1/alerts', reader)).status, 200);
  const publisher = await service().createKey(['--name', 'publisher', '--scopes', 'publish']);
  const posted = await service().post(alertBody(), { key: publisher });
  assert.equal(posted.status, 202, posted.text);
  for (const path of ['', `/${posted.json.id}`, `/${posted.json.id}/stats`]) {
    refused(await service().get(`/v1/alerts${path}`, publisher), 403);
    refused(await service().get(`/v1/alerts${path}`, null), 401);
  }
});

test('409 for an update or a cancel of an alert that is cancelled already', async () => {
  const { id } = await service().publish();
  const cancel = { msg_type: 'cancel', references: [id] };
  const first = await service().post(cancel);
  assert.equal(first.status, 202, first.text);
  assert.equal(first.json.revision, 2);
  refused(await service().post(cancel), 409);
  refused(
    await service().post({ msg_type: 'update', references: [id], content: alertBody().content }),
    409,
  );
});

test('an update must name one known alert, bring content and leave the audience alone', async () => {
  const { id } = await service().publish();
  const content = alertBody().content;
  const unknown = '01890000-0000-7000-8000-000000000000';
  refused(await service().post({ msg_type: 'update', content }), 422, ['/references']);
  refused(await service().post({ msg_type: 'update', content, references: [id, unknown] }), 422, ['/references']);
  refused(await service().post({ msg_type: 'update', references: [id] }), 422, ['/content']);
  refused(
    await service().post({ msg_type: 'update', references: [id], content, audience: { regions: ['mena'] } }),
    422,
    ['/audience'],
  );
  const missing = await service().post({ msg_type: 'update', references: [unknown], content });
  refused(missing, 422, ['/references/0']);
  const fine = await service().post({ msg_type: 'update', references: [id], content });
  assert.equal(fine.status, 202, fine.text);
  assert.equal(fine.json.id, id);
  assert.equal(fine.json.revision, 2);
});

test('404 for unknown alerts and paths, 405 with Allow for another method', async () => {
  refused(await service().get('/v1/alerts/01890000-0000-7000-8000-000000000000'), 404);
  refused(await service().get('/v1/alerts/01890000-0000-7000-8000-000000000000/stats'), 404);
  refused(await service().get('/v1/nothing'), 404);
  const answer = await http('DELETE', `${service().newsroom}/v1/alerts`, {
    headers: { authorization: `Bearer ${service().key}` },
  });
  refused(answer, 405);
  assert.match(answer.headers.allow, /GET/);
  assert.match(answer.headers.allow, /POST/);
});

test('429 with Retry-After once a key is over its rate, and other keys go on', async (t) => {
  const own = await ownService(t, {
    sim: false,
    config: { 'newsroom.key_rate_per_min': 6, 'newsroom.key_burst': 3 },
  });
  const answers = [];
  for (let i = 0; i < 5; i++) answers.push(await own.post(alertBody()));
  assert.deepEqual(answers.map((a) => a.status), [202, 202, 202, 429, 429]);
  refused(answers[3], 429);
  assert.match(answers[3].headers['retry-after'], /^[1-9]\d*$/);
  const other = await own.createKey(['--name', 'other']);
  assert.equal((await own.post(alertBody(), { key: other })).status, 202);
});

test('503 with Retry-After while Redis is away, and the same key works afterwards', async (t) => {
  const own = await ownService(t, { sim: false });
  await own.publish();
  const idempotencyKey = randomUUID();
  const body = alertBody();
  const pid = own.redisPid();
  process.kill(pid, 'SIGSTOP');
  let answer;
  try {
    answer = await own.post(body, { idempotencyKey });
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  refused(answer, 503);
  assert.match(answer.headers['retry-after'], /^[1-9]\d*$/);
  await own.isReady();
  const again = await own.publishWhenPossible(body, idempotencyKey);
  const list = await own.get('/v1/alerts?limit=100');
  assert.equal(list.json.alerts.filter((a) => a.id === again.id).length, 1);
  assert.equal(list.json.alerts.length, 2);
});

test('GET /v1/alerts refuses bad parameters by name', async () => {
  for (const [query, pointer] of [
    ['limit=0', '?limit'],
    ['limit=101', '?limit'],
    ['limit=x', '?limit'],
    ['before=garbage', '?before'],
  ]) {
    refused(await service().get(`/v1/alerts?${query}`), 422, [pointer]);
  }
});
