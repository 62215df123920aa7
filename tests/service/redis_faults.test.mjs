// Redis itself is stopped, killed, set back, failed over and emptied: readers on two
// nodes and three transports stay connected and get all that is accepted, once, in
// order; positions of every age are answered, on every node and transport.
import { join } from 'node:path';
import { after, before } from 'node:test';
import { assert, closing, test } from './lib/suite.mjs';
import { Cluster, assertStayed, assertWhole, crowd, noted, openAt } from './lib/cluster.mjs';
import { Redis } from './lib/redis.mjs';
import { TEST_TIMEOUT, until } from './lib/wait.mjs';

let cluster;
before(async () => {
  cluster = await Cluster.start();
}, TEST_TIMEOUT);
after(() => cluster?.stop(), TEST_TIMEOUT);

test('SIGSTOP of Redis: red, told, nobody is cut off; SIGCONT: all is well', async (t) => {
  const readers = await crowd(t, cluster);
  await cluster.publish();
  await assertWhole(readers, cluster.accepted);
  cluster.redis.signal('SIGSTOP');
  try {
    for (const i of [0, 1]) await cluster.unready(i);
    await noted(readers, false);
    // Who comes now is served from the ring, with what is known.
    const late = closing(t, await openAt('ws', cluster.bases()[0], readers['ws on a'].welcomes[0].position));
    assert.equal(late.messages[0].live, false);
    await late.alert(cluster.accepted[0].id);
  } finally {
    cluster.redis.signal('SIGCONT');
  }
  await cluster.publish();
  await assertWhole(readers, cluster.accepted);
  await cluster.ready();
  await noted(readers, true);
  assertStayed(readers);
});

test('kill -9 of Redis, restarted with its append-only file: the positions go on', async (t) => {
  const readers = await crowd(t, cluster);
  const before = await cluster.publishMany(2);
  await cluster.redis.kill();
  await noted(readers, false);
  await cluster.redis.serve();
  const after_ = await cluster.publish();
  assert.notEqual(after_.position.split(':')[0], before[0].position.split(':')[0]);
  assert.equal(after_.seq, before[1].seq + 1);
  await assertWhole(readers, cluster.accepted);
  await cluster.ready();
  assertStayed(readers);
});

test('set back to an old copy: survivors hold, what is lost is never given another meaning', async (t) => {
  const readers = await crowd(t, cluster);
  const kept = await cluster.publishMany(3);
  await cluster.redis.kill();
  const copy = join(cluster.dir, 'copy');
  cluster.redis.save(copy);
  await cluster.redis.serve();
  const lost = await cluster.publishMany(3);
  await assertWhole(readers, cluster.accepted);
  await cluster.redis.kill();
  cluster.redis.restore(copy);
  await cluster.redis.serve();
  const next = await cluster.publishMany(5);
  assert.equal(next[0].seq, kept[2].seq + 1, 'the log goes on after the last survivor');
  await assertWhole(readers, cluster.accepted);
  const seen = new Map();
  for (const alert of cluster.accepted) {
    assert.ok(!seen.has(alert.position), `${alert.position} stands for one alert`);
    seen.set(alert.position, alert.id);
  }
  const [a, b] = cluster.bases();
  for (const base of [a, b]) {
    for (const transport of ['ws', 'sse', 'poll']) {
      // A position of before the copy survived it, on every node and transport …
      const ok = closing(t, await openAt(transport, base, kept[1].position));
      const welcome = transport === 'poll' ? await ok.poll(0) : ok.messages[0];
      assert.deepEqual([welcome.recovered, welcome.reason], [true, undefined], transport);
      await ok.alert(next[4].id);
      assert.deepEqual(ok.ids, [kept[2], ...next].map((x) => x.id), transport);
      // … one of after it comes from a history that is gone.
      const gone = closing(t, await openAt(transport, base, lost[1].position));
      const answer = transport === 'poll' ? await gone.poll(0) : gone.messages[0];
      assert.deepEqual([answer.recovered, answer.reason], [false, 'unknown'], transport);
      await gone.alert(next[4].id);
      assert.ok(gone.alerts.every((x) => x.replay), transport);
    }
  }
  assertStayed(readers);
});

test('a fail-over to a replica that had not got all: replay from the last survivor', async (t) => {
  const own = await Cluster.start();
  t.after(() => own.stop());
  const replica = await Redis.start(join(own.dir, 'replica'));
  t.after(() => replica.stop());
  const readers = await crowd(t, own);
  await replica.command('REPLICAOF', '127.0.0.1', own.redis.port);
  const kept = await own.publishMany(2);
  const log = await own.redis.command('HGET', '{t}:epoch', 'seq');
  await until('the replica to have it', async () => (await replica.command('HGET', '{t}:epoch', 'seq')) === log);
  await replica.command('REPLICAOF', 'NO', 'ONE');
  const lost = await own.publishMany(2);
  await assertWhole(readers, own.accepted);
  for (const wire of [own.deskWire, ...own.wires]) wire.target = replica.port;
  await own.redis.kill();
  const next = await own.publishMany(3);
  await assertWhole(readers, own.accepted);
  for (const [transport, base] of [['ws', 0], ['sse', 1], ['poll', 0]]) {
    const reader = closing(t, await openAt(transport, own.bases()[base], lost[1].position));
    const welcome = transport === 'poll' ? await reader.poll(0) : reader.messages[0];
    assert.deepEqual([welcome.recovered, welcome.reason], [true, 'failover'], transport);
    await reader.alert(next[2].id);
    assert.deepEqual(reader.ids, next.map((x) => x.id), transport);
    const before_ = closing(t, await openAt(transport, own.bases()[1 - base], kept[0].position));
    if (transport === 'poll') await before_.poll(0);
    await before_.alert(next[2].id);
    assert.deepEqual(before_.ids, [kept[1], ...next].map((x) => x.id), transport);
  }
});

test('emptied: a new epoch, no position used again, who stayed gets what is new', async (t) => {
  const readers = await crowd(t, cluster);
  const before_ = await cluster.publishMany(3);
  await assertWhole(readers, cluster.accepted);
  await cluster.redis.kill();
  cluster.redis.empty();
  await cluster.redis.serve();
  await cluster.renewKey();
  const next = await cluster.publishMany(4);
  assert.notEqual(next[0].position.split(':')[0], before_[0].position.split(':')[0]);
  await assertWhole(readers, cluster.accepted);
  for (const base of cluster.bases()) {
    for (const transport of ['ws', 'sse', 'poll']) {
      const reader = closing(t, await openAt(transport, base, before_[0].position));
      const welcome = transport === 'poll' ? await reader.poll(0) : reader.messages[0];
      assert.deepEqual([welcome.recovered, welcome.reason], [false, 'unknown'], transport);
      await reader.alert(next[3].id);
      assert.deepEqual(reader.ids, next.map((x) => x.id), transport);
      assert.ok(reader.alerts.every((x) => x.replay), transport);
    }
  }
  assertStayed(readers);
});
