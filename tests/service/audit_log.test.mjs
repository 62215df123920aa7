// Who did what is on record: each act with its key, in a chain that shows whatever is done to it.
import { randomUUID } from 'node:crypto';
import { http } from './lib/http.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const config = { 'newsroom.workers': 2, 'newsroom.audit_watch_s': 1, 'newsroom.sign_in_burst': 1000 };
// Without dispatchers plans wait, so there is something to abort.
const service = sharedService({ sim: false, roles: 'newsroom,gateway', config });

const json = { 'content-type': 'application/json' };
const idOf = (key) => key.split('_')[1];
const secretOf = (key) => key.slice(-43); // it may have a "_" itself
const call = (method, path, { key = service().key, headers = {}, body } = {}) =>
  http(method, `${service().newsroom}${path}`, {
    headers: { ...json, ...(key ? { authorization: `Bearer ${key}` } : {}), ...headers }, ...(body === undefined ? {} : { body }),
  });
const page = async (query = '') => {
  const answer = await call('GET', `/v1/audit${query}`);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};

// The whole log of a service, oldest first.
async function wholeLog(own = service()) {
  const result = await own.tocsin(['audit', 'list', '--json', '--limit', '1000000', ...own.flags]);
  assert.equal(result.code, 0, result.stderr);
  return result.stdout.trim().split('\n').map((line) => JSON.parse(line)).reverse();
}

async function assertIntact(own = service()) {
  const verified = await own.tocsin(['audit', 'verify', ...own.flags]);
  assert.equal(verified.code, 0, verified.stderr);
  const answer = await own.get('/v1/audit:verify');
  assert.equal(answer.status, 200, answer.text);
  assert.equal(answer.json.intact, true, answer.text);
  assert.equal(answer.json.broken_at, null);
  return { ...answer.json, text: verified.stdout };
}

test('every act is recorded with its key, and can be asked for by alert and page by page', async () => {
  const from = (await wholeLog()).length;
  const chief = await service().createKey(['--name', 'chief', '--scopes', 'publish,read,admin', '--all-regions']);
  const editor = await service().createKey(['--name', 'Amal "خبر"', '--person']);
  const first = alertBody({ status: 'exercise', urgency: 'high', audience: { regions: ['mena'], editions: ['en'] }, content: { en: { headline: 'On record' } } });
  const idempotencyKey = randomUUID();
  const sent = await service().post(first, { idempotencyKey });
  assert.equal(sent.status, 202, sent.text);
  assert.equal((await service().post(first, { idempotencyKey })).status, 202); // a repeat is no act
  const { id } = sent.json;
  const update = await service().post({ msg_type: 'update', references: [id], content: { en: { headline: 'Corrected' } } }, { key: chief });
  assert.equal(update.status, 202, update.text);
  const cancel = await service().post({ msg_type: 'cancel', references: [id] });
  assert.equal(cancel.status, 202, cancel.text);
  assert.equal((await service().post({ ...first, urgency: 'loud' })).status, 422); // refused: no act
  assert.equal((await call('POST', '/v1/push:pause', { key: chief, body: { platform: 'apns', reason: 'drill' } })).status, 200);
  const other = (await service().publish()).id;
  assert.equal((await call('POST', `/v1/alerts/${other}:abort`, { body: {} })).status, 200);
  assert.equal((await call('POST', `/v1/alerts/${other}:abort`, { body: {} })).status, 200); // nothing to stop any more
  assert.equal((await call('POST', '/v1/push:resume', { key: chief, body: { platform: 'apns' } })).status, 200);
  assert.equal((await call('POST', '/v1/push:resume', { key: chief, body: { platform: 'apns' } })).status, 200);
  const session = await call('POST', '/v1/session', { key: null, body: { key: editor } });
  assert.equal(session.status, 200, session.text);
  const cookie = { cookie: session.headers['set-cookie'][0].split(';')[0], 'x-csrf-token': session.json.csrf_token };
  assert.equal((await call('DELETE', '/v1/session', { key: null, headers: cookie })).status, 204);
  assert.equal((await service().tocsin(['key', 'revoke', idOf(editor), ...service().flags])).code, 0);

  const cli = { key_id: null, name: 'command line' };
  const tests = { key_id: idOf(service().key), name: 'tests' };
  const boss = { key_id: idOf(chief), name: 'chief' };
  const amal = { key_id: idOf(editor), name: 'Amal "خبر"' };
  const log = (await wholeLog()).slice(from);
  assert.deepEqual(log.map(({ action, actor, alert_id, revision }) => ({ action, actor, alert_id, revision })), [
    { action: 'key.created', actor: cli, alert_id: null, revision: null },
    { action: 'key.created', actor: cli, alert_id: null, revision: null },
    { action: 'alert.sent', actor: tests, alert_id: id, revision: 1 },
    { action: 'alert.updated', actor: boss, alert_id: id, revision: 2 },
    { action: 'alert.retracted', actor: tests, alert_id: id, revision: 3 },
    { action: 'push.paused', actor: boss, alert_id: null, revision: null },
    { action: 'alert.sent', actor: tests, alert_id: other, revision: 1 },
    { action: 'alert.aborted', actor: tests, alert_id: other, revision: null },
    { action: 'push.resumed', actor: boss, alert_id: null, revision: null },
    { action: 'session.opened', actor: amal, alert_id: null, revision: null },
    { action: 'session.closed', actor: amal, alert_id: null, revision: null },
    { action: 'key.revoked', actor: cli, alert_id: null, revision: null },
  ]);
  log.forEach((entry, i) => {
    assert.equal(entry.seq, from + i + 1);
    assert.match(entry.hash, /^[0-9a-f]{64}$/);
    assert.ok(Math.abs(Date.parse(entry.at) - Date.now()) < 600_000, entry.at);
  });
  const { sha256, ...detail } = log[2].detail;
  assert.deepEqual(detail, { headline: 'On record', urgency: 'high', status: 'exercise' });
  assert.match(sha256, /^[0-9a-f]{64}$/);
  assert.equal(log[1].detail.key_id, idOf(editor));
  assert.equal(log[1].detail.person, true);
  assert.ok(log[1].detail.user);
  assert.deepEqual(log[5].detail, { platform: 'apns', reason: 'drill' });
  assert.deepEqual(log[9].detail, { address: '127.0.0.1' });
  assert.ok(!JSON.stringify(log).includes(secretOf(editor)));

  const about = await page(`?alert=${id}`);
  assert.deepEqual(about.entries.map((e) => e.revision), [3, 2, 1]);
  assert.equal(about.before, null);
  assert.deepEqual((await page(`?alert=${randomUUID()}`)).entries, []);
  const paged = [];
  for (let before = ''; before !== null; ) {
    const { entries, before: next } = await page(`?limit=5${before && `&before=${before}`}`);
    assert.ok(entries.length <= 5);
    paged.push(...entries);
    before = next;
  }
  assert.deepEqual(paged.reverse(), await wholeLog());
  assert.deepEqual((await page(`?limit=1&alert=${id}`)).entries.map((e) => e.revision), [3]);
  const text = await service().tocsin(['audit', 'list', '--alert', id, ...service().flags]);
  assert.match(text.stdout, /alert\.retracted +[a-z0-9]{12} +[0-9a-f-]{36}\/3 +tests\n/);
  assert.equal(text.stdout.trim().split('\n').length, 3);
  await assertIntact();
});

test('who may read it, and what is refused', async () => {
  const before = await service().metric('tocsin_audit_refused_total');
  const publisher = await service().createKey(['--name', 'p', '--scopes', 'publish']);
  const admin = await service().createKey(['--name', 'a', '--scopes', 'admin']);
  for (const path of ['/v1/audit', '/v1/audit:verify']) {
    assert.equal((await call('GET', path, { key: null })).status, 401);
    assert.equal((await call('GET', path, { key: publisher })).status, 403);
    assert.equal((await call('GET', path, { key: admin })).status, 200);
  }
  const faults = ['?limit=0', '?limit=201', '?limit=x', '?before=0', '?before=-1', '?alert=x', '?alret=x'];
  for (const query of faults) assert.equal((await call('GET', `/v1/audit${query}`)).status, 422, query);
  for (const query of ['?anchor=1', `?anchor=0:${'a'.repeat(64)}`, '?x=1']) assert.equal((await call('GET', `/v1/audit:verify${query}`)).status, 422, query);
  assert.equal(await service().metric('tocsin_audit_refused_total'), before + 2 + faults.length + 3);
  assert.equal((await service().tocsin(['audit', 'verify', '--anchor', 'x', ...service().flags])).code, 2);
  assert.equal((await service().tocsin(['audit', 'list', '--limit', '0', ...service().flags])).code, 2);
  assert.equal((await service().tocsin(['audit', ...service().flags])).code, 2);
});

// Writes the stream anew; `change` sees `all`, the list of {id, {'t', time, 'e', event, 'h', hash}}.
const rewrite = (own, change) =>
  own.redis(['EVAL', `local all = redis.call('XRANGE', '{t}:audit', '-', '+') ${change}
    redis.call('DEL', '{t}:audit')
    for _, e in ipairs(all) do redis.call('XADD', '{t}:audit', e[1], unpack(e[2])) end return #all`, '0']);

test('an entry that is changed, removed, inserted or exchanged in Redis is found, by people and by the workers', async (t) => {
  const own = await ownService(t, { sim: false, config });
  for (let i = 0; i < 8; i++) await own.publish();
  const { entries, head } = await assertIntact(own);
  await own.waitLog('audit_head', { seq: head.seq, hash: head.hash });
  assert.equal(await own.metric('tocsin_audit_broken'), 0);
  const keys = ['', ':head'].map((name) => `{t}:audit${name}`);
  for (const key of keys) await own.redis(['COPY', key, `${key}:kept`]);
  const cases = {
    change: [`all[4][2][4] = all[4][2][4]:gsub('"name":"tests"', '"name":"nobody"')`, 4],
    'its time': ['all[4][2][2] = all[5][2][2] + 1000', 4],
    removal: ['table.remove(all, 3)', 3],
    'the last one': ['table.remove(all)', entries],
    insertion: [`table.insert(all, 6, {'5-2', all[5][2]})`, 6],
    'one more at the end': [`all[#all + 1] = {(#all + 1) .. '-1', all[5][2]}`, entries + 1],
    exchange: ['all[3][2], all[6][2] = all[6][2], all[3][2]', 3],
    everything: ['all = {}', 1],
  };
  for (const [name, [change, at]] of Object.entries(cases)) {
    await rewrite(own, change);
    const answer = await own.get('/v1/audit:verify');
    assert.equal(answer.json.intact, false, name);
    assert.equal(answer.json.broken_at, at, `${name}: ${answer.text}`);
    assert.ok(answer.json.fault);
    const verified = await own.tocsin(['audit', 'verify', ...own.flags]);
    assert.equal(verified.code, 1, name);
    assert.match(verified.stderr, new RegExp(`BROKEN at ${at}: `));
    for (const key of keys) await own.redis(['COPY', `${key}:kept`, key, 'REPLACE']);
    assert.equal((await own.get('/v1/audit:verify')).json.intact, true);
  }

  // Somebody who writes the whole chain anew, hashes and all: it is whole by itself, but not the one
  // that was noted, in the log and by the workers.
  const noted = `${head.seq}:${head.hash}`;
  assert.equal((await own.tocsin(['audit', 'verify', '--anchor', noted, ...own.flags])).code, 0);
  await own.redis(['DEL', ...keys]);
  for (let i = 0; i <= entries; i++) await own.publish();
  await assertIntact(own);
  const anchored = await own.tocsin(['audit', 'verify', '--anchor', noted, ...own.flags]);
  assert.equal(anchored.code, 1);
  assert.match(anchored.stderr, /another than the one noted/);
  assert.equal((await own.get(`/v1/audit:verify?anchor=${noted}`)).json.intact, false);
  await until('both workers to raise the alarm', async () => (await own.metric('tocsin_audit_broken')) === 2);
  await own.waitLog('audit_broken');
});

test('two workers at once, one of them killed again and again: all that was accepted is on record, once', async (t) => {
  const own = await ownService(t, { sim: false, config });
  const wanted = new Map();
  let going = true;
  const post = async (n) => {
    for (let i = 0; i < 25 || (going && i < 400); i++) {
      const answer = await own.publishWhenPossible(alertBody({ tags: [`${n}`] }), randomUUID());
      wanted.set(answer.id, (wanted.get(answer.id) ?? 0) + 1);
    }
  };
  const posting = Promise.all([0, 1, 2, 3].map(post)).catch((error) => error);
  for (let i = 0; i < 3; i++) await own.killWorker('newsroom');
  going = false;
  const failed = await posting;
  assert.ok(!(failed instanceof Error), String(failed));
  await own.isReady();
  const log = await wholeLog(own);
  log.forEach((entry, i) => assert.equal(entry.seq, i + 1));
  const sent = log.filter((e) => e.action === 'alert.sent').map((e) => e.alert_id);
  assert.equal(new Set(sent).size, sent.length, 'none twice');
  for (const id of wanted.keys()) assert.ok(sent.includes(id), id);
  const stored = Number(await own.redis(['XLEN', '{t}:log']));
  assert.equal(sent.length, stored, 'and none that was not sent');
  const { entries } = await assertIntact(own);
  assert.equal(entries, log.length);
});

test('the oldest entries go when there are too many, and the log says so itself', async (t) => {
  const most = 1000;
  const own = await ownService(t, { sim: false, roles: 'newsroom', config: { ...config, 'newsroom.audit_entries_max': most } });
  const post = async () => {
    for (let i = 0; i < 140; i++) await own.publish({ status: 'test' });
  };
  await Promise.all(Array.from({ length: 8 }, post));
  // Until a hundredth above there is nothing to do.
  await until('the oldest to be gone', async () => Number(await own.redis(['XLEN', '{t}:audit'])) <= most * 1.01);
  const log = await wholeLog(own);
  const word = log.findLast((e) => e.action === 'audit.trimmed');
  assert.equal(word.detail.up_to, log[0].seq - 1);
  assert.equal(word.actor.key_id, null);
  assert.ok(log.length >= most);
  await assertIntact(own);
  assert.equal(await own.metric('tocsin_audit_broken'), 0);
  // The beginning cut by somebody else, with the base moved on to where it begins now.
  const [first] = log;
  await own.redis(['XDEL', '{t}:audit', `${first.seq}-1`]);
  await own.redis(['HSET', '{t}:audit:base', 'seq', String(first.seq), 'hash', first.hash]);
  assert.equal((await own.get('/v1/audit:verify')).json.intact, false);
});
