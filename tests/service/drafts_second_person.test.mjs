// What goes to many waits for a second person; who did what is in the audit log.
import { randomUUID } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertProblem, http } from './lib/http.mjs';
import { Desk, logged } from './lib/drafts.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';

const shared = sharedService({ sim: false, config: { 'newsroom.approval_above': 10, 'newsroom.hold_s': 0 } });
let people;

// The service with twenty phones that follow mena, and the people of the desk.
async function desks() {
  if (people) return people;
  const service = shared();
  const file = join(service.dir, 'devices.ndjson');
  const device = (i) => ({ id: `approved-${i}`, platform: 'apns', token: i.toString(16).padStart(64, '0'), edition: 'en', regions: ['mena'] });
  writeFileSync(file, Array.from({ length: 20 }, (_, i) => `${JSON.stringify(device(i))}\n`).join(''));
  const imported = await service.tocsin(['devices', 'import', file, ...service.flags]);
  assert.equal(imported.code, 0, imported.stderr);
  const person = async (name, ...flags) => new Desk(service, await service.createKey(['--name', name, '--person', ...flags]));
  people = {
    ada: await person('Ada', '--scopes', 'publish,read,approve'),
    ben: await person('Ben', '--scopes', 'approve,read'),
    eva: await person('Eva', '--scopes', 'approve,read', '--regions', 'europe'),
    admin: await person('Chief', '--scopes', 'admin'),
    robot: new Desk(service),
    cleo: await person('Cleo', '--scopes', 'publish,read,approve'),
  };
  return people;
}

const body = (overrides) => ({ audience: { regions: ['mena'] }, ...overrides });

const idOf = (desk) => desk.key.split('_')[1];

async function awaiting(desk, overrides) {
  const draft = await desk.create(body(overrides));
  const sent = await desk.send(draft, { confirm_token: await desk.confirm(draft) });
  assert.equal(sent.state, 'awaiting_approval');
  assert.equal(sent.approvals_needed, 1);
  assert.equal(sent.due_at, undefined);
  return sent;
}

function assertCode(answer, status, code) {
  assertProblem(assert, answer, status);
  assert.equal(answer.json.errors[0].code, code, answer.text);
}

test('another person approves, once; then it goes out', async () => {
  const { ada, ben } = await desks();
  const waiting = await awaiting(ada);
  assert.ok(!(await logged(shared())).includes(waiting.id));
  assertCode(await ada.move('approve', waiting), 403, 'own_draft');
  assertCode(await ben.move('approve', { ...waiting, version: 1 }), 412, 'stale_version');
  const answers = await Promise.all(Array.from({ length: 6 }, () => ben.move('approve', waiting)));
  assert.deepEqual([...new Set(answers.map((a) => a.status))], [202], answers[0].text);
  const sent = await ben.waitFor(waiting.id, 'sent');
  assert.deepEqual([sent.submitted_by.name, sent.approved_by.name, sent.approvals_needed], ['Ada', 'Ben', 0]);
  assert.equal((await logged(shared())).filter((id) => id === sent.id).length, 1);
  assert.equal((await shared().get(`/v1/alerts/${sent.id}`)).json.created_by, sent.created_by.key_id);
  assertCode(await ben.move('reject', sent, { reason: 'late' }), 409, 'claimed');
});

test('rejected with a reason it is a draft again, and an approval of the old version is worth nothing', async () => {
  const { ada, ben } = await desks();
  const waiting = await awaiting(ada);
  const rejected = await ben.move('reject', waiting, { reason: 'Which "Nile"? — غير واضح' });
  assert.deepEqual([rejected.json.state, rejected.json.reason], ['draft', 'Which "Nile"? — غير واضح']);
  assertCode(await ben.move('approve', waiting), 412, 'stale_version');
  assertCode(await ada.move('send', rejected.json), 428, 'confirm_required');
  const again = await ada.send(rejected.json, { confirm_token: await ada.confirm(rejected.json) });
  assert.deepEqual([again.state, again.reason], ['awaiting_approval', undefined]);
  assert.equal((await ada.move('cancel', again)).json.state, 'draft');
  assertProblem(assert, await ben.move('reject', again, { reason: '' }), 422, ['/reason']);
});

test('an edit after the approval was asked for needs a new one', async () => {
  const { ada, ben } = await desks();
  const waiting = await awaiting(ada);
  const edited = (await ada.put(waiting, alertBody(body({ source: 'Sneaked in' })))).json;
  assert.equal(edited.state, 'draft');
  assertCode(await ben.move('approve', waiting), 412, 'stale_version');
  assertCode(await ben.move('approve', edited), 409, 'not_submitted');
});

test('who ever edited it may not approve it, whoever edited it after and sent it', async () => {
  const { ada, ben, cleo, robot } = await desks();
  const draft = await robot.create(body());
  const hers = (await cleo.put(draft, alertBody(body({ source: 'Cleo' })))).json;
  assert.deepEqual(hers.editors, [idOf(cleo)]);
  const twice = (await cleo.put(hers, hers.alert)).json;
  const last = (await ada.put(twice, alertBody(body({ source: 'Ada' })))).json;
  assert.deepEqual(last.editors, [idOf(cleo), idOf(ada)], 'each once');
  const sent = await ada.send(last, { confirm_token: await ada.confirm(last) });
  assert.deepEqual([sent.state, sent.edited_by.name, sent.submitted_by.name], ['awaiting_approval', 'Ada', 'Ada']);
  assertCode(await cleo.move('approve', sent), 403, 'own_draft');
  // Neither a rejection nor another submission makes her somebody else.
  const rejected = (await ben.move('reject', sent, { reason: 'Look again' })).json;
  const again = await ada.send(rejected, { confirm_token: await ada.confirm(rejected) });
  assertCode(await cleo.move('approve', again), 403, 'own_draft');
  assert.equal((await cleo.get(again.id)).state, 'awaiting_approval');
  assert.equal((await ben.move('approve', again)).json.state, 'sent');
});

test('who may approve: the scope, and the audience', async () => {
  const { ada, eva, admin, robot } = await desks();
  const waiting = await awaiting(ada);
  assertProblem(assert, await eva.move('approve', waiting), 403, ['/audience/regions']);
  assertCode(await robot.move('approve', waiting), 403, 'out_of_scope');
  assert.equal((await admin.move('approve', waiting)).json.state, 'sent');
});

test('few devices, tests and services wait for nobody', async () => {
  const { ada, robot } = await desks();
  const few = await ada.create({ audience: { regions: ['africa'] } });
  assert.equal((await ada.send(few, { confirm_token: await ada.confirm(few) })).state, 'sent');
  assert.equal((await ada.send(await ada.create(body({ status: 'test' })))).state, 'sent');
  assert.equal((await robot.send(await robot.create(body()))).state, 'sent');
});

test('a post of a person waits, too', async () => {
  const { ada, ben } = await desks();
  const alert = alertBody(body());
  const headers = { 'confirm-token': await ada.confirm({ alert }) };
  const idempotencyKey = randomUUID();
  const answer = await shared().post(alert, { key: ada.key, headers, idempotencyKey });
  assert.deepEqual([answer.status, answer.json.state], [202, 'awaiting_approval'], answer.text);
  assert.equal((await ben.move('approve', answer.json)).json.state, 'sent');
  const again = await shared().post(alert, { key: ada.key, idempotencyKey });
  assert.deepEqual([again.status, again.json.id, again.json.state], [202, answer.json.id, 'sent'], 'a client that lost the answer');
});

test('every move is in the audit log, and the log is whole', async () => {
  const { ada, ben, admin } = await desks();
  const draft = await ada.create(body());
  const edited = (await ada.put(draft, alertBody(body()))).json;
  const sent = await ada.send(edited, { confirm_token: await ada.confirm(edited) });
  const rejected = (await ben.move('reject', sent, { reason: 'Twice?' })).json;
  const again = await ada.send(rejected, { confirm_token: await ada.confirm(rejected) });
  const cancelled = (await ada.move('cancel', again)).json;
  const last = await ada.send(cancelled, { confirm_token: await ada.confirm(cancelled) });
  await ben.move('approve', last);
  await ada.waitFor(draft.id, 'sent');
  const ask = (path) => http('GET', `${shared().newsroom}${path}`, { headers: { authorization: `Bearer ${admin.key}` } });
  const { json } = await ask(`/v1/audit?alert=${draft.id}&limit=50`);
  const told = json.entries.toReversed().map((e) => `${e.actor.name}: ${e.action} ${e.detail.state ?? ''}`.trim());
  assert.deepEqual(told, [
    'Ada: draft.created draft', 'Ada: draft.edited draft', 'Ada: draft.submitted awaiting_approval',
    'Ben: draft.rejected draft', 'Ada: draft.submitted awaiting_approval', 'Ada: draft.cancelled draft',
    'Ada: draft.submitted awaiting_approval', 'Ben: draft.approved held', 'Ada: alert.sent', 'Ada: draft.sent sent',
  ]);
  assert.equal(json.entries.find((e) => e.action === 'draft.rejected').detail.reason, 'Twice?');
  assert.equal((await ask('/v1/audit:verify')).json.intact, true);
});

test('the command line sends later, lists, shows and takes back', async () => {
  const { robot } = await desks();
  const held = await robot.send(await robot.create({ hold_s: 3600 }));
  const cli = (...args) => shared().tocsin(['drafts', ...args]);
  const list = await cli('list', '--state', 'held');
  assert.equal(list.code, 0, list.stderr);
  const line = list.stdout.split('\n').find((l) => l.includes(held.id));
  for (const part of ['held', held.due_at, 'tests', held.alert.content.en.headline]) assert.ok(line.includes(part), line);
  assert.deepEqual(JSON.parse((await cli('show', held.id)).stdout), held);
  const back = await cli('cancel', held.id);
  assert.equal(JSON.parse(back.stdout).state, 'draft', back.stderr);
  const later = new Date(Date.now() + 3_600_000).toISOString();
  const published = await shared().tocsin(['publish', '--urgency', 'low', '--regions', 'mena', '--headline', 'en=Later',
    '--fallback', 'en', '--send-at', later, '--hold', '1', '--embargoed-until', later]);
  const { state, due_at: due } = JSON.parse(published.stdout);
  assert.deepEqual([state, due], ['scheduled', later], published.stderr);
  assert.equal((await cli('cancel', held.id)).code, 1);
  assert.equal((await cli('cancel')).code, 2);
  assert.equal((await cli('hide')).code, 2);
  assert.equal((await cli('list', '--state', 'lost')).code, 1);
});
