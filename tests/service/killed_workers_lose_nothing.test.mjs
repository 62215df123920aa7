// kill -9 of any single worker between and during alerts: every client gets
// every alert once, after reconnecting with its position.
import { Phone, alertBody } from './lib/service.mjs';
import { randomUUID } from 'node:crypto';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { PollReader, ResumingReader } from './lib/readers.mjs';
import { isAlive } from './lib/processes.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService({ config: { 'gateway.workers': 2, 'dispatcher.workers': 2, 'queue.claim_ms': 1000 } });
const query = { regions: 'mena' };

// The query of readers who begin at this moment, at whichever gateway: one that is a moment behind
// would bring those without a position the end of the test before.
async function here() {
  const { id, position } = await service().publishWhenPossible();
  await service().settled(id);
  return { ...query, position };
}

// Readers on all transports and two phones, then `between` (a kill) between
// alerts; everyone must end with exactly all of them, in order.
async function everyoneGetsEverything(t, between, { rounds = 3, perRound = 3, settle = false } = {}) {
  const own = service();
  await own.isReady();
  const from = await here();
  const readers = {
    ws: await ResumingReader.ws(own.gateway, from).ready(),
    ws2: await ResumingReader.ws(own.gateway, from).ready(),
    sse: await ResumingReader.sse(own.gateway, from).ready(),
    poll: (await PollReader.open(own.gateway, { query, position: from.position })).follow(),
  };
  closing(t, ...Object.values(readers));
  const phones = {
    apns: await Phone.register(own, { regions: ['mena'] }),
    fcm: await Phone.register(own, { platform: 'fcm', regions: ['mena'], edition: 'ar' }),
  };
  const ids = [];
  for (let round = 0; round < rounds; round++) {
    for (let i = 0; i < perRound; i++) ids.push((await own.publishWhenPossible()).id);
    // Between two alerts, not within one: what a dispatcher pushed and had no time to note is
    // pushed again (the test in the middle of a send is about that).
    if (settle) for (const id of ids) await own.settled(id);
    await between(round);
    for (let i = 0; i < perRound; i++) ids.push((await own.publishWhenPossible()).id);
  }
  const last = ids.at(-1);
  for (const [name, reader] of Object.entries(readers)) {
    await reader.alert(last);
    assert.deepEqual(reader.ids, ids, name);
    for (const welcome of reader.welcomes ?? []) assert.equal(welcome.recovered, true, name);
  }
  for (const id of ids) {
    const stats = await own.settled(id);
    assert.ok(stats.total.targeted >= 2, JSON.stringify(stats.total));
    assert.equal(stats.total.to_go, 0);
  }
  for (const [name, phone] of Object.entries(phones)) {
    const got = await phone.got();
    assert.deepEqual([...new Set(got)].sort(), [...ids].sort(), `${name}: nothing lost`);
    assert.equal(got.length, ids.length, `${name}: nothing doubled`);
  }
  return readers;
}

for (const role of ['gateway', 'newsroom', 'dispatcher']) {
  test(`kill -9 of a ${role} worker between alerts`, async (t) => {
    const restarts = await service().metric('tocsin_worker_restarts_total');
    await everyoneGetsEverything(t, async () => {
      const { pid, newPid } = await service().killWorker(role);
      assert.notEqual(newPid, pid);
    }, { settle: role === 'dispatcher' });
    await service().isReady();
    assert.equal(await service().metric('tocsin_worker_restarts_total'), restarts + 3);
  });
}

test('kill -9 of both gateways, one after the other', async (t) => {
  const readers = await everyoneGetsEverything(t, async () => {
    for (const worker of await service().workers('gateway')) {
      const from = service().log.length;
      process.kill(worker.pid, 'SIGKILL');
      await service().waitLog('worker_started', { role: 'gateway' }, from);
    }
  });
  assert.ok(readers.ws.connections > 1, 'the reader really had to come back');
});

test('kill -9 of a gateway while alerts are being published', async (t) => {
  const reader = closing(t, await ResumingReader.ws(service().gateway, await here()).ready());
  const ids = [];
  let publishing = true;
  const killing = (async () => {
    for (let i = 0; i < 3; i++) {
      await service().killWorker('gateway');
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
    publishing = false;
  })();
  while (publishing) ids.push((await service().publishWhenPossible()).id);
  await killing;
  await reader.alert(ids.at(-1));
  assert.deepEqual(reader.ids, ids);
});

test('kill -9 of the newsroom while posting: the same key never makes two alerts', async (t) => {
  const reader = closing(t, await ResumingReader.ws(service().gateway, await here()).ready());
  const ids = [];
  let posting = true;
  const killing = (async () => {
    for (let i = 0; i < 3; i++) {
      await service().killWorker('newsroom');
      await new Promise((resolve) => setTimeout(resolve, 150));
    }
    posting = false;
  })();
  while (posting) {
    const body = alertBody();
    const idempotencyKey = randomUUID();
    ids.push(
      (await until('accepted', async () => {
        const answer = await service().post(body, { idempotencyKey });
        return answer.status === 202 && answer.json;
      })).id,
    );
  }
  await killing;
  await reader.alert(ids.at(-1));
  assert.deepEqual(reader.ids, ids);
});

test('kill -9 of a dispatcher in the middle of a send to 2,000 phones', async () => {
  const own = service();
  const tokens = [];
  const lines = [];
  for (let i = 0; i < 2000; i++) {
    const token = Phone.token('apns');
    tokens.push({ platform: 'apns', token, behaviour: 'ok' });
    lines.push(JSON.stringify({
      id: `bulk-${randomUUID()}`, platform: 'apns', token, edition: 'en', regions: ['africa'],
    }));
  }
  await own.sim.tokens(tokens);
  const imported = await own.tocsin(['devices', 'import', '-', ...own.flags], { input: `${lines.join('\n')}\n` });
  assert.equal(imported.code, 0, imported.stderr);
  await own.sim.faults({ apns: { latency: { ms: 20, max_ms: 40 } } });
  const alert = await own.publish({ audience: { regions: ['africa'] }, ttl_s: 3600 });
  await until('the send to be under way', async () => (await own.sim.stats()).apns.accepted > 0 ||
    (await own.sim.ledger({ platform: 'apns', limit: 1 })).length > 0);
  for (const worker of await own.workers('dispatcher')) process.kill(worker.pid, 'SIGKILL');
  await own.sim.faults({ apns: { latency: null } });
  const stats = await own.settled(alert.id);
  const pushes = (await own.sim.ledger({ platform: 'apns' })).filter((p) => p.alert_id === alert.id);
  assert.equal(new Set(pushes.map((p) => p.token)).size, 2000, 'every phone got it');
  // What was in flight at the kill has an unknown outcome: it may be sent again,
  // but only under the same collapse id, so that one notification shows.
  assert.deepEqual([...new Set(pushes.map((p) => p.collapse_id))].length, 1);
  assert.equal(stats.total.targeted, 2000);
  const sum = ['accepted', 'suppressed', 'expired', 'aborted', 'payload_rejected', 'token_dead', 'failed', 'unknown']
    .reduce((total, name) => total + stats.total[name], 0);
  assert.equal(sum, 2000);
});

test('a worker that dies at once again and again is restarted with growing delays', async () => {
  const own = service();
  const from = own.log.length;
  for (let i = 0; i < 3; i++) await own.killWorker('dispatcher');
  const lines = own.log.slice(from).filter((l) => l.includes('worker_exited'));
  assert.ok(lines.length >= 3);
  await own.isReady();
  const workers = await own.workers();
  assert.equal(workers.length, 5);
  for (const worker of workers) assert.ok(isAlive(worker.pid));
});
