// Every row of the recovery table that one machine can produce, on each transport.
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { PollReader, SseReader, WsReader } from './lib/readers.mjs';

// A ring of 16 and a log of 100: small enough to fall out of both.
const SMALL = { 'gateway.ring_entries': 16, 'log.window_entries': 100 };
const service = sharedService({ sim: false, config: SMALL });
const query = { regions: 'mena' };

// Opens the transport at a position and answers {welcome, ids, replay} once `last` came.
async function resume(t, transport, position, last, own = service()) {
  if (transport === 'poll') {
    const reader = closing(t, new PollReader(own.gateway, { query, position }));
    const welcome = await reader.poll(0);
    while (!reader.ids.includes(last)) await reader.poll(25);
    return { welcome, ids: reader.ids, replays: reader.alerts.filter((a) => a.replay).map((a) => a.id), reader };
  }
  const reader =
    transport === 'ws'
      ? await WsReader.open(own.gateway, { query: { ...query, position } })
      : await SseReader.open(own.gateway, { query, lastEventId: position });
  closing(t, reader);
  await reader.alert(last);
  return {
    // The last word counts: a gateway that learns of a new epoch a moment later greets again.
    welcome: reader.messages.findLast((m) => m.type === 'welcome'),
    ids: reader.ids,
    replays: reader.alerts.filter((a) => a.replay).map((a) => a.id),
    reader,
  };
}

async function publishMany(count, own = service()) {
  const all = [];
  for (let i = 0; i < count; i++) all.push(await own.publish());
  await own.reached(all.at(-1));
  return all;
}

for (const transport of ['ws', 'sse', 'poll']) {
  test(`${transport}: a position inside the ring gets exactly what followed`, async (t) => {
    const all = await publishMany(6);
    const { welcome, ids, replays } = await resume(t, transport, all[0].position, all[5].id);
    assert.equal(welcome.recovered, true);
    assert.equal(welcome.reason, undefined);
    assert.deepEqual(ids, all.slice(1).map((a) => a.id));
    assert.deepEqual(replays, []);
  });

  test(`${transport}: a position older than the ring is served from the log`, async (t) => {
    const all = await publishMany(40);
    const { welcome, ids, replays } = await resume(t, transport, all[0].position, all[39].id);
    assert.equal(welcome.recovered, true);
    assert.deepEqual(ids, all.slice(1).map((a) => a.id));
    assert.deepEqual(replays, []);
  });

  test(`${transport}: the head itself gets nothing, then what is new`, async (t) => {
    const [{ position }] = await publishMany(1);
    const reader = await resumeAtHead(t, transport, position);
    const next = await service().publish();
    if (transport === 'poll') await reader.poll(25);
    await reader.alert(next.id);
    assert.deepEqual(reader.ids, [next.id]);
  });

  test(`${transport}: a position that left the log is expired: a snapshot, marked`, async (t) => {
    const [old] = await publishMany(1);
    const cancelled = await service().publish();
    await service().post({ msg_type: 'cancel', references: [cancelled.id] });
    const all = await publishMany(130);
    const last = all.at(-1);
    const { welcome, ids, replays, reader } = await resume(t, transport, old.position, last.id);
    assert.equal(welcome.recovered, false);
    assert.equal(welcome.reason, 'expired');
    assert.ok(replays.includes(last.id));
    assert.ok(!ids.includes(cancelled.id), 'a cancelled alert is not active');
    assert.equal(new Set(ids).size, ids.length, 'once each');
    const live = await service().publish();
    if (transport === 'poll') await reader.poll(25);
    const got = await reader.alert(live.id);
    assert.equal(got.replay, undefined);
  });

  test(`${transport}: an unknown epoch and garbage are unknown: a snapshot, marked`, async (t) => {
    const [{ id }] = await publishMany(1);
    for (const position of ['unknownepoch0000:3', 'yesterday', '7', ':', 'ümlaut:1', 'a:b', `${'9'.repeat(300)}:1`]) {
      const { welcome, replays } = await resume(t, transport, position, id);
      assert.equal(welcome.recovered, false, position);
      assert.equal(welcome.reason, 'unknown', position);
      assert.ok(replays.includes(id), position);
    }
  });

  test(`${transport}: a position ahead of the head is answered as a failover`, async (t) => {
    const { id, position } = await service().publish();
    const [epoch, seq] = position.split(':');
    const reader = await resumeAtHead(t, transport, `${epoch}:${Number(seq) + 1000}`);
    const welcome = transport === 'poll' ? reader.answers[0].json : reader.messages[0];
    assert.equal(welcome.recovered, true);
    assert.equal(welcome.reason, 'failover');
    const next = await service().publish();
    if (transport === 'poll') await reader.poll(25);
    await reader.alert(next.id);
    assert.ok(!reader.ids.includes(id) || reader.ids.indexOf(id) < reader.ids.indexOf(next.id));
  });
}

async function resumeAtHead(t, transport, position) {
  if (transport === 'poll') {
    const reader = closing(t, new PollReader(service().gateway, { query, position }));
    await reader.poll(0);
    return reader;
  }
  return closing(
    t,
    transport === 'ws'
      ? await WsReader.open(service().gateway, { query: { ...query, position } })
      : await SseReader.open(service().gateway, { query, lastEventId: position }),
  );
}

test('one cursor for all transports: WebSocket to SSE to long-poll and back', async (t) => {
  const gateway = service().gateway;
  const openers = [
    (position) => WsReader.open(gateway, { query: { ...query, position } }),
    (position) => SseReader.open(gateway, { query, lastEventId: position }),
    async (position) => new PollReader(gateway, { query, position }).follow(),
    (position) => WsReader.open(gateway, { hello: { type: 'hello', filter: { regions: ['mena'] }, position } }),
  ];
  const [start] = await publishMany(1);
  let { position } = start;
  const published = [];
  const received = [];
  for (const open of openers) {
    published.push((await service().publish()).id);
    const reader = await open(position);
    const live = (await service().publish()).id;
    published.push(live);
    await reader.alert(live);
    received.push(...reader.ids);
    position = reader.position;
    await reader.close();
  }
  assert.deepEqual(received, published);
});

test('readers of different filters share one cursor', async (t) => {
  const { position } = await service().publish();
  const europe = await service().publish({ audience: { regions: ['europe'] } });
  const mena = await service().publish();
  const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'europe', position } }));
  await reader.alert(europe.id);
  const ping = await service().publish({ audience: { regions: ['europe'] } });
  await reader.alert(ping.id);
  assert.deepEqual(reader.ids, [europe.id, ping.id]);
  const other = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena', position } }));
  await other.alert(mena.id);
  assert.deepEqual(other.ids, [mena.id]);
});

test('an emptied Redis starts a new epoch: old positions are never taken for new alerts', async (t) => {
  const own = await ownService(t, { sim: false });
  const before = await publishMany(3, own);
  const stale = await WsReader.open(own.gateway, { query });
  const flush = await own.redis(['FLUSHALL']);
  assert.match(flush, /OK/);
  own.key = await own.createKey(['--name', 'again']);
  const after = await own.publishWhenPossible();
  assert.notEqual(after.position.split(':')[0], before[0].position.split(':')[0]);
  // Who was connected all the time gets it too, or is sent to recover.
  await Promise.race([stale.alert(after.id), stale.closed]);
  for (const transport of ['ws', 'sse', 'poll']) {
    const { welcome, ids } = await resume(t, transport, before[0].position, after.id, own);
    assert.equal(welcome.recovered, false);
    assert.equal(welcome.reason, 'unknown');
    assert.deepEqual(ids, [after.id]);
  }
  await stale.close();
});
