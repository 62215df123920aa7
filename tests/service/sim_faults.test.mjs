// The simulator's fault switches do on the wire what they say: connections,
// streams, frames and answers as providers were seen to break them.
import { connect as connectTls } from 'node:tls';
import { FRAME, RawH2, Session, grant, nowS } from '../sim/client.mjs';
import { sharedSimulator } from '../sim/harness.mjs';
import { http } from './lib/http.mjs';
import { assert, test } from './lib/suite.mjs';
import { sleep, until } from './lib/wait.mjs';

const sim = sharedSimulator();
const many = (n, make) => Promise.all(Array.from({ length: n }, (_, i) => make(i)));
const device = (i) => i.toString(16).padStart(4, '0');
const fired = async (listener, name) => (await sim.stats())[listener].faults[name] ?? 0;

// Resolves with the error of a TLS connection, or null when it came about.
function tlsError(url, options) {
  const { hostname, port } = new URL(url);
  return new Promise((resolve) => {
    const socket = connectTls({ host: hostname, port, ALPNProtocols: ['h2'], ca: sim.credentials.ca, ...options });
    socket.on('secureConnect', () => {
      const protocol = socket.alpnProtocol;
      socket.destroy();
      resolve(protocol === 'h2' ? null : 'no protocol chosen');
    });
    socket.on('error', (error) => resolve(error.code ?? error.message));
  });
}

test('TLS: h2 by ALPN or nothing, TLS 1.2 at least', async () => {
  assert.equal(await tlsError(sim.address.apns), null);
  assert.equal(await tlsError(sim.address.apns, { maxVersion: 'TLSv1.2' }), null);
  assert.ok(await tlsError(sim.address.apns, { maxVersion: 'TLSv1.1', minVersion: 'TLSv1' }));
  assert.ok(await tlsError(sim.address.apns, { ALPNProtocols: ['http/1.1'] }));
});

test('TLS faults: each makes a careful client refuse', async () => {
  const expected = {
    expired: 'CERT_HAS_EXPIRED', wrong_name: 'ERR_TLS_CERT_ALTNAME_INVALID',
    untrusted: /UNABLE_TO_VERIFY|UNABLE_TO_GET_ISSUER/, fail: /HANDSHAKE_FAILURE|EPROTO/, no_alpn: 'no protocol chosen',
  };
  for (const listener of ['apns', 'fcm', 'oauth']) {
    for (const [mode, error] of Object.entries(expected)) {
      await sim.faults({ [listener]: { tls: { mode, count: 1 } } });
      const seen = await tlsError(sim.address[listener]);
      if (error instanceof RegExp) assert.match(String(seen), error, mode);
      else assert.equal(seen, error, mode);
      assert.equal(await tlsError(sim.address[listener]), null, `${mode} once only`);
    }
  }
  assert.equal(await fired('apns', 'tls'), 5);
});

test('a closed port, refused and too frequent connections', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { down: { mode: 'cut' } } });
  await session.closed;
  assert.equal(await tlsError(sim.address.apns), 'ECONNREFUSED');
  await sim.faults({ apns: { down: null, refuse: { count: 2 } } });
  assert.equal(await tlsError(sim.address.apns), 'ECONNRESET');
  assert.equal(await tlsError(sim.address.apns), 'ECONNRESET');
  assert.equal(await tlsError(sim.address.apns), null);
  await sim.faults({ apns: { refuse: null, connect_rate: { value: 2, ms: 60_000 } } });
  const results = [];
  for (let i = 0; i < 4; i++) results.push(await tlsError(sim.address.apns));
  assert.deepEqual(results, [null, null, 'ECONNRESET', 'ECONNRESET']);
  await sim.faults({ apns: { connect_rate: null, down: { for_ms: 3000 } } });
  assert.equal(await tlsError(sim.address.apns), 'ECONNREFUSED');
  await until('the port to come back by itself', async () => (await tlsError(sim.address.apns)) === null);
  assert.equal((await sim.stats()).apns.connections_refused, 4);
});

test('late handshakes and late first SETTINGS', async (t) => {
  await sim.faults({ apns: { handshake_delay: { ms: 300, count: 1 }, settings_delay: { ms: 300, count: 1, after: 0 } } });
  const began = Date.now();
  const session = sim.apns(t);
  assert.equal((await session.push()).status, 200);
  assert.ok(Date.now() - began >= 550);
  assert.deepEqual([await fired('apns', 'handshake_delay'), await fired('apns', 'settings_delay')], [1, 1]);
});

test('too many streams: APNs refuses them, or by fault ends the connection', async (t) => {
  for (const goaway of [false, true]) {
    await sim.faults({ apns: { excess_goaway: goaway, latency: { ms: 200 } } });
    const raw = new RawH2(sim.address.apns, sim.credentials.ca);
    t.after(() => raw.close());
    await raw.open();
    await until('SETTINGS', () => raw.setting(3) === 1);
    raw.acknowledge();
    raw.headers(1, { ':path': '/3/device/aa' });
    raw.headers(3, { ':path': '/3/device/aa' });
    if (goaway) {
      const frame = await until('GOAWAY', () => raw.of(FRAME.GOAWAY)[0]);
      assert.equal(frame.payload.readUInt32BE(4), 1);
      assert.match(frame.payload.subarray(8).toString(), /max concurrent streams/);
    } else {
      const frame = await until('RST_STREAM', () => raw.of(FRAME.RST_STREAM, 3)[0]);
      assert.equal(frame.payload.readUInt32BE(0), 7, 'REFUSED_STREAM');
    }
  }
  const { apns } = await sim.stats();
  assert.deepEqual([apns.streams_excess, apns.streams_excess_race], [2, 0]);
});

test('too many streams: before the acknowledgement it is no fault of the client', async (t) => {
  await sim.faults({ apns: { latency: { ms: 100 } } });
  const raw = new RawH2(sim.address.apns, sim.credentials.ca);
  t.after(() => raw.close());
  await raw.open();
  raw.headers(1, { ':path': '/3/device/aa' });
  raw.headers(3, { ':path': '/3/device/aa' });
  await until('RST_STREAM', () => raw.of(FRAME.RST_STREAM, 3)[0]);
  const { apns } = await sim.stats();
  assert.deepEqual([apns.streams_excess, apns.streams_excess_race], [0, 1]);
});

test('too many streams: FCM ends the connection at the 101st', async (t) => {
  const raw = new RawH2(sim.address.fcm, sim.credentials.ca);
  t.after(() => raw.close());
  await raw.open();
  await until('SETTINGS', () => raw.setting(3) === 100);
  raw.acknowledge();
  for (let i = 0; i < 100; i++) raw.headers(2 * i + 1, { ':path': '/x' });
  raw.write(FRAME.PING, 0, 0, Buffer.alloc(8));
  await until('PING', () => raw.of(FRAME.PING)[0]);
  assert.equal(raw.of(FRAME.GOAWAY).length, 0);
  raw.headers(201, { ':path': '/x' });
  const frame = await until('GOAWAY', () => raw.of(FRAME.GOAWAY)[0]);
  assert.deepEqual([frame.payload.readUInt32BE(0), frame.payload.readUInt32BE(4)], [199, 1]);
  assert.equal(frame.payload.subarray(8).toString(), 'exceeded_max_concurrent_streams');
});

test('limits of streams: never raised, raised late, another number, lowered, punished', async (t) => {
  await sim.faults({ apns: { mcs_never: { count: 1 } } });
  let session = await sim.apnsOpen(t);
  assert.equal(session.streams, 1);
  await sim.faults({ apns: { mcs_late: { ms: 200, count: 1 } } });
  session = await sim.apnsOpen(t);
  assert.equal(session.streams, 1);
  await until('the late raise', () => session.streams === 1000);
  await sim.faults({ apns: { streams: { value: 7, count: 1 } }, fcm: { streams: { value: 5, count: 1 } } });
  session = await sim.apnsOpen(t);
  assert.equal(session.streams, 7);
  const fcm = await sim.fcm(t);
  await fcm.ready;
  assert.equal(fcm.streams, 5);
  await sim.faults({ apns: { mcs_lower: { value: 10, after: 3, count: 1 } } });
  for (const expected of [7, 7, 7, 10]) {
    await session.push();
    await session.ping();
    assert.equal(session.streams, expected);
  }
  await sim.faults({ apns: { punish: true } });
  session = await sim.apnsOpen(t);
  await sim.tokens({ platform: 'apns', token: 'bb', behaviour: 'bad' }, { platform: 'apns', token: 'cc', behaviour: 'unregistered' });
  for (const [token, expected] of [['cc', 1000], ['bb', 1], ['cc', 1], ['aa', 1000]]) {
    await session.push(token);
    await session.ping();
    assert.equal(session.streams, expected, token);
  }
});

test('a provider token that expires in flight breaks the connection', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { latency: { ms: 150 }, jwt_expired: { after: 1, count: 1 } } });
  const answers = await many(9, (i) => session.push(device(i)));
  const kinds = answers.map((a) => a.json?.reason ?? (a.status === 200 ? 'accepted' : `rst ${a.rst}`));
  const count = (kind) => kinds.filter((k) => k === kind).length;
  assert.equal(count('ExpiredProviderToken'), 1, kinds.join());
  assert.equal(count('accepted'), 1);
  assert.equal(count('rst 7') + count('rst 5'), 7);
  assert.ok(count('rst 7') > 0 && count('rst 5') > 0);
  await session.ping();
  assert.equal(session.streams, 1);
  assert.equal((await session.push()).rst, 7, 'useless for good');
  assert.equal((await sim.summary()).accepted, 2);
});

test('the mock clock makes tokens old', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ clock: { offset_s: 3500 } });
  assert.equal((await session.push()).status, 200);
  await sim.faults({ clock: { offset_s: 3700 } });
  assert.equal((await session.push()).json.reason, 'ExpiredProviderToken');
  assert.equal((await session.push()).rst, 7);
  const fresh = sim.apns(t);
  assert.equal((await fresh.push()).json.reason, 'ExpiredProviderToken');
  assert.equal((await fresh.push('aa', { authorization: `bearer ${sim.credentials.apnsToken({ claims: { iat: nowS() + 3700 } })}` })).status, 200);
});

test('PING: acknowledged, not acknowledged, too many', async (t) => {
  const session = await sim.apnsOpen(t);
  assert.ok(await session.ping());
  await sim.faults({ apns: { no_ping_ack: { count: 1 } } });
  let acknowledged = false;
  session.ping().then(() => (acknowledged = true), () => {});
  assert.equal((await session.push()).status, 200);
  assert.equal(acknowledged, false);
  await sim.faults({ fcm: { too_many_pings: { value: 2, ms: 300_000 } } });
  const fcm = await sim.fcm(t);
  await fcm.ready;
  for (let i = 0; i < 3; i++) fcm.ping().catch(() => {});
  await fcm.closed;
  assert.deepEqual(fcm.goaways.map((g) => [g.code, g.text]), [[11, 'too_many_pings']]);
});

test('GOAWAY graceful: two frames, every request answered, then the end', async (t) => {
  await sim.faults({ fcm: { latency: { ms: 400 } } });
  const raw = new RawH2(sim.address.fcm, sim.credentials.ca);
  t.after(() => raw.close());
  let ended = false;
  raw.socket.on('end', () => (ended = true));
  await raw.open();
  await until('SETTINGS', () => raw.setting(3) === 100);
  raw.acknowledge();
  raw.get(1);
  await until('the request', async () => (await sim.stats()).fcm.requests === 1);
  await sim.faults({ fcm: { goaway: { mode: 'graceful', now: true, count: 1 } } });
  await until('the first GOAWAY', () => raw.of(FRAME.GOAWAY).length === 1);
  raw.get(3);
  await until('the end', () => ended);
  assert.deepEqual(raw.of(FRAME.GOAWAY).map((f) => f.payload.readUInt32BE(0)), [2 ** 31 - 1, 3]);
  assert.deepEqual([1, 3].map((id) => raw.of(FRAME.HEADERS, id).length), [1, 1]);
});

test('GOAWAY in the middle: below answered, above never processed', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { goaway: { mode: 'middle', count: 1 } } });
  const answers = await many(10, (i) => session.push(device(i)));
  await session.closed;
  assert.equal(session.goaways.length, 1);
  const { last } = session.goaways[0];
  const expected = answers.map((_, i) => (3 + 2 * i <= last ? 200 : undefined));
  assert.deepEqual(answers.map((a) => a.status), expected);
  assert.ok(expected.includes(200) && expected.includes(undefined));
  assert.equal((await sim.summary()).accepted, 1 + expected.filter(Boolean).length);
});

test('GOAWAY zero, silent, and without closing', async (t) => {
  let session = await sim.apnsOpen(t);
  await sim.faults({ apns: { goaway: { mode: 'zero', count: 1 } } });
  assert.equal((await session.push()).status, undefined);
  await session.closed;
  assert.equal(session.goaways[0].last, 0);
  assert.equal((await sim.summary()).accepted, 1);

  for (const [mode, answered] of [['keep', true], ['silent', false]]) {
    const raw = new RawH2(sim.address.fcm, sim.credentials.ca);
    t.after(() => raw.close());
    await raw.open();
    await until('SETTINGS', () => raw.setting(3) === 100);
    raw.acknowledge();
    await sim.faults({ fcm: { goaway: { mode, count: 1 } } });
    raw.get(1);
    await until('GOAWAY', () => raw.of(FRAME.GOAWAY)[0]);
    if (answered) await until('an answer', () => raw.of(FRAME.HEADERS, 1)[0]);
    await sleep(300);
    assert.equal(raw.of(FRAME.HEADERS, 1).length, answered ? 1 : 0);
    assert.equal(raw.socket.readyState, 'open', `${mode} leaves TCP open`);
  }
});

test('GOAWAY after idleness, and 503 Shutdown', async (t) => {
  const apns = await sim.apnsOpen(t);
  const fcm = await sim.fcm(t);
  await fcm.ready;
  await sim.faults({ apns: { idle_goaway: { ms: 100 } }, fcm: { idle_goaway: { ms: 100 } } });
  await Promise.all([apns.closed, fcm.closed]);
  assert.equal(apns.goaways[0].text, '{"reason":"IdleTimeout"}');
  assert.deepEqual([fcm.goaways[0].code, fcm.goaways[0].text], [0, 'session_timed_out']);
  await sim.faults({ apns: { idle_goaway: null, shutdown: { count: 1 } } });
  const other = await sim.apns(t);
  const answer = await other.push();
  assert.equal(`${answer.status} ${answer.json.reason}`, '503 Shutdown');
  await other.closed;
});

test('RST_STREAM of every kind, before and after the headers', async (t) => {
  const session = await sim.apnsOpen(t);
  for (const [mode, code] of [['refused', 7], ['cancel', 8], ['internal', 2], ['closed', 5]]) {
    for (const stage of ['before', 'after_headers']) {
      await sim.faults({ apns: { rst_stream: { mode, stage, count: 1 } } });
      const answer = await session.push();
      assert.equal(answer.rst, code, `${mode} ${stage}`);
      assert.equal(answer.status, stage === 'before' ? undefined : 200, `${mode} ${stage}`);
    }
  }
  assert.equal((await sim.summary()).accepted, 5, 'those with a status were accepted');
  await sim.faults({ apns: { rst_stream: { mode: 'internal', accepted: true, count: 1 } } });
  await session.push();
  assert.equal((await sim.summary()).accepted, 6);
});

test('connections cut in every way', async (t) => {
  for (const mode of ['rst', 'fin']) {
    const session = await sim.apnsOpen(t);
    await sim.faults({ apns: { cut: { mode, count: 1, accepted: mode === 'fin' } } });
    const before = (await sim.summary()).accepted;
    assert.equal((await session.push()).status, undefined);
    await session.closed;
    assert.deepEqual(session.goaways, [], mode);
    assert.equal((await sim.summary()).accepted, before + (mode === 'fin' ? 1 : 0));
  }
  const raw = new RawH2(sim.address.apns, sim.credentials.ca);
  t.after(() => raw.close());
  let ended = false;
  raw.socket.on('end', () => (ended = true));
  await raw.open();
  await until('SETTINGS', () => raw.setting(3) === 1);
  await sim.faults({ apns: { cut: { mode: 'close_notify', now: true } } });
  await until('close_notify', () => ended);
  await sim.faults({ apns: { cut: null } });
  const dark = await sim.apnsOpen(t);
  await sim.faults({ apns: { cut: { mode: 'black_hole', now: true, count: 1 } } });
  let heard = false;
  dark.ping().then(() => (heard = true), () => {});
  dark.push().then((answer) => (heard ||= answer.status !== undefined));
  await sleep(400);
  assert.deepEqual([heard, dark.h2.destroyed], [false, false]);
});

test('latency, and requests without an answer', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { latency: { ms: 100, max_ms: 150 } } });
  const began = Date.now();
  await many(20, (i) => session.push(device(i)));
  assert.ok(Date.now() - began >= 100);
  await sim.faults({ apns: { latency: null, never_answer: { count: 1 } } });
  let answered = false;
  session.push().then((a) => (answered = a.status === 200));
  assert.equal((await session.push('ee')).status, 200);
  await sim.tokens({ platform: 'apns', token: 'ff', behaviour: 'silent' });
  session.push('ff').then((a) => (answered ||= a.status === 200));
  await sleep(100);
  assert.equal(answered, false);
  assert.equal((await sim.summary()).accepted, 22);
});

test('any answer, with and without retry-after, for a time or a number', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { answer: { status: 503, reason: 'ServiceUnavailable', count: 2, retry_after: 30 } } });
  for (let i = 0; i < 2; i++) {
    const answer = await session.push();
    assert.deepEqual([answer.status, answer.json.reason, answer.headers['retry-after']], [503, 'ServiceUnavailable', '30']);
  }
  assert.equal((await session.push()).status, 200);
  await sim.faults({ apns: { answer: { status: 429, reason: 'SomethingNew', for_ms: 3000, retry_after: 60, retry_date: true } } });
  const dated = await session.push();
  assert.equal(dated.json.reason, 'SomethingNew');
  assert.ok(Math.abs(Date.parse(dated.headers['retry-after']) - Date.now() - 60_000) < 50_000);
  await until('the fault to end', async () => (await session.push()).status === 200);
  const fcm = await sim.fcm(t);
  const kinds = {
    project_quota: [429, 'RESOURCE_EXHAUSTED'], unavailable: [503, 'UNAVAILABLE'], html_502: [502], html_404: [404],
    permission_denied: [403, 'PERMISSION_DENIED'], unauthenticated: [401, 'UNAUTHENTICATED'],
  };
  for (const [reason, [status, name]] of Object.entries(kinds)) {
    await sim.faults({ fcm: { answer: { reason, count: 1 } } });
    const answer = await fcm.send({ token: 't' });
    assert.deepEqual([answer.status, answer.json?.error.status], [status, name], reason);
  }
  await sim.faults({ oauth: { answer: { status: 400, reason: 'invalid_grant', count: 1 } } });
  await assert.rejects(sim.bearer());
});

test('bodies in pieces, padding and unknown headers', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.tokens({ platform: 'apns', token: 'bb', behaviour: 'bad' });
  for (const mode of ['segment', 'bytes']) {
    await sim.faults({ apns: { split_body: { mode }, extra_headers: true } });
    const answer = await session.push('bb');
    assert.deepEqual([answer.status, answer.body], [400, '{"reason":"BadDeviceToken"}'], mode);
    assert.equal(answer.headers['x-served-by'], 'simulator');
    if (mode === 'bytes') assert.ok(answer.chunks.length > 1);
  }
  assert.equal((await session.push('aa')).status, 200);
  await sim.faults({ apns: { development: { count: 1 } } });
  assert.match((await session.push('aa')).headers['apns-unique-id'], /^[0-9a-f-]{36}$/);
});

test('small windows and late credit stall nothing for good', async (t) => {
  await sim.faults({ apns: { small_window: { value: 1000 }, header_table_zero: true } });
  const session = await sim.apnsOpen(t);
  assert.deepEqual([session.settings[0].initialWindowSize, session.settings[0].headerTableSize], [1000, 0]);
  const big = { aps: { alert: 'x'.repeat(4000) } };
  for (const answer of await many(20, (i) => session.push(device(i), {}, big))) assert.equal(answer.status, 200);
  await sim.faults({ apns: { small_window: null, header_table_zero: null, hold_window: { ms: 300 } } });
  const held = await sim.apnsOpen(t);
  const began = Date.now();
  for (const answer of await many(40, (i) => held.push(device(i), {}, big))) assert.equal(answer.status, 200);
  assert.ok(Date.now() - began >= 300, '160 kB do not fit into a window of 64 kB');
});

test('rates: one device, one project', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { token_rate: { value: 2, ms: 60_000 } } });
  const statuses = [];
  for (const token of ['aa', 'aa', 'aa', 'bb']) statuses.push((await session.push(token)).status);
  assert.deepEqual(statuses, [200, 200, 429, 200]);
  const fcm = await sim.fcm(t);
  await sim.faults({ fcm: { quota: { value: 2, ms: 60_000 } } });
  const answers = [];
  for (let i = 0; i < 3; i++) answers.push(await fcm.send({ token: `t${i}` }));
  assert.deepEqual(answers.map((a) => a.status), [200, 200, 429]);
  assert.equal(answers[2].headers['retry-after'], '60');
  const [info] = answers[2].json.error.details;
  assert.equal(info['@type'], 'type.googleapis.com/google.rpc.ErrorInfo');
  assert.equal(info.reason, 'RATE_LIMIT_EXCEEDED');
  assert.deepEqual([info.metadata.quota_metric, info.metadata.quota_limit, info.metadata.quota_unit],
    ['fcm.googleapis.com/send_requests', 'SendsPerMinutePerProject', '1/min/{project}']);
  assert.ok(!answers[2].json.error.details.some((d) => d['@type'].endsWith('FcmError')));
});

test('FCM: expired bearers, delivery before 503, odd details', async (t) => {
  const fcm = await sim.fcm(t);
  assert.equal((await fcm.send({ token: 't' })).status, 200);
  await sim.faults({ fcm: { expire_bearers: {} } });
  assert.equal((await fcm.send({ token: 't' })).json.error.details[0].reason, 'ACCESS_TOKEN_EXPIRED');
  fcm.bearer = await sim.bearer();
  await sim.faults({ fcm: { accept_then_503: { count: 1 } } });
  assert.equal((await fcm.send({ token: 'd' })).status, 503);
  assert.equal((await fcm.send({ token: 'd' })).status, 200);
  assert.deepEqual((await sim.ledger({ token: 'd' })).map((l) => l.status), [503, 200]);
  assert.equal((await sim.summary()).duplicates, 1);
  await sim.tokens({ platform: 'fcm', token: 'b', behaviour: 'bad' });
  const types = async (mode) => {
    await sim.faults({ fcm: { details: { mode } } });
    return (await fcm.send({ token: 'b' })).json.error.details?.map((d) => d['@type'].split('.').at(-1));
  };
  assert.deepEqual(await types('shuffled'), ['DebugInfo', 'BadRequest', 'FcmError']);
  assert.equal(await types('missing'), undefined);
  await sim.faults({ oauth: { expires_in: { value: 60 } } });
  assert.equal((await grant(sim.address.oauth, sim.credentials)).json.expires_in, 60);
});

test('APNs: authentication may come first', async (t) => {
  const session = sim.apns(t);
  const wrong = { authorization: 'bearer x', 'apns-topic': undefined };
  assert.equal((await session.push('aa', wrong)).json.reason, 'MissingTopic');
  await sim.faults({ apns: { auth_first: true } });
  assert.equal((await session.push('aa', wrong)).json.reason, 'InvalidProviderToken');
  assert.equal((await session.push('aa', { 'apns-push-type': 'bogus' })).json.reason, 'InvalidPushType');
});

test('probability, and what the control plane refuses', async (t) => {
  const session = await sim.apnsOpen(t);
  await sim.faults({ apns: { answer: { status: 500, reason: 'InternalServerError', probability: 0.5 } } });
  const answers = await many(200, (i) => session.push(device(i)));
  const failed = answers.filter((a) => a.status === 500).length;
  assert.ok(failed > 50 && failed < 150, `${failed} of 200`);
  assert.equal(await fired('apns', 'answer'), failed);
  for (const [path, body] of [
    ['/faults', { apns: { nothing: {} } }], ['/faults', { apns: { quota: {} } }], ['/faults', { apns: { cut: { mode: 'x' } } }],
    ['/faults', { apns: { cut: { colour: 1 } } }], ['/faults', { web: {} }], ['/faults', '[]'], ['/faults', '{'],
    ['/tokens', '{"platform":"apns","token":"a","behaviour":"wrong_sender"}'], ['/tokens', '{"platform":"x"}'],
    ['/keys', { key_id: 'x' }],
  ]) {
    const answer = await http('POST', `${sim.address.control}${path}`, { body });
    assert.equal(answer.status, 400, JSON.stringify(body));
    assert.equal(typeof answer.json.error, 'string');
  }
  assert.equal((await http('GET', `${sim.address.control}/nothing`)).status, 404);
});

test('a client that breaks HTTP/2 is counted and cut off', async (t) => {
  const session = new Session(sim.address.fcm, { ca: sim.credentials.ca });
  t.after(() => session.close());
  await session.ready;
  const raw = new RawH2(sim.address.fcm, sim.credentials.ca);
  t.after(() => raw.close());
  await raw.open();
  raw.write(FRAME.DATA, 0, 0, Buffer.from('x'));
  await until('GOAWAY', () => raw.of(FRAME.GOAWAY)[0]);
  const errors = async (count) => (await sim.stats()).fcm.protocol_errors === count;
  await until('the first count', () => errors(1));
  const bad = new RawH2(sim.address.fcm, sim.credentials.ca);
  t.after(() => bad.close());
  let ended = false;
  bad.socket.on('end', () => (ended = true));
  await bad.opened;
  bad.socket.write('GET / HTTP/1.1\r\nhost: x\r\n\r\n');
  await until('the second count', () => errors(2));
  await until('the end', () => ended);
  assert.ok(await session.ping());
});
