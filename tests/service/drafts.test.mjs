// Drafts: kept as they are given, moved from one version only, sent once.
import { randomUUID } from 'node:crypto';
import { assertProblem, http } from './lib/http.mjs';
import { Desk, inMs, logged } from './lib/drafts.mjs';
import { ARABIC, alertBody } from './lib/service.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { WsReader } from './lib/readers.mjs';

const service = sharedService({ sim: false, config: {
  'newsroom.approval_above': 1000, 'newsroom.drafts_max': 200, 'newsroom.duplicate_window_s': 1800,
} });
const desk = (key) => new Desk(service(), key);
const FAR = { send_at: inMs(86_400_000) };

function assertCode(answer, status, code) {
  assertProblem(assert, answer, status);
  assert.equal(answer.json.errors[0].code, code, answer.text);
}

test('a draft may lack nearly all, says what, and is given back byte for byte', async () => {
  const body = `{ "content": {"ar": {"headline": ${JSON.stringify(ARABIC)}, "body":"${'\\u0639'}"}, "en":{"headline":""}},\n "tags": [] }`;
  const answer = await desk().call('POST', '', body);
  assert.equal(answer.status, 201, answer.text);
  assert.equal(answer.headers.etag, '"1"');
  assert.equal(answer.headers.location, `/v1/drafts/${answer.json.id}`);
  assert.ok(answer.bytes.includes(Buffer.from(body)), 'as given, to the byte');
  const { faults, state, version, created_by: by } = answer.json;
  assert.deepEqual([state, version, by.name], ['draft', 1, 'tests']);
  assert.deepEqual(faults.map((f) => f.pointer).sort(),
    ['/audience/regions', '/content/en/headline', '/content/es/headline', '/urgency']);
  assert.deepEqual(await desk().get(answer.json.id), answer.json);
  const sent = await desk().move('send', answer.json);
  assertProblem(assert, sent, 422, faults.map((f) => f.pointer));
  assert.equal((await desk().get(answer.json.id)).version, 1, 'a refused send changes nothing');
});

test('what cannot be kept is refused at once and loses nothing', async () => {
  for (const [body, status, pointer] of [
    ['{', 400, ''], ['[]', 422, ''], ['{"urgency":7}', 422, '/urgency'], ['{"colour":1}', 422, '/colour'],
    ['{"tags":["a"],"tags":[]}', 422, '/tags'], ['{"send_at":"noon"}', 422, '/send_at'],
    ['{"hold_s":-1}', 422, '/hold_s'], [Buffer.from('{"source":"\xff"}', 'latin1'), 422, '/source'],
    ['{"status":"draft"}', 422, '/status'],
  ]) {
    const answer = await desk().call('POST', '', body);
    assertProblem(assert, answer, status);
    assert.ok(answer.json.errors.some((e) => e.pointer === pointer), `${body}: ${answer.text}`);
  }
  const draft = await desk().create();
  const refused = await service().metric('tocsin_drafts_refused_total');
  assertProblem(assert, await desk().put(draft, { colour: 1 }), 422, ['/colour']);
  assert.equal(await service().metric('tocsin_drafts_refused_total'), refused + 1);
  assert.deepEqual(await desk().get(draft.id), draft);
  assertProblem(assert, await desk().call('POST', '', alertBody(), { 'content-type': 'text/plain' }), 415);
  assertCode(await desk().call('GET', `/${randomUUID()}`), 404, 'unknown_draft');
  assertCode(await desk().call('GET', '/none'), 404, 'unknown_draft');
});

test('edits need the version they were made from', async () => {
  const draft = await desk().create();
  assertCode(await desk().call('PUT', `/${draft.id}`, {}), 428, 'required');
  assertCode(await desk().call('PUT', `/${draft.id}`, {}, { 'if-match': '*' }), 400, 'invalid_value');
  const second = await desk().put(draft, alertBody({ urgency: 'low' }));
  assert.equal(second.json.version, 2);
  assert.equal(second.json.alert.urgency, 'low');
  assert.equal(second.json.edited_by.name, 'tests');
  assertCode(await desk().put(draft, alertBody({ urgency: 'flash' })), 412, 'stale_version');
  assert.equal((await desk().get(draft.id)).alert.urgency, 'low', 'nobody writes over another');
  assertCode(await desk().move('send', draft), 412, 'stale_version');
});

test('two editors with one version: one of them is told', async () => {
  const draft = await desk().create();
  const answers = await Promise.all(Array.from({ length: 8 }, (_, i) => desk().put(draft, alertBody({ source: `Editor ${i}` }))));
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, ...Array(7).fill(412)]);
  const winner = answers.find((a) => a.status === 200).json;
  assert.deepEqual(await desk().get(draft.id), winner);
});

test('a draft is sent in its language, byte for byte, under its own id', async (t) => {
  const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena', editions: 'ar' } }));
  const draft = await desk().create({ urgency: 'flash' });
  const sent = await desk().send(draft);
  assert.equal(sent.state, 'sent', 'a flash waits for nothing');
  assert.equal(sent.alert_id, draft.id);
  const alert = await reader.alert(draft.id);
  assert.deepEqual(Buffer.from(alert.content.ar.headline), Buffer.from(draft.alert.content.ar.headline));
  const stored = (await service().get(`/v1/alerts/${draft.id}`)).json;
  assert.equal(stored.content.ar.headline, draft.alert.content.ar.headline);
  assert.equal(stored.created_by, draft.created_by.key_id);
  assertCode(await desk().put(sent, alertBody()), 409, 'claimed');
  assertCode(await desk().move('cancel', sent), 409, 'claimed');
  assertCode(await desk().call('DELETE', `/${draft.id}`), 409, 'claimed');
});

test('a double click sends once, and both clicks get the same answer', async () => {
  for (const overrides of [{ urgency: 'flash' }, { hold_s: 1 }, FAR]) {
    const draft = await desk().create(overrides);
    const answers = await Promise.all(Array.from({ length: 10 }, () => desk().move('send', draft)));
    assert.deepEqual([...new Set(answers.map((a) => a.status))], [202]);
    assert.equal(new Set(answers.map((a) => a.json.due_at)).size, 1, 'one due time');
    if (overrides !== FAR) await desk().waitFor(draft.id, 'sent');
    const again = await desk().send(draft);
    assert.equal(again.id, draft.id);
    const times = (await logged(service())).filter((id) => id === draft.id).length;
    assert.equal(times, overrides === FAR ? 0 : 1);
  }
});

test('undo: back to a draft within the window, and never sent', async () => {
  const draft = await desk().create({ hold_s: 3600 });
  const held = await desk().send(draft);
  assert.equal(held.state, 'held');
  const undone = await desk().move('cancel', held);
  assert.equal(undone.status, 200, undone.text);
  assert.equal(undone.json.state, 'draft');
  assert.equal(undone.json.due_at, undefined);
  assert.equal((await desk().move('cancel', held)).json.version, undone.json.version, 'a repeat is harmless');
  assertCode(await desk().move('cancel', undone.json), 409, 'not_submitted');
  assertCode(await desk().move('send', draft), 412, 'stale_version');
  const again = await desk().send(undone.json);
  assert.equal(again.state, 'held', 'and it can be sent anew');
  assert.equal((await desk().call('POST', `/${draft.id}:cancel`, {})).json.state, 'draft', 'whichever version it has');
  assert.ok(!(await logged(service())).includes(draft.id));
  assert.equal(await service().redis(['zscore', '{t}:due', draft.id]), '\n');
});

test('an edit of what was submitted makes it a draft that must be sent again', async () => {
  const held = await desk().send(await desk().create({ hold_s: 3600 }));
  const edited = await desk().put(held, alertBody({ source: 'Desk' }));
  assert.equal(edited.json.state, 'draft');
  assert.equal(edited.json.submitted_by, undefined);
  assert.equal(edited.json.due_at, undefined);
  const scheduled = await desk().send((await desk().put(edited.json, alertBody(FAR))).json);
  assert.equal(scheduled.state, 'scheduled');
  assert.equal(scheduled.due_at, new Date(FAR.send_at).toISOString());
});

test('the embargo wins over send_at, whichever way round', async () => {
  const later = inMs(2 * 86_400_000);
  for (const times of [{ send_at: FAR.send_at, embargoed_until: later }, { send_at: later, embargoed_until: FAR.send_at }]) {
    const draft = await desk().send(await desk().create(times));
    assert.equal(draft.state, 'scheduled');
    assert.equal(draft.due_at, later);
  }
  const soon = await desk().create({ send_at: inMs(-1000), embargoed_until: inMs(2500), hold_s: 0 });
  const sent = await desk().waitFor((await desk().send(soon)).id, 'sent');
  assert.ok(Date.parse(sent.sent_at) >= Date.parse(soon.embargoed_until), 'not a moment before');
});

test('discarded is over; a repeat is harmless', async () => {
  const draft = await desk().create(FAR);
  const sent = await desk().send(draft);
  assertCode(await desk().call('DELETE', `/${draft.id}`, undefined, { 'if-match': '"1"' }), 412, 'stale_version');
  const gone = await desk().call('DELETE', `/${draft.id}`, undefined, { 'if-match': `"${sent.version}"` });
  assert.deepEqual([gone.status, gone.json.state], [200, 'cancelled']);
  assert.equal((await desk().call('DELETE', `/${draft.id}`)).json.version, gone.json.version);
  assertCode(await desk().move('send', gone.json), 409, 'cancelled');
  assertCode(await desk().put(gone.json, alertBody()), 409, 'cancelled');
});

test('lists: open, ended, one state; page by page', async () => {
  const mine = [];
  for (let i = 0; i < 5; i++) mine.unshift((await desk().create({ story_id: 'list' })).id);
  const first = await desk().expect(200, 'GET', '?limit=3');
  assert.deepEqual(first.drafts.map((d) => d.id), mine.slice(0, 3));
  const rest = await desk().expect(200, 'GET', `?limit=2&before=${first.next}`);
  assert.deepEqual(rest.drafts.map((d) => d.id), mine.slice(3));
  await desk().call('DELETE', `/${mine[0]}`);
  const ended = await desk().expect(200, 'GET', '?state=cancelled&limit=1');
  assert.equal(ended.drafts[0].id, mine[0]);
  const scheduled = await desk().expect(200, 'GET', '?state=scheduled&limit=100');
  assert.ok(scheduled.drafts.every((d) => d.state === 'scheduled') && scheduled.drafts.length > 0);
  assert.ok(!(await desk().expect(200, 'GET', '?state=draft&limit=100')).drafts.some((d) => d.state !== 'draft'));
  for (const query of ['?state=lost', '?limit=0', '?before=yesterday', '?colour=red']) {
    assertProblem(assert, await desk().call('GET', query), 422);
  }
});

test('keys: who may write, send, read, stop', async () => {
  const reader = desk(await service().createKey(['--name', 'reads', '--scopes', 'read']));
  const regional = desk(await service().createKey(['--name', 'regional', '--regions', 'europe']));
  const draft = await desk().create();
  assertCode(await reader.call('POST', '', alertBody()), 403, 'out_of_scope');
  assertCode(await reader.put(draft, alertBody()), 403, 'out_of_scope');
  assertCode(await reader.move('send', draft), 403, 'out_of_scope');
  assertCode(await reader.move('cancel', draft), 403, 'out_of_scope');
  assertCode(await reader.call('DELETE', `/${draft.id}`), 403, 'out_of_scope');
  assert.equal((await reader.get(draft.id)).id, draft.id);
  assertProblem(assert, await regional.move('send', draft), 403, ['/audience/regions']);
  assertCode(await desk().move('approve', draft), 403, 'out_of_scope');
  assertProblem(assert, await desk('tcn_no').call('GET', ''), 401);
  assert.equal((await desk().get(draft.id)).version, draft.version);
});

test('a post with times waits, once per Idempotency-Key', async () => {
  const body = alertBody(FAR);
  const idempotencyKey = randomUUID();
  const answers = await Promise.all(Array.from({ length: 10 }, () => service().post(body, { idempotencyKey })));
  assert.deepEqual([...new Set(answers.map((a) => a.status))], [202]);
  assert.equal(new Set(answers.map((a) => a.text)).size, 1);
  assert.equal(answers.filter((a) => a.headers['idempotency-replayed'] !== 'true').length, 1);
  const { id, state, due_at: due, version } = answers[0].json;
  assert.deepEqual([state, due, version], ['scheduled', new Date(FAR.send_at).toISOString(), 2]);
  assert.equal(answers[0].headers.location, `/v1/drafts/${id}`);
  assert.deepEqual((await desk().get(id)).alert, body);
  const other = await service().post({ ...body, send_at: inMs(90_000_000) }, { idempotencyKey });
  assertCode(other, 422, 'idempotency_key_reused');
  const soon = await service().post(alertBody({ hold_s: 1 }));
  assert.equal(soon.json.state, 'held');
  await desk().waitFor(soon.json.id, 'sent');
  const now = await service().post(alertBody());
  assert.equal(now.json.revision, 1, 'a service without times is sent at once');
});

test("a person's post and draft need a confirmation, and wait for the undo window", async () => {
  const key = await service().createKey(['--name', 'person', '--person']);
  const person = desk(key);
  const draft = await person.create();
  assertCode(await person.move('send', draft), 428, 'confirm_required');
  const token = await person.confirm(draft);
  const edited = (await person.put(draft, { ...draft.alert, source: 'Other' })).json;
  assertCode(await person.move('send', edited, { confirm_token: token }), 409, 'confirm_mismatch');
  const held = await person.send(edited, { confirm_token: await person.confirm(edited) });
  assert.equal(held.state, 'held');
  const body = alertBody();
  const confirmed = await person.confirm({ alert: body });
  const post = await service().post(body, { key, headers: { 'confirm-token': confirmed } });
  assert.equal(post.json.state, 'held', post.text);
  const flash = alertBody({ urgency: 'flash' });
  const at_once = await service().post(flash, { key, headers: { 'confirm-token': await person.confirm({ alert: flash }) } });
  assert.equal(at_once.json.revision, 1, at_once.text);
  const exercise = await person.send(await person.create({ status: 'exercise' }));
  assert.equal(exercise.state, 'held', 'a test needs no confirmation');
});

test('a duplicate is told to who sends at once, and goes out when that is meant', async () => {
  const body = alertBody({ urgency: 'flash' });
  const first = await desk().send(await desk().expect(201, 'POST', '', body));
  const second = await desk().expect(201, 'POST', '', body);
  assertCode(await desk().move('send', second), 409, 'duplicate');
  const failed = await desk().get(second.id);
  assert.deepEqual([failed.state, failed.duplicate_of], ['failed', first.id]);
  const again = (await desk().put(failed, body)).json;
  assert.deepEqual([again.state, again.reason], ['draft', undefined]);
  assert.equal((await desk().send(again, { allow_duplicate: true })).state, 'sent');
});

test('an update as a draft: its own id, the audience of its alert, after its time', async () => {
  const { id } = await service().publish();
  const correction = { msg_type: 'update', references: [id], content: { en: { headline: `Corrected ${randomUUID()}` } } };
  const draft = await desk().expect(201, 'POST', '', { ...correction, hold_s: 1 });
  assert.notEqual(draft.id, id);
  assert.equal((await desk().send(draft)).state, 'held');
  const sent = await desk().waitFor(draft.id, 'sent');
  assert.deepEqual([sent.alert_id, sent.revision], [id, 2]);
  const byPath = await http('POST', `${service().newsroom}/v1/alerts/${id}:update`, {
    headers: { authorization: `Bearer ${service().key}`, 'content-type': 'application/json', 'idempotency-key': randomUUID() },
    body: { content: { en: { headline: `Again ${randomUUID()}` } }, hold_s: 1 },
  });
  assert.equal(byPath.json.state, 'held', byPath.text);
  assert.equal((await desk().waitFor(byPath.json.id, 'sent')).revision, 3);
  const lost = await desk().expect(201, 'POST', '', { ...correction, references: ['0190b6a0-0000-7000-8000-000000000000'] });
  assertCode(await desk().move('send', lost), 422, 'unknown_alert');
});

test('too many open drafts: 503, and discarding makes room', async () => {
  const ids = [];
  let answer;
  do {
    answer = await desk().call('POST', '', alertBody());
    ids.push(answer.json.id);
  } while (answer.status === 201 && ids.length < 300);
  assertProblem(assert, answer, 503);
  assert.ok(answer.headers['retry-after']);
  await desk().expect(200, 'DELETE', `/${ids[0]}`);
  await desk().create();
});
