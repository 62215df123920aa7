// The rest of what providers were seen to do, one row after the other to the same phones: how
// connections begin, break and end, odd answers, refused credentials. (The storms are in
// provider_weather.test.mjs; Web Push and topics are not offered.)
import { http } from './lib/http.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';
import { weather } from './lib/weather.mjs';

const EACH = 15; // phones of either platform
const service = sharedService({
  config: {
    'dispatcher.credentials_retry_s': 1,
    'apns.response_timeout_s': 4, // what an answer that never comes costs; one that is late is asked for again
    'apns.connect_timeout_s': 2,
    'fcm.connect_timeout_s': 2,
  },
});
const { phones, send, settled, recovered, fired } = weather(() => service());
const metric = (name) => service().metric(name);

let made;
const everybody = async () =>
  (made ??= [...await phones('all', 'apns', EACH), ...await phones('all', 'fcm', EACH)]);

const both = (faults) => ({ apns: faults, fcm: faults });

// Sets the faults; `fresh`: they are for connections yet to be opened, so there are none.
async function play(faults, fresh) {
  await service().sim.reset();
  const { time_ms } = await service().sim.stats();
  await service().sim.faults(faults);
  if (fresh) await until('the connections of before to be gone', async () => {
    await service().sim.faults(both({ cut: { mode: 'fin', now: true } }));
    await service().sim.faults(both({ cut: null }));
    const { apns, fcm } = await service().sim.stats();
    return [apns, fcm].every((seen) => seen.connection_list.every((c) => c.closed_ms > 0 || c.opened_ms > time_ms));
  });
}

// Everybody got it: once, or where an answer was lost perhaps again, as the same notification.
async function arrived(all, id, mayRepeat) {
  const pushes = (await service().sim.ledger()).filter((push) => push.alert_id === id);
  assert.equal(new Set(pushes.map((push) => push.token)).size, all.length, 'nobody is left out');
  assert.equal(new Set(pushes.map((push) => push.collapse_id)).size, 1);
  if (!mayRepeat) assert.equal(pushes.length, all.length, 'nobody has it twice');
  const { apns, fcm } = await service().sim.stats();
  for (const seen of [apns, fcm]) assert.deepEqual([seen.streams_excess, seen.protocol_errors], [0, 0]);
  assert.equal(fcm.pings, 0, 'FCM does not like to be pinged');
}

const SLOW = { latency: { ms: 5, max_ms: 30 } };
const UNAVAILABLE = { apns: { status: 503, reason: 'ServiceUnavailable' }, fcm: { reason: 'unavailable', retry_after: 1 } };
const busy = (apns, fcm) => ({ apns: { answer: { count: 5, ...UNAVAILABLE.apns, ...apns } }, fcm: { answer: { count: 5, ...UNAVAILABLE.fcm, ...fcm } } });

// [what, faults, fresh connections, may repeat]; every fault must have fired.
const ROWS = [
  ['the first SETTINGS come late', both({ settings_delay: { ms: 500 } }), true],
  ['the handshake takes its time', both({ handshake_delay: { ms: 500 } }), true],
  ['more streams are allowed late', { apns: { mcs_late: { ms: 300 }, ...SLOW } }, true],
  ['one stream for good', { apns: { mcs_never: true } }, true],
  ['fewer streams in the middle of the load', both({ ...SLOW, mcs_lower: { value: 2, after: 4, count: 1 } })],
  ['no header table', both({ header_table_zero: true }), true],
  ['some answers never come', { apns: { ...SLOW, never_answer: { after: 3, count: 2 } } }, false, true],
  ['answered never, and yet delivered', { apns: { ...SLOW, never_answer: { after: 3, count: 2, accepted: true } } }, false, true],
  ['bursts of 503 with a time to wait', busy({ retry_after: 1 }, {})],
  ['bursts of 503 with a date to wait for', busy({ retry_after: 1, retry_date: true }, { retry_date: true })],
  ['bursts of 503 without', { apns: { answer: { ...UNAVAILABLE.apns, count: 5 } } }],
  ['500 now and then', busy({ status: 500, reason: 'InternalServerError' }, { reason: 'internal' })],
  ['503 Shutdown, then GOAWAY', { apns: { ...SLOW, shutdown: { after: 4, count: 1 } } }],
  ['GOAWAY in two steps', both({ ...SLOW, goaway: { mode: 'graceful', after: 4, count: 2 } })],
  ['GOAWAY that names no stream', both({ ...SLOW, goaway: { mode: 'zero', after: 4, count: 2 } })],
  ['GOAWAY that answers and leaves TCP open', both({ ...SLOW, goaway: { mode: 'keep', after: 4, count: 2 } })],
  ['GOAWAY, then silence', { apns: { ...SLOW, goaway: { mode: 'silent', after: 4, count: 1 } } }, false, true],
  ['resets before and after it was processed', both({ ...SLOW, cut: { mode: 'rst', after: 4, count: 1, accepted: true } }), false, true],
  ['FIN without GOAWAY', both({ ...SLOW, cut: { mode: 'fin', after: 4, count: 1 } }), false, true],
  ['close_notify alone', both({ ...SLOW, cut: { mode: 'close_notify', after: 4, count: 1 } }), false, true],
  ['no more than so many connections in a time', both({ connect_rate: { value: 1, ms: 400 }, goaway: { mode: 'zero', after: 4, count: 2 } }), true],
  ['bodies in pieces, headers nobody knows', { apns: { split_body: { mode: 'bytes' }, extra_headers: true, answer: { ...UNAVAILABLE.apns, count: 5 } },
    fcm: { split_body: { mode: 'segment' }, extra_headers: true, answer: { ...UNAVAILABLE.fcm, count: 5 } } }],
  ['a reason nobody knows', { apns: { answer: { status: 503, reason: 'OutToLunch', count: 5 } } }],
  ['a device that was told too much, without a time', { apns: { development: true } }],
  ['HTML instead of JSON', { fcm: { answer: { reason: 'html_502', retry_after: 1, count: 5 } } }],
  ['details in another order', { fcm: { details: { mode: 'shuffled' }, answer: { ...UNAVAILABLE.fcm, count: 5 } } }],
  ['details missing', { fcm: { details: { mode: 'missing' }, answer: { ...UNAVAILABLE.fcm, count: 5 } } }],
  ['the quota of the project, really used up', { fcm: { quota: { value: 10, ms: 1000, retry_after: 1 } } }],
  ['bearers that expire', { fcm: { answer: { reason: 'bearer_expired', count: 1 } } }],
  ['a token endpoint that is slow', { fcm: { expire_bearers: {} }, oauth: { latency: { ms: 1000, max_ms: 1200 } } }],
  ['a token endpoint that is overloaded', { fcm: { expire_bearers: {} }, oauth: { answer: { status: 503, reason: 'backend_error', count: 2 } } }],
  ['tokens that live a minute', { fcm: { expire_bearers: {} }, oauth: { expires_in: { value: 60 } } }],
  ...['refused', 'cancel', 'internal', 'closed'].flatMap((mode) => ['before', 'after_headers'].map((stage) =>
    [`RST_STREAM ${mode} ${stage}`, both({ ...SLOW, rst_stream: { mode, stage, after: 3, count: 3 } }), false, stage !== 'before' || mode !== 'refused'])),
];

// A row for Apple alone and one for Google alone are played together.
function plays() {
  const alone = (platform) => ROWS.filter(([, faults]) => Object.keys(faults).every((name) => name === platform || name === 'oauth'));
  const [apns, fcm] = [alone('apns'), alone('fcm')];
  const rest = ROWS.filter((row) => !apns.includes(row) && !fcm.includes(row));
  const pairs = Array.from({ length: Math.max(apns.length, fcm.length) }, (_, i) => [apns[i], fcm[i]].filter(Boolean));
  return [...rest.map((row) => [row]), ...pairs].map((rows) => ({
    what: rows.map(([what]) => what).join('; '),
    faults: Object.assign({}, ...rows.map(([, faults]) => faults)),
    fresh: rows.some(([, , fresh]) => fresh),
    mayRepeat: rows.some(([, , , mayRepeat]) => mayRepeat),
  }));
}

// Those that are not counted in the ledger of faults, or whose turn need not come.
const UNCOUNTED = new Set(['latency', 'extra_headers', 'expire_bearers']);

test('row by row: everybody is reached, and nobody is asked to pay for it', async (t) => {
  const all = await everybody();
  for (const { what, faults, fresh, mayRepeat } of plays()) {
    try {
      await play(faults, fresh);
      const { id } = await send('all');
      const { total } = await settled(id, all.length);
      assert.equal(total.accepted, all.length, JSON.stringify(total));
      await arrived(all, id, mayRepeat);
      for (const [listener, set] of Object.entries(faults)) {
        for (const fault of Object.keys(set).filter((name) => !UNCOUNTED.has(name))) {
          assert.ok((await fired(listener, fault)) > 0, `${listener} ${fault} was played`);
        }
      }
    } catch (error) {
      throw new Error(`${what}: ${error.message}`, { cause: error });
    }
  }
  await recovered('all', all);
  for (const phone of all) assert.equal((await phone.read()).status, 200);
});

test('certificates that are not theirs: nothing is sent until they are', async () => {
  const all = await everybody();
  for (const mode of ['expired', 'wrong_name', 'untrusted']) {
    await play(both({ tls: { mode } }), true);
    const { id } = await send('all');
    for (const listener of ['apns', 'fcm']) await until(`${mode} at ${listener}`, async () => (await fired(listener, 'tls')) > 0);
    const stats = await service().sim.stats();
    assert.deepEqual([stats.apns.requests, stats.fcm.requests], [0, 0], mode);
    await service().sim.faults(both({ tls: null }));
    const { total } = await settled(id, all.length);
    assert.equal(total.accepted, all.length, `${mode}: ${JSON.stringify(total)}`);
    await arrived(all, id);
  }
});

test('connections that end when nothing is sent: the next alert is not late and not lost', async () => {
  const all = await everybody();
  await play(both({ idle_goaway: { ms: 50 } }));
  for (let round = 0; round < 3; round++) {
    const { id } = await send('all');
    const { total } = await settled(id, all.length);
    assert.equal(total.accepted, all.length, JSON.stringify(total));
    await arrived(all, id);
    for (const listener of ['apns', 'fcm']) {
      await until(`the end of ${listener}'s connections`, async () => (await fired(listener, 'idle_goaway')) > round);
    }
  }
});

test('nobody lets us in: we come back until they do', async () => {
  const all = await everybody();
  await play(both({ refuse: { mode: 'rst' } }), true);
  const { id } = await send('all');
  await until('refusals', async () => {
    const { apns, fcm } = await service().sim.stats();
    return apns.connections_refused > 1 && fcm.connections_refused > 1;
  });
  await service().sim.faults(both({ refuse: null }));
  const { total } = await settled(id, all.length);
  assert.equal(total.accepted, all.length, JSON.stringify(total));
  await arrived(all, id);
});

test('credentials of the wrong kind: the platform stops, an alarm names it, no registration is lost', async () => {
  const all = await everybody();
  const clock = (offset_s) => service().sim.faults({ clock: { offset_s } });
  const refusals = [
    ['apns', 'MissingProviderToken', { apns: { answer: { status: 403, reason: 'MissingProviderToken' } } }],
    ['apns', 'UnrelatedKeyIdInToken', { apns: { answer: { status: 403, reason: 'UnrelatedKeyIdInToken' } } }],
    ['apns', 'BadEnvironmentKeyIdInToken', { apns: { answer: { status: 403, reason: 'BadEnvironmentKeyIdInToken' } } }],
    ['fcm', 'none', { fcm: { answer: { reason: 'html_404' } } }],
    ['apns', 'ExpiredProviderToken', { clock: { offset_s: 3700 } }],
  ];
  for (const [platform, reason, faults] of refusals) {
    await play(faults);
    const { id } = await send('all');
    await until(`${platform} to be stopped by ${reason}`, async () =>
      (await http('GET', `${service().newsroom}/readyz`)).text.includes(`${platform}: credentials refused, ${reason}`));
    assert.equal(await metric(`tocsin_push_lanes_stopped{platform="${platform}"}`), 1);
    for (const phone of all) assert.equal((await phone.read()).status, 200);
    await service().sim.faults({ [platform]: { answer: null } });
    await clock(0);
    const { total } = await settled(id, all.length);
    assert.equal(total.accepted, all.length, `${reason}: ${JSON.stringify(total)}`);
    await arrived(all, id);
    await service().isReady();
  }
  await recovered('all', all);
});

test('an answer of a kind nobody knows, and credentials of others, fail what they were for, and nothing else', async () => {
  const all = await everybody();
  await play({ apns: { answer: { status: 418, reason: 'Teapot' } }, fcm: { answer: { reason: 'third_party_auth' } } });
  const { total } = await settled((await send('all')).id, all.length);
  assert.equal(total.failed, all.length, JSON.stringify(total));
  for (const phone of all) assert.equal((await phone.read()).status, 200);
  await recovered('all', all);
});
