// SIGUSR2 to the supervisor replaces all gateways one after another while alerts
// are posted: whoever reads misses none, gets none twice, and somebody always
// accepts connections.
import { Phone } from './lib/service.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { PollReader, ResumingReader, SseReader, WsReader } from './lib/readers.mjs';
import { http } from './lib/http.mjs';
import { isAlive } from './lib/processes.mjs';
import { until } from './lib/wait.mjs';

const config = { 'gateway.workers': 2, 'gateway.drain_s': 1 };
const service = sharedService({ sim: false, config });
const query = { regions: 'mena' };

async function roll(own, whileRolling = async () => {}) {
  const before = (await own.workers('gateway')).map((w) => w.pid);
  const from = own.log.length;
  process.kill(own.run.pid, 'SIGUSR2');
  let rolling = true;
  const done = own.waitLog('rolling_restart_done', {}, from).finally(() => (rolling = false));
  const busy = whileRolling(() => rolling);
  await done;
  await busy;
  await own.isReady();
  const after = (await own.workers('gateway')).map((w) => w.pid);
  assert.equal(after.length, before.length);
  for (const pid of before) {
    assert.ok(!after.includes(pid), 'every gateway was replaced');
    assert.ok(!isAlive(pid));
  }
  return own.log.slice(from);
}

test('readers of all transports follow alerts through a rolling restart', async (t) => {
  const own = service();
  const readers = {};
  for (let i = 0; i < 6; i++) {
    readers[`ws${i}`] = await ResumingReader.ws(own.gateway, query).ready();
    readers[`sse${i}`] = await ResumingReader.sse(own.gateway, query).ready();
    readers[`poll${i}`] = (await PollReader.open(own.gateway, { query })).follow();
  }
  closing(t, ...Object.values(readers));
  const ids = [(await own.publish()).id];
  const log = await roll(own, async (rolling) => {
    while (rolling()) ids.push((await own.publish()).id);
  });
  ids.push((await own.publish()).id);
  for (const [name, reader] of Object.entries(readers)) {
    await reader.alert(ids.at(-1));
    assert.deepEqual(reader.ids, ids, name);
    for (const welcome of reader.welcomes ?? []) assert.equal(welcome.recovered, true, name);
  }
  assert.ok(Object.values(readers).some((r) => r.connections > 1), 'readers really had to move');
  // One after the other: the second is not asked to go before the first has gone.
  const steps = log.filter((l) => /event=(worker_replaced|worker_exited)/.test(l))
    .map((l) => /event=worker_(\w+)/.exec(l)[1]);
  assert.deepEqual(steps, ['replaced', 'exited', 'replaced', 'exited']);
});

test('there is always somebody who accepts and answers, with one gateway alone as well', async (t) => {
  const own = await ownService(t, { sim: false, config: { ...config, 'gateway.workers': 1 } });
  let answers = 0;
  await roll(own, async (rolling) => {
    while (rolling()) {
      // A connection reset on its way into a closing socket may be repeated; a refusal may not.
      const answer = await http('GET', `${own.gateway}/v1/taxonomy`).catch((error) => error);
      assert.ok(answer.status === 200 || answer.code === 'ECONNRESET', String(answer.code ?? answer.status));
      answers += answer.status === 200 ? 1 : 0;
    }
  });
  assert.ok(answers > 0);
});

test('a draining gateway serves what comes over a connection it has, and sends streams elsewhere', async (t) => {
  const own = await ownService(t, { config: { ...config, 'gateway.workers': 1, 'gateway.drain_s': 3 } });
  const held = closing(t, await WsReader.open(own.gateway, { query }));
  const phone = await Phone.register(own, { regions: ['mena'] });
  const [worker] = await own.workers('gateway');
  process.kill(worker.pid, 'SIGTERM');
  await own.waitLog('gateway_draining');
  // Whoever is on the way at that moment ends at the next gateway.
  const answer = await until('the new gateway', () => phone.put().catch(() => false));
  assert.equal(answer.status, 200, answer.text);
  assert.equal((await held.end()).code, 4201);
  closing(t, await SseReader.open(own.gateway, { query }));
});

test('asked twice it goes on until all are newer than the last request; SIGTERM meanwhile stops it', async (t) => {
  const own = await ownService(t, { sim: false, config });
  const first = own.log.length;
  process.kill(own.run.pid, 'SIGUSR2');
  await own.waitLog('worker_replaced', {}, first);
  const before = (await own.workers('gateway')).map((w) => w.pid);
  process.kill(own.run.pid, 'SIGUSR2');
  await own.waitLog('rolling_restart_done', {}, first);
  await own.isReady();
  const after = (await own.workers('gateway')).map((w) => w.pid);
  for (const pid of before) assert.ok(!after.includes(pid));
  const last = own.log.length;
  process.kill(own.run.pid, 'SIGUSR2');
  await own.waitLog('worker_started', { role: 'gateway' }, last);
  await own.stop();
});

test('a gateway that dies while it is being replaced is replaced all the same', async (t) => {
  const own = await ownService(t, { sim: false, config });
  const from = own.log.length;
  process.kill(own.run.pid, 'SIGUSR2');
  const { pid } = await own.waitLog('worker_started', { role: 'gateway' }, from);
  process.kill(Number(pid), 'SIGKILL');
  await own.waitLog('rolling_restart_done', {}, from);
  await own.isReady();
  assert.equal((await own.workers('gateway')).length, 2);
  const reader = closing(t, await WsReader.open(own.gateway, { query }));
  await reader.alert((await own.publish()).id);
});
