// The wire to Redis is cut, stalled and robbed of messages: readers on two nodes and
// three transports stay connected and get all that was accepted, once, in order.
import { join } from 'node:path';
import { after, before } from 'node:test';
import { assert, closing, test } from './lib/suite.mjs';
import { Cluster, assertStayed, assertWhole, crowd, noted, roam } from './lib/cluster.mjs';
import { Redis, isBell, isHeartbeat } from './lib/redis.mjs';
import { TEST_TIMEOUT, until } from './lib/wait.mjs';

let cluster;
before(async () => {
  cluster = await Cluster.start();
}, TEST_TIMEOUT);
after(() => cluster?.stop(), TEST_TIMEOUT);

test('every second bell is lost, then every one: the holes are read from the log', async (t) => {
  const readers = await crowd(t, cluster);
  let count = 0;
  for (const wire of cluster.wires) wire.swallow = (push) => isBell(push) && count++ % 2 === 0;
  await cluster.publishMany(12);
  await assertWhole(readers, cluster.accepted);
  for (const wire of cluster.wires) wire.swallow = isBell;
  await cluster.publishMany(5);
  await assertWhole(readers, cluster.accepted);
  assert.ok(cluster.wires.every((wire) => wire.swallowed > 0), 'bells really were lost');
  assertStayed(readers);
});

test('pushes arrive in single bytes: they are one all the same', async (t) => {
  const readers = await crowd(t, cluster);
  for (const wire of cluster.wires) wire.split = 1;
  await cluster.publishMany(5);
  await assertWhole(readers, cluster.accepted);
  assertStayed(readers);
});

test('one node hears no heartbeat, the other half a subscription: red, told, subscribed anew', async (t) => {
  const readers = await crowd(t, cluster);
  let eaten = 0;
  cluster.wires[0].swallow = isHeartbeat;
  cluster.wires[1].swallow = (push) => push.includes('\r\nsubscribe\r\n') && push.includes('bell') && eaten++ === 0;
  cluster.wires[1].cut('bell');
  await until('the acknowledgement to be eaten', () => eaten > 0);
  for (const i of [0, 1]) assert.deepEqual((await cluster.unready(i)).reasons, ['the bus is not proven alive']);
  await cluster.publish();
  await noted(readers, false);
  cluster.wires[0].swallow = () => false;
  await cluster.ready();
  await noted(readers, true);
  await cluster.publish();
  await assertWhole(readers, cluster.accepted);
  assertStayed(readers);
});

test('the subscription of one node stalls, the commands of the other', async (t) => {
  const readers = await crowd(t, cluster);
  cluster.wires[0].stall('bell');
  cluster.wires[1].stall('commands');
  await cluster.publishMany(3);
  for (const i of [0, 1]) await cluster.unready(i);
  await cluster.publishMany(3);
  for (const wire of cluster.wires) wire.flow();
  await cluster.ready();
  await cluster.publish();
  await assertWhole(readers, cluster.accepted);
  assertStayed(readers);
});

test('CLIENT KILL TYPE pubsub and of the commands, again and again', async (t) => {
  const readers = await crowd(t, cluster);
  for (const type of ['pubsub', 'normal', 'pubsub']) {
    await cluster.publish();
    await cluster.redis.command('CLIENT', 'KILL', 'TYPE', type, 'SKIPME', 'yes');
    await cluster.publishMany(2);
  }
  await cluster.ready();
  await assertWhole(readers, cluster.accepted);
  assertStayed(readers);
});

test('CLIENT PAUSE: late, not lost', async (t) => {
  const readers = await crowd(t, cluster);
  await cluster.publish();
  await cluster.redis.command('CLIENT', 'PAUSE', 4000, 'ALL');
  await cluster.publish();
  await assertWhole(readers, cluster.accepted);
  await cluster.ready();
  assertStayed(readers);
});

test('the bell rings at the new master, the commands still go to the old one: both are sought anew', async (t) => {
  const own = await Cluster.start({ nodes: 1 });
  t.after(() => own.stop());
  const other = await Redis.start(join(own.dir, 'other'));
  t.after(() => other.stop());
  const reader = closing(t, await roam('ws', own.bases()));
  await other.command('REPLICAOF', '127.0.0.1', own.redis.port);
  await own.publish();
  const head = await own.redis.command('HGET', '{t}:epoch', 'seq');
  await until('the replica to have it', async () => (await other.command('HGET', '{t}:epoch', 'seq')) === head);
  await other.command('REPLICAOF', 'NO', 'ONE');
  for (const wire of [own.deskWire, own.wires[0]]) wire.target = other.port;
  own.deskWire.cut();
  own.wires[0].cut('bell');
  await until('the alert to be in the log of the new master', async () => {
    await own.publish();
    return (await other.command('HGET', '{t}:epoch', 'seq')) > head;
  });
  await assertWhole({ reader }, own.accepted);
  await own.ready();
});
