// Where tokens are demanded: who comes in, what a token lets them follow, how it ends and is renewed.
import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';
import { assertProblem, http } from './lib/http.mjs';
import { jwt, lasting } from './lib/jwt.mjs';
import { TOCSIN, start, stop } from './lib/processes.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { SseReader, WsReader } from './lib/readers.mjs';

const dir = mkdtempSync(join(tmpdir(), 'tocsin-keys-'));
after(() => rmSync(dir, { recursive: true, force: true }));
const pems = { publicKeyEncoding: { type: 'spki', format: 'pem' }, privateKeyEncoding: { type: 'pkcs8', format: 'pem' } };
const ec = generateKeyPairSync('ec', { namedCurve: 'P-256', ...pems });
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048, ...pems });
const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256', ...pems });
const secret = randomBytes(24).toString('hex');
const file = (name, text) => {
  writeFileSync(join(dir, name), text);
  return join(dir, name);
};

const service = sharedService({
  sim: false,
  config: {
    'gateway.token_required': true,
    'gateway.token_public_keys': `2026=${file('ec.pem', ec.publicKey)},${file('rsa.pem', rsa.publicKey)}`,
    'gateway.token_secrets': `shared=${file('secret', `${secret}\n`)}`,
    'gateway.token_issuer': 'https://id.example',
    'gateway.token_audience': 'tocsin',
    'gateway.token_leeway_s': 0,
    'gateway.token_hint_s': 10,
    'gateway.token_lifetime_max_s': 3600,
  },
});
const good = (seconds = 600, extra = {}) => jwt(ec.privateKey, lasting(seconds, extra), { kid: '2026' });
const mena = { regions: ['mena'] };
const ws = (options) => new WsReader(service().gateway, options);
const bearer = (token) => ({ headers: { authorization: `Bearer ${token}` } });

async function expectUnauthorised(reader, code) {
  const error = await reader.next('error');
  assert.equal(error.code, code);
  assert.ok(error.detail.length > 0);
  const end = await reader.end();
  assert.deepEqual(end, { code: 4001, reason: 'unauthorised' });
}

test('hello, URL and Authorization bring the token; each kind of key serves', async (t) => {
  const tokens = {
    es256: good(),
    rs256: jwt(rsa.privateKey, lasting(600), { alg: 'RS256', kid: 'any' }),
    hs256: jwt(secret, lasting(600), { alg: 'HS256', kid: 'shared' }),
    'no kid': jwt(ec.privateKey, lasting(600, { aud: ['other', 'tocsin'] })),
  };
  for (const [name, token] of Object.entries(tokens)) {
    const byHello = closing(t, await WsReader.open(service().gateway, { hello: { type: 'hello', filter: mena, token } }));
    const welcome = byHello.messages[0];
    assert.ok(welcome.expires_in_s > 0 && welcome.expires_in_s <= 600, name);
    const byUrl = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena', token } }));
    const urlThenHello = closing(t, ws({ query: { token }, hello: { type: 'hello', filter: mena } }));
    assert.deepEqual((await urlThenHello.welcome()).filter.regions, ['mena'], 'a token alone is no hello');
    const sse = closing(t, await SseReader.open(service().gateway, { query: { regions: 'mena' }, ...bearer(token) }));
    const sseByUrl = closing(t, await SseReader.open(service().gateway, { query: { regions: 'mena', token } }));
    const posted = await service().publish();
    for (const reader of [byHello, byUrl, urlThenHello, sse, sseByUrl]) await reader.alert(posted.id);
    const ticker = await http('GET', `${service().gateway}/v1/alerts?regions=mena&limit=1`, bearer(token));
    assert.equal(ticker.json.alerts[0].id, posted.id);
    const poll = await http('GET', `${service().gateway}/v1/alerts?after=${posted.position}&wait=0&token=${token}`);
    assert.equal(poll.status, 200, poll.text);
  }
});

test('a token that is not good is named, and lets nobody in on any transport', async () => {
  const now = Math.floor(Date.now() / 1000);
  const [head, body] = good().split('.');
  const cases = {
    token_required: [''],
    token_malformed: [
      'x', 'a.b', 'a.b.c.d', `${head}.${body}.`, jwt('', lasting(600), { alg: 'none' }),
      jwt(ec.privateKey, lasting(600), { header: { crit: ['b64'], b64: false } }),
      jwt(secret, lasting(600), { alg: 'HS512' }),
    ],
    token_key_unknown: [jwt(ec.privateKey, lasting(600), { kid: '2025' })],
    token_bad_signature: [
      jwt(stranger.privateKey, lasting(600), { kid: '2026' }),
      `${head}.${body}.${'A'.repeat(86)}`,
      jwt(ec.publicKey, lasting(600), { alg: 'HS256', kid: 'shared' }), // the public key as a secret
    ],
    token_expired: [good(-1)],
    token_not_yet_valid: [good(600, { nbf: now + 300 })],
    token_lifetime: [good(7200)],
    token_wrong_issuer: [good(600, { iss: 'https://evil.example' })],
    token_wrong_audience: [good(600, { aud: 'other' }), good(600, { aud: undefined })],
    token_bad_claims: [
      good(600, { exp: undefined }), good(600, { exp: 'soon' }), good(600, { tocsin: { regions: ['atlantis'] } }),
      good(600, { tocsin: { colours: ['red'] } }),
    ],
    token_too_large: [good(600, { padding: 'x'.repeat(2000) })],
  };
  for (const [code, tokens] of Object.entries(cases)) {
    for (const token of tokens) {
      await expectUnauthorised(ws({ hello: { type: 'hello', filter: mena, ...(token ? { token } : {}) } }), code);
      for (const path of ['/v1/events?regions=mena', '/v1/alerts?regions=mena', '/v1/alerts?after=x:1&wait=0']) {
        const answer = await http('GET', service().gateway + path, token ? bearer(token) : {});
        assertProblem(assert, answer, 401);
        assert.equal(answer.json.errors[0].code, code, token);
        assert.match(answer.headers['www-authenticate'], /^Bearer/);
      }
    }
  }
  const basic = await http('GET', `${service().gateway}/v1/alerts`, { headers: { authorization: 'Basic eDp5' } });
  assert.equal(basic.status, 401);
  const page = (await service().get('/metrics')).text;
  for (const reason of ['missing', 'expired', 'invalid']) {
    assert.match(page, new RegExp(`tocsin_gateway_tokens_refused_total\\{reason="${reason}"\\} [1-9]`));
  }
});

test('claims narrow what may be followed: an open filter becomes theirs, beyond it is refused', async (t) => {
  const token = good(600, { tocsin: { regions: ['mena'], editions: ['ar'] } });
  const reader = closing(t, await WsReader.open(service().gateway, { hello: { type: 'hello', token } }));
  const { filter } = reader.messages[0];
  assert.deepEqual([filter.regions, filter.editions, filter.sections], [['mena'], ['ar'], ['all']]);
  const other = await service().publish({ audience: { regions: ['europe'] } });
  const mine = await service().publish({ audience: { regions: ['palestine'] } });
  await reader.alert(mine.id);
  assert.ok(!reader.ids.includes(other.id));
  reader.send({ type: 'filter', filter: { regions: ['palestine'], editions: ['ar'] } });
  assert.deepEqual((await reader.next('filter')).filter.regions, ['palestine'], 'a region below a granted one');
  reader.send({ type: 'filter', filter: { regions: ['mena', 'europe'], tags: ['Sudan'], test: true } });
  const error = await reader.next('error');
  assert.equal(error.code, 'token_scope');
  assert.deepEqual(error.errors.map((e) => [e.pointer, e.code]), [
    ['/filter/regions', 'out_of_scope'], ['/filter/tags', 'out_of_scope'], ['/filter/test', 'out_of_scope'],
  ]);
  assert.equal((await reader.end()).code, 4001);
  const answer = await http('GET', `${service().gateway}/v1/events?regions=europe&test=true`, bearer(token));
  assertProblem(assert, answer, 403, ['?regions', '?test']);
});

test('test alerts reach a reader only when its token allows them', async (t) => {
  const test_ = { type: 'hello', filter: { ...mena, test: true } };
  await expectUnauthorised(ws({ hello: { ...test_, token: good() } }), 'token_scope');
  const reader = closing(t, await WsReader.open(service().gateway, {
    hello: { ...test_, token: good(600, { tocsin: { test: true } }) },
  }));
  const exercise = await service().publish({ status: 'exercise' });
  await reader.alert(exercise.id);
});

// Long enough that a slow machine has done everything before the end.
const SHORT_S = 15;

test('at its end a token takes WebSocket and event stream with it, after a hint; a position holds', async () => {
  const token = good(SHORT_S);
  const reader = await WsReader.open(service().gateway, { hello: { type: 'hello', filter: mena, token } });
  const sse = await SseReader.open(service().gateway, { query: { regions: 'mena' }, ...bearer(token) });
  for (const each of [reader, sse]) {
    const hint = await each.next('auth');
    assert.ok(hint.expires_in_s < SHORT_S, JSON.stringify(hint));
  }
  await expectUnauthorised(reader, 'token_expired');
  assert.equal((await sse.next('error')).code, 'token_expired');
  const missed = await service().publish();
  const back = await WsReader.open(service().gateway, {
    hello: { type: 'hello', filter: mena, position: reader.position, token: good() },
  });
  await back.alert(missed.id);
  assert.equal(back.messages[0].recovered, true);
  await back.close();
});

test('auth renews on the same connection, and nothing is missed on the way', async (t) => {
  const hello = { type: 'hello', filter: mena, token: good(SHORT_S) };
  const reader = closing(t, await WsReader.open(service().gateway, { hello }));
  const other = await WsReader.open(service().gateway, { hello });
  const before = await service().publish();
  await reader.next('auth');
  reader.send({ type: 'auth', token: good(600) });
  const renewed = await reader.inbox.find((m) => m.type === 'auth' && m.expires_in_s > 100);
  assert.ok(renewed.expires_in_s <= 600);
  await expectUnauthorised(other, 'token_expired');
  const posted = await service().publish();
  await reader.alert(posted.id);
  assert.deepEqual(reader.ids, [before.id, posted.id]);
  reader.send({ type: 'auth', token: good(600, { tocsin: { regions: ['mena'], sections: ['politics'] } }) });
  assert.deepEqual((await reader.next('filter')).filter.sections, ['politics'], 'narrowed to the new token');
  reader.send({ type: 'auth', token: good(600, { tocsin: { regions: ['europe'] } }) });
  await expectUnauthorised(reader, 'token_scope');
});

test('a bad renewal ends the connection; the position still holds', async () => {
  const reader = await WsReader.open(service().gateway, { hello: { type: 'hello', filter: mena, token: good() } });
  const first = await service().publish();
  await reader.alert(first.id);
  reader.send({ type: 'auth', token: jwt(stranger.privateKey, lasting(600), { kid: '2026' }) });
  await expectUnauthorised(reader, 'token_bad_signature');
  const missed = await service().publish();
  const back = await WsReader.open(service().gateway, {
    hello: { type: 'hello', filter: mena, position: reader.position, token: good() },
  });
  await back.alert(missed.id);
  assert.deepEqual(back.ids, [missed.id]);
  await back.close();
});

test('SIGHUP takes up new keys; files that are broken change nothing; who is in stays in', async (t) => {
  const reader = closing(t, await WsReader.open(service().gateway, { hello: { type: 'hello', filter: mena, token: good() } }));
  const next = jwt(stranger.privateKey, lasting(600), { kid: '2026' });
  const from = service().log.length;
  file('ec.pem', 'broken');
  process.kill(service().run.pid, 'SIGHUP');
  await service().waitLog('token_keys_kept', {}, from);
  await (await WsReader.open(service().gateway, { hello: { type: 'hello', filter: mena, token: good() } })).close();
  file('ec.pem', stranger.publicKey);
  process.kill(service().run.pid, 'SIGHUP');
  await service().waitLog('token_keys_reloaded', {}, from);
  await (await WsReader.open(service().gateway, { hello: { type: 'hello', filter: mena, token: next } })).close();
  await expectUnauthorised(ws({ hello: { type: 'hello', filter: mena, token: good() } }), 'token_bad_signature');
  const posted = await service().publish();
  await reader.alert(posted.id);
  file('ec.pem', ec.publicKey);
  const again = service().log.length;
  process.kill(service().run.pid, 'SIGHUP');
  await service().waitLog('token_keys_reloaded', {}, again);
});

test('tocsin listen brings a token from a file, and says when it has none', async (t) => {
  const follow = (extra) =>
    start(TOCSIN, ['listen', '--json', '--count=1', '--regions=mena', `--gateway=${service().gateway}`, ...extra], { label: 'listen' });
  const refused = follow([]);
  assert.notEqual((await refused.ended).code, 0);
  assert.match(refused.stderr, /a token is needed here/);
  const absent = follow([`--token-file=${join(dir, 'absent')}`]);
  assert.notEqual((await absent.ended).code, 0);
  assert.match(absent.stderr, /absent/);
  const first = await service().publish();
  const listener = follow([`--token-file=${file('token', `${good()}\n`)}`, `--position=${first.position}`]);
  t.after(() => stop(listener));
  const second = await service().publish();
  assert.equal(JSON.parse(await listener.out.find(() => true)).id, second.id);
});

test('keys that cannot be used are named before anything starts', async () => {
  const check = (settings) =>
    service().tocsin(['check-config', ...Object.entries(settings).map(([k, v]) => `--gateway.${k}=${v}`)]);
  const cases = [
    [{}, /token_required.*names a key/],
    [{ token_public_keys: file('private.pem', ec.privateKey) }, /token_public_keys: .*private\.pem.*private key/],
    [{ token_public_keys: join(dir, 'absent.pem') }, /absent\.pem: No such file/],
    [{ token_public_keys: file('text.pem', 'hello') }, /text\.pem.*no public key/],
    [{ token_secrets: file('short', 'short') }, /short.*32 bytes/],
    [{ token_secrets: join(dir, 'ec.pem') }, /ec\.pem.*not a secret/],
  ];
  for (const [settings, expected] of cases) {
    const result = await check({ token_required: true, ...settings });
    assert.equal(result.code, 2);
    assert.match(result.stdout + result.stderr, expected);
  }
  const good_ = await check({ token_required: true, token_public_keys: `a=${join(dir, 'ec.pem')}` });
  assert.equal(good_.code, 0, good_.stderr);
});
