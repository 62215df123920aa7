// The provider simulator answers as the real providers do: each rule of APNs,
// of Google's token endpoint and of FCM, one wrong request at a time.
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { grant, nowS } from '../sim/client.mjs';
import { sharedSimulator } from '../sim/harness.mjs';
import { program, run as runToEnd, start } from './lib/processes.mjs';
import { assert, test } from './lib/suite.mjs';

const sim = sharedSimulator();
const UUID = '0191a8f0-0000-7000-8000-000000000001';

async function expectReason(session, expected, ...push) {
  const answer = await session.push(...push);
  const label = JSON.stringify(push).slice(0, 200);
  assert.equal(`${answer.status} ${answer.json?.reason}`, expected, label);
  assert.match(answer.headers['apns-id'], /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/, label);
  assert.equal(answer.headers['content-type'], 'application/json', label);
  return answer;
}

test('credentials are private files', () => {
  const names = readdirSync(sim.dir);
  for (const name of ['ca.pem', 'server.pem', 'server_key.pem', 'apns_key.p8', 'fcm_service_account.json']) {
    assert.ok(names.includes(name), name);
  }
  for (const name of names) assert.equal(statSync(join(sim.dir, name)).mode & 0o777, 0o600, name);
});

test('credentials outlive a restart, and the end of standard input ends it if asked', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-sim-'));
  const seen = [];
  for (let i = 0; i < 2; i++) {
    const run = start(program('tocsin-sim'), ['--dir', dir, '--exit-with-stdin'], { label: 'sim', input: '' });
    const { oauth } = JSON.parse(await run.out.find(() => true));
    assert.equal((await run.ended).code, 0, run.stderr);
    const account = JSON.parse(readFileSync(join(dir, 'fcm_service_account.json'), 'utf8'));
    assert.equal(account.token_uri, `${oauth}/token`);
    seen.push(['ca.pem', 'server.pem', 'apns_key.p8'].map((name) => readFileSync(join(dir, name), 'utf8')), account.private_key);
  }
  assert.deepEqual(seen.slice(0, 2), seen.slice(2));
  rmSync(dir, { recursive: true });
  assert.equal((await runToEnd(program('tocsin-sim'), [])).code, 2);
});

test('APNs: accepted means 200, the id echoed, nothing else, and one line in the ledger', async (t) => {
  const session = sim.apns(t);
  const payload = { aps: { alert: { title: 'Überschrift', body: 'نص' } }, alert_id: UUID };
  const answer = await session.push('AABBccdd', {
    'apns-id': UUID, 'apns-priority': '5', 'apns-expiration': '1900000000', 'apns-collapse-id': 'c-1',
  }, payload);
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['apns-id'], UUID);
  assert.equal(answer.headers['apns-unique-id'], undefined);
  assert.equal(answer.body, '');
  assert.ok(answer.endedByHeaders);
  const [line] = await sim.ledger();
  const { time_ms, connection, ...rest } = line;
  assert.ok(Math.abs(time_ms - Date.now()) < 60_000 && connection > 0);
  assert.deepEqual(rest, {
    n: 1, platform: 'apns', token: 'aabbccdd', status: 200, collapse_id: 'c-1', alert_id: UUID,
    priority: '5', push_type: 'alert', topic: 'com.example.tocsin', expiration: 1900000000, payload,
  });
});

test('APNs: every header and path rule has its reason', async (t) => {
  const session = await sim.apnsOpen(t);
  const rules = [
    ['400 BadMessageId', 'aa', { 'apns-id': 'not-a-uuid' }],
    ['400 BadMessageId', 'aa', { 'apns-id': UUID.toUpperCase().replace('0191A8F0', '0191A8FF') }],
    ['400 MissingTopic', 'aa', { 'apns-topic': undefined }],
    ['400 BadTopic', 'aa', { 'apns-topic': 'com example' }],
    ['400 TopicDisallowed', 'aa', { 'apns-topic': 'com.example.other' }],
    ['400 TopicDisallowed', 'aa', { 'apns-push-type': 'liveactivity' }],
    ['400 TopicDisallowed', 'aa', { 'apns-topic': 'com.example.tocsin.voip' }],
    ['400 BadCollapseId', 'aa', { 'apns-collapse-id': 'x'.repeat(65) }],
    ['400 BadCollapseId', 'aa', { 'apns-collapse-id': encodeURI('é'.repeat(11)) }],
    ['400 BadExpirationDate', 'aa', { 'apns-expiration': 'tomorrow' }],
    ['400 BadExpirationDate', 'aa', { 'apns-expiration': '-1' }],
    ['400 BadPriority', 'aa', { 'apns-priority': '7' }],
    ['400 InvalidPushType', 'aa', { 'apns-push-type': 'ALERT' }],
    ['400 MissingDeviceToken', ''],
    ['400 BadDeviceToken', 'abc'],
    ['400 BadDeviceToken', 'zz'],
    ['400 BadDeviceToken', 'ab'.repeat(101)],
    ['404 BadPath', 'aa', { ':path': '/4/device/aa' }],
    ['404 BadPath', 'aa', { ':path': '/4/broadcasts/apps/com.example.tocsin' }],
    ['405 MethodNotAllowed', 'aa', { ':method': 'PUT' }],
  ];
  for (const [expected, ...push] of rules) await expectReason(session, expected, ...push);
  assert.equal((await session.push('ab'.repeat(100))).status, 200);
  assert.equal((await session.push('aa', { 'apns-collapse-id': 'x'.repeat(64) })).status, 200);
  assert.equal((await session.push('aa', { 'apns-expiration': '0', 'apns-priority': '1' })).status, 200);
  const { apns } = await sim.stats();
  assert.equal(apns.reasons.BadDeviceToken, 3);
  assert.equal(apns.accepted, 4);
});

test('APNs: a header given twice is an error', async (t) => {
  const session = await sim.apnsOpen(t);
  await expectReason(session, '400 DuplicateHeaders', 'aa', { 'apns-collapse-id': ['a', 'b'] });
});

test('APNs: push type, topic suffix, priority and payload must agree', async (t) => {
  const session = await sim.apnsOpen(t);
  const silent = { aps: { 'content-available': 1 } };
  const background = { 'apns-push-type': 'background' };
  await expectReason(session, '400 BadPriority', 'aa', background, silent);
  await expectReason(session, '400 BadPriority', 'aa', { ...background, 'apns-priority': '10' }, silent);
  await expectReason(session, '400 InvalidPushType', 'aa', { ...background, 'apns-priority': '5' },
    { aps: { 'content-available': 1, alert: 'x' } });
  await expectReason(session, '400 InvalidPushType', 'aa', {}, silent);
  assert.equal((await session.push('aa', { ...background, 'apns-priority': '5' }, silent)).status, 200);
  const suffixes = {
    voip: '.voip', complication: '.complication', fileprovider: '.pushkit.fileprovider',
    liveactivity: '.push-type.liveactivity', location: '.location-query', pushtotalk: '.voip-ptt',
    widgets: '.push-type.widgets', controls: '.push-type.controls',
  };
  for (const [type, suffix] of Object.entries(suffixes)) {
    const good = await session.push('aa', { 'apns-push-type': type, 'apns-topic': `com.example.tocsin${suffix}` });
    assert.equal(good.status, 200, type);
    await expectReason(session, '400 TopicDisallowed', 'aa', { 'apns-push-type': type });
  }
});

test('APNs: payload size and form', async (t) => {
  const session = await sim.apnsOpen(t);
  const sized = (bytes) => {
    const frame = JSON.stringify({ aps: { alert: '' } }).length;
    return JSON.stringify({ aps: { alert: 'x'.repeat(bytes - frame) } });
  };
  assert.equal((await session.push('aa', {}, sized(4096))).status, 200);
  await expectReason(session, '413 PayloadTooLarge', 'aa', {}, sized(4097));
  const voip = { 'apns-push-type': 'voip', 'apns-topic': 'com.example.tocsin.voip' };
  assert.equal((await session.push('aa', voip, sized(5120))).status, 200);
  await expectReason(session, '413 PayloadTooLarge', 'aa', voip, sized(5121));
  await expectReason(session, '413 PayloadTooLarge', 'aa', {}, 'x'.repeat(100_000));
  for (const bad of ['', '[]', '"text"', '{"aps":{"alert":"x"}', '{"aps":{"alert":"x"}} x', '{"aps":{"alert":"\n"}}',
    '{"aps":{"alert":"x","badge":01}}', '{"aps":"x"}', '{}', Buffer.from('{"aps":{"alert":"\xff"}}', 'latin1')]) {
    await expectReason(session, '400 PayloadEmpty', 'aa', {}, bad);
  }
  assert.equal((await session.push('aa', {}, ' {\n "aps": {"alert": "two\\nlines"}\r\n} ')).status, 200);
  const lines = await sim.ledger({ platform: 'apns', token: 'aa' });
  assert.deepEqual(lines.at(-1).payload, { aps: { alert: 'two\nlines' } });
});

test('APNs: what devices would ignore is counted as a warning', async (t) => {
  const session = await sim.apnsOpen(t);
  await session.push('aa', { 'apns-push-type': undefined }, { aps: { alert: 'x', badge: '3', custom: 1 } });
  const { warnings } = (await sim.stats()).apns;
  assert.deepEqual(warnings, { 'bad aps key badge': 1, 'unknown aps key custom': 1, 'no apns-push-type': 1 });
});

test('APNs: the provider token is checked to the letter', async (t) => {
  const c = sim.credentials;
  const stranger = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey;
  const good = c.apnsToken();
  const tokens = [
    ['403 MissingProviderToken', undefined],
    ['403 InvalidProviderToken', good],
    ['403 InvalidProviderToken', `basic ${good}`],
    ['403 InvalidProviderToken', `bearer ${good}=`],
    ['403 InvalidProviderToken', `bearer ${good.slice(0, -4)}AAAA`],
    ['403 InvalidProviderToken', `bearer ${good}.x`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ der: true })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ key: stranger })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ header: { kid: 'ZZZZZZZZZZ' } })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ header: { kid: undefined } })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ header: { alg: 'HS256' } })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ claims: { iss: 'OTHERTEAM1' } })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ claims: { iat: `${nowS()}` } })}`],
    ['403 InvalidProviderToken', `bearer ${c.apnsToken({ claims: { iat: nowS() + 600 } })}`],
    ['403 ExpiredProviderToken', `bearer ${c.apnsToken({ claims: { iat: nowS() - 3700 } })}`],
  ];
  const session = sim.apns(t);
  for (const [expected, authorization] of tokens) {
    await expectReason(session, expected, 'aa', { authorization });
    assert.equal(session.streams, 1, 'no more than one stream before a valid token');
  }
  assert.equal((await session.push('aa', { authorization: `Bearer ${good}` })).status, 200);
  await session.ping();
  assert.equal(session.streams, 1000);
  await sim.faults({ apns: { accept_der: true } });
  const lenient = sim.apns(t);
  lenient.token = c.apnsToken({ der: true });
  assert.equal((await lenient.push()).status, 200);
});

test('APNs: first SETTINGS, and the raise comes with any authenticated request', async (t) => {
  const session = sim.apns(t);
  await session.ready;
  const first = session.settings[0];
  assert.deepEqual(
    [first.maxConcurrentStreams, first.headerTableSize, first.initialWindowSize, first.maxFrameSize, first.maxHeaderListSize],
    [1, 4096, 65535, 16384, 8000]);
  await sim.tokens({ platform: 'apns', token: 'dd', behaviour: 'unregistered' });
  assert.equal((await session.push('dd')).status, 410);
  await session.ping();
  assert.equal(session.streams, 1000);
});

test('APNs: a token may change after twenty minutes, not before', async (t) => {
  const session = sim.apns(t);
  const token = (age) => ({ authorization: `bearer ${sim.credentials.apnsToken({ claims: { iat: nowS() - age } })}` });
  const old = token(3000);
  assert.equal((await session.push('aa', old)).status, 200);
  await expectReason(session, '429 TooManyProviderTokenUpdates', 'aa', token(2000));
  const fresh = token(1000);
  assert.equal((await session.push('aa', fresh)).status, 200);
  assert.equal((await session.push('aa', old)).status, 200, 'a late request with the former token');
  await expectReason(session, '429 TooManyProviderTokenUpdates', 'aa', token(1000));
  assert.equal((await session.push('aa', fresh)).status, 200);
  const other = sim.apns(t);
  assert.equal((await other.push('aa', token(1000))).status, 200, 'counted per connection');
  const { connection_list: list } = (await sim.stats()).apns;
  assert.deepEqual(list.map((c) => c.authorizations).sort(), [1, 6]);
});

test('APNs: token updates can be counted per address', async (t) => {
  await sim.faults({ apns: { updates_by_address: { value: 2, ms: 1_200_000 } } });
  const push = async () => {
    const session = sim.apns(t);
    return (await session.push('aa', { authorization: `bearer ${sim.credentials.apnsToken()}` })).status;
  };
  assert.deepEqual([await push(), await push(), await push()], [200, 200, 429]);
});

test('APNs: a connection belongs to one team and one key family', async (t) => {
  const pairs = ['TEAMKEY002', 'FAMILYKEY3', 'OTHERTEAM4', 'SANDBOXKEY'].map((key_id) => ({
    key_id, ...generateKeyPairSync('ec', { namedCurve: 'P-256' }),
  }));
  const team = { TEAMKEY002: {}, FAMILYKEY3: { family: 'one-topic' }, OTHERTEAM4: { team_id: 'OTHER12345' }, SANDBOXKEY: { other_environment: true } };
  for (const { key_id, publicKey } of pairs) {
    await sim.post('/keys', {
      key_id, team_id: 'TEAM123456', topics: ['com.example.tocsin'],
      public_key: publicKey.export({ type: 'spki', format: 'pem' }), ...team[key_id],
    });
  }
  const session = sim.apns(t);
  assert.equal((await session.push('aa', { authorization: `bearer ${sim.credentials.apnsToken({ claims: { iat: nowS() - 2000 } })}` })).status, 200);
  const by = (i, claims = {}) => ({
    authorization: `bearer ${sim.credentials.apnsToken({ key: pairs[i].privateKey, header: { kid: pairs[i].key_id }, claims })}`,
  });
  await expectReason(session, '403 UnrelatedKeyIdInToken', 'aa', by(1));
  await expectReason(session, '403 InvalidProviderToken', 'aa', by(2, { iss: 'OTHER12345' }));
  await expectReason(session, '403 BadEnvironmentKeyIdInToken', 'aa', by(3));
  assert.equal((await session.push('aa', by(0))).status, 200);
  assert.equal((await sim.apns(t).push('aa', by(2, { iss: 'OTHER12345' }))).status, 200, 'a connection of its own');
});

test('APNs: registered tokens behave as told', async (t) => {
  const session = await sim.apnsOpen(t);
  const rules = {
    unregistered: '410 Unregistered', expired: '410 ExpiredToken', bad: '400 BadDeviceToken',
    wrong_topic: '400 DeviceTokenNotForTopic', wrong_environment: '400 BadDeviceToken',
    too_many: '429 TooManyRequests', internal: '500 InternalServerError', unavailable: '503 ServiceUnavailable',
  };
  for (const [behaviour, expected] of Object.entries(rules)) {
    await sim.tokens({ platform: 'apns', token: 'ab12', behaviour, timestamp_ms: 1600000000123, retry_after: 7 });
    const answer = await expectReason(session, expected, 'AB12');
    assert.equal(answer.json.timestamp, expected.startsWith('410') ? 1600000000123 : undefined);
    assert.equal(answer.headers['retry-after'], '7');
  }
  await sim.tokens({ platform: 'apns', token: 'ab12', behaviour: 'unavailable', times: 1 });
  assert.deepEqual([(await session.push('ab12')).status, (await session.push('ab12')).status], [503, 200]);
  await sim.tokens({ platform: 'apns', token: '*', behaviour: 'bad' }, { platform: 'apns', token: 'cc', behaviour: 'ok' });
  assert.deepEqual([(await session.push('ee')).status, (await session.push('cc')).status], [400, 200]);
  assert.equal((await sim.summary()).accepted, 3);
});

test('the ledger counts duplicates by token, collapse id and payload', async (t) => {
  const session = await sim.apnsOpen(t);
  const one = { aps: { alert: 'one' }, alert_id: 'a-1', revision: 1 };
  const two = { aps: { alert: 'two' }, alert_id: 'a-1', revision: 2 };
  const key = { 'apns-collapse-id': 'a-1' };
  for (const [device, payload] of [['aa', one], ['bb', one], ['aa', one], ['aa', two], ['cc', two]]) {
    assert.equal((await session.push(device, key, payload)).status, 200);
  }
  const summary = await sim.summary();
  assert.equal(summary.accepted, 6);
  assert.equal(summary.tokens, 4);
  assert.equal(summary.duplicates, 1);
  assert.equal(summary.places, 4);
  assert.deepEqual(summary.platforms, { apns: 6, fcm: 0 });
  assert.deepEqual(summary.alerts['a-1'], { accepted: 6, tokens: 4, duplicates: 1 });
  assert.equal((await sim.ledger({ since: 4 })).length, 2);
  assert.deepEqual((await sim.ledger({ limit: 2 })).map((l) => l.n), [1, 2]);
  assert.deepEqual((await sim.ledger({ token: 'aa', skip: 1 })).map((l) => l.n),
    (await sim.ledger({ token: 'aa' })).map((l) => l.n).slice(1));
  assert.equal((await sim.ledger({ token: 'aa' })).length, 3);
  assert.equal((await sim.ledger({ alert_id: 'nothing' })).length, 0);
  await sim.post('/reset', {});
  assert.equal((await sim.summary()).accepted, 0);
  assert.equal((await session.push()).status, 200, 'connections outlive a reset');
});

test('OAuth: a good assertion gets a bearer token for an hour', async () => {
  const answer = await grant(sim.address.oauth, sim.credentials);
  assert.equal(answer.status, 200);
  assert.match(answer.json.access_token, /^ya29\.c\.[A-Za-z0-9_-]{900,}$/);
  assert.deepEqual({ ...answer.json, access_token: '' }, { access_token: '', expires_in: 3599, token_type: 'Bearer' });
  const google = sim.credentials.assertion({ claims: { aud: 'https://oauth2.googleapis.com/token' } });
  assert.equal((await grant(sim.address.oauth, sim.credentials, { assertion: google })).status, 200);
  assert.equal((await sim.stats()).oauth.grants, 2);
});

test('OAuth: every rule of the assertion', async () => {
  const c = sim.credentials;
  const stranger = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey;
  const a = (change) => ({ assertion: c.assertion(change) });
  const jwtType = 'urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer';
  const rules = [
    ['400 invalid_grant', a({ key: stranger })],
    ['400 invalid_grant', a({ header: { alg: 'HS256' } })],
    ['400 invalid_grant', a({ claims: { iss: 'nobody@example.com' } })],
    ['400 invalid_grant', a({ claims: { aud: 'https://example.com/token' } })],
    ['400 invalid_grant', a({ claims: { exp: nowS() + 3700 } })],
    ['400 invalid_grant', a({ claims: { iat: nowS() - 7200, exp: nowS() - 3600 } })],
    ['400 invalid_grant', a({ claims: { iat: undefined } })],
    ['400 invalid_scope', a({ claims: { scope: 'everything' } })],
    ['400 invalid_scope', a({ claims: { scope: undefined } })],
    ['400 invalid_request', { assertion: 'a.b' }],
    ['400 invalid_request', { form: `grant_type=${jwtType}` }],
    ['400 invalid_request', { form: '' }],
    ['400 unsupported_grant_type', { form: 'grant_type=password&assertion=x' }],
    ['404 not_found', { path: '/o/token' }],
  ];
  for (const [expected, options] of rules) {
    const answer = await grant(sim.address.oauth, c, options);
    assert.equal(`${answer.status} ${answer.json.error}`, expected, JSON.stringify(options).slice(0, 100));
    assert.equal(typeof answer.json.error_description, 'string');
  }
  assert.equal((await sim.stats()).oauth.grants, 0);
});

const ANDROID = { priority: 'high', ttl: '3600s', collapse_key: 'c-1', notification: { channel_id: 'news' } };
const detail = (answer, type) => answer.json.error.details?.find((d) => d['@type'] === `type.googleapis.com/${type}`);
const fcmCode = (answer) => detail(answer, 'google.firebase.fcm.v1.FcmError')?.errorCode;

test('FCM: accepted means a name and one line in the ledger', async (t) => {
  const fcm = await sim.fcm(t);
  const message = { token: 'dev:ice-1_a', data: { alert_id: UUID }, notification: { title: 'Kopf' }, android: ANDROID };
  const answer = await fcm.send(message);
  assert.equal(answer.status, 200, answer.body);
  assert.match(answer.json.name, /^projects\/tocsin-sim\/messages\/0:\d{16}%[0-9a-f]{16}$/);
  const second = await fcm.send({ ...message, token: 'other' });
  assert.notEqual(second.json.name, answer.json.name);
  const lines = await sim.ledger({ platform: 'fcm' });
  const { token, ...payload } = message;
  assert.deepEqual(lines.map((l) => l.token), [token, 'other']);
  for (const line of lines) {
    const { n, token: _, time_ms, connection, ...rest } = line;
    assert.deepEqual(rest, {
      platform: 'fcm', status: 200, collapse_id: 'c-1', alert_id: UUID, priority: 'high', push_type: null,
      topic: 'tocsin-sim', ttl_s: 3600, payload,
    });
  }
  const dry = await fcm.send(message, { extra: { validate_only: true } });
  assert.equal(dry.status, 200);
  assert.equal((await sim.summary()).accepted, 2, 'validate_only delivers nothing');
  assert.equal((await sim.stats()).fcm.validated_only, 1);
});

test('FCM: equal bodies are told apart by the true token only', async (t) => {
  const fcm = await sim.fcm(t);
  const tricky = (token, data) => `{"message":{"data":{"token":"${data}"},"token":"${token}"}}`;
  for (const [token, data] of [['one', 'x'], ['two', 'x'], ['two', 'y'], ['x', 'x'], ['y', 'x']]) {
    assert.equal((await fcm.send(null, { body: tricky(token, data) })).status, 200);
  }
  const lines = await sim.ledger();
  assert.deepEqual(lines.map((l) => [l.token, l.payload.data.token]),
    [['one', 'x'], ['two', 'x'], ['two', 'y'], ['x', 'x'], ['y', 'x']]);
  const twice = '{"message":{"token":"first","token":"last"}}';
  assert.equal((await fcm.send(null, { body: twice })).status, 200);
  assert.equal((await sim.ledger({ since: 5 }))[0].token, 'last');
});

test('FCM: names and types of the message', async (t) => {
  const fcm = await sim.fcm(t);
  const rules = [
    [{ token: 't', colour: 'red' }, 'message'],
    [{ token: 't', android: { notification: { chanel_id: 'x' } } }, 'message.android.notification'],
    [{ token: 't', data: { n: 5 } }, 'message.data[0].value'],
    [{ token: 't', data: { a: 'x', n: { o: 1 } } }, 'message.data[1].value'],
    [{ token: 5 }, 'message.token'],
    [{ token: 't', android: { ttl: 3600 } }, 'message.android.ttl'],
    [{ token: 't', android: { ttl: '3600' } }, 'message.android.ttl'],
    [{ token: 't', android: { ttl: '1h' } }, 'message.android.ttl'],
    [{ token: 't', android: { priority: 'urgent' } }, 'message.android.priority'],
    [{ token: 't', android: { notification: { visibility: 'ALL' } } }, 'message.android.notification.visibility'],
    [{ token: 't', android: { notification: { notification_count: '1' } } }, 'message.android.notification.notification_count'],
    [{ token: 't', apns: { payload: 'x' } }, 'message.apns.payload'],
    [{ token: 't', topic: 'news' }, 'message'],
    [[], 'message'],
  ];
  for (const [message, field] of rules) {
    const answer = await fcm.send(message);
    const label = JSON.stringify(message);
    assert.equal(answer.status, 400, label);
    assert.equal(answer.json.error.status, 'INVALID_ARGUMENT', label);
    const bad = detail(answer, 'google.rpc.BadRequest');
    assert.equal(bad.fieldViolations[0].field, field, label);
    assert.equal(answer.json.error.message, bad.fieldViolations[0].description, label);
    assert.equal(fcmCode(answer), undefined, label);
  }
  for (const body of ['', '{', '[]', '{"message":{"token":"t"}} x', '{"message":{"token":"t\n"}}']) {
    assert.equal((await fcm.send(null, { body })).status, 400, body);
  }
  const top = await fcm.send({ token: 't' }, { extra: { dry_run: true } });
  assert.match(top.json.error.message, /Unknown name "dry_run"/);
  const camel = await fcm.send({ token: 't', android: { collapseKey: 'k', notification: { channelId: 'news' } } });
  assert.equal(camel.status, 200, camel.body);
});

test('FCM: values of the message', async (t) => {
  const fcm = await sim.fcm(t);
  const rules = [
    [undefined, 'message'],
    [{ data: { a: 'b' } }, 'message'],
    [{ token: '' }, 'message.token'],
    [{ token: 'has space' }, 'message.token'],
    [{ topic: 'no/slash' }, 'message.topic'],
    [{ topic: 'x'.repeat(901) }, 'message.topic'],
    [{ condition: 'nothing' }, 'message.condition'],
    [{ token: 't', data: { from: 'x' } }, 'message.data[from]'],
    [{ token: 't', data: { google_x: 'x' } }, 'message.data[google_x]'],
    [{ token: 't', android: { data: { 'gcm.x': 'x' } } }, 'message.android.data[gcm.x]'],
    [{ token: 't', android: { ttl: '2419201s' } }, 'message.android.ttl'],
    [{ token: 't', android: { ttl: '-1s' } }, 'message.android.ttl'],
    [{ token: 't', android: { notification: { color: 'red' } } }, 'message.android.notification.color'],
    [{ token: 't', fcm_options: { analytics_label: 'a b' } }, 'message.fcm_options.analytics_label'],
    [{ token: 't', webpush: { fcm_options: { link: 'http://x' } } }, 'message.webpush.fcm_options.link'],
    [{ token: 't', data: { k: 'x'.repeat(4096) } }, 'message'],
    [{ topic: 'news', data: { k: 'x'.repeat(2048) } }, 'message'],
  ];
  for (const [message, field] of rules) {
    const answer = await fcm.send(message);
    const label = JSON.stringify(message)?.slice(0, 100);
    assert.equal(answer.status, 400, label);
    assert.equal(fcmCode(answer), 'INVALID_ARGUMENT', label);
    assert.equal(detail(answer, 'google.rpc.BadRequest').fieldViolations[0].field, field, label);
  }
  for (const message of [{ token: 't', data: { k: 'x'.repeat(4095) } }, { topic: 'news', data: { k: 'x'.repeat(2047) } },
    { token: 't', android: { ttl: '0s' } }, { token: 't', android: { ttl: '2419200s' } }, { token: 't', android: { ttl: '1.5s' } },
    { fid: 'abc' }, { condition: "'a' in topics && 'b' in topics" }]) {
    assert.equal((await fcm.send(message)).status, 200, JSON.stringify(message).slice(0, 60));
  }
});

test('FCM: path, project and bearer', async (t) => {
  const fcm = await sim.fcm(t);
  const at = (path) => fcm.send({ token: 't' }, { change: { ':path': path } });
  const html = await at('/v1/nothing');
  assert.equal(html.status, 404);
  assert.match(html.headers['content-type'], /^text\/html/);
  const other = await at('/v1/projects/another/messages:send');
  assert.equal(other.status, 404);
  assert.equal(other.json.error.status, 'NOT_FOUND');
  assert.equal(fcmCode(other), undefined);
  const bearer = async (authorization) => {
    const answer = await fcm.send({ token: 't' }, { change: { authorization } });
    assert.equal(fcmCode(answer), undefined);
    return `${answer.status} ${answer.json.error.status} ${detail(answer, 'google.rpc.ErrorInfo').reason}`;
  };
  assert.equal(await bearer(undefined), '401 UNAUTHENTICATED CREDENTIALS_MISSING');
  assert.equal(await bearer('Bearer nonsense'), '401 UNAUTHENTICATED ACCESS_TOKEN_TYPE_UNSUPPORTED');
  const scope = 'https://www.googleapis.com/auth/drive';
  const weak = await sim.bearer({ assertion: sim.credentials.assertion({ claims: { scope } }) });
  assert.equal(await bearer(`Bearer ${weak}`), '403 PERMISSION_DENIED IAM_PERMISSION_DENIED');
  assert.equal((await fcm.send({ token: 't' }, { change: { 'content-type': 'text/plain' } })).status, 400);
  await sim.faults({ clock: { offset_s: 3600 } });
  assert.equal(await bearer(`Bearer ${fcm.bearer}`), '401 UNAUTHENTICATED ACCESS_TOKEN_EXPIRED');
});

test('FCM: registered tokens bring the exact error shapes', async (t) => {
  const fcm = await sim.fcm(t);
  const type = (name) => `type.googleapis.com/${name}`;
  const fcmError = (errorCode) => ({ '@type': type('google.firebase.fcm.v1.FcmError'), errorCode });
  const rules = {
    unregistered: [404, 'NOT_FOUND', [fcmError('UNREGISTERED')]],
    wrong_sender: [403, 'PERMISSION_DENIED', [fcmError('SENDER_ID_MISMATCH')]],
    third_party_auth: [401, 'UNAUTHENTICATED', [fcmError('THIRD_PARTY_AUTH_ERROR')]],
    internal: [500, 'INTERNAL', [fcmError('INTERNAL')]],
    unavailable: [503, 'UNAVAILABLE', [fcmError('UNAVAILABLE')]],
    apns_unregistered: [400, 'INVALID_ARGUMENT', [fcmError('INVALID_ARGUMENT'),
      { '@type': type('google.firebase.fcm.v1.ApnsError'), statusCode: 410, reason: 'Unregistered' }]],
    too_many: [429, 'RESOURCE_EXHAUSTED', [fcmError('QUOTA_EXCEEDED'),
      { '@type': type('google.rpc.QuotaFailure'), violations: [{ subject: 'device', description: 'Device message rate exceeded' }] }]],
    bad: [400, 'INVALID_ARGUMENT', [fcmError('INVALID_ARGUMENT'), { '@type': type('google.rpc.BadRequest'),
      fieldViolations: [{ field: 'message.token', description: 'The registration token is not a valid FCM registration token' }] }]],
  };
  for (const [behaviour, [status, name, details]] of Object.entries(rules)) {
    await sim.tokens({ platform: 'fcm', token: 't', behaviour });
    const answer = await fcm.send({ token: 't' });
    assert.equal(answer.status, status, behaviour);
    assert.equal(answer.json.error.code, status);
    assert.equal(answer.json.error.status, name);
    assert.deepEqual(answer.json.error.details, details, behaviour);
  }
  assert.equal((await sim.summary()).accepted, 0);
  await sim.tokens({ platform: 'fcm', token: 't', behaviour: 'accepted_unavailable', times: 1 });
  assert.deepEqual([(await fcm.send({ token: 't' })).status, (await fcm.send({ token: 't' })).status], [503, 200]);
  const summary = await sim.summary();
  assert.deepEqual([summary.accepted, summary.duplicates], [2, 1], 'delivered twice, and it shows');
});
