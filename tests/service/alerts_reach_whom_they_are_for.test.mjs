// Routing: region (with parents), section, edition, tags, urgency, platform and
// status, for apps and for phones by the same rules.
import { http } from './lib/http.mjs';
import { Phone, alertBody } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { PollReader, SseReader, WsReader } from './lib/readers.mjs';

const service = sharedService();
const TEXT = Object.fromEntries(['en', 'ar', 'es'].map((l) => [l, { headline: `headline ${l}` }]));

// Opens a WebSocket reader per filter, publishes each alert, then an alert for
// everyone as a fence: the log is ordered, so a reader that has the fence has
// all that it will ever get of what came before. The fence is settled before
// this returns: a phone registered earlier than that would still be in its plan.
async function deliver(t, filters, alerts) {
  const readers = {};
  for (const [name, query] of Object.entries(filters)) {
    readers[name] = closing(t, await WsReader.open(service().gateway, { query }));
  }
  const ids = {};
  for (const [name, alert] of Object.entries(alerts)) {
    ids[name] = (await service().publish({ content: TEXT, ...alert })).id;
  }
  const fence = await service().publish({
    urgency: 'flash', status: 'actual', content: TEXT, tags: ['fence'],
    audience: { regions: ['all'] },
  });
  const nameOf = Object.fromEntries(Object.entries(ids).map(([name, id]) => [id, name]));
  const got = {};
  for (const [name, reader] of Object.entries(readers)) {
    await reader.alert(fence.id);
    got[name] = reader.ids.filter((id) => id !== fence.id).map((id) => nameOf[id]);
  }
  await service().settled(fence.id);
  return got;
}

test('an alert for palestine reaches followers of palestine and of mena, not of europe', async (t) => {
  const got = await deliver(
    t,
    { palestine: { regions: 'palestine' }, mena: { regions: 'mena' }, europe: { regions: 'europe' } },
    {
      palestine: { audience: { regions: ['palestine'] } },
      mena: { audience: { regions: ['mena'] } },
      europe: { audience: { regions: ['europe'] } },
    },
  );
  assert.deepEqual(got, {
    palestine: ['palestine'],
    mena: ['palestine', 'mena'],
    europe: ['europe'],
  });
});

test('regions: any of several, all, and a filter without regions gets every region', async (t) => {
  const got = await deliver(
    t,
    {
      two: { regions: 'asia,africa' },
      any: { editions: 'en' },
      all: { regions: 'all' },
      other: { regions: 'latin-america' },
    },
    {
      asia: { audience: { regions: ['asia', 'europe'] } },
      both: { audience: { regions: ['africa', 'asia'] } },
      everywhere: { audience: { regions: ['all'] } },
    },
  );
  assert.deepEqual(got, {
    two: ['asia', 'both', 'everywhere'],
    any: ['asia', 'both', 'everywhere'],
    all: ['asia', 'both', 'everywhere'],
    other: ['everywhere'],
  });
});

test('sections narrow what a region lets through', async (t) => {
  const got = await deliver(
    t,
    {
      sports: { regions: 'mena', sections: 'sports' },
      mena: { regions: 'mena' },
      sportsAnywhere: { sections: 'sports,health' },
    },
    {
      sportsMena: { audience: { regions: ['mena'], sections: ['sports'] } },
      politicsMena: { audience: { regions: ['mena'], sections: ['politics'] } },
      healthEurope: { audience: { regions: ['europe'], sections: ['health'] } },
      anySection: { audience: { regions: ['mena'] } },
    },
  );
  assert.deepEqual(got, {
    sports: ['sportsMena', 'anySection'],
    mena: ['sportsMena', 'politicsMena', 'anySection'],
    sportsAnywhere: ['sportsMena', 'healthEurope', 'anySection'],
  });
});

test('a followed tag brings the alert although its region is not followed; edition and urgency still hold', async (t) => {
  const europe = { audience: { regions: ['europe'], sections: ['politics'] } };
  const got = await deliver(
    t,
    {
      tag: { regions: 'africa', tags: 'lebanon' },
      otherCase: { regions: 'africa', tags: 'LEBANON,nothing' },
      tagUrgent: { regions: 'africa', tags: 'Lebanon', min_urgency: 'high' },
      tagSpanish: { regions: 'africa', tags: 'Lebanon', editions: 'es' },
      none: { regions: 'africa' },
    },
    {
      tagged: { ...europe, urgency: 'normal', tags: ['Lebanon', 'Pope'] },
      urgent: { ...europe, urgency: 'high', tags: ['lebanon'] },
      english: {
        audience: { regions: ['europe'], editions: ['en'] }, tags: ['Lebanon'], urgency: 'flash',
      },
      untagged: { ...europe },
    },
  );
  assert.deepEqual(got, {
    tag: ['tagged', 'urgent', 'english'],
    otherCase: ['tagged', 'urgent', 'english'],
    tagUrgent: ['urgent', 'english'],
    tagSpanish: ['tagged', 'urgent'],
    none: [],
  });
});

test('minimum urgency', async (t) => {
  const audience = { regions: ['asia'] };
  const got = await deliver(
    t,
    Object.fromEntries(
      ['flash', 'high', 'normal', 'low'].map((u) => [u, { regions: 'asia', min_urgency: u }]),
    ),
    Object.fromEntries(['low', 'flash', 'normal', 'high'].map((u) => [u, { audience, urgency: u }])),
  );
  assert.deepEqual(got, {
    flash: ['flash'],
    high: ['flash', 'high'],
    normal: ['flash', 'normal', 'high'],
    low: ['low', 'flash', 'normal', 'high'],
  });
});

test('a reader gets its editions only, and the fallback language where there is no own text', async (t) => {
  const readers = {};
  for (const editions of ['en', 'ar', 'es', 'en,es']) {
    readers[editions] = closing(
      t,
      await WsReader.open(service().gateway, { query: { regions: 'asia', editions } }),
    );
  }
  const audience = { regions: ['asia'] };
  const all = await service().publish({ audience, content: TEXT });
  const spanish = await service().publish({ audience: { ...audience, editions: ['es'] }, content: { es: TEXT.es } });
  const fallback = await service().publish({ audience, content: { en: TEXT.en }, fallback_language: 'en' });
  for (const reader of Object.values(readers)) await reader.alert(fallback.id);
  const seen = Object.fromEntries(
    Object.entries(readers).map(([name, r]) => [name, r.alerts.map((a) => Object.keys(a.content).sort())]),
  );
  assert.deepEqual(seen.en, [['en'], ['en']]);
  assert.deepEqual(seen.es, [['es'], ['es'], seen.es[2]]);
  assert.deepEqual(seen['en,es'], [['en', 'es'], ['es'], seen['en,es'][2]]);
  const arabic = readers.ar.alerts.at(-1);
  assert.deepEqual(Object.values(arabic.content).map((c) => c.headline), [TEXT.en.headline]);
  assert.ok(!readers.en.ids.includes(spanish.id));
  assert.ok(readers.ar.ids.includes(all.id));
});

test('status test reaches only readers and phones flagged test', async (t) => {
  const got = await deliver(
    t,
    { tester: { regions: 'mena', test: 'true' }, public: { regions: 'mena' } },
    {
      test: { status: 'test', audience: { regions: ['mena'] } },
      actual: { status: 'actual', audience: { regions: ['mena'] } },
    },
  );
  assert.deepEqual(got, { tester: ['test', 'actual'], public: ['actual'] });
  const tester = await Phone.register(service(), { regions: ['mena'], test: true });
  const everyone = await Phone.register(service(), { regions: ['mena'] });
  const trial = await service().publish({ status: 'test', audience: { regions: ['mena'] }, content: TEXT });
  const stats = await service().settled(trial.id);
  assert.equal(stats.total.targeted, 1);
  assert.deepEqual(await tester.got(), [trial.id]);
  assert.deepEqual(await everyone.got(), []);
});

test('test, exercise and their corrections: only to test readers, on every transport', async (t) => {
  const query = { regions: 'latin-america' };
  const start = await service().publish({ content: TEXT, audience: { regions: ['all'] } });
  // From there on: a reader without a position may still hear that one, live.
  const { position } = start;
  const open = async (wanted) => ({
    socket: closing(t, await WsReader.open(service().gateway, { query: { ...wanted, position } })),
    events: closing(t, await SseReader.open(service().gateway, { query: { ...wanted, position } })),
    poll: closing(t, new PollReader(service().gateway, { query: wanted, position })),
  });
  const testers = await open({ ...query, test: 'true' });
  const everyone = await open(query);
  const audience = { regions: ['latin-america'] };
  const expected = [];
  for (const status of ['test', 'exercise']) {
    const { id } = await service().publish({ status, audience, content: TEXT });
    await service().publish({ msg_type: 'update', references: [id], content: TEXT, urgency: undefined, audience: undefined });
    expected.push([id, 'alert', 1, status], [id, 'update', 2, status]);
  }
  const [withdrawn] = expected.at(-1);
  await service().publish({ msg_type: 'cancel', references: [withdrawn], content: undefined, urgency: undefined, audience: undefined });
  expected.push([withdrawn, 'cancel', 3, 'exercise']);
  const fence = await service().publish({ audience, content: TEXT });
  const last = [fence.id, 'alert', 1, 'actual'];
  const seen = (alerts) => alerts.map((a) => [a.id, a.type, a.revision, a.status]);
  for (const [readers, wanted] of [[testers, [...expected, last]], [everyone, [last]]]) {
    for (const reader of [readers.socket, readers.events]) {
      await reader.alert(fence.id);
      assert.deepEqual(seen(reader.alerts), wanted);
    }
    assert.deepEqual(seen((await readers.poll.poll(60)).alerts), wanted);
  }
  const ticker = async (more) =>
    seen((await http('GET', `${service().gateway}/v1/alerts?regions=latin-america&limit=100${more}`)).json.alerts);
  assert.deepEqual((await ticker('')).filter(([, , , status]) => status !== 'actual'), []);
  assert.ok((await ticker('&test=true')).some(([id, , revision]) => id === expected[0][0] && revision === 2));
});

test('platforms: an alert for apns alone stays off the stream and off Android', async (t) => {
  const apns = await Phone.register(service(), { regions: ['africa'] });
  const fcm = await Phone.register(service(), { platform: 'fcm', regions: ['africa'] });
  const got = await deliver(
    t,
    { reader: { regions: 'africa' } },
    {
      apnsOnly: { audience: { regions: ['africa'], platforms: ['apns'] } },
      streamOnly: { audience: { regions: ['africa'], platforms: ['stream'] } },
    },
  );
  assert.deepEqual(got, { reader: ['streamOnly'] });
  const list = await service().get('/v1/alerts?limit=3');
  for (const { id } of list.json.alerts) await service().settled(id);
  const [fence, , apnsOnly] = list.json.alerts.map((a) => a.id);
  assert.deepEqual(await apns.got(), [apnsOnly, fence]);
  assert.deepEqual(await fcm.got(), [fence]);
});

test('phones are chosen by region with parents, section, tag, edition and urgency, once each', async () => {
  const follows = {
    mena: { regions: ['mena'] },
    palestine: { regions: ['palestine'] },
    europe: { regions: ['europe'] },
    sports: { regions: ['mena'], sections: ['sports'] },
    tagged: { regions: ['europe'], tags: ['Jenin'] },
    overlapping: { regions: ['mena', 'palestine'], sections: ['politics', 'health'], tags: ['jenin'] },
    urgentOnly: { regions: ['mena'], min_urgency: 'flash' },
    anything: {},
  };
  const phones = {};
  for (const [name, follow] of Object.entries(follows)) {
    for (const platform of ['apns', 'fcm']) {
      phones[`${name}/${platform}`] = await Phone.register(service(), {
        platform, edition: platform === 'apns' ? 'ar' : 'es', ...follow,
      });
    }
  }
  const alert = alertBody({
    urgency: 'high', tags: ['Jenin'], audience: { regions: ['palestine'], sections: ['politics'] },
  });
  const answer = await service().post(alert);
  const stats = await service().settled(answer.json.id);
  const reached = [];
  for (const [name, phone] of Object.entries(phones)) {
    const ids = (await phone.got()).filter((id) => id === answer.json.id);
    assert.ok(ids.length <= 1, `${name} got it ${ids.length} times`);
    if (ids.length) reached.push(name);
  }
  const expected = ['anything', 'mena', 'overlapping', 'palestine', 'tagged'];
  assert.deepEqual(reached.sort(), expected.flatMap((n) => [`${n}/apns`, `${n}/fcm`]).sort());
  // Phones of the other tests in this file that follow mena may be targeted too.
  assert.ok(stats.total.targeted >= 10);
  assert.equal(stats.total.accepted, stats.total.targeted);
});

test('SSE and the ticker choose by the same filter', async (t) => {
  const sse = closing(t, await SseReader.open(service().gateway, { query: { regions: 'us-canada', editions: 'es' } }));
  const yes = await service().publish({ audience: { regions: ['us-canada'] }, content: TEXT });
  await service().publish({ audience: { regions: ['europe'] }, content: TEXT });
  const fence = await service().publish({ audience: { regions: ['all'] }, content: TEXT });
  await sse.alert(fence.id);
  assert.deepEqual(sse.ids, [yes.id, fence.id]);
  assert.deepEqual(Object.keys(sse.alerts[0].content), ['es']);
  const ticker = await http('GET', `${service().gateway}/v1/alerts?regions=us-canada&editions=es&limit=2`);
  assert.deepEqual(ticker.json.alerts.map((a) => a.id), [fence.id, yes.id]);
});
