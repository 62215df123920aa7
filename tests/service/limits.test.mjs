// Every limit at the door, with its answer and its metric, and what those who
// keep to it notice of the others: nothing.
import { connect } from 'node:net';
import { http, raw } from './lib/http.mjs';
import { SseReader, WsReader } from './lib/readers.mjs';
import { assert, closing, ownService, test } from './lib/suite.mjs';
import { until, within } from './lib/wait.mjs';

const query = { regions: 'mena' };
const refused = (service, reason) => service.metric(`tocsin_connections_refused_total{reason="${reason}"}`);
const closedWith = (service, code) => service.metric(`tocsin_gateway_closed_total{code="${code}"}`);
const UPGRADE =
  'GET /v1/stream?regions=mena HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dG9jc2luIHRlc3RpbmcgMQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

// A socket that says `text` and then nothing; `ended` when the server closed it.
function held(port, text, host = '127.0.0.1') {
  const socket = connect(port, host);
  const ended = new Promise((resolve) => socket.on('close', resolve));
  const self = { socket, ended, text: '' };
  self.up = new Promise((resolve) => socket.on('connect', () => socket.write(text, resolve)));
  socket.on('error', () => {});
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => (self.text += chunk));
  return self;
}

test('connections per IPv4 address; another address is not touched by it', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.per_ip_max': 3 } });
  const held_ = [];
  for (let i = 0; i < 3; i++) held_.push(await WsReader.open(own.gateway, { query }));
  closing(t, ...held_);
  const before = await refused(own, 'per_ip');
  assert.equal((await raw(own.gatewayPort, UPGRADE)).text, '');
  assert.equal(await refused(own, 'per_ip'), before + 1);
  assert.match((await raw(own.gatewayPort, UPGRADE, { localAddress: '127.0.0.9', enough: (s) => s.includes('\r\n\r\n') })).text, /^HTTP\/1.1 101 /);
  await held_[0].close();
  closing(t, await until('the place to be free again', () => WsReader.open(own.gateway, { query }).catch(() => false)));
});

test('connections per IPv6 /64', async (t) => {
  const own = await ownService(t, {
    sim: false, wait: false,
    config: { 'gateway.per_ip_max': 2, 'gateway.proxy_protocol': true, 'gateway.trusted_proxies': '127.0.0.1' },
  });
  await own.waitLog('ready');
  const ask = (address) => held(own.gatewayPort, `PROXY TCP6 ${address} 2001:db8:ff::1 1 2\r\n${UPGRADE}`);
  const answer = async (address) => {
    const one = ask(address);
    t.after(() => one.socket.destroy());
    return until('an answer', () => /^HTTP\/1.1 (\d+) /.exec(one.text)?.[1]);
  };
  assert.equal(await answer('2001:db8:1:2::1'), '101');
  assert.equal(await answer('2001:db8:1:2:ffff::9'), '101');
  assert.equal(await answer('2001:db8:1:2:8000::7'), '429');
  assert.equal(await answer('2001:db8:1:3::1'), '101');
  assert.equal(await refused(own, 'per_ip'), 1);
});

test('readers per worker: one more is told 4103, far more are closed at the door', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.connections_max': 2 } });
  closing(t, await WsReader.open(own.gateway, { query }), await WsReader.open(own.gateway, { query }));
  const third = held(own.gatewayPort, UPGRADE);
  t.after(() => third.socket.destroy());
  await until('its bye', () => third.text.includes('"reason":"capacity"') || third.text.includes('\x10\x07'));
  assert.equal(await closedWith(own, 4103), 1);
  const fourth = held(own.gatewayPort, UPGRADE);
  await within('the fourth to be closed', fourth.ended);
  assert.equal(fourth.text, '');
  assert.equal(await own.metric('tocsin_gateway_refused_total'), 1);
});

test('event streams and long-polls per worker: 503 with Retry-After', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.sse_max': 1, 'gateway.longpoll_max': 1 } });
  const first = closing(t, await SseReader.open(own.gateway, { query }));
  await assert.rejects(SseReader.open(own.gateway, { query }), /503/);
  const path = `/v1/alerts?regions=mena&wait=60&after=${encodeURIComponent(first.position ?? first.messages[0].position)}`;
  const waiting = held(own.gatewayPort, `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`);
  t.after(() => waiting.socket.destroy());
  await until('one to wait', async () => (await own.metric('tocsin_gateway_readers{transport="longpoll"}')) === 1);
  const second = await http('GET', own.gateway + path);
  assert.equal(second.status, 503, second.text);
  assert.ok(Number(second.headers['retry-after']) > 0);
});

test('above the accept rate connections wait, and none is refused', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.accept_rate': 25 } });
  const readers = await Promise.all(Array.from({ length: 100 }, () => WsReader.open(own.gateway, { query })));
  closing(t, ...readers);
  const { id } = await own.publish();
  for (const reader of readers) await reader.alert(id);
  assert.ok((await own.metric('tocsin_accepts_delayed_total')) > 0);
});

// 600 who begin and never go on, beside readers who come and read meanwhile.
for (const [what, text] of [
  ['nothing', ''],
  ['half a line', 'GET /v1/str'],
  ['half an upgrade', UPGRADE.slice(0, 60)],
]) {
  test(`600 connections that say ${what} neither keep readers out nor stay`, async (t) => {
    const own = await ownService(t, {
      sim: false,
      config: { 'gateway.per_ip_max': 0, 'gateway.handshakes_max': 256, 'gateway.handshake_timeout_s': 8 },
    });
    const silent = Array.from({ length: 600 }, () => held(own.gatewayPort, text));
    t.after(() => silent.forEach((s) => s.socket.destroy()));
    const readers = [];
    for (let i = 0; i < 20; i++) readers.push(await WsReader.open(own.gateway, { query }));
    closing(t, ...readers);
    const { id } = await own.publish();
    for (const reader of readers) await reader.alert(id);
    await within('all of them to be closed', Promise.all(silent.map((s) => s.ended)));
    const pending = await refused(own, 'pending');
    const slow = await refused(own, 'silent');
    assert.equal(pending + slow, 600, `${pending} for the number, ${slow} for the time`);
    assert.ok(pending >= 600 - 256, String(pending));
    for (const reader of readers) assert.equal(reader.socket.readyState, 1);
  });
}

test('hello in time, message size, filter size: each with its code and metric', async (t) => {
  const own = await ownService(t, {
    sim: false, config: { 'gateway.hello_timeout_s': 5, 'gateway.message_max_bytes': 1024 },
  });
  const late = await WsReader.open(own.gateway);
  assert.equal((await late.end()).code, 4003);
  const large = await WsReader.open(own.gateway);
  large.send(`{"type":"hello","filter":{},"x":"${'y'.repeat(1100)}"}`);
  assert.equal((await large.end()).code, 4004);
  const wide = await WsReader.open(own.gateway);
  wide.send({ type: 'hello', filter: { tags: Array.from({ length: 33 }, (_, i) => `t${i}`) } });
  const error = await wide.next('error');
  assert.match(JSON.stringify(error), /tags/);
  assert.equal((await wide.end()).code, 4002);
  for (const code of [4002, 4003, 4004]) assert.equal(await closedWith(own, code), 1, String(code));
});
