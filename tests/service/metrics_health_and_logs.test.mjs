// What an operator sees: /metrics, /healthz, /readyz and the log lines.
import { http } from './lib/http.mjs';
import { Phone, Service, parseLogLine } from './lib/service.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { SseReader, WsReader } from './lib/readers.mjs';
import { isAlive } from './lib/processes.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService({ config: { 'gateway.workers': 2, 'log.level': 'debug' } });

test('the metrics page is the Prometheus text format', async () => {
  const page = await http('GET', `${service().newsroom}/metrics`);
  assert.equal(page.status, 200);
  assert.match(page.headers['content-type'], /^text\/plain; version=0\.0\.4/);
  const typed = new Map();
  const seen = new Set();
  for (const line of page.text.split('\n')) {
    if (line === '') continue;
    const type = /^# TYPE (\S+) (counter|gauge|histogram)$/.exec(line);
    if (type) {
      assert.ok(!typed.has(type[1]), `${type[1]} is declared twice`);
      typed.set(type[1], type[2]);
      continue;
    }
    if (/^# HELP \S+ .+/.test(line)) continue;
    const sample = /^([a-z][a-z0-9_]*)(\{([a-z_]+="[^"\\]*",?)+\})? (-?\d+(\.\d+)?(e[+-]?\d+)?|\+Inf)$/.exec(line);
    assert.ok(sample, `not a sample: ${line}`);
    const family = sample[1].replace(/_(bucket|sum|count)$/, (s) => (typed.has(sample[1]) ? s : ''));
    assert.ok(typed.has(family), `${sample[1]} has no TYPE`);
    const series = line.slice(0, line.lastIndexOf(' '));
    assert.ok(!seen.has(series), `${series} twice`);
    seen.add(series);
    if (typed.get(family) === 'counter') assert.match(family, /_total$/);
  }
  assert.ok(typed.size >= 20, `${typed.size} families`);
});

test('counters move by what was done, summed over the workers', async (t) => {
  const readers = await Promise.all(
    Array.from({ length: 6 }, () => WsReader.open(service().gateway, { query: { regions: 'mena' } })),
  );
  const sse = closing(t, await SseReader.open(service().gateway, { query: { regions: 'mena' } }));
  closing(t, ...readers);
  assert.equal(await service().metric('tocsin_http_streams'), 1);
  const before = await service().metric('tocsin_connections_accepted_total');
  const more = await WsReader.open(service().gateway, { query: { regions: 'mena' } });
  assert.ok((await service().metric('tocsin_connections_accepted_total')) > before);
  const { id } = await service().publish();
  await sse.alert(id);
  await more.close();
});

test('healthz says the process runs, readyz names every worker', async () => {
  for (const base of [service().newsroom, service().gateway]) {
    assert.equal((await http('GET', `${base}/healthz`)).status, 200);
    const ready = await http('GET', `${base}/readyz`);
    assert.equal(ready.status, 200);
    assert.equal(ready.json.ready, true);
  }
  const { workers } = (await http('GET', `${service().newsroom}/readyz`)).json;
  assert.deepEqual(workers.map((w) => w.role).sort(), ['dispatcher', 'gateway', 'gateway', 'newsroom']);
  for (const worker of workers) {
    assert.equal(worker.ready, true);
    assert.ok(isAlive(worker.pid));
    assert.equal(typeof worker.restarts, 'number');
  }
});

test('readyz counts restarts', async () => {
  const { newPid } = await service().killWorker('dispatcher');
  const worker = await until('the new dispatcher', async () =>
    (await service().workers('dispatcher')).find((w) => w.pid === newPid && w.ready));
  assert.equal(worker.restarts, 1);
});

test('log lines are key=value, carry role and worker, and let one follow an alert', async (t) => {
  closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena' } }));
  const phone = await Phone.register(service(), { regions: ['mena'] });
  const { id } = await service().publish();
  await service().settled(id);
  const about = await until('lines about the alert', () => {
    const found = service().log.filter((line) => line.includes(id)).map(parseLogLine);
    return found.some((l) => l.role === 'newsroom') && found.some((l) => l.role === 'dispatcher') && found;
  });
  for (const line of about) {
    assert.equal(line.alert_id, id);
    assert.ok(line.event && line.level && line.role);
  }
  assert.equal((await phone.got()).length, 1);
});

test('no key, token or secret is ever logged, not even at debug level or in errors', async () => {
  const phone = await Phone.register(service(), { regions: ['mena'], behaviour: 'bad' });
  const android = await Phone.register(service(), { platform: 'fcm', behaviour: 'unregistered', regions: ['mena'] });
  await phone.put({}, 'w'.repeat(40));
  await service().post('{', {});
  await service().post({}, { headers: { authorization: `Bearer ${service().key}x` } });
  await http('GET', `${service().gateway}/v1/events?token=topsecrettoken&regions=mena&limit=x`);
  const { id } = await service().publish();
  await service().settled(id);
  const log = service().log.join('\n');
  const secrets = {
    'newsroom key': service().key.slice(-43),
    'device secret': phone.secret,
    'wrong secret': 'w'.repeat(40),
    'APNs token': phone.token,
    'FCM token': android.token,
    'client token': 'topsecrettoken',
    'a private key': 'PRIVATE KEY',
    'a bearer of a provider': 'bearer ey',
  };
  for (const [what, text] of Object.entries(secrets)) assert.ok(!log.includes(text), `${what} in the log`);
});

test('JSON lines on demand', async (t) => {
  const own = await ownService(t, { sim: false, wait: false, config: { 'log.format': 'json' } });
  const ready = await own.run.err.find((line) => line.includes('"ready"'));
  assert.equal(JSON.parse(ready).event, 'ready');
  for (const line of own.log) {
    const entry = JSON.parse(line);
    assert.equal(typeof entry.event, 'string');
    assert.equal(typeof entry.level, 'string');
  }
});

test('a role alone: a gateway and a newsroom on the same Redis, apart', async (t) => {
  const first = await ownService(t, { sim: false, roles: 'newsroom,dispatcher' });
  const second = await Service.start({
    sim: false, wait: false, roles: 'gateway', config: { 'redis.url': `unix://${first.redisSocket()}` },
  });
  t.after(() => second.stop());
  await second.waitLog('ready');
  await until('the gateway alone', async () => (await http('GET', `${second.gateway}/readyz`)).status === 200);
  const reader = closing(t, await WsReader.open(second.gateway, { query: { regions: 'mena' } }));
  const { id } = await first.publish();
  await reader.alert(id);
});
