// tocsin.v1 on GET /v1/stream: frames, answers and close codes.
import { request } from 'node:http';
import { connect } from 'node:net';
import { randomBytes } from 'node:crypto';
import { raw } from './lib/http.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { program, start } from './lib/processes.mjs';
import { WsReader } from './lib/readers.mjs';
import { until, within } from './lib/wait.mjs';

const service = sharedService({ sim: false, config: { 'gateway.heartbeat_s': 1, 'gateway.hello_timeout_s': 5 } });
const hello = (extra = {}) => ({ type: 'hello', filter: { regions: ['mena'] }, ...extra });
const open = (options) => WsReader.open(service().gateway, options);

test('hello is answered by welcome with where the reader stands', async (t) => {
  const posted = await service().publish();
  await service().reached(posted);
  const reader = closing(t, await open({ hello: hello(), protocols: ['tocsin.v1'] }));
  assert.equal(reader.socket.protocol, 'tocsin.v1');
  const welcome = reader.messages[0];
  assert.equal(welcome.type, 'welcome');
  assert.equal(welcome.recovered, true);
  assert.equal(welcome.reason, 'fresh');
  assert.equal(welcome.position, posted.position, 'a new reader starts at the head');
  assert.equal(welcome.heartbeat_s, 1);
  assert.equal(welcome.live, true);
  assert.ok(welcome.session.length >= 8);
  assert.deepEqual(welcome.filter.regions, ['mena']);
});

test('a query string stands for the hello', async (t) => {
  const reader = closing(t, await open({ query: { regions: 'mena,europe', sections: 'sports', min_urgency: 'high' } }));
  const { filter } = reader.messages[0];
  assert.deepEqual([...filter.regions].sort(), ['europe', 'mena']);
  assert.deepEqual(filter.sections, ['sports']);
  assert.equal(filter.min_urgency, 'high');
});

test('without subprotocol it works; an unknown one is refused or left out, never echoed', async (t) => {
  const plain = closing(t, await open({ query: { regions: 'all' } }));
  assert.equal(plain.socket.protocol, '');
  const other = new WsReader(service().gateway, { query: { regions: 'all' }, protocols: ['chat'] });
  t.after(() => other.close());
  const outcome = await Promise.race([
    other.opened.then(() => 'open', () => 'refused'),
    other.closed.then(() => 'refused'),
  ]);
  if (outcome === 'open') assert.notEqual(other.socket.protocol, 'chat');
  const both = closing(t, await open({ query: { regions: 'all' }, protocols: ['chat', 'tocsin.v1'] }));
  assert.equal(both.socket.protocol, 'tocsin.v1');
});

test('an alert frame is complete: type, id, revision, position, urgency, content', async (t) => {
  const reader = closing(t, await open({ hello: hello() }));
  const posted = await service().publish({ source: 'Agencies', story_id: 'story-1', tags: ['Lebanon'] });
  const alert = await reader.alert(posted.id);
  assert.equal(alert.type, 'alert');
  assert.equal(alert.revision, 1);
  assert.equal(alert.position, posted.position);
  assert.equal(alert.urgency, 'high');
  assert.deepEqual(alert.audience.regions, ['mena']);
  assert.deepEqual(alert.tags, ['Lebanon']);
  assert.equal(alert.source, 'Agencies');
  assert.equal(alert.story_id, 'story-1');
  assert.equal(alert.sent_at, posted.sent_at);
  assert.deepEqual(Object.keys(alert.content).sort(), ['ar', 'en', 'es']);
  assert.equal(alert.content.ar.dir, 'rtl');
  assert.equal(alert.replay, undefined);
});

test('update and cancel frames carry the same id and the next revision', async (t) => {
  const reader = closing(t, await open({ hello: hello() }));
  const first = await service().publish();
  const content = { en: { headline: 'corrected' }, ar: { headline: 'مصحح' }, es: { headline: 'corregido' } };
  const update = await service().post({ msg_type: 'update', references: [first.id], content });
  assert.equal(update.status, 202, update.text);
  const cancel = await service().post({ msg_type: 'cancel', references: [first.id] });
  assert.equal(cancel.status, 202, cancel.text);
  const last = await reader.inbox.find((m) => m.type === 'cancel' && m.id === first.id);
  assert.equal(last.revision, 3);
  assert.deepEqual(
    reader.alerts.map((a) => [a.type, a.id, a.revision]),
    [['alert', first.id, 1], ['update', first.id, 2], ['cancel', first.id, 3]],
  );
  assert.equal(reader.alerts[1].content.en.headline, 'corrected');
});

test('the filter can be changed live', async (t) => {
  const reader = closing(t, await open({ hello: hello() }));
  reader.send({ type: 'filter', filter: { regions: ['europe'] } });
  const answer = await reader.next('filter');
  assert.deepEqual(answer.filter.regions, ['europe']);
  await service().publish({ audience: { regions: ['mena'] } });
  const wanted = await service().publish({ audience: { regions: ['europe'] } });
  await reader.alert(wanted.id);
  assert.deepEqual(reader.ids, [wanted.id]);
});

test('a bad live filter says what is wrong and closes with 4002', async () => {
  const reader = await open({ hello: hello() });
  reader.send({ type: 'filter', filter: { regions: ['atlantis'] } });
  const closed = await reader.end();
  assert.equal(closed.code, 4002);
  const error = reader.messages.find((m) => m.type === 'error');
  assert.ok(error.errors.some((e) => e.pointer.includes('/regions/0')), JSON.stringify(error));
});

test('4002 for a bad filter in hello and in the query, with every fault', async () => {
  const byHello = new WsReader(service().gateway, {
    hello: hello({ filter: { regions: ['atlantis'], sections: ['gossip'], nonsense: 1 } }),
  });
  assert.equal((await byHello.end()).code, 4002);
  const error = byHello.messages.find((m) => m.type === 'error');
  assert.deepEqual(
    error.errors.map((e) => e.pointer).sort(),
    ['/filter/nonsense', '/filter/regions/0', '/filter/sections/0'],
  );
  assert.equal(typeof error.code, 'string');
  assert.equal(typeof error.detail, 'string');
  const byQuery = new WsReader(service().gateway, { query: { regions: 'mena,atlantis', min_urgency: 'huge' } });
  assert.equal((await byQuery.end()).code, 4002);
  const faults = byQuery.messages.find((m) => m.type === 'error').errors.map((e) => e.pointer);
  assert.deepEqual(faults.sort(), ['?min_urgency', '?regions']);
});

test('4000 for what the protocol does not know', async () => {
  const frames = [
    'not json', '[]', '"hello"', '{}', '{"type":5}', '{"type":"shout"}', '{"type":"filter","filter":{}}',
    '{"type":"hello","filter":{},"position":7}', '{"type":"hello","surprise":1}',
  ];
  for (const frame of frames) {
    const reader = new WsReader(service().gateway, {});
    await within('open', reader.opened);
    reader.send(frame);
    const closed = await reader.end();
    assert.ok([4000, 4002].includes(closed.code), `${frame}: ${JSON.stringify(closed)}`);
    assert.ok(reader.messages.some((m) => m.type === 'error'), frame);
  }
  for (const frame of ['{"type":"hello"}', '{"type":"later"}', '{"type":', '']) {
    const reader = await open({ hello: hello() });
    reader.send(frame);
    assert.equal((await reader.end()).code, 4000, frame);
  }
  const binary = await open({ hello: hello() });
  binary.socket.send(Buffer.from('{"type":"pong"}'), { binary: true });
  assert.equal((await binary.end()).code, 4000);
});

test('text that is not UTF-8 ends the connection, with no effect on others', async (t) => {
  const other = closing(t, await open({ hello: hello() }));
  const reader = await open({ hello: hello() });
  reader.socket._socket.write(maskedFrame(0x81, Buffer.from([0x7b, 0xff, 0xfe, 0x7d])));
  const closed = await reader.end();
  assert.ok([1007, 4000].includes(closed.code), JSON.stringify(closed));
  const { id } = await service().publish();
  await other.alert(id);
});

function maskedFrame(first, payload) {
  const mask = randomBytes(4);
  const body = Buffer.from(payload.map((byte, i) => byte ^ mask[i % 4]));
  assert.ok(payload.length < 126);
  return Buffer.concat([Buffer.from([first, 0x80 | payload.length]), mask, body]);
}

test('4003 when no hello comes', async () => {
  const reader = new WsReader(service().gateway, {});
  await within('open', reader.opened);
  assert.equal((await reader.end()).code, 4003);
});

test('4004 for a message over the limit, in one frame and in many', async () => {
  const whole = await open({ hello: hello() });
  whole.send(`{"type":"pong","x":"${'x'.repeat(200_000)}"}`);
  assert.equal((await whole.end()).code, 4004);
  const pieces = await open({ hello: hello() });
  const piece = 'x'.repeat(1000);
  for (let i = 0; i < 200; i++) pieces.socket.send(piece, { fin: false });
  assert.equal((await pieces.end()).code, 4004);
});

test('a hello in several fragments is put together', async (t) => {
  const reader = closing(t, new WsReader(service().gateway, {}));
  await within('open', reader.opened);
  const text = JSON.stringify(hello());
  reader.socket.send(text.slice(0, 10), { fin: false });
  reader.socket.send(text.slice(10, 20), { fin: false });
  reader.socket.send(text.slice(20), { fin: true });
  await reader.welcome();
});

test('heartbeats: a ping frame with the position and a PING together', async (t) => {
  const reader = closing(t, await open({ hello: hello() }));
  const { position } = await service().publish({ audience: { regions: ['europe'] } });
  const ping = await reader.inbox.find((m) => m.type === 'ping' && m.position === position);
  assert.deepEqual(Object.keys(ping).sort(), ['position', 'type']);
  await until('a WebSocket PING', () => reader.pings.length > 0);
  assert.ok(reader.pings[0].length >= 1, 'an empty PING would get no visible answer');
});

test('4102 for a reader that answers nothing any more', async (t) => {
  const own = await ownService(t, {
    sim: false, config: { 'gateway.heartbeat_s': 1, 'gateway.idle_timeout_s': 6 },
  });
  const reader = await WsReader.open(own.gateway, { query: { regions: 'all' }, autoPong: false, answer: false });
  const alive = closing(t, await WsReader.open(own.gateway, { query: { regions: 'all' } }));
  assert.equal((await reader.end()).code, 4102);
  const { id } = await own.publish();
  await alive.alert(id);
});

test('any byte that comes in is a sign of life: empty PONGs alone, too', async (t) => {
  const own = await ownService(t, {
    sim: false, config: { 'gateway.heartbeat_s': 1, 'gateway.idle_timeout_s': 6 },
  });
  const reader = closing(t, await WsReader.open(own.gateway, { query: { regions: 'all' }, autoPong: false, answer: false }));
  const heartbeats = () => reader.messages.filter((m) => m.type === 'ping').length;
  const timer = setInterval(() => reader.socket.pong(), 200);
  t.after(() => clearInterval(timer));
  // A silent reader gets seven at most.
  await Promise.race([
    until('ten heartbeats', () => heartbeats() >= 10),
    reader.closed.then(({ code }) => assert.fail(`closed with ${code} after ${heartbeats()} heartbeats`)),
  ]);
  const { id } = await own.publish();
  await reader.alert(id);
});

test('a PING of the client is answered with its payload', async (t) => {
  const reader = closing(t, await open({ hello: hello() }));
  const pong = new Promise((resolve) => reader.socket.once('pong', resolve));
  reader.socket.ping(Buffer.from('payload-123'));
  assert.equal((await within('pong', pong)).toString(), 'payload-123');
});

test('a close of the client is answered', async () => {
  const reader = await open({ hello: hello() });
  reader.socket.close(1000, 'bye');
  await within('close', reader.closed);
});

test('frames that RFC 6455 forbids end the connection and nothing else', async (t) => {
  const other = closing(t, await open({ hello: hello() }));
  const forbidden = [
    Buffer.from([0xc1, 0x80, 0, 0, 0, 0]), // RSV1 without an extension
    Buffer.from([0x83, 0x80, 0, 0, 0, 0]), // reserved opcode
    Buffer.from([0x09, 0x80, 0, 0, 0, 0]), // fragmented PING
    Buffer.from([0x89, 0xfe, 0x00, 0x80, 0, 0, 0, 0, ...Buffer.alloc(128)]), // PING over 125 bytes
    Buffer.from([0x80, 0x80, 0, 0, 0, 0]), // continuation of nothing
  ];
  for (const bytes of forbidden) {
    const reader = await open({ hello: hello() });
    reader.socket._socket.write(bytes);
    await reader.end();
  }
  const { id } = await service().publish();
  await other.alert(id);
});

test('handshake: a wrong version or a missing key is refused, and plain GET too', async () => {
  const port = service().gatewayPort;
  const headers = 'Host: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n';
  for (const extra of ['Sec-WebSocket-Version: 13\r\n', 'Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 7\r\n']) {
    const answer = await raw(port, `GET /v1/stream?regions=all HTTP/1.1\r\n${headers}${extra}\r\n`, {
      enough: (text) => text.includes('\r\n\r\n'),
    });
    assert.doesNotMatch(answer.text, /^HTTP\/1\.1 101/);
  }
  const plain = await raw(port, 'GET /v1/stream HTTP/1.1\r\nHost: localhost\r\n\r\n', {
    enough: (text) => text.includes('\r\n\r\n'),
  });
  assert.doesNotMatch(plain.text, /^HTTP\/1\.1 (101|200)/);
});

test('bye with reconnect and a delay, then 4201, when the gateway is stopped', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.drain_s': 1 } });
  const readers = await Promise.all(
    Array.from({ length: 20 }, () => WsReader.open(own.gateway, { query: { regions: 'all' } })),
  );
  process.kill(own.run.pid, 'SIGTERM');
  for (const reader of readers) {
    const closed = await reader.end();
    assert.equal(closed.code, 4201);
    const bye = reader.messages.find((m) => m.type === 'bye');
    assert.equal(bye.reconnect, true);
    assert.ok(Number.isInteger(bye.after_ms) && bye.after_ms >= 0);
    assert.equal(typeof bye.reason, 'string');
  }
});

test('status frames tell when Redis goes and comes back', async (t) => {
  const own = await ownService(t, { sim: false });
  const reader = closing(t, await WsReader.open(own.gateway, { query: { regions: 'all' } }));
  const pid = own.redisPid();
  process.kill(pid, 'SIGSTOP');
  try {
    const down = await reader.next('status');
    assert.equal(down.live, false);
    const late = closing(t, await WsReader.open(own.gateway, { query: { regions: 'all' } }));
    assert.equal(late.messages[0].live, false, 'a reader that comes now is told at once');
  } finally {
    process.kill(pid, 'SIGCONT');
  }
  await reader.inbox.find((m) => m.type === 'status' && m.live === true);
  const { id } = await own.publishWhenPossible();
  await reader.alert(id);
});

test('the small C client of tests/tools understands the same stream', async () => {
  const url = `${service().gateway.replace('http', 'ws')}/v1/stream?regions=asia`;
  const client = start(program('tocsin-wsclient'), ['--count', '2', '--timeout', '60', url]);
  const welcome = JSON.parse(await client.out.find(() => true));
  assert.equal(welcome.type, 'welcome');
  const next = client.out.find((line) => !line.includes('"welcome"'));
  await service().publish({ audience: { regions: ['asia'] } });
  assert.ok(['alert', 'ping'].includes(JSON.parse(await next).type));
  assert.equal((await client.ended).code, 0, client.stderr);
});

test('bytes trickled one by one still make a handshake and a hello', async (t) => {
  const key = randomBytes(16).toString('base64');
  const text =
    `GET /v1/stream?regions=all HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\n` +
    `Connection: Upgrade\r\nSec-WebSocket-Key: ${key}\r\nSec-WebSocket-Version: 13\r\n\r\n`;
  const socket = connect(service().gatewayPort, '127.0.0.1');
  t.after(() => socket.destroy());
  let seen = '';
  socket.setEncoding('latin1');
  socket.on('data', (chunk) => (seen += chunk));
  socket.setNoDelay(true);
  for (const byte of text) {
    socket.write(byte);
    await new Promise((resolve) => setImmediate(resolve));
  }
  await until('101 and a welcome frame', () => /^HTTP\/1\.1 101/.test(seen) && seen.includes('"welcome"'));
});

test('a browser page of any origin may open the stream', async (t) => {
  const reader = closing(
    t,
    await open({ query: { regions: 'all' }, headers: { origin: 'https://news.example' } }),
  );
  assert.equal(reader.messages[0].type, 'welcome');
  const options = await new Promise((resolve, reject) => {
    request(`${service().gateway}/v1/alerts`, {
      method: 'OPTIONS',
      headers: { origin: 'https://news.example', 'access-control-request-method': 'GET' },
      agent: false,
    }, (answer) => {
      answer.resume();
      resolve(answer);
    }).on('error', reject).end();
  });
  assert.ok([200, 204].includes(options.statusCode));
  assert.equal(options.headers['access-control-allow-origin'], '*');
});
