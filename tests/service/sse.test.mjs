// Server-sent events on GET /v1/events: what a browser's EventSource relies on.
import { assertProblem, http, raw } from './lib/http.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { ResumingReader, SseReader } from './lib/readers.mjs';

const service = sharedService({ sim: false, config: { 'gateway.heartbeat_s': 1 } });
const open = (options) => SseReader.open(service().gateway, options);

test('headers: event stream, never cached, readable from any origin', async (t) => {
  const reader = closing(t, await open({ query: { regions: 'mena' } }));
  const { headers } = reader.answer;
  assert.match(headers['content-type'], /^text\/event-stream/);
  assert.match(headers['cache-control'], /no-store|no-cache/);
  assert.equal(headers['access-control-allow-origin'], '*');
});

test('the first line sets the reconnect delay, the first event is welcome without an id', async () => {
  const answer = await raw(
    service().gatewayPort,
    'GET /v1/events?regions=mena HTTP/1.1\r\nHost: localhost\r\n\r\n',
    { enough: (text) => text.includes('event: welcome') && text.includes('"recovered"') },
  );
  const body = answer.text.slice(answer.text.indexOf('\r\n\r\n') + 4).replace(/^[0-9a-f]+\r\n/i, '');
  assert.ok(body.startsWith('retry: 2000\n'), body.slice(0, 80));
  const reader = await open({ query: { regions: 'mena' } });
  const [first] = reader.events;
  assert.equal(first.name, 'welcome');
  assert.equal(first.id, undefined);
  const welcome = JSON.parse(first.text);
  assert.equal(welcome.recovered, true);
  assert.equal(welcome.live, true);
  await reader.close();
});

test('alert, update and cancel are events whose id is the position', async (t) => {
  const reader = closing(t, await open({ query: { regions: 'mena' } }));
  const first = await service().publish();
  const update = await service().post({
    msg_type: 'update', references: [first.id],
    content: { en: { headline: 'e2' }, ar: { headline: 'ع٢' }, es: { headline: 's2' } },
  });
  const cancel = await service().post({ msg_type: 'cancel', references: [first.id] });
  await reader.inbox.find((m) => m.type === 'cancel' && m.id === first.id);
  const events = reader.events.filter((e) => ['alert', 'update', 'cancel'].includes(e.name));
  assert.deepEqual(events.map((e) => [e.name, e.id]), [
    ['alert', first.position],
    ['update', update.json.position],
    ['cancel', cancel.json.position],
  ]);
});

test('a ping event moves the id, so that a quiet reader stays recoverable', async (t) => {
  const reader = closing(t, await open({ query: { regions: 'mena' } }));
  const { position } = await service().publish({ audience: { regions: ['europe'] } });
  await reader.inbox.find((m) => m.type === 'ping' && m.position === position);
  const ping = reader.events.find((e) => e.name === 'ping' && e.id === position);
  assert.ok(ping);
  assert.equal(reader.lastEventId, position);
});

test('Last-Event-ID brings what was missed, in order, once', async (t) => {
  const reader = await open({ query: { regions: 'mena' } });
  const seen = await service().publish();
  await reader.alert(seen.id);
  await reader.close();
  const missed = [];
  for (let i = 0; i < 5; i++) {
    missed.push((await service().publish()).id);
    await service().publish({ audience: { regions: ['europe'] } });
  }
  const again = closing(t, await open({ query: { regions: 'mena' }, lastEventId: reader.lastEventId }));
  const live = await service().publish();
  await again.alert(live.id);
  assert.deepEqual(again.ids, [...missed, live.id]);
  assert.equal(again.messages[0].recovered, true);
  assert.equal(again.messages[0].reason, undefined);
});

test('?position= does the same, and the newer of the two cursors is the header', async (t) => {
  const first = await service().publish();
  const second = await service().publish();
  const byQuery = closing(t, await open({ query: { regions: 'mena', position: first.position } }));
  const third = await service().publish();
  await byQuery.alert(third.id);
  assert.deepEqual(byQuery.ids, [second.id, third.id]);
  // EventSource repeats the URL it was given and adds the header on reconnects.
  const both = closing(
    t,
    await open({ query: { regions: 'mena', position: first.position }, lastEventId: second.position }),
  );
  await both.alert(third.id);
  assert.deepEqual(both.ids, [third.id]);
});

test('bad parameters are 422 and name the parameter', async () => {
  for (const [query, pointers] of [
    ['regions=atlantis', ['?regions']],
    ['regions=mena&sections=gossip&min_urgency=huge', ['?min_urgency', '?sections']],
    ['editions=xx', ['?editions']],
    ['nonsense=1', ['?nonsense']],
  ]) {
    const answer = await http('GET', `${service().gateway}/v1/events?${query}`);
    assertProblem(assert, answer, 422, pointers);
  }
});

test('a garbage Last-Event-ID is answered, not refused', async (t) => {
  const reader = closing(t, await open({ query: { regions: 'mena' }, lastEventId: 'yesterday' }));
  assert.equal(reader.messages[0].recovered, false);
  assert.equal(reader.messages[0].reason, 'unknown');
});

test('bye comes before the end when the gateway is stopped, and the reader resumes after a restart', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.drain_s': 1 } });
  const reader = closing(t, ResumingReader.sse(own.gateway, { regions: 'mena' }));
  await reader.ready();
  const before = await own.publish();
  await reader.alert(before.id);
  const [gateway] = await own.workers('gateway');
  process.kill(gateway.pid, 'SIGTERM');
  await reader.next('bye');
  const after = await own.publishWhenPossible();
  await reader.alert(after.id);
  assert.deepEqual(reader.ids, [before.id, after.id]);
});
