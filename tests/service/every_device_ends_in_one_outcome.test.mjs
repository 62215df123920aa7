// What providers answer, and what the counters say of it: every device ends in
// exactly one outcome and the outcomes add up to `targeted`.
import { assertSums } from './lib/outcomes.mjs';
import { Phone, alertBody } from './lib/service.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService({ config: { 'dispatcher.workers': 1 } });

test('behaviours of both providers, one alert, every outcome counted where it belongs', async () => {
  const audience = { regions: ['africa'], sections: ['health'] };
  const wanted = [
    ['apns', 'ok', 'accepted'],
    ['apns', 'ok', 'accepted'],
    ['apns', 'unregistered', 'token_dead'],
    ['apns', 'bad', 'token_dead'],
    ['apns', 'wrong_topic', null],
    ['fcm', 'ok', 'accepted'],
    ['fcm', 'unregistered', 'token_dead'],
    ['fcm', 'wrong_sender', null],
    ['fcm', 'apns_unregistered', null],
    ['fcm', 'bad', null],
  ];
  const phones = [];
  for (const [i, [platform, behaviour]] of wanted.entries()) {
    phones.push(await Phone.register(service(), {
      platform, behaviour, timestamp_ms: Date.now() + 3_600_000,
      regions: ['africa'], sections: ['health'], edition: ['en', 'ar', 'es'][i % 3],
    }));
  }
  const { id } = await service().publish({ audience });
  const stats = await service().settled(id);
  assert.equal(stats.total.targeted, wanted.length);
  assert.equal(stats.total.accepted, 3);
  assert.ok(stats.total.token_dead >= 3, JSON.stringify(stats.total));
  assert.equal(stats.platforms.apns.targeted, 5);
  assert.equal(stats.platforms.fcm.targeted, 5);
  assert.equal(stats.regions.africa.targeted, wanted.length);
  assert.equal(stats.regions.africa.accepted, 3);
  assert.equal(stats.state, 'done');
  assertSums(stats);
  for (const [i, phone] of phones.entries()) {
    assert.deepEqual(await phone.got(), wanted[i][1] === 'ok' ? [id] : []);
  }
  // The dead ones are gone, the living stay.
  for (const [i, phone] of phones.entries()) {
    if (wanted[i][2] === 'accepted') assert.equal((await phone.read()).status, 200);
    if (wanted[i][1] === 'unregistered') {
      await until('the dead token to be removed', async () => (await phone.read()).status === 404);
    }
  }
  const next = await service().publish({ audience });
  const after = await service().settled(next.id);
  assert.ok(after.total.targeted < wanted.length);
  assert.equal(after.total.accepted, 3);
  assertSums(after);
});

test('an APNs token that was registered again after the 410 timestamp stays', async () => {
  const phone = await Phone.register(service(), {
    behaviour: 'unregistered', timestamp_ms: Date.now() - 86_400_000, regions: ['africa'], sections: ['sports'],
  });
  const { id } = await service().publish({ audience: { regions: ['africa'], sections: ['sports'] } });
  const stats = await service().settled(id);
  assert.equal(stats.total.targeted, 1);
  assert.equal(stats.total.accepted, 0);
  assertSums(stats);
  assert.equal((await phone.read()).status, 200, 'the app came back in the meantime');
});

test('what the providers were sent: headers, payload and collapse id', async () => {
  const audience = { regions: ['africa'], sections: ['economy'] };
  const apns = await Phone.register(service(), { regions: ['africa'], sections: ['economy'] });
  const fcm = await Phone.register(service(), { platform: 'fcm', regions: ['africa'], sections: ['economy'] });
  const content = Object.fromEntries(
    ['en', 'ar', 'es'].map((l) => [l, {
      headline: `headline ${l}`, body: `body ${l}`,
      url: `https://news.example/${l}`, image_url: 'https://news.example/i.jpg',
    }]),
  );
  const before = Math.floor(Date.now() / 1000);
  const { id } = await service().publish({ audience, content, urgency: 'flash', ttl_s: 600, story_id: 'story-9' });
  await service().settled(id);
  const [a] = await apns.pushes();
  assert.equal(a.topic, 'com.example.tocsin');
  assert.equal(a.push_type, 'alert');
  assert.equal(Number(a.priority), 10);
  assert.equal(a.collapse_id, id);
  assert.ok(Number(a.expiration) >= before + 590 && Number(a.expiration) <= before + 700);
  assert.equal(a.payload.aps.alert.title, 'headline en');
  assert.equal(a.payload.aps.alert.body, 'body en');
  assert.equal(a.payload.aps['interruption-level'], 'time-sensitive');
  assert.equal(a.payload.alert_id, id);
  assert.equal(a.payload.url, 'https://news.example/en');
  const [f] = await fcm.pushes();
  const message = f.payload.message ?? f.payload;
  assert.equal(message.data.alert_id, id);
  assert.equal(message.data.url, 'https://news.example/en');
  for (const value of Object.values(message.data)) assert.equal(typeof value, 'string');
  assert.equal(message.android.priority.toLowerCase(), 'high');
  assert.equal(message.android.collapse_key, id);
  assert.match(message.android.ttl, /^(600|5\d\d)(\.\d+)?s$/);
});

test('low urgency is quiet: APNs priority 5, FCM normal', async () => {
  const audience = { regions: ['africa'], sections: ['technology'] };
  const apns = await Phone.register(service(), { regions: ['africa'], sections: ['technology'] });
  const fcm = await Phone.register(service(), { platform: 'fcm', regions: ['africa'], sections: ['technology'] });
  const { id } = await service().publish({ audience, urgency: 'low' });
  await service().settled(id);
  assert.equal(Number((await apns.pushes())[0].priority), 5);
  const [f] = await fcm.pushes();
  assert.equal((f.payload.message ?? f.payload).android.priority.toLowerCase(), 'normal');
});

test('a correction goes to the phones under the same collapse id, a cancel too', async () => {
  const audience = { regions: ['africa'], sections: ['environment'] };
  const phone = await Phone.register(service(), { regions: ['africa'], sections: ['environment'], edition: 'es' });
  const { id } = await service().publish({ audience });
  await service().settled(id);
  const update = await service().post({
    msg_type: 'update', references: [id],
    content: { en: { headline: 'e2' }, ar: { headline: 'ع٢' }, es: { headline: 'corregido' } },
  });
  assert.equal(update.status, 202, update.text);
  await service().settled(id, 2);
  const pushes = await phone.pushes();
  assert.deepEqual(pushes.map((p) => p.alert_id), [id, id]);
  assert.equal(new Set(pushes.map((p) => p.collapse_id)).size, 1);
  assert.equal(pushes[1].payload.aps.alert.title, 'corregido');
});

test('5xx bursts are repeated until accepted, and counted once', async () => {
  const audience = { regions: ['africa'], sections: ['arts-culture'] };
  const phones = [];
  for (let i = 0; i < 5; i++) {
    phones.push(await Phone.register(service(), { regions: ['africa'], sections: ['arts-culture'] }));
  }
  await service().sim.faults({ apns: { answer: { status: 503, reason: 'ServiceUnavailable', count: 8, retry_after: 1 } } });
  const { id } = await service().publish({ audience });
  const stats = await service().settled(id);
  await service().sim.faults({ apns: { answer: null } });
  assert.equal(stats.total.accepted, 5);
  assertSums(stats);
  for (const phone of phones) assert.deepEqual(await phone.got(), [id]);
});

test('no token is sent to more than once per alert over the whole file', async () => {
  const seen = new Map();
  for (const push of await service().sim.ledger()) {
    const key = `${push.platform} ${push.token} ${push.alert_id} ${push.payload.revision ?? (push.payload.message ?? push.payload).data?.revision}`;
    seen.set(key, (seen.get(key) ?? 0) + 1);
  }
  assert.ok(seen.size > 0);
  assert.deepEqual([...seen].filter(([, n]) => n > 1), []);
});

test('signing: few JWTs and one grant for all of it', async () => {
  const stats = await service().sim.stats();
  assert.ok(stats.apns.authorizations <= 2, JSON.stringify(stats.apns));
  assert.ok(stats.oauth.accepted <= 2, JSON.stringify(stats.oauth));
  assert.equal(stats.apns.protocol_errors, 0);
  assert.equal(stats.fcm.protocol_errors, 0);
  assert.equal(stats.apns.streams_excess, 0);
  assert.equal(stats.fcm.streams_excess, 0);
});

test('alerts without any phone are done, with zeroes', async () => {
  const { id } = await service().publish({ audience: { regions: ['asia-pacific'], sections: ['sports'], editions: ['es'] } });
  const stats = await service().settled(id);
  assert.equal(stats.total.targeted, 0);
  assertSums(stats);
  assert.equal((await service().get(`/v1/alerts/${id}`)).json.urgency, alertBody().urgency);
});
