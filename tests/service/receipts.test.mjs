// What readers say they received and opened: counted once each, only for alerts that exist, only
// from those who were sent them, whatever is killed meanwhile.
import { randomUUID } from 'node:crypto';
import { http } from './lib/http.mjs';
import { WsReader } from './lib/readers.mjs';
import { Phone } from './lib/service.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService();

const post = (on, phone, receipts, headers = {}) =>
  http('POST', `${on.gateway}/v1/receipts`, {
    headers: { 'content-type': 'application/json', ...phone.auth(), ...headers },
    body: { device: phone.id, receipts },
  });

const receipt = (alert, event = 'received', more = {}) => ({ alert_id: alert.id, revision: alert.revision, event, ...more });

const receiptsOf = async (on, alert) => {
  const answer = await on.get(`/v1/alerts/${alert.id}/stats?revision=${alert.revision}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json.receipts;
};

const reach = (on, alert, wanted) =>
  until(`the receipts of ${alert.id} to be ${JSON.stringify(wanted)}`, async () => {
    const { received, opened } = await receiptsOf(on, alert);
    assert.deepEqual({ received, opened }, wanted);
    return true;
  });

const metric = (on, result) => on.metric(`tocsin_receipts_total{result="${result}"}`);

test('phones: each counts once per event, an opened alert was received, too', async () => {
  const phones = await Promise.all(['apns', 'fcm', 'fcm'].map((platform) => Phone.register(service(), { platform, regions: ['mena'] })));
  const alert = await service().publish();
  await service().settled(alert.id);
  assert.deepEqual(await receiptsOf(service(), alert), { received: 0, opened: 0, platforms: {} });
  for (const phone of phones) {
    const answer = await post(service(), phone, [receipt(alert)]);
    assert.equal(answer.status, 202, answer.text);
    assert.deepEqual(answer.json, { counted: 1, ignored: [] });
  }
  const opened = await post(service(), phones[0], [receipt(alert, 'opened'), receipt(alert)]);
  assert.deepEqual(opened.json, { counted: 1, ignored: [{ ...receipt(alert), reason: 'already_counted' }] });
  const openedFirst = await post(service(), phones[1], [receipt(alert, 'opened'), receipt(alert, 'opened')]);
  assert.deepEqual(openedFirst.json, { counted: 1, ignored: [{ ...receipt(alert, 'opened'), reason: 'already_counted' }] });
  assert.deepEqual(await receiptsOf(service(), alert), {
    received: 3,
    opened: 2,
    platforms: { apns: { received: 1, opened: 1 }, fcm: { received: 2, opened: 1 } },
  });
});

test('what cannot count is named with its reason, and the rest counts', async () => {
  const phone = await Phone.register(service(), { regions: ['europe'] });
  const mine = await service().publish({ audience: { regions: ['europe'] } });
  const other = await service().publish({ audience: { regions: ['africa'] } });
  await Promise.all([mine, other].map(({ id }) => service().settled(id)));
  const before = await metric(service(), 'unknown_alert');
  const nowhere = { alert_id: randomUUID(), revision: 1, event: 'opened' };
  const answer = await post(service(), phone, [nowhere, receipt(other), receipt(mine, 'received', { revision: 2 }), receipt(mine)]);
  assert.equal(answer.status, 202, answer.text);
  assert.deepEqual(answer.json, {
    counted: 1,
    ignored: [
      { ...nowhere, reason: 'unknown_alert' },
      { ...receipt(other), reason: 'not_recipient' },
      { ...receipt(mine, 'received', { revision: 2 }), reason: 'unknown_alert' },
    ],
  });
  assert.equal((await metric(service(), 'unknown_alert')) - before, 2);
  assert.equal((await receiptsOf(service(), other)).received, 0);
});

test('bad posts get their documented answer, each fault with its place', async () => {
  const phone = await Phone.register(service(), {});
  const alert = await service().publish();
  const one = receipt(alert);
  const cases = [
    [401, null, { device: phone.id, receipts: [one] }, { authorization: undefined }],
    [401, null, { device: phone.id, receipts: [one] }, { authorization: 'Basic x' }],
    [403, null, { device: phone.id, receipts: [one] }, { authorization: `Bearer ${'x'.repeat(43)}` }],
    [404, null, { device: 'phone-of-nobody', receipts: [one] }],
    [415, null, { device: phone.id, receipts: [one] }, { 'content-type': 'text/plain' }],
    [400, [''], '{"device":'],
    [422, ['/device'], { receipts: [one] }],
    [422, ['/device'], { device: 'no id', receipts: [one] }],
    [422, ['/receipts'], { device: phone.id }],
    [422, ['/receipts'], { device: phone.id, receipts: [] }],
    [422, ['/receipts'], { device: phone.id, receipts: Array(51).fill(one) }],
    [422, ['/receipts'], { device: phone.id, receipts: 'all' }],
    [422, ['/extra'], { device: phone.id, receipts: [one], extra: 1 }],
    [422, ['/receipts/1/alert_id', '/receipts/1/revision', '/receipts/1/event'], { device: phone.id, receipts: [one, {}] }],
    [422, ['/receipts/0/alert_id'], { device: phone.id, receipts: [{ ...one, alert_id: 'x' }] }],
    [422, ['/receipts/0/revision'], { device: phone.id, receipts: [{ ...one, revision: 0 }] }],
    [422, ['/receipts/0/event'], { device: phone.id, receipts: [{ ...one, event: 'seen' }] }],
    [413, null, { device: phone.id, receipts: [one], extra: 'x'.repeat(20_000) }],
  ];
  const refused = 'tocsin_receipt_posts_refused_total';
  const before = await service().metric(refused);
  for (const [status, pointers, body, headers = {}] of cases) {
    const all = { 'content-type': 'application/json', ...phone.auth(), ...headers };
    for (const name of Object.keys(all)) if (all[name] === undefined) delete all[name];
    const answer = await http('POST', `${service().gateway}/v1/receipts`, { headers: all, body });
    assert.equal(answer.status, status, `${JSON.stringify(body).slice(0, 200)}: ${answer.text}`);
    if (pointers) assert.deepEqual(answer.json.errors.map((e) => e.pointer), pointers, answer.text);
  }
  assert.equal((await service().metric(refused)) - before, cases.length - 1, 'all but the one too large to be read');
  assert.equal((await receiptsOf(service(), alert)).received, 0);
});

test('more than the rate allows is told to come later', async (t) => {
  const slow = await ownService(t, { config: { 'gateway.receipts_rate': 1 } });
  const phone = await Phone.register(slow, { regions: ['mena'] });
  const alert = await slow.publish();
  await slow.settled(alert.id);
  const many = Array.from({ length: 50 }, () => receipt(alert));
  assert.equal((await post(slow, phone, many)).json.counted, 1, 'a post may be larger than the rate');
  const refused = await post(slow, phone, [receipt(alert, 'opened')]);
  assert.equal(refused.status, 429, refused.text);
  assert.equal(refused.headers['retry-after'], '1');
  assert.equal(await slow.metric('tocsin_receipt_posts_refused_total{reason="rate"}'), 1);
});

test('WebSocket readers: once per connection, only what that connection was sent', async (t) => {
  const open = (query) => WsReader.open(service().gateway, { query });
  const [one, two, other] = closing(t, await open({ regions: 'mena' }), await open({ regions: 'mena' }), await open({ regions: 'europe' }));
  const alert = await service().publish();
  await Promise.all([one.alert(alert.id), two.alert(alert.id)]);
  const before = await metric(service(), 'not_recipient');
  const tell = (reader, type, more = {}) => reader.send({ type, id: alert.id, revision: 1, ...more });
  tell(other, 'ack');
  for (let i = 0; i < 3; i++) tell(one, 'ack');
  tell(one, 'open');
  tell(one, 'open');
  tell(two, 'open');
  tell(two, 'ack', { revision: 9 });
  tell(two, 'ack', { id: randomUUID() });
  await reach(service(), alert, { received: 2, opened: 2 });
  await until('that of the other to be refused', async () => (await metric(service(), 'not_recipient')) - before === 1);
  assert.deepEqual((await receiptsOf(service(), alert)).platforms, { stream: { received: 2, opened: 2 } });

  // A correction that overtakes the receipt of what it corrects takes nothing away from it.
  const update = await service().publish({ msg_type: 'update', references: [alert.id], audience: undefined });
  await one.inbox.find((m) => m.type === 'update' && m.id === alert.id);
  const late = closing(t, await open({ regions: 'mena', position: `${alert.position.split(':')[0]}:${alert.seq - 1}` }));
  await late.inbox.find((m) => m.type === 'update' && m.id === alert.id);
  tell(late, 'ack');
  tell(late, 'ack', { revision: 2 });
  await reach(service(), alert, { received: 3, opened: 2 });
  await reach(service(), update, { received: 1, opened: 0 });
});

test('a malformed ack is a protocol error that names the member', async (t) => {
  for (const [frame, pointer] of [
    [{ type: 'ack', revision: 1 }, '/id'],
    [{ type: 'ack', id: 'x', revision: 1 }, '/id'],
    [{ type: 'open', id: randomUUID() }, '/revision'],
    [{ type: 'open', id: randomUUID(), revision: 1, more: 1 }, '/more'],
  ]) {
    const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena' } }));
    reader.send(frame);
    assert.equal((await reader.end()).code, 4000);
    assert.deepEqual(reader.messages.at(-1).errors.map((e) => e.pointer), [pointer]);
  }
  const early = closing(t, await WsReader.open(service().gateway, {}));
  early.send({ type: 'ack', id: randomUUID(), revision: 1 });
  assert.equal((await early.end()).code, 4000);
});

test('gateways killed with -9 while phones tell: who was answered is counted, and nobody twice', async () => {
  const phones = await Promise.all(Array.from({ length: 24 }, () => Phone.register(service(), { platform: 'fcm', regions: ['asia'] })));
  const alert = await service().publish({ audience: { regions: ['asia'] } });
  await service().settled(alert.id);
  // Tells until it is answered, like an app does: a lost answer is asked for again.
  const insist = (phone, event) =>
    until(`${phone.id} to be answered`, async () => {
      const answer = await post(service(), phone, [receipt(alert, event)]);
      if (answer.status === 503) return false;
      assert.equal(answer.status, 202, answer.text);
      return answer.json;
    });
  const answers = [];
  const telling = phones.flatMap((phone) => ['received', 'opened'].map((event) => insist(phone, event).then((answer) => answers.push(answer))));
  await service().killWorker('gateway');
  await service().isReady();
  await service().killWorker('gateway');
  await Promise.all(telling);
  assert.equal(answers.length, 48);
  await reach(service(), alert, { received: 24, opened: 24 });
  // All of it once more: nothing changes.
  await Promise.all(phones.map((phone) => post(service(), phone, [receipt(alert), receipt(alert, 'opened')])));
  await reach(service(), alert, { received: 24, opened: 24 });
});

test('a killed gateway loses of WebSocket readers at most what it had not written', async (t) => {
  await service().isReady();
  const readers = closing(t, ...(await Promise.all(Array.from({ length: 5 }, () => WsReader.open(service().gateway, { query: { regions: 'africa' } })))), await WsReader.open(service().gateway, { query: { regions: 'africa' } }));
  const alert = await service().publish({ audience: { regions: ['africa'] } });
  await Promise.all(readers.map((reader) => reader.alert(alert.id)));
  for (const reader of readers.slice(0, 4)) reader.send({ type: 'ack', id: alert.id, revision: 1 });
  await reach(service(), alert, { received: 4, opened: 0 });
  for (const reader of readers.slice(4)) reader.send({ type: 'ack', id: alert.id, revision: 1 });
  await service().killWorker('gateway');
  await service().isReady();
  const { received } = await receiptsOf(service(), alert);
  assert.ok(received >= 4 && received <= 6, `${received}`);
});

test('a gateway that is stopped writes what it holds before it goes', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'gateway.receipts_flush_ms': 5000 } });
  const reader = closing(t, await WsReader.open(own.gateway, { query: { regions: 'mena' } }));
  const alert = await own.publish();
  await reader.alert(alert.id);
  reader.send({ type: 'open', id: alert.id, revision: 1 });
  await until('the receipt to be taken', async () => (await metric(own, 'counted')) === 2);
  await own.killWorker('gateway', { signal: 'SIGTERM' });
  await reach(own, alert, { received: 1, opened: 1 });
});
