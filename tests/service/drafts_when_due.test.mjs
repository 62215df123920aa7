// What is due goes out once, whoever looks for it and whatever dies meanwhile.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Desk, inMs, logged } from './lib/drafts.mjs';
import { Redis } from './lib/redis.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { WsReader } from './lib/readers.mjs';
import { until } from './lib/wait.mjs';

// Long enough that a slow machine has submitted all of them before they are due.
const AHEAD_MS = 8000;

const service = sharedService({ sim: false, config: { 'newsroom.workers': 3 } });
const desk = (key) => new Desk(service(), key);
const past = (time) => until('that time to be over', () => Date.now() > time);

// Drafts on their way, all due at the same moment.
async function due(own, count, at, overrides = {}) {
  const drafts = [];
  for (let i = 0; i < count; i += 25) {
    const some = Array.from({ length: Math.min(25, count - i) }, async () => {
      const draft = await new Desk(own).create({ send_at: at, hold_s: 0, ...overrides });
      return new Desk(own).send(draft);
    });
    drafts.push(...(await Promise.all(some)));
  }
  return drafts;
}

async function eachOnce(own, drafts) {
  for (const { id } of drafts) await new Desk(own).waitFor(id, 'sent');
  const ids = await logged(own);
  for (const { id } of drafts) assert.equal(ids.filter((other) => other === id).length, 1, id);
}

const dueCount = async (own, result) => {
  const page = await own.get('/metrics', null);
  return Number(new RegExp(`tocsin_drafts_due_total{result="${result}"} (\\d+)`).exec(page.text)[1]);
};

test('three workers look for 120 drafts due at one moment: each is sent once', async (t) => {
  const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena', editions: 'en' } }));
  const before = await dueCount(service(), 'sent');
  const drafts = await due(service(), 120, inMs(AHEAD_MS));
  await eachOnce(service(), drafts);
  await until('them to be counted', async () => (await dueCount(service(), 'sent')) === before + 120);
  const fence = await service().publish();
  await reader.alert(fence.id);
  assert.deepEqual(reader.ids.toSorted(), [...drafts.map((d) => d.id), fence.id].toSorted());
  for (const draft of drafts) assert.ok((await desk().get(draft.id)).sent_at >= draft.due_at, 'not before its time');
});

test('two newsrooms of their own meet only in one Redis: each of 20 due drafts is sent once', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-two-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const redis = await Redis.start(join(dir, 'redis'));
  t.after(() => redis.stop());
  const options = { sim: false, roles: 'newsroom', config: { 'redis.url': `redis://127.0.0.1:${redis.port}` } };
  const desks = [await ownService(t, options), await ownService(t, options)];
  const drafts = await due(desks[0], 20, inMs(AHEAD_MS));
  await eachOnce(desks[1], drafts);
  // A worker counts what it sent a moment after everybody can see it.
  const sum = async () => (await dueCount(desks[0], 'sent')) + (await dueCount(desks[1], 'sent'));
  await until('the two to have counted them', async () => (await sum()) >= 20);
  assert.equal(await sum(), 20);
});

test('kill -9 of the newsroom workers around the due time', async () => {
  const at = inMs(AHEAD_MS);
  const drafts = await due(service(), 60, at);
  for (const offset of [-50, 20, 120]) {
    await past(Date.parse(at) + offset);
    for (const worker of await service().workers('newsroom').catch(() => [])) {
      try {
        process.kill(worker.pid, 'SIGKILL');
      } catch {
        // it is gone already
      }
    }
    await service().isReady();
  }
  await eachOnce(service(), drafts);
});

test('kill -9 of Redis when they are due: they go out once when it is back', async () => {
  const at = inMs(AHEAD_MS);
  const drafts = await due(service(), 40, at);
  const far = (await due(service(), 1, inMs(3_600_000)))[0];
  await past(Date.parse(at) + 10);
  process.kill(service().redisPid(), 'SIGKILL');
  await until('Redis to be back', () => service().redis(['ping']).then((text) => text.includes('PONG')));
  await service().isReady();
  await eachOnce(service(), drafts);
  assert.equal((await desk().get(far.id)).state, 'scheduled', 'what is not due waits on');
});

test('an edit or a cancel at the very moment: either it is sent, or it is a draft, never both', async () => {
  const at = inMs(AHEAD_MS);
  const drafts = await due(service(), 60, at);
  await past(Date.parse(at) - 15);
  const answers = await Promise.all(drafts.map(async (draft, i) => {
    if (i % 3 === 0) return desk().put(draft, alertBody({ source: 'Too late?' }));
    if (i % 3 === 1) return desk().move('cancel', draft);
    return desk().call('DELETE', `/${draft.id}`);
  }));
  const ids = await until('none to be on its way', async () => {
    const left = await Promise.all(drafts.map((draft) => desk().get(draft.id)));
    return left.every((draft) => ['draft', 'cancelled', 'sent'].includes(draft.state)) && logged(service());
  });
  for (const [i, draft] of drafts.entries()) {
    const now = await desk().get(draft.id);
    const times = ids.filter((id) => id === draft.id).length;
    if (answers[i].status === 200) {
      assert.notEqual(now.state, 'sent');
      assert.equal(times, 0, `${draft.id} was taken back and sent`);
    } else {
      assert.equal(answers[i].json.errors[0].code, 'claimed', answers[i].text);
      assert.equal(now.state, 'sent');
      assert.equal(times, 1);
    }
  }
});

test('due while nobody looked: sent late, or expired when that is too late', async (t) => {
  const own = await ownService(t, { sim: false, config: { 'newsroom.late_max_s': 6 } });
  const [tooLate] = await due(own, 1, inMs(4000));
  const [late] = await due(own, 1, new Date(Date.parse(tooLate.due_at) + 6300).toISOString());
  const [newsroom] = await own.workers('newsroom');
  process.kill(newsroom.pid, 'SIGSTOP');
  try {
    await past(Date.parse(late.due_at) + 50);
  } finally {
    process.kill(newsroom.pid, 'SIGCONT');
  }
  const expired = await new Desk(own).waitFor(tooLate.id, 'expired');
  assert.match(expired.reason, /late/);
  await new Desk(own).waitFor(late.id, 'sent');
  assert.deepEqual(await logged(own), [late.id]);
  await until('it to be counted', async () => (await dueCount(own, 'expired')) === 1);
  const again = (await new Desk(own).put(expired, alertBody({ urgency: 'flash' }))).json;
  assert.equal((await new Desk(own).send(again)).state, 'sent', 'an edit brings it back');
});

test('a key revoked or gone when its draft is due: failed with the reason, the text is kept', async () => {
  const key = await service().createKey(['--name', 'leaves']);
  const hers = desk(key);
  const draft = await hers.send(await hers.create({ hold_s: 8 }));
  const revoked = await service().tocsin(['key', 'revoke', draft.created_by.key_id, ...service().flags]);
  assert.equal(revoked.code, 0, revoked.stderr);
  const failed = await desk().waitFor(draft.id, 'failed');
  assert.equal(failed.reason_code, 'key_revoked');
  assert.match(failed.reason, /revoked/);
  assert.ok(!(await logged(service())).includes(draft.id));
  const taken = (await desk().put(failed, { ...failed.alert, hold_s: 0 })).json;
  assert.equal((await desk().send(taken)).state, 'sent');
});

test('what it corrects was cancelled meanwhile: failed', async () => {
  const { id } = await service().publish();
  const update = { msg_type: 'update', references: [id], content: { en: { headline: 'Corrected' } }, hold_s: 5 };
  const draft = await desk().send(await desk().expect(201, 'POST', '', update));
  await service().publish({ msg_type: 'cancel', references: [id], audience: undefined, content: undefined, urgency: undefined });
  assert.equal((await desk().waitFor(draft.id, 'failed')).reason_code, 'ended');
});
