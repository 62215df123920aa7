// People sign in to the newsroom with keys of their own: what the cookie can do, and who cannot use it.
import { createHash, randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { get as httpGet } from 'node:http';
import { http } from './lib/http.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';
import { until, within } from './lib/wait.mjs';

// Without dispatchers no send is ever over, nor the stream of its statistics.
const service = sharedService({
  sim: false,
  roles: 'newsroom,gateway',
  config: { 'newsroom.workers': 2, 'newsroom.sign_in_burst': 10000, 'newsroom.key_cache_s': 300 },
});

const json = { 'content-type': 'application/json' };
const call = (method, path, headers = {}, body) =>
  http(method, `${service().newsroom}${path}`, { headers, ...(body === undefined ? {} : { body }) });
const post = (headers, body = alertBody({ status: 'test' })) =>
  call('POST', '/v1/alerts', { ...json, 'idempotency-key': randomUUID(), ...headers }, body);
const signIn = (key, headers = {}) => call('POST', '/v1/session', { ...json, ...headers }, { key });
const personKey = (name, ...more) => service().createKey(['--name', name, '--person', '--all-regions', ...more]);
const idOf = (key) => key.split('_')[1];

// A person at a browser: cookie and CSRF token.
async function person(name, ...more) {
  const key = await personKey(name, ...more);
  const answer = await signIn(key);
  assert.equal(answer.status, 200, answer.text);
  const cookie = answer.headers['set-cookie'][0].split(';')[0];
  return { key, cookie, csrf: answer.json.csrf_token, answer, all: { cookie, 'x-csrf-token': answer.json.csrf_token } };
}

test('a person signs in, reads and sends with the cookie, and signs out', async () => {
  const p = await person('Amal', '--regions', 'mena,europe', '--editions', 'ar', '--scopes', 'publish,read,approve', '--max-urgency', 'high');
  const [cookie] = p.answer.headers['set-cookie'];
  assert.match(cookie, /^tocsin_session=[A-Za-z0-9_-]{43}; HttpOnly; SameSite=Strict; Path=\/$/);
  assert.equal(p.answer.headers['cache-control'], 'no-store');
  const { csrf_token, expires_at, ...rest } = p.answer.json;
  assert.deepEqual(rest, {
    key_id: idOf(p.key), name: 'Amal', scopes: ['publish', 'read', 'approve'], regions: ['europe', 'mena'].sort(), editions: ['ar'],
    max_urgency: 'high', all_regions: true,
  });
  const left = Date.parse(expires_at) - Date.now();
  assert.ok(left > 0 && left <= 43200_000, expires_at);
  assert.match(csrf_token, /^[A-Za-z0-9_-]{43}$/);
  assert.ok(!p.cookie.includes(csrf_token));
  // Any worker knows the session.
  for (let i = 0; i < 8; i++) {
    const again = await call('GET', '/v1/session', { cookie: `other=1; ${p.cookie}; tocsin_sessionx=2` });
    assert.equal(again.status, 200, again.text);
    assert.equal(again.json.csrf_token, csrf_token);
    assert.equal(again.json.name, 'Amal');
  }
  assert.equal((await call('GET', '/v1/alerts', { cookie: p.cookie })).status, 200);
  assert.equal((await post(p.all)).status, 403, 'the scope of the key holds: regions, editions');
  const sent = await post({ ...p.all, 'sec-fetch-site': 'same-origin' }, {
    urgency: 'normal', status: 'test', hold_s: 0, audience: { regions: ['mena'], editions: ['ar'] }, content: { ar: { headline: 'تجربة' } },
  });
  assert.equal(sent.status, 202, sent.text);
  const stored = await call('GET', `/v1/alerts/${sent.json.id}`, { cookie: p.cookie });
  assert.equal(stored.json.created_by, idOf(p.key));

  const out = await call('DELETE', '/v1/session', p.all);
  assert.equal(out.status, 204, out.text);
  assert.match(out.headers['set-cookie'][0], /^tocsin_session=; HttpOnly; SameSite=Strict; Path=\/; Max-Age=0$/);
  // The cookie replayed is worth nothing any more, at every worker.
  for (let i = 0; i < 8; i++) {
    const replay = await call('GET', '/v1/alerts', { cookie: p.cookie });
    assert.equal(replay.status, 401, replay.text);
    assert.equal(replay.json.errors[0].code, 'no_session');
  }
  assert.equal((await post(p.all)).status, 401);
  assert.equal((await call('DELETE', '/v1/session', p.all)).status, 401);
});

// The stream of an alert's statistics, once it has begun.
async function watchStats(t, id, headers) {
  const answer = await within('the head of the stream', new Promise((resolve, reject) => {
    const rq = httpGet(`${service().newsroom}/v1/alerts/${id}/stats/stream`, { agent: false, headers }, resolve);
    rq.on('error', reject);
    t.after(() => rq.destroy());
  }));
  assert.equal(answer.statusCode, 200);
  assert.equal(answer.headers['content-type'], 'text/event-stream');
  const [first] = await within('an event', once(answer.setEncoding('utf8'), 'data'));
  assert.match(first, /^event: stats\ndata: \{"id":"/);
  return answer.resume();
}

test('statistics stream with the cookie alone, as EventSource brings it', async (t) => {
  const p = await person('watcher');
  const { id } = await service().publish({ status: 'test' });
  const watch = (headers) => watchStats(t, id, headers);
  const mine = await watch({ cookie: p.cookie });
  const keys = await watch({ authorization: `Bearer ${p.key}` });
  const others = await watch({ authorization: `Bearer ${service().key}` });
  // Both end with the key, and nobody else's.
  const ended = Promise.all([mine, keys].map((answer) => once(answer, 'end')));
  assert.equal((await service().tocsin(['key', 'revoke', idOf(p.key), ...service().flags])).code, 0);
  await within('the streams to end', ended);
  assert.ok(!others.readableEnded);
});

test('who signs out, or whose session is over, watches no longer; the other sessions of the key do', async (t) => {
  const p = await person('commuter');
  const cookies = [p.cookie];
  for (let i = 0; i < 2; i++) cookies.push((await signIn(p.key)).headers['set-cookie'][0].split(';')[0]);
  const { id } = await service().publish({ status: 'test' });
  const [leaving, expiring, staying] = await Promise.all(cookies.map((cookie) => watchStats(t, id, { cookie })));
  const left = once(leaving, 'end');
  assert.equal((await call('DELETE', '/v1/session', p.all)).status, 204);
  await within('the stream of who signed out to end', left);
  assert.ok(!expiring.readableEnded);
  const digest = createHash('sha256').update(cookies[1].split('=')[1]).digest('hex');
  const expired = once(expiring, 'end');
  assert.equal((await service().redis(['PEXPIRE', `{t}:session:${digest}`, '1'])).trim(), '1');
  await within('the stream of an expired session to end', expired);
  assert.ok(!staying.readableEnded);
});

test('forged, foreign and malformed cookies are nobody', async () => {
  const p = await person('real');
  const token = p.cookie.split('=')[1];
  const before = await service().metric('tocsin_sessions_refused_total');
  const digest = [...(await service().redis(['--scan', '--pattern', '{t}:session:*'])).matchAll(/session:([0-9a-f]{64})/g)].map((m) => m[1]);
  assert.ok(digest.length > 0);
  assert.ok(!(await service().redis(['--scan', '--pattern', '*'])).includes(token), 'only a digest is stored');
  const forged = [
    `tocsin_session=${'A'.repeat(43)}`, `tocsin_session=${token.slice(0, 42)}`, `tocsin_session=${token}A`,
    `tocsin_session=${token.toLowerCase() === token ? token.toUpperCase() : token.toLowerCase()}`, 'tocsin_session=',
    `tocsin_session=${digest[0]}`, `tocsin_session=${p.key}`, `tocsin_session=${'x'.repeat(5000)}`, 'tocsin_session=%00',
  ];
  for (const cookie of forged) {
    const answer = await call('GET', '/v1/alerts', { cookie });
    assert.equal(answer.status, 401, cookie);
    assert.match(answer.headers['set-cookie'][0], /Max-Age=0/);
  }
  for (const cookie of ['tocsin_session', `session=${token}`, `__Host-tocsin_session=${token}`, `Tocsin_Session=${token}`]) {
    assert.equal((await call('GET', '/v1/alerts', { cookie })).status, 401, cookie);
  }
  assert.equal(await service().metric('tocsin_sessions_refused_total'), before + forged.length);
  assert.equal((await call('GET', '/v1/session', { authorization: `Bearer ${p.key}` })).status, 401);
  assert.equal((await call('GET', '/v1/session')).status, 401);
  // A key in the header comes first, whatever the cookie says.
  assert.equal((await call('GET', '/v1/alerts', { authorization: `Bearer ${service().key}`, cookie: forged[0] })).status, 200);
  assert.equal((await call('GET', '/v1/alerts', { authorization: 'Bearer nonsense', cookie: p.cookie })).status, 401);
});

test('other people’s pages can do nothing with the cookie, and nothing is read of their bodies', async () => {
  const p = await person('target', '--scopes', 'publish,read,admin');
  const other = await person('other');
  const { host } = new URL(service().newsroom);
  const before = await service().metric('tocsin_csrf_refused_total');
  const refused = [
    {}, // no token
    { 'x-csrf-token': '' },
    { 'x-csrf-token': other.csrf },
    { 'x-csrf-token': p.csrf.slice(0, 42) },
    { 'x-csrf-token': p.cookie.split('=')[1] },
    { 'x-csrf-token': p.csrf, 'sec-fetch-site': 'cross-site' },
    { 'x-csrf-token': p.csrf, 'sec-fetch-site': 'same-site' },
    { 'x-csrf-token': p.csrf, 'sec-fetch-site': 'none' },
    { 'x-csrf-token': p.csrf, origin: 'https://evil.example' },
    { 'x-csrf-token': p.csrf, origin: 'null' },
    { 'x-csrf-token': p.csrf, origin: `http://evil.${host}` },
    { 'x-csrf-token': p.csrf, origin: `http://${host}.evil.example` },
    { 'x-csrf-token': p.csrf, origin: host },
  ];
  let count = 0;
  for (const headers of refused) {
    for (const [method, path] of [['POST', '/v1/alerts'], ['POST', '/v1/push:pause'], ['DELETE', '/v1/session']]) {
      const answer = await call(method, path, { ...json, cookie: p.cookie, 'idempotency-key': randomUUID(), ...headers },
        method === 'POST' ? {} : undefined);
      assert.equal(answer.status, 403, `${method} ${path} ${JSON.stringify(headers)}`);
      assert.equal(answer.json.errors[0].code, 'csrf');
      count++;
    }
  }
  // Before the body: one that is far too large changes nothing.
  assert.equal((await post({ cookie: p.cookie }, 'x'.repeat(100_000))).status, 403);
  assert.equal(await service().metric('tocsin_csrf_refused_total'), before + count + 1);
  assert.equal((await call('GET', '/v1/push', { cookie: p.cookie })).json.all, null);
  // What a browser sends of our own page.
  for (const headers of [{ 'sec-fetch-site': 'same-origin' }, { origin: `http://${host}` }, { 'sec-fetch-site': 'same-origin', origin: `http://${host}` }, {}]) {
    const answer = await post({ ...p.all, ...headers });
    assert.equal(answer.status, 202, answer.text);
  }
  // The checks after it go on as for a key.
  assert.equal((await post({ ...p.all, 'content-type': 'text/plain' })).status, 415);
  assert.equal((await post(p.all, 'x'.repeat(100_000))).status, 413);
  assert.equal((await post({ ...p.all, 'idempotency-key': '' })).status, 400);
});

test('a revoked key ends its sessions at once, at every worker', async () => {
  const p = await person('leaver');
  const second = await signIn(p.key);
  const cookies = [p.cookie, second.headers['set-cookie'][0].split(';')[0]];
  for (const cookie of cookies) assert.equal((await call('GET', '/v1/alerts', { cookie })).status, 200);
  const revoked = await service().tocsin(['key', 'revoke', idOf(p.key), ...service().flags]);
  assert.equal(revoked.code, 0, revoked.stderr);
  for (let i = 0; i < 6; i++) {
    for (const cookie of cookies) assert.equal((await call('GET', '/v1/alerts', { cookie })).status, 401);
  }
  assert.equal((await post(p.all)).status, 401);
});

test('only people sign in, with good keys and bodies, from this very page', async () => {
  const refused = (reason) => service().metric(`tocsin_sign_ins_refused_total{reason="${reason}"}`);
  const machine = await signIn(service().key);
  assert.equal(machine.status, 403);
  assert.equal(machine.json.errors[0].code, 'not_a_person');
  assert.equal(machine.headers['set-cookie'], undefined);
  assert.equal(await refused('not_a_person'), 1);
  const key = await personKey('guest');
  const wrong = `${key.slice(0, -1)}${key.at(-1) === 'A' ? 'B' : 'A'}`;
  for (const bad of [wrong, 'tcn_nonsense', '', `${key} `]) {
    const answer = await signIn(bad);
    assert.equal(answer.status, 401, bad);
    assert.equal(answer.headers['set-cookie'], undefined);
  }
  assert.equal(await refused('key'), 4);
  const faults = [
    [415, { 'content-type': 'text/plain' }, { key }], [400, json, '{'], [422, json, {}], [422, json, { key: 1 }], [422, json, { key, more: 1 }],
    [422, json, '[]'], [400, json, ''],
  ];
  for (const [status, headers, body] of faults) {
    assert.equal((await call('POST', '/v1/session', headers, body)).status, status, JSON.stringify(body));
  }
  assert.equal(await refused('fault'), faults.length);
  for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }]) {
    assert.equal((await signIn(key, headers)).status, 403);
  }
  assert.equal((await signIn(key, { 'sec-fetch-site': 'same-origin' })).status, 200);
  // Behind a proxy that ends TLS the cookie is bound to the host and to TLS.
  const secure = await signIn(key, { 'x-forwarded-proto': 'https' });
  assert.match(secure.headers['set-cookie'][0], /^__Host-tocsin_session=[^;]+; HttpOnly; SameSite=Strict; Path=\/; Secure$/);
  const cookie = secure.headers['set-cookie'][0].split(';')[0];
  assert.equal((await call('GET', '/v1/session', { cookie, 'x-forwarded-proto': 'https' })).status, 200);
  assert.equal((await call('GET', '/v1/session', { cookie: cookie.replace('__Host-', ''), 'x-forwarded-proto': 'https' })).status, 401);
  const secret = key.slice(-43); // it may have a "_" itself
  assert.ok(!service().log.some((line) => line.includes(secret) || line.includes(cookie.split('=')[1])), 'neither key nor token is logged');
});

test('attempts of an address are limited; a session ends when it is not used, and after its time', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'newsroom.sign_in_per_min': 1, 'newsroom.sign_in_burst': 5 } });
  const key = await own.createKey(['--name', 'limited', '--person']);
  const attempt = (text) => http('POST', `${own.newsroom}/v1/session`, { headers: json, body: { key: text } });
  const good = await attempt(key);
  assert.equal(good.status, 200);
  const statuses = [];
  for (let i = 0; i < 8; i++) statuses.push((await attempt('tcn_wrong')).status);
  assert.deepEqual(statuses, [401, 401, 401, 401, 429, 429, 429, 429]);
  const late = await attempt(key);
  assert.equal(late.status, 429);
  assert.ok(Number(late.headers['retry-after']) > 0);
  assert.equal(await own.metric('tocsin_sign_ins_refused_total{reason="rate"}'), 5);

  const cookie = good.headers['set-cookie'][0].split(';')[0];
  const look = () => http('GET', `${own.newsroom}/v1/session`, { headers: { cookie } });
  const [name] = (await own.redis(['--scan', '--pattern', '{t}:session:*'])).trim().split('\n');
  // Use lengthens what is left of it ...
  await own.redis(['PEXPIRE', name, '60000']);
  assert.equal((await look()).status, 200);
  assert.ok(Number(await own.redis(['PTTL', name])) > 40_000_000);
  // ... but not past its whole time.
  await own.redis(['HSET', name, 'opened', String(Math.floor(Date.now() / 1000) - 604800 + 100)]);
  await own.redis(['PEXPIRE', name, '10']);
  await until('the session to be over', async () => (await look()).status === 401);
});
