// Every bad day of the two providers, played to a running service: the right
// outcome, sums that are exact, nobody twice, and a lane that works afterwards.
import { assertSums } from './lib/outcomes.mjs';
import { http } from './lib/http.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';
import { weather } from './lib/weather.mjs';

const service = sharedService({
  config: {
    'fcm.rate_per_min': 600_000, // as installed
    'dispatcher.credentials_retry_s': 1,
    'dispatcher.quarantine_min': 10,
    'apns.response_timeout_s': 4, // what a black hole costs
  },
});

const { phones, send, outcome, recovered, eachOnce, fired } = weather(() => service());
const metric = (name) => service().metric(name);

test('429 storm: the project waits as long as it was told, nobody is lost', async () => {
  await service().sim.reset();
  const all = await phones('storm', 'fcm', 60);
  const alarms = await metric('tocsin_push_alarms_total{platform="fcm"}');
  const cuts = await metric('tocsin_push_in_flight_cuts_total{platform="fcm"}');
  await service().sim.faults({ fcm: { latency: { ms: 50 }, answer: { reason: 'project_quota', retry_after: 2, count: 40 } } });
  const { id } = await send('storm');
  await until('the pause to be seen', async () => (await metric('tocsin_push_lanes_waiting{platform="fcm"}')) === 1);
  assert.equal(await metric('tocsin_push_lanes_waiting{platform="apns"}'), 0);
  const stats = await service().settled(id);
  assertSums(stats);
  assert.equal(stats.total.accepted, 60, JSON.stringify(stats.total));
  await eachOnce(all, id);
  assert.equal(await fired('fcm', 'answer'), 40);
  assert.ok((await metric('tocsin_push_alarms_total{platform="fcm"}')) >= alarms + 40);
  assert.ok((await metric('tocsin_push_in_flight_cuts_total{platform="fcm"}')) > cuts);
  await recovered('storm', all);
});

test('429 for single devices: they wait, the others do not', async () => {
  await service().sim.reset();
  const slow = { behaviour: 'too_many', times: 1, retry_after: 1 };
  const pauses = service().log.length;
  const all = await phones('busy', 'apns', 20);
  await service().sim.tokens(all.slice(0, 5).map(({ platform, token }) => ({ platform, token, ...slow })));
  const { id, total } = await outcome('busy', 20);
  assert.equal(total.accepted, 20, JSON.stringify(total));
  await eachOnce(all, id);
  assert.deepEqual(service().log.slice(pauses).filter((line) => line.includes('push_lane_paused')), []);
});

test('503 although it was accepted: sent again under the same collapse id, counted once', async () => {
  await service().sim.reset();
  const all = await phones('twice', 'fcm', 20);
  await service().sim.tokens(all.slice(0, 3).map(({ platform, token }) => (
    { platform, token, behaviour: 'accepted_unavailable', times: 1, retry_after: 1 })));
  const { id, total } = await outcome('twice', 20);
  assert.equal(total.accepted, 20, JSON.stringify(total));
  for (const [i, phone] of all.entries()) {
    const pushes = await phone.pushes();
    assert.deepEqual(pushes.map((p) => p.status), i < 3 ? [503, 200] : [200]);
    assert.equal(new Set(pushes.map((p) => p.collapse_id)).size, 1);
    assert.ok(pushes.every((p) => p.alert_id === id));
  }
  await recovered('twice', all);
});

test('an expired provider token costs a connection, not a push', async () => {
  await service().sim.reset();
  const all = await phones('expired', 'apns', 60);
  const signed = await metric('tocsin_push_provider_tokens_total{platform="apns"}');
  await service().sim.faults({ apns: { latency: { ms: 5, max_ms: 40 }, jwt_expired: { count: 1, after: 15 } } });
  const { id, total } = await outcome('expired', 60);
  assert.equal(total.accepted, 60, JSON.stringify(total));
  assert.equal(await fired('apns', 'jwt_expired'), 1);
  await eachOnce(all, id);
  const signedNow = await metric('tocsin_push_provider_tokens_total{platform="apns"}');
  assert.equal(signedNow, signed + 1, 'one new token for all connections');
  await recovered('expired', all);
});

test('bad credentials of both: an alarm that names them, nobody loses a registration', async () => {
  await service().sim.reset();
  const all = [...await phones('refused', 'apns', 10), ...await phones('refused', 'fcm', 10)];
  await service().sim.faults({
    apns: { answer: { status: 403, reason: 'InvalidProviderToken' } },
    fcm: { answer: { reason: 'permission_denied' } },
  });
  const { id } = await send('refused');
  const page = await until('both lanes to say that they stopped', async () => {
    const answer = await http('GET', `${service().newsroom}/readyz`);
    return answer.text.includes('apns: credentials refused, InvalidProviderToken; fcm: credentials refused') && answer;
  });
  assert.equal(page.status, 503);
  for (const platform of ['apns', 'fcm']) {
    assert.equal(await metric(`tocsin_push_lanes_stopped{platform="${platform}"}`), 1);
    assert.ok((await metric(`tocsin_push_alarms_total{platform="${platform}"}`)) > 0);
    assert.ok(service().log.some((l) => l.includes('push_lane_stopped') && l.includes('level=error') && l.includes(platform)));
  }
  for (const phone of all) assert.equal((await phone.read()).status, 200);
  await service().sim.faults({ apns: { answer: null }, fcm: { answer: null } });
  const stats = await service().settled(id);
  assertSums(stats);
  assert.equal(stats.total.accepted, 20, JSON.stringify(stats.total));
  await eachOnce(all, id);
  await service().isReady();
  assert.equal(await metric('tocsin_push_lanes_stopped'), 0);
});

test('the token endpoint refuses our account: an alarm that says so, and FCM waits', async () => {
  await service().sim.reset();
  const all = await phones('grant', 'fcm', 10);
  const alarms = await metric('tocsin_push_alarms_total{platform="fcm"}');
  const from = service().log.length;
  await service().sim.faults({ fcm: { expire_bearers: {} }, oauth: { answer: { status: 400, reason: 'invalid_grant' } } });
  const { id } = await send('grant');
  await until('the service to say that FCM stopped', async () =>
    (await http('GET', `${service().newsroom}/readyz`)).text.includes('fcm: credentials refused, invalid_grant'));
  assert.equal(await metric('tocsin_push_lanes_stopped{platform="fcm"}'), 1);
  assert.equal(await metric('tocsin_push_lanes_stopped{platform="apns"}'), 0);
  assert.ok((await metric('tocsin_push_alarms_total{platform="fcm"}')) > alarms);
  assert.ok(service().log.slice(from).some((l) => l.includes('push_lane_stopped') && l.includes('reason=invalid_grant')));
  await until('it to ask again', async () => (await fired('oauth', 'answer')) > 1);
  for (const phone of all) assert.equal((await phone.read()).status, 200);
  await service().sim.faults({ oauth: { answer: null } });
  const stats = await service().settled(id);
  assertSums(stats);
  assert.equal(stats.total.accepted, 10, JSON.stringify(stats.total));
  await eachOnce(all, id);
  await service().isReady();
  await recovered('grant', all);
});

test('many connections: one provider token, one grant, and TLS sessions are resumed', async (t) => {
  await service().sim.reset();
  const all = [...await phones('many', 'apns', 60), ...await phones('many', 'fcm', 60)];
  const tokens = await metric('tocsin_push_provider_tokens_total');
  // Connections that end now and then, and tickets for who comes back.
  const faults = { tickets: true, goaway: { mode: 'graceful', after: 10, count: 4 }, latency: { ms: 30, max_ms: 60 } };
  await service().sim.faults({ apns: { ...faults, streams: { value: 5 } }, fcm: { ...faults, streams: { value: 5 } } });
  await service().sim.faults({ apns: { cut: { mode: 'fin', now: true } }, fcm: { cut: { mode: 'fin', now: true } } });
  await service().sim.faults({ apns: { cut: null }, fcm: { cut: null } });
  const { id, total } = await outcome('many', 120);
  assert.equal(total.accepted, 120, JSON.stringify(total));
  await eachOnce(all, id);
  const { apns, fcm, oauth } = await service().sim.stats();
  for (const seen of [apns, fcm]) {
    t.diagnostic(`${seen.connections} connections, ${seen.handshakes_resumed} resumed`);
    assert.ok(seen.connections > 2, JSON.stringify(seen.connection_list));
    assert.ok(seen.authorizations <= 1, `${seen.authorizations} different ones`);
    assert.ok(seen.handshakes_resumed > 0, `${seen.connections} connections`);
  }
  assert.equal(oauth.grants, 0, 'the one that was there served');
  assert.equal(await metric('tocsin_push_provider_tokens_total'), tokens);
  await recovered('many', all);
});

test('one oversized alert: counted as such, no token is deleted', async () => {
  await service().sim.reset();
  const all = [...await phones('large', 'apns', 20), ...await phones('large', 'fcm', 20)];
  await service().sim.faults({
    apns: { answer: { status: 413, reason: 'PayloadTooLarge' } },
    fcm: { answer: { reason: 'invalid_argument' } },
  });
  const { total } = await outcome('large', 40);
  assert.equal(total.payload_rejected, 40, JSON.stringify(total));
  for (const phone of all) assert.equal((await phone.read()).status, 200);
  await recovered('large', all);
});

test('a storm of dead tokens deletes none', async () => {
  await service().sim.reset();
  const removed = await metric('tocsin_push_dead_tokens_total{action="removed"}');
  const kept = await metric('tocsin_push_dead_tokens_total{action="quarantined"}');
  const all = [
    ...await phones('dead', 'apns', 20, Array(15).fill({ behaviour: 'wrong_environment' })),
    ...await phones('dead', 'fcm', 20, Array(15).fill({ behaviour: 'unregistered' })),
  ];
  const { total } = await outcome('dead', 40);
  assert.deepEqual([total.token_dead, total.accepted], [30, 10], JSON.stringify(total));
  await until('all of them to be put aside', async () =>
    (await metric('tocsin_push_dead_tokens_total{action="quarantined"}')) === kept + 30);
  assert.equal(await metric('tocsin_push_dead_tokens_total{action="removed"}'), removed);
  await recovered('dead', all);
});

test('one stream after each rejection: never one too many, all served', async () => {
  await service().sim.reset();
  const all = await phones('punish', 'apns', 60, Array.from({ length: 60 }, (_, i) => (i % 15 === 7 ? { behaviour: 'bad' } : {})));
  await service().sim.faults({ apns: { punish: true, latency: { ms: 2, max_ms: 10 } } });
  const { id, total } = await outcome('punish', 60);
  assert.deepEqual([total.token_dead, total.accepted], [4, 56], JSON.stringify(total));
  const { apns } = await service().sim.stats();
  assert.equal(apns.faults.punish, 4);
  assert.equal(apns.streams_excess, 0);
  for (const [i, phone] of all.entries()) assert.deepEqual(await phone.got(), i % 15 === 7 ? [] : [id]);
});

test('GOAWAY in mid-flight: what lay above the last stream is sent again, nothing twice', async () => {
  await service().sim.reset();
  const all = [...await phones('goaway', 'apns', 50), ...await phones('goaway', 'fcm', 50)];
  const goaway = { mode: 'middle', after: 8, count: 2 };
  await service().sim.faults({ apns: { latency: { ms: 5, max_ms: 30 }, goaway }, fcm: { latency: { ms: 5, max_ms: 30 }, goaway } });
  const { id, total } = await outcome('goaway', 100);
  assert.equal(total.accepted, 100, JSON.stringify(total));
  assert.ok((await fired('apns', 'goaway')) > 0 && (await fired('fcm', 'goaway')) > 0);
  await eachOnce(all, id);
  await recovered('goaway', all);
});

test('credit withheld: small windows, given back late', async () => {
  await service().sim.reset();
  const all = [...await phones('credit', 'apns', 40), ...await phones('credit', 'fcm', 40)];
  const faults = { small_window: { value: 4096 }, hold_window: { ms: 100 }, goaway: { mode: 'zero', now: true } };
  await service().sim.faults({ apns: faults, fcm: faults });
  await service().sim.faults({ apns: { goaway: null }, fcm: { goaway: null } });
  const { id, total } = await outcome('credit', 80);
  assert.equal(total.accepted, 80, JSON.stringify(total));
  assert.ok((await fired('apns', 'hold_window')) > 0 && (await fired('fcm', 'hold_window')) > 0);
  await eachOnce(all, id);
});

test('a black hole: given up in time, sent again on another connection', async () => {
  await service().sim.reset();
  const all = await phones('hole', 'apns', 40);
  const timeouts = await metric('tocsin_http2_timeouts_total');
  const cuts = await metric('tocsin_push_in_flight_cuts_total{platform="apns"}');
  await service().sim.faults({ apns: { latency: { ms: 5, max_ms: 20 }, cut: { mode: 'black_hole', count: 1, after: 10 } } });
  const { id, total } = await outcome('hole', 40);
  assert.equal(total.accepted, 40, JSON.stringify(total));
  assert.equal(await fired('apns', 'cut'), 1);
  assert.ok((await metric('tocsin_http2_timeouts_total')) > timeouts);
  assert.ok((await metric('tocsin_push_in_flight_cuts_total{platform="apns"}')) > cuts);
  for (const phone of all) assert.ok((await phone.got()).every((got) => got === id));
  assert.equal(new Set((await service().sim.ledger({ alert_id: id })).map((p) => p.token)).size, 40);
  await recovered('hole', all);
});
