// A provider that is down, refuses credentials or drops connections costs time,
// never an alert; the other provider and the stream do not notice.
import { Phone } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { WsReader } from './lib/readers.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService({ config: { 'dispatcher.credentials_retry_s': 1, 'dispatcher.handover_min_s': 1 } });

async function phonesIn(sections) {
  const follow = { regions: ['asia'], sections };
  return {
    apns: await Phone.register(service(), follow),
    fcm: await Phone.register(service(), { platform: 'fcm', ...follow }),
  };
}

test('APNs down: Android and the stream get it now, iPhones when it is back', async (t) => {
  const phones = await phonesIn(['sports']);
  const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'asia' } }));
  await service().sim.faults({ apns: { down: { mode: 'cut' } } });
  const audience = { regions: ['asia'], sections: ['sports'] };
  const { id } = await service().publish({ audience });
  await reader.alert(id);
  await until('the Android push', async () => (await phones.fcm.got()).length === 1);
  const meanwhile = await service().get(`/v1/alerts/${id}/stats`);
  assert.notEqual(meanwhile.json.state, 'done');
  assert.equal(meanwhile.json.platforms.apns.accepted, 0);
  await service().sim.faults({ apns: { down: null } });
  const stats = await service().settled(id);
  assert.equal(stats.total.accepted, 2);
  assert.deepEqual(await phones.apns.got(), [id]);
  assert.deepEqual(await phones.fcm.got(), [id]);
});

test('FCM and its token endpoint down, then back', async () => {
  const phones = await phonesIn(['health']);
  await service().sim.faults({ fcm: { down: { mode: 'cut' }, expire_bearers: {} }, oauth: { down: { mode: 'cut' } } });
  const { id } = await service().publish({ audience: { regions: ['asia'], sections: ['health'] } });
  await until('the iPhone push', async () => (await phones.apns.got()).length === 1);
  await service().sim.faults({ fcm: { down: null }, oauth: { down: null } });
  await service().settled(id);
  assert.deepEqual(await phones.fcm.got(), [id]);
});

test('expired bearers are renewed and the message repeated, once', async () => {
  const phones = await phonesIn(['economy']);
  await service().sim.faults({ fcm: { expire_bearers: {} } });
  const { id } = await service().publish({ audience: { regions: ['asia'], sections: ['economy'] } });
  const stats = await service().settled(id);
  assert.equal(stats.platforms.fcm.accepted, 1);
  assert.deepEqual(await phones.fcm.got(), [id]);
});

test('connections cut in the middle of a send: every phone exactly once on screen', async () => {
  const all = [];
  for (let i = 0; i < 40; i++) {
    all.push(await Phone.register(service(), { regions: ['asia'], sections: ['environment'] }));
  }
  await service().sim.faults({ apns: { goaway: { mode: 'graceful', after: 10, count: 2 } } });
  const { id } = await service().publish({ audience: { regions: ['asia'], sections: ['environment'] } });
  const stats = await service().settled(id);
  await service().sim.faults({ apns: { goaway: null } });
  assert.equal(stats.total.targeted, 40);
  assert.equal(stats.total.accepted, 40);
  for (const phone of all) assert.deepEqual(await phone.got(), [id]);
});

test('alerts published while a provider is down all arrive, in order, once', async () => {
  const phones = await phonesIn(['politics']);
  await service().sim.faults({ apns: { down: { mode: 'cut' } }, fcm: { down: { mode: 'cut' } } });
  const ids = [];
  for (let i = 0; i < 5; i++) {
    ids.push((await service().publish({ audience: { regions: ['asia'], sections: ['politics'] } })).id);
  }
  await service().sim.faults({ apns: { down: null }, fcm: { down: null } });
  for (const id of ids) await service().settled(id);
  for (const phone of Object.values(phones)) {
    assert.deepEqual([...(await phone.got())].sort(), [...ids].sort());
  }
});

test('refused APNs credentials stop that lane with a clear reason; it goes on when they work', async () => {
  const phones = await phonesIn(['technology']);
  const audience = { regions: ['asia'], sections: ['technology'] };
  await service().sim.faults({ apns: { answer: { status: 403, reason: 'InvalidProviderToken' } } });
  const { id } = await service().publish({ audience });
  await until('the Android push', async () => (await phones.fcm.got()).length === 1);
  const line = await until('a log line that says so', () =>
    service().log.find((l) => l.includes('InvalidProviderToken')));
  assert.match(line, /level=(warn|error)/);
  assert.equal((await phones.apns.read()).status, 200, 'nobody loses their registration');
  await service().sim.faults({ apns: { answer: null } });
  const stats = await service().settled(id);
  assert.equal(stats.platforms.apns.accepted, 1);
  assert.deepEqual(await phones.apns.got(), [id]);
});

test('what could not be sent within its ttl is expired, not sent late', async () => {
  const phones = await phonesIn(['arts-culture']);
  await service().sim.faults({ apns: { down: { mode: 'cut' } } });
  const { id } = await service().publish({ audience: { regions: ['asia'], sections: ['arts-culture'] }, ttl_s: 8 });
  await until('the Android push', async () => (await phones.fcm.got()).length === 1);
  const stats = await service().settled(id);
  await service().sim.faults({ apns: { down: null } });
  assert.equal(stats.platforms.apns.expired, 1, JSON.stringify(stats));
  assert.equal(stats.platforms.fcm.accepted, 1);
  assert.deepEqual(await phones.apns.got(), []);
});
