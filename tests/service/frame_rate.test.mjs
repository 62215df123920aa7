// What one WebSocket reader may send: a token bucket of frames, and the size of its filter.
import { http, assertProblem } from './lib/http.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { WsReader } from './lib/readers.mjs';
import { until } from './lib/wait.mjs';

const BURST = 40;
const service = sharedService({
  sim: false,
  config: { 'gateway.heartbeat_s': 1, 'gateway.receive_rate': 256, 'gateway.frame_burst': BURST, 'gateway.frame_rate': 1, 'gateway.filter_tags_max': 2 },
});
const hello = { type: 'hello', filter: { regions: ['mena'] } };
const open = () => WsReader.open(service().gateway, { hello });

const floods = {
  'filter changes': (reader, i) => reader.send({ type: 'filter', filter: { regions: [i % 2 ? 'mena' : 'europe'] } }),
  'pong frames': (reader) => reader.socket.pong('x'),
  'pong messages': (reader) => reader.send('{"type":"pong"}'),
  'pieces of one message': (reader, i) => reader.socket.send(i ? ' ' : '{"type":"pong"', { fin: false }),
};

for (const [name, one] of Object.entries(floods)) {
  test(`a flood of ${name} ends that reader alone, with 4005`, async (t) => {
    const neighbour = closing(t, await open());
    const reader = await open();
    // Far more than the burst and what a slow run adds to it.
    for (let i = 0; i < BURST * 20 && reader.socket.readyState === reader.socket.OPEN; i++) one(reader, i);
    const error = await reader.next('error');
    assert.equal(error.code, 'rate');
    assert.deepEqual(await reader.end(), { code: 4005, reason: 'rate' });
    const posted = await service().publish();
    await neighbour.alert(posted.id);
  });
}

test('a flood of pings, which are answered unseen, ends it too', async (t) => {
  const neighbour = closing(t, await open());
  const reader = await open();
  // 6 bytes each at least: beyond a handshake, a large message and some seconds of receive_rate.
  for (let i = 0; i < 20_000; i++) reader.socket.ping('flood');
  const error = await reader.next('error');
  assert.equal(error.code, 'rate');
  assert.deepEqual(await reader.end(), { code: 4005, reason: 'rate' });
  const posted = await service().publish();
  await neighbour.alert(posted.id);
});

test('refusals for the rate are counted', async () => {
  await until('all five to be counted', async () => (await service().metric('tocsin_gateway_closed_total{code="4005"}')) === 5);
});

test('a burst below the limit is fine, each frame answered', async (t) => {
  const reader = closing(t, await open());
  for (let i = 0; i < BURST / 2; i++) reader.send({ type: 'filter', filter: { regions: ['europe'] } });
  reader.send({ type: 'filter', filter: { regions: ['mena'] } });
  await reader.inbox.find((m) => m.type === 'filter' && m.filter.regions[0] === 'mena');
});

test('a filter with more tags than allowed is named on every transport', async () => {
  const tags = ['a', 'b', 'c'];
  const reader = new WsReader(service().gateway, { hello: { type: 'hello', filter: { tags } } });
  const error = await reader.next('error');
  assert.deepEqual(error.errors.map((e) => [e.pointer, e.code]), [['/filter/tags', 'too_many']]);
  assert.equal((await reader.end()).code, 4002);
  for (const path of ['/v1/events', '/v1/alerts']) {
    assertProblem(assert, await http('GET', `${service().gateway}${path}?tags=${tags}`), 422, ['?tags']);
  }
});
