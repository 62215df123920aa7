// The defects of the libraries below, each with the input that triggers it: a
// second request in one segment, leavers, junk, stalled readers, bad lengths.
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';
import { createServer } from 'node:net';
import { http, raw } from './lib/http.mjs';
import { alertBody } from './lib/service.mjs';
import { TOCSIN, cpuTicks, freePort, residentKiB, run, start, stop } from './lib/processes.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { SseReader, WsReader } from './lib/readers.mjs';
import { sleep, until } from './lib/wait.mjs';

const service = sharedService({ sim: false });
const HOST = 'Host: localhost\r\n';
const answered = (count) => (text) => (text.match(/HTTP\/1\.1 \d\d\d/g) ?? []).length >= count;

function postText(body, extra = '') {
  const text = JSON.stringify(body);
  return (
    `POST /v1/alerts HTTP/1.1\r\n${HOST}Authorization: Bearer ${service().key}\r\n` +
    `Idempotency-Key: ${randomUUID()}\r\nContent-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(text)}\r\n${extra}\r\n${text}`
  );
}

function putText(extra = '') {
  const body = JSON.stringify({ platform: 'fcm', token: `t:${randomUUID()}`, edition: 'en', regions: [] });
  return (
    `PUT /v1/devices/dev-${randomUUID()} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n${extra}\r\n${body}`
  );
}

async function stillAnswers() {
  for (const base of [service().newsroom, service().gateway]) {
    assert.equal((await http('GET', `${base}/healthz`)).status, 200);
  }
}

// CPU ticks (1/100 s) a worker uses in two seconds of whatever is going on.
async function ticksInTwoSeconds(role) {
  const [worker] = await service().workers(role);
  const before = cpuTicks(worker.pid);
  await sleep(2000);
  return cpuTicks(worker.pid) - before;
}

// Five per cent of a core over two seconds are 10 ticks; a spinning loop uses 200.
// What spins does so for good: a busy machine is looked at three times.
const assertIdle = async (role) => {
  const most = process.env.TEST_SANITIZED ? 40 : 10;
  const used = [await ticksInTwoSeconds(role)];
  while (used.at(-1) > most && used.length < 3) used.push(await ticksInTwoSeconds(role));
  assert.ok(used.at(-1) <= most, `${role} used ${used} ticks in 2 s`);
};

test('GET+POST and POST+POST in one TCP segment are both answered, and the next client too', async () => {
  const get = `GET /v1/taxonomy HTTP/1.1\r\n${HOST}\r\n`;
  const a = await raw(service().newsroomPort, get + postText(alertBody()), { enough: answered(2) });
  assert.match(a.text, /HTTP\/1\.1 200[^]*HTTP\/1\.1 202/);
  await stillAnswers();
  const b = await raw(service().newsroomPort, postText(alertBody()) + postText(alertBody()), { enough: answered(2) });
  assert.equal((b.text.match(/HTTP\/1\.1 202/g) ?? []).length, 2, b.text);
  await stillAnswers();
  const c = await raw(service().gatewayPort, get + putText(), { enough: answered(2) });
  assert.match(c.text, /HTTP\/1\.1 200[^]*HTTP\/1\.1 201/);
  const d = await raw(service().gatewayPort, putText() + putText(), { enough: answered(2) });
  assert.equal((d.text.match(/HTTP\/1\.1 201/g) ?? []).length, 2, d.text);
  await stillAnswers();
});

test('a WebSocket handshake behind a plain request in one segment hurts nobody', async () => {
  const upgrade =
    `GET /v1/stream?regions=all HTTP/1.1\r\n${HOST}Upgrade: websocket\r\nConnection: Upgrade\r\n` +
    'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';
  const answer = await raw(service().gatewayPort, `GET /v1/taxonomy HTTP/1.1\r\n${HOST}\r\n${upgrade}`, {
    enough: answered(2),
  });
  assert.match(answer.text, /^HTTP\/1\.1 200/);
  assert.doesNotMatch(answer.text, /HTTP\/1\.1 101/, 'only the first request of a connection is a WebSocket');
  await stillAnswers();
});

test('SSE clients that leave cost no CPU', async () => {
  const readers = await Promise.all(
    Array.from({ length: 20 }, () => SseReader.open(service().gateway, { query: { regions: 'mena' } })),
  );
  for (const reader of readers) await reader.close();
  await assertIdle('gateway');
  await until('their sessions to be gone', async () => (await service().metric('tocsin_http_streams')) === 0);
});

test('half-closed clients with pipelined junk behind an open request cost no CPU', async (t) => {
  const { position } = await service().publish();
  const sockets = [];
  for (const path of [`/v1/alerts?after=${position}&wait=30`, '/v1/events?regions=mena']) {
    for (let i = 0; i < 5; i++) {
      const socket = connect({ port: service().gatewayPort, host: '127.0.0.1', allowHalfOpen: true });
      socket.on('error', () => {});
      socket.resume();
      sockets.push(socket);
      socket.write(`GET ${path} HTTP/1.1\r\n${HOST}\r\n`);
      await sleep(20);
      socket.end(`GARBAGE ${'x'.repeat(2000)}\r\n\r\nPOST / HTTP/1.1\r\n${HOST}Content-Length: 5\r\n\r\nab`);
    }
  }
  t.after(() => sockets.forEach((s) => s.destroy()));
  await assertIdle('gateway');
  await stillAnswers();
});

test('connections that say nothing, or half a line, cost no CPU', async (t) => {
  const sockets = ['', 'G', 'GET /v1/str', 'GET /v1/stream HTTP/1.1', '\r\n\r\n\r\n'].flatMap((text) =>
    [service().gatewayPort, service().newsroomPort].map((port) => {
      const socket = connect(port, '127.0.0.1', () => socket.write(text));
      socket.on('error', () => {});
      return socket;
    }),
  );
  t.after(() => sockets.forEach((s) => s.destroy()));
  await sleep(200);
  await assertIdle('gateway');
  await assertIdle('newsroom');
  await stillAnswers();
});

test('Upgrade to anything but websocket is a plain request or a clean refusal', async () => {
  for (const [name, extra] of [
    ['foo', 'Upgrade: foo\r\nConnection: Upgrade\r\n'],
    ['h2c', 'Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n'],
  ]) {
    for (const path of ['/v1/stream', '/v1/taxonomy', '/v1/events?regions=mena']) {
      const answer = await raw(service().gatewayPort, `GET ${path} HTTP/1.1\r\n${HOST}${extra}\r\n`, {
        enough: answered(1),
      });
      assert.doesNotMatch(answer.text, /^HTTP\/1\.1 101/, `${name} ${path}`);
      assert.ok(answer.text === '' || /^HTTP\/1\.[01] [245]\d\d/.test(answer.text), answer.text);
    }
  }
  const preface = await raw(service().gatewayPort, 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0', {
    enough: answered(1),
  });
  assert.ok(preface.text === '' || /^HTTP\/1\.\d [45]\d\d/.test(preface.text), preface.text);
  await stillAnswers();
});

test('chunked, negative, huge, double and missing lengths end in 4xx or a close', async () => {
  const key = `Authorization: Bearer ${service().key}\r\nIdempotency-Key: ${randomUUID()}\r\nContent-Type: application/json\r\n`;
  const cases = [
    'Content-Length: -1\r\n\r\n{}',
    'Content-Length: -9223372036854775808\r\n\r\n{}',
    'Content-Length: 99999999999999999999\r\n\r\n{}',
    'Content-Length: 0x10\r\n\r\n{}',
    'Content-Length: 5, 7\r\n\r\n{}',
    'Content-Length: 1073741824\r\n\r\n{}',
    'Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\n-5\r\n{}\r\n0\r\n\r\n',
    'Transfer-Encoding: chunked\r\n\r\nffffffffffffffff\r\n{}\r\n',
    '\r\n',
  ];
  for (const [port, path, method] of [
    [service().newsroomPort, '/v1/alerts', 'POST'],
    [service().gatewayPort, `/v1/devices/dev-${randomUUID()}`, 'PUT'],
  ]) {
    for (const text of cases) {
      const socketText = `${method} ${path} HTTP/1.1\r\n${HOST}${key}${text}`;
      const answer = await Promise.race([
        raw(port, socketText, { enough: answered(1) }),
        sleep(1500).then(() => ({ text: 'open', waiting: true })),
      ]);
      if (answer.waiting) continue; // still waiting for a body: the request timeout ends it
      assert.ok(answer.text === '' || /^HTTP\/1\.1 4\d\d/.test(answer.text), `${text}: ${answer.text}`);
    }
  }
  await stillAnswers();
});

test('a chunked body that is whole is understood or refused, never half of each', async () => {
  const body = JSON.stringify(alertBody());
  const half = Math.floor(body.length / 2);
  const chunks = [body.slice(0, half), body.slice(half)]
    .map((part) => `${Buffer.byteLength(part).toString(16)}\r\n${part}\r\n`)
    .join('');
  const answer = await raw(
    service().newsroomPort,
    Buffer.from(
      `POST /v1/alerts HTTP/1.1\r\n${HOST}Authorization: Bearer ${service().key}\r\n` +
        `Idempotency-Key: ${randomUUID()}\r\nContent-Type: application/json\r\n` +
        `Transfer-Encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`,
    ),
    { enough: answered(1) },
  );
  assert.match(answer.text, /^HTTP\/1\.1 (202|411) /);
});

test('request smuggling: both a length and chunks is refused or read as chunks', async () => {
  const answer = await raw(
    service().gatewayPort,
    `PUT /v1/devices/dev-${randomUUID()} HTTP/1.1\r\n${HOST}Content-Type: application/json\r\n` +
      'Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /healthz HTTP/1.1\r\nHost: a\r\n\r\n',
    { enough: answered(1) },
  );
  assert.match(answer.text, /^HTTP\/1\.1 4\d\d/);
});

test('headers and lines without end are cut off', async () => {
  for (const port of [service().newsroomPort, service().gatewayPort]) {
    const line = await raw(port, `GET /${'a'.repeat(100_000)} HTTP/1.1\r\n${HOST}\r\n`, { enough: answered(1) });
    assert.ok(line.text === '' || /^HTTP\/1\.\d 4\d\d/.test(line.text), line.text.slice(0, 100));
    const header = await raw(port, `GET /healthz HTTP/1.1\r\n${HOST}X-Long: ${'a'.repeat(200_000)}\r\n\r\n`, { enough: answered(1) });
    assert.ok(header.text === '' || /^HTTP\/1\.\d 4\d\d/.test(header.text), header.text.slice(0, 100));
  }
  await stillAnswers();
});

test('a header whose name begins like a known one does not stall the handshake', async (t) => {
  const reader = closing(t, await WsReader.open(service().gateway, {
    query: { regions: 'all' }, headers: { If: 'x', 'X-Auth': 'y', 'X-Forwarded': 'z' },
  }));
  assert.equal(reader.messages[0].type, 'welcome');
});

test('150 large frames to a reader that stalls: whole frames or a cut, bounded memory', async (t) => {
  const big = 'ن'.repeat(240);
  const content = {};
  for (const l of ['en', 'ar', 'es']) content[l] = { headline: big, body: 'ب'.repeat(2000) };
  const stalled = await WsReader.open(service().gateway, { query: { regions: 'mena' } });
  const healthy = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena' } }));
  stalled.socket._socket.pause();
  const [gateway] = await service().workers('gateway');
  const before = residentKiB(gateway.pid);
  const ids = [];
  for (let i = 0; i < 150; i++) ids.push((await service().publish({ content })).id);
  await healthy.alert(ids.at(-1));
  assert.deepEqual(healthy.ids, ids);
  const grown = residentKiB(gateway.pid) - before;
  assert.ok(grown < (process.env.TEST_SANITIZED ? 200_000 : 50_000), `grew by ${grown} KiB`);
  stalled.socket._socket.resume();
  // ws itself fails on any corrupt frame; what arrived must be a prefix in order.
  await Promise.race([stalled.alert(ids.at(-1)), stalled.closed]);
  assert.deepEqual(stalled.ids, ids.slice(0, stalled.ids.length));
  await stalled.close();
});

test('1,000 idle connections: every one is taken, and new ones still get their welcome', async (t) => {
  const sockets = [];
  t.after(() => sockets.forEach((r) => r.socket.terminate()));
  for (let i = 0; i < 20; i++) {
    sockets.push(...(await Promise.all(
      Array.from({ length: 50 }, () => WsReader.open(service().gateway, { query: { regions: 'mena' } })),
    )));
  }
  const { id } = await service().publish();
  await Promise.all(sockets.map((reader) => reader.alert(id)));
  for (const reader of sockets) assert.deepEqual(reader.ids, [id]);
});

test('Redis refused: serve with a dead redis.url says so, stays up, and connects when it comes', async (t) => {
  const port = await freePort();
  const own = await ownService(t, { sim: false, wait: false, config: { 'redis.url': `redis://127.0.0.1:${port}` } });
  await until('the listener', async () => (await http('GET', `${own.newsroom}/healthz`)).status === 200);
  const ready = await http('GET', `${own.newsroom}/readyz`);
  assert.equal(ready.status, 503);
  assert.match(ready.json.reasons.join(' '), /[Rr]edis/);
  const redis = start('redis-server', ['--port', String(port), '--bind', '127.0.0.1', '--save', '', '--dir', own.dir]);
  t.after(() => stop(redis));
  await own.isReady();
  own.key = await own.createKey();
  await own.publish();
});

test('Redis ends connections by RST and by FIN: the subscription comes back, no alert is missed', async (t) => {
  const redisPort = await freePort();
  const redis = start('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp']);
  t.after(() => stop(redis));
  const proxy = await flakyProxy(t, redisPort);
  const own = await ownService(t, { sim: false, config: { 'redis.url': `redis://127.0.0.1:${proxy.port}` } });
  const reader = closing(t, await WsReader.open(own.gateway, { query: { regions: 'mena' } }));
  const ids = [];
  for (const how of ['rst', 'fin', 'rst', 'fin']) {
    ids.push((await own.publishWhenPossible()).id);
    proxy.cut(how);
    ids.push((await own.publishWhenPossible()).id);
  }
  await reader.alert(ids.at(-1));
  assert.deepEqual(reader.ids, ids);
  await own.isReady();
});

test('Redis goes silent without closing: the watchdog notices, readiness goes off, then recovers', async (t) => {
  const redisPort = await freePort();
  const redis = start('redis-server', ['--port', String(redisPort), '--bind', '127.0.0.1', '--save', '', '--dir', '/tmp']);
  t.after(() => stop(redis));
  const proxy = await flakyProxy(t, redisPort);
  const own = await ownService(t, { sim: false, config: { 'redis.url': `redis://127.0.0.1:${proxy.port}` } });
  const reader = closing(t, await WsReader.open(own.gateway, { query: { regions: 'mena' } }));
  proxy.freeze();
  await until('not ready', async () => (await http('GET', `${own.gateway}/readyz`)).status === 503);
  proxy.thaw();
  await own.isReady();
  const { id } = await own.publishWhenPossible();
  await reader.alert(id);
  assert.deepEqual(reader.ids, [id]);
});

// A TCP proxy in front of Redis whose connections can be cut or held.
async function flakyProxy(t, target) {
  const pairs = new Set();
  let frozen = false;
  const server = createServer((client) => {
    const upstream = connect(target, '127.0.0.1');
    const pair = { client, upstream };
    pairs.add(pair);
    const forward = (from, to) => {
      from.on('data', (chunk) => {
        if (!frozen) to.write(chunk);
      });
      from.on('error', () => {});
      from.on('close', () => {
        to.destroy();
        pairs.delete(pair);
      });
    };
    forward(client, upstream);
    forward(upstream, client);
  });
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.after(() => {
    for (const { client, upstream } of pairs) {
      client.destroy();
      upstream.destroy();
    }
    server.close();
  });
  return {
    port,
    cut(how) {
      for (const { client, upstream } of [...pairs]) {
        if (how === 'rst') client.resetAndDestroy();
        else client.end();
        upstream.destroy();
      }
    },
    freeze() {
      frozen = true;
    },
    thaw() {
      frozen = false;
      for (const { client } of [...pairs]) client.resetAndDestroy();
    },
  };
}

test('a file limit that cannot work is refused at the start with a clear message, a huge one is fine', async () => {
  const own = service();
  const serve = (limit, state) =>
    `ulimit -n ${limit} && exec "${TOCSIN}" serve --serve.state_dir=${own.dir}/${state} ` +
    '--newsroom.listen=127.0.0.1:0 --gateway.listen=127.0.0.1:0';
  const low = await run('bash', ['-c', serve(20, 'low')], { label: 'ulimit' });
  assert.notEqual(low.code, 0);
  assert.match(low.stderr, /file|ulimit|descriptor/i);
  const huge = start('bash', ['-c', serve('1000000', 'huge')], { label: 'ulimit' });
  const outcome = await Promise.race([
    huge.err.find((line) => line.includes('event=ready')).then(() => 'ready'),
    huge.exited.then(() => 'refused'),
  ]);
  if (outcome === 'ready') await stop(huge);
  else assert.match(huge.stderr, /file|ulimit|limit/i);
});
