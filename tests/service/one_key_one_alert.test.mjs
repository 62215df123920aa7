// Idempotency: what a newsroom may repeat without fear.
import { randomUUID } from 'node:crypto';
import { assertProblem } from './lib/http.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { WsReader } from './lib/readers.mjs';

const service = sharedService({ sim: false });

test('50 posts in parallel with one Idempotency-Key make one alert', async (t) => {
  const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'all' } }));
  const body = alertBody();
  const idempotencyKey = randomUUID();
  const answers = await Promise.all(
    Array.from({ length: 50 }, () => service().post(body, { idempotencyKey })),
  );
  assert.deepEqual([...new Set(answers.map((a) => a.status))], [202]);
  assert.equal(new Set(answers.map((a) => a.json.id)).size, 1);
  assert.equal(new Set(answers.map((a) => a.text)).size, 1, 'all answers are the same');
  const fresh = answers.filter((a) => a.headers['idempotency-replayed'] !== 'true');
  assert.equal(fresh.length, 1, 'all but one are marked as replays');
  const { id } = answers[0].json;
  const list = await service().get('/v1/alerts?limit=100');
  assert.equal(list.json.alerts.filter((a) => a.id === id).length, 1);
  const fence = await service().publish();
  await reader.alert(fence.id);
  assert.deepEqual(reader.ids, [id, fence.id]);
});

test('the answer says what and where, and Location leads to the alert', async () => {
  const answer = await service().post(alertBody());
  assert.equal(answer.status, 202);
  const { id, revision, seq, position, durability, sent_at } = answer.json;
  assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  assert.equal(revision, 1);
  assert.equal(position.split(':')[1], String(seq));
  assert.equal(durability, 'fsync', 'the embedded Redis writes to disk before it answers');
  assert.match(sent_at, /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/);
  assert.equal(answer.headers.location, `/v1/alerts/${id}`);
  const stored = await service().get(answer.headers.location);
  assert.equal(stored.status, 200);
  assert.equal(stored.json.id, id);
  assert.equal(answer.headers['idempotency-replayed'], undefined);
});

test('a repeat gets the first answer again, marked', async () => {
  const body = alertBody();
  const idempotencyKey = 'deck-42/part 1'.replace(' ', '_');
  const first = await service().post(body, { idempotencyKey });
  const second = await service().post(body, { idempotencyKey });
  assert.equal(second.status, 202);
  assert.equal(second.headers['idempotency-replayed'], 'true');
  assert.deepEqual(second.json, first.json);
});

test('the same key with another body is refused', async () => {
  const idempotencyKey = randomUUID();
  await service().publish({}, { idempotencyKey });
  const other = await service().post(alertBody(), { idempotencyKey });
  assertProblem(assert, other, 422);
  assert.equal(other.json.errors[0].code, 'idempotency_key_reused');
});

test('the same body in another spelling is the same request', async () => {
  const body = alertBody();
  const idempotencyKey = randomUUID();
  const first = await service().post(JSON.stringify(body), { idempotencyKey });
  const spaced = await service().post(JSON.stringify(body, null, 2), { idempotencyKey });
  assert.equal(spaced.status, 202, spaced.text);
  assert.equal(spaced.json.id, first.json.id);
});

test('keys are scoped: another newsroom key may use the same Idempotency-Key', async () => {
  const idempotencyKey = randomUUID();
  const mine = await service().publish({}, { idempotencyKey });
  const key = await service().createKey(['--name', 'second desk']);
  const theirs = await service().publish({}, { key, idempotencyKey });
  assert.notEqual(theirs.id, mine.id);
});

test('a refused request does not use up its key', async () => {
  const idempotencyKey = randomUUID();
  const bad = await service().post(alertBody({ urgency: 'extreme' }), { idempotencyKey });
  assert.equal(bad.status, 422);
  const good = await service().post(alertBody(), { idempotencyKey });
  assert.equal(good.status, 202, good.text);
});
