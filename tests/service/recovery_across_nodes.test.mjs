// A client changes node and transport in mid-stream: what it brings from one node is
// answered at the other as if it had never moved, for every row of the recovery table.
import { after, before } from 'node:test';
import { assert, closing, test } from './lib/suite.mjs';
import { Cluster, assertWhole, openAt, roam } from './lib/cluster.mjs';
import { TEST_TIMEOUT } from './lib/wait.mjs';

const config = { 'gateway.ring_entries': 16, 'log.window_entries': 100 };
const transports = ['ws', 'sse', 'poll'];
let cluster;
before(async () => {
  cluster = await Cluster.start({ config });
}, TEST_TIMEOUT);
after(() => cluster?.stop(), TEST_TIMEOUT);

// The position as it came from one node, at each node over each transport.
async function eachPlace(t, position, check) {
  for (const [node, base] of cluster.bases().entries()) {
    for (const transport of transports) {
      const reader = closing(t, await openAt(transport, base, position));
      const answer = transport === 'poll' ? await reader.poll(0) : reader.messages[0];
      await check(reader, answer, `${transport} on node ${node}`);
    }
  }
}

const ids = (list) => list.map((alert) => alert.id);

async function all(reader, wanted) {
  while (reader.poll && !reader.ids.includes(wanted.at(-1))) await reader.poll(1);
  await reader.alert(wanted.at(-1));
}

for (const [age, count] of [['inside the ring', 6], ['older than the ring', 40]]) {
  test(`${age}: exactly what followed`, async (t) => {
    const list = await cluster.publishMany(count);
    const wanted = ids(list.slice(1));
    await eachPlace(t, list[0].position, async (reader, answer, where) => {
      assert.deepEqual([answer.recovered, answer.reason], [true, undefined], where);
      await all(reader, wanted);
      assert.deepEqual(reader.ids, wanted, where);
      assert.ok(reader.alerts.every((x) => !x.replay), where);
    });
  });
}

test('older than the log, garbage and unknown epochs: a snapshot, marked', async (t) => {
  const [old] = await cluster.publishMany(1);
  const list = await cluster.publishMany(110);
  for (const [position, reason] of [[old.position, 'expired'], ['unknownepoch0000:3', 'unknown'], ['?', 'unknown']]) {
    await eachPlace(t, position, async (reader, answer, where) => {
      assert.deepEqual([answer.recovered, answer.reason], [false, reason], where);
      await all(reader, [list.at(-1).id]);
      // A node may hear the last ones only after it answered: then they come live, behind the snapshot.
      const behind = reader.alerts.slice(reader.alerts.findLastIndex((x) => x.replay) + 1);
      assert.ok(behind.length < reader.alerts.length, where);
      assert.deepEqual(ids(behind), ids(list.slice(list.length - behind.length)), where);
      assert.ok(reader.alerts.slice(0, -behind.length || undefined).every((x) => x.replay), where);
      assert.equal(new Set(reader.ids).size, reader.ids.length, where);
    });
  }
});

test('of an epoch before, but survived: continuity on every node and transport', async (t) => {
  const list = await cluster.publishMany(3);
  await cluster.redis.kill();
  await cluster.redis.serve();
  list.push(...(await cluster.publishMany(3)));
  await cluster.ready();
  assert.notEqual(list[0].position.split(':')[0], list[5].position.split(':')[0]);
  await eachPlace(t, list[0].position, async (reader, answer, where) => {
    assert.deepEqual([answer.recovered, answer.reason], [true, undefined], where);
    await all(reader, ids(list.slice(1)));
    assert.deepEqual(reader.ids, ids(list.slice(1)), where);
  });
});

test('ahead of the head: a fail-over, and then what is new', async (t) => {
  const [{ position }] = await cluster.publishMany(1);
  const [epoch, seq] = position.split(':');
  await eachPlace(t, `${epoch}:${Number(seq) + 1000}`, async (reader, answer, where) => {
    assert.deepEqual([answer.recovered, answer.reason], [true, 'failover'], where);
  });
});

test('readers that are cut off again and again change node and transport each time, and lose nothing', async (t) => {
  cluster.accepted = [];
  const readers = { mixed: await roam('mixed', cluster.bases()), poll: await roam('poll', cluster.bases()) };
  closing(t, ...Object.values(readers));
  for (let round = 0; round < 6; round++) {
    await cluster.publishMany(3);
    const { connections } = readers.mixed;
    await readers.mixed.current.close();
    await cluster.publishMany(3);
    await readers.mixed.alert(cluster.accepted.at(-1).id);
    assert.ok(readers.mixed.connections > connections);
  }
  await assertWhole(readers, cluster.accepted);
});
