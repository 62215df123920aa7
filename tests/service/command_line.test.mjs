// The commands for people: publish, listen, stats, key, devices, and their help.
import { randomUUID } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Phone, alertBody } from './lib/service.mjs';
import { TOCSIN, start } from './lib/processes.mjs';
import { assert, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService();
const json = (text) => JSON.parse(text);
const lines = (text) => text.split('\n').filter(Boolean);

test('--version and --help, for the program and for each command', async () => {
  const version = await service().tocsin(['--version']);
  assert.equal(version.code, 0);
  assert.match(version.stdout, /^tocsin \d+\.\d+\.\d+/);
  const help = await service().tocsin(['--help']);
  assert.equal(help.code, 0);
  const commands = ['serve', 'check-config', 'key', 'devices', 'publish', 'listen', 'stats', 'audit'];
  for (const command of commands) {
    assert.ok(help.stdout.includes(command), `--help names ${command}`);
    const own = await service().tocsin([command, '--help']);
    assert.equal(own.code, 0, `${command} --help: ${own.stderr}`);
    assert.match(own.stdout, new RegExp(`tocsin ${command}`));
  }
});

test('wrong usage is status 2 and says what is wrong', async () => {
  for (const args of [[], ['nonsense'], ['serve', '--nonsense'], ['stats'], ['key'], ['key', 'nonsense'], ['devices'],
    ['publish', '--urgency'], ['listen', 'extra', 'words']]) {
    const result = await service().tocsin(args);
    assert.equal(result.code, 2, `tocsin ${args.join(' ')}: ${result.code} ${result.stderr}`);
    assert.ok((result.stderr + result.stdout).length > 0);
  }
});

test('publish from a file and from standard input', async () => {
  const file = join(service().dir, 'alert.json');
  const body = alertBody();
  writeFileSync(file, JSON.stringify(body));
  const first = await service().tocsin(['publish', file]);
  assert.equal(first.code, 0, first.stderr);
  const stored = await service().get(`/v1/alerts/${json(first.stdout).id}`);
  assert.equal(stored.json.content.ar.headline, body.content.ar.headline);
  const second = await service().tocsin(['publish', '-'], { input: JSON.stringify(body) });
  assert.equal(second.code, 0, second.stderr);
  assert.notEqual(json(second.stdout).id, json(first.stdout).id, 'each run is a new alert');
});

test('publish from flags, and the same Idempotency-Key twice', async () => {
  const args = ['publish', '--urgency', 'flash', '--regions', 'palestine,mena', '--sections', 'politics',
    '--tags', 'Jenin,Lebanon', '--source', 'Agencies', '--headline', 'en=Headline, with comma',
    '--headline', 'ar=عنوان «عاجل»', '--headline', 'es=Titular', '--url', 'ar=https://news.example/ar/x',
    '--idempotency-key', `cli-${randomUUID()}`];
  const result = await service().tocsin(args);
  assert.equal(result.code, 0, result.stderr);
  const { id } = json(result.stdout);
  const stored = (await service().get(`/v1/alerts/${id}`)).json;
  assert.equal(stored.urgency, 'flash');
  assert.deepEqual([...stored.audience.regions].sort(), ['mena', 'palestine']);
  assert.equal(stored.content.en.headline, 'Headline, with comma');
  assert.equal(stored.content.ar.headline, 'عنوان «عاجل»');
  assert.equal(stored.content.ar.url, 'https://news.example/ar/x');
  const again = await service().tocsin(args);
  assert.equal(json(again.stdout).id, id);
});

test('publish tells every fault and ends with status 1', async () => {
  const result = await service().tocsin(['publish', '-'], { input: JSON.stringify({ urgency: 'extreme', content: {} }) });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /\/urgency/);
  assert.match(result.stderr, /\/audience/);
  const unauthorised = await service().tocsin(['publish', '-'], {
    input: JSON.stringify(alertBody()), env: { TOCSIN_KEY: 'tcn_aaaaaaaaaaaa_wrong' },
  });
  assert.equal(unauthorised.code, 1);
  assert.match(unauthorised.stderr, /401|key/i);
  const nobody = await service().tocsin(['publish', '-'], {
    input: JSON.stringify(alertBody()), env: { TOCSIN_URL: 'http://127.0.0.1:9' },
  });
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /127\.0\.0\.1:9/);
});

test('preview takes what publish takes, prints the counts and sends nothing', async () => {
  for (const [platform, edition] of [['apns', 'en'], ['fcm', 'en'], ['fcm', 'ar']]) {
    await Phone.register(service(), { platform, edition, regions: ['latin-america'] });
  }
  const flags = ['--urgency', 'high', '--regions', 'latin-america', '--headline', 'en=Quake', '--headline', 'ar=زلزال',
    '--headline', 'es=Sismo'];
  const counted = await service().tocsin(['preview', ...flags, '--json']);
  assert.equal(counted.code, 0, counted.stderr);
  assert.deepEqual(json(counted.stdout).platform_editions.fcm, { en: 1, ar: 1, es: 0 });
  const shown = await service().tocsin(['preview', ...flags]);
  assert.equal(shown.code, 0, shown.stderr);
  const rows = Object.fromEntries(lines(shown.stdout).map((line) => line.trim().split(/ +/)).map(([name, ...rest]) => [name, rest]));
  assert.deepEqual(rows.total.slice(1), ['en', 'ar', 'es'].map((e) => String(json(counted.stdout).editions[e])).slice(0, rows.total.length - 1));
  assert.deepEqual([rows.total[0], rows.apns[0], rows.fcm[0], rows['latin-america'][0]], ['3', '1', '2', '3']);
  assert.equal(rows.readers.slice(1).join(' '), 'of 0 online');
  const file = await service().tocsin(['preview', '-'], { input: JSON.stringify(alertBody({ audience: { regions: ['latin-america'] } })) });
  assert.equal(file.code, 0, file.stderr);
  assert.match(file.stdout, /^total +3 /m);
  assert.deepEqual((await service().get('/v1/alerts')).json.alerts.filter((a) => a.content?.en?.headline === 'Quake'), []);
  const faulty = await service().tocsin(['preview', '--urgency', 'extreme', '--headline', 'en=x']);
  assert.equal(faulty.code, 1);
  assert.match(faulty.stderr, /tocsin preview: .* 422/);
  assert.match(faulty.stderr, /\/urgency/);
  assert.match(faulty.stderr, /\/audience/);
  for (const args of [[], ['--headline', 'nothing'], ['-', '--urgency', 'high'], ['--bogus'], ['--ttl', 'soon']]) {
    const usage = await service().tocsin(['preview', ...args]);
    assert.equal(usage.code, 2, args.join(' '));
    assert.match(usage.stderr, /tocsin preview: /);
  }
});

test('stats --follow tells each change, outlives the newsroom, and ends with the alert', async (t) => {
  const audience = { regions: ['us-canada'] };
  for (let i = 0; i < 20; i++) await Phone.register(service(), { ...audience, platform: 'apns' });
  await service().sim.faults({ apns: { latency: { ms: 300, max_ms: 400 }, mcs_never: true } });
  t.after(() => service().sim.faults({ apns: { latency: null, mcs_never: null } }));
  const { id } = await service().publish({ audience });
  const follow = (args) => start(TOCSIN, ['stats', id, '--follow', ...args], {
    label: 'follow', env: { TOCSIN_URL: service().newsroom, TOCSIN_KEY: service().key },
  });
  const runs = [follow(['--json']), follow([])];
  for (const run of runs) await run.out.find(() => true);
  await service().killWorker('newsroom');
  for (const run of runs) {
    assert.deepEqual(await run.ended, { code: 0, signal: null }, run.stderr);
    assert.match(run.stderr, /tocsin stats: .*; again in/, 'it really had to come back');
  }
  const events = lines(runs[0].stdout).map(json);
  assert.ok(events.length > 1);
  assert.equal(events.at(-1).state, 'done');
  assert.equal(events.at(-1).total.accepted, 20);
  assert.equal(new Set(lines(runs[0].stdout)).size, events.length, 'the same is not said twice');
  assert.match(runs[1].stdout, /^(sending|planning): \d+ of \d+ accepted, \d+ to go$/m);
  assert.match(runs[1].stdout, /^done: 20 of 20 accepted, 0 to go$/m);
  assert.match(runs[1].stdout, /^apns +20 +20/m, 'the table at last');
  const nobody = await service().tocsin(['stats', '01900000-0000-7000-8000-000000000000', '--follow']);
  assert.equal(nobody.code, 1);
  assert.match(nobody.stderr, /404/);
  assert.equal((await service().tocsin(['stats', id, '--follow', '--wait'])).code, 2);
});

test('the key may come from a file', async () => {
  const file = join(service().dir, 'key.txt');
  writeFileSync(file, `${service().key}\n`);
  const result = await service().tocsin(['publish', '--key-file', file, '-'], {
    input: JSON.stringify(alertBody()), env: { TOCSIN_KEY: '' },
  });
  assert.equal(result.code, 0, result.stderr);
});

const listen = (args) =>
  start(TOCSIN, ['listen', '--json', ...args], { label: 'listen', env: { TOCSIN_URL: service().gateway } });
const alertsOf = (run) => lines(run.stdout).map(json).filter((m) => m.type === 'alert').map((m) => m.id);

test('listen follows a filter and ends after --count', async () => {
  const run = listen(['--regions', 'africa', '--editions', 'ar', '--count', '2']);
  await until('it to follow', async () => (await service().metric('tocsin_http_streams')) > 0);
  const audience = { regions: ['africa'] };
  const first = await service().publish({ audience });
  await service().publish({ audience: { regions: ['europe'] } });
  const second = await service().publish({ audience });
  assert.deepEqual(await run.ended, { code: 0, signal: null });
  assert.deepEqual(alertsOf(run), [first.id, second.id]);
  assert.deepEqual(Object.keys(json(lines(run.stdout).at(-1)).content), ['ar']);
});

test('listen resumes by itself after the gateway was killed, missing and doubling nothing', async () => {
  const run = listen(['--regions', 'africa', '--count', '6']);
  await until('it to follow', async () => (await service().metric('tocsin_http_streams')) > 0);
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push((await service().publish({ audience: { regions: ['africa'] } })).id);
    await service().killWorker('gateway');
    ids.push((await service().publishWhenPossible(alertBody({ audience: { regions: ['africa'] } }))).id);
  }
  assert.deepEqual(await run.ended, { code: 0, signal: null });
  assert.deepEqual(alertsOf(run), ids);
});

test('listen shows people the headline of each edition', async () => {
  const run = start(TOCSIN, ['listen', '--regions', 'asia', '--editions', 'ar', '--count', '1'], {
    label: 'listen', env: { TOCSIN_URL: service().gateway },
  });
  await until('it to follow', async () => (await service().metric('tocsin_http_streams')) > 0);
  const body = alertBody({ audience: { regions: ['asia'] } });
  await service().post(body);
  assert.equal((await run.ended).code, 0, run.stderr);
  assert.ok(run.stdout.includes(body.content.ar.headline), run.stdout);
});

test('stats tells where an alert stands', async () => {
  await Phone.register(service(), { regions: ['asia-pacific'] });
  const { id } = await service().publish({ audience: { regions: ['asia-pacific'] } });
  await service().settled(id);
  const text = await service().tocsin(['stats', id]);
  assert.equal(text.code, 0, text.stderr);
  assert.match(text.stdout, /accepted/);
  assert.match(text.stdout, /apns/);
  const raw = await service().tocsin(['stats', id, '--json']);
  assert.equal(json(raw.stdout).total.accepted, 1);
  const unknown = await service().tocsin(['stats', '01890000-0000-7000-8000-000000000000']);
  assert.equal(unknown.code, 1);
});

test('key list shows ids, never secrets; a revoked key is refused at once', async () => {
  const key = await service().createKey(['--name', 'to be revoked', '--regions', 'mena', '--max-urgency', 'high']);
  const id = key.split('_')[1];
  const list = await service().tocsin(['key', 'list', ...service().flags]);
  assert.equal(list.code, 0, list.stderr);
  assert.ok(list.stdout.includes(id) && list.stdout.includes('to be revoked'));
  assert.ok(!list.stdout.includes(key.slice(-43)));
  assert.match(lines(list.stdout).find((line) => line.includes(id)), / service +publish read +regions=mena /);
  await service().createKey(['--name', 'chief of desk', '--person', '--scopes', 'approve,admin']);
  const chief = await service().tocsin(['key', 'list', ...service().flags]);
  assert.match(lines(chief.stdout).find((line) => line.includes('chief of desk')), / person +approve admin +regions=any/);
  assert.equal((await service().post(alertBody(), { key })).status, 202);
  const revoked = await service().tocsin(['key', 'revoke', id, ...service().flags]);
  assert.equal(revoked.code, 0, revoked.stderr);
  await until('the key to be refused', async () => (await service().post(alertBody(), { key })).status === 401);
  const again = await service().tocsin(['key', 'revoke', 'aaaaaaaaaaaa', ...service().flags]);
  assert.equal(again.code, 1);
  const stored = await service().redis(['--scan', '--pattern', '*key*']);
  for (const name of lines(stored)) {
    const type = (await service().redis(['TYPE', name])).trim();
    const dump = type === 'hash' ? await service().redis(['HGETALL', name]) : type === 'string' ? await service().redis(['GET', name]) : '';
    assert.ok(!dump.includes(key.slice(-43)), 'keys are stored hashed');
  }
});

test('devices export and import: a round trip keeps every device, its follows and its secret', async () => {
  const phones = [];
  for (let i = 0; i < 30; i++) {
    phones.push(await Phone.register(service(), {
      platform: i % 2 ? 'fcm' : 'apns', edition: ['en', 'ar', 'es'][i % 3], regions: ['latin-america'],
      tags: [`Tag ${i}`, 'وسم'], min_urgency: 'normal', time_zone: 'America/Bogota',
    }));
  }
  const exported = await service().tocsin(['devices', 'export', ...service().flags]);
  assert.equal(exported.code, 0, exported.stderr);
  const devices = lines(exported.stdout).map(json);
  for (const phone of phones) {
    const device = devices.find((d) => d.id === phone.id);
    assert.equal(device.token, phone.token);
    assert.ok(!JSON.stringify(device).includes(phone.secret));
  }
  for (const phone of phones) assert.equal((await phone.remove()).status, 204);
  const file = join(service().dir, 'devices.ndjson');
  writeFileSync(file, exported.stdout);
  const imported = await service().tocsin(['devices', 'import', file, ...service().flags]);
  assert.equal(imported.code, 0, imported.stderr);
  for (const phone of phones) {
    const read = await phone.read();
    assert.equal(read.status, 200, 'the old secret still opens it');
  }
  const again = await service().tocsin(['devices', 'export', ...service().flags]);
  const plain = (text) => lines(text).map(json).map(({ registered_at, ...rest }) => rest).sort((a, b) => (a.id < b.id ? -1 : 1));
  assert.deepEqual(plain(again.stdout), plain(exported.stdout));
  const { id } = await service().publish({ audience: { regions: ['latin-america'] } });
  await service().settled(id);
  for (const phone of phones) assert.deepEqual(await phone.got(), [id]);
});

test('devices import names the line and the fault, and takes the good ones', async () => {
  const good = { id: `import-${randomUUID()}`, platform: 'fcm', token: `good:${randomUUID()}`, edition: 'en', regions: [] };
  const input = `${JSON.stringify(good)}\nnot json\n${JSON.stringify({ ...good, id: 'bad', platform: 'fax' })}\n`;
  const result = await service().tocsin(['devices', 'import', '-', ...service().flags], { input });
  assert.equal(result.code, 1);
  assert.match(result.stderr, /2/);
  assert.match(result.stderr, /3/);
  assert.match(result.stderr, /platform/);
  const exported = await service().tocsin(['devices', 'export', ...service().flags]);
  assert.ok(exported.stdout.includes(good.id));
});

test('the commands and endpoints of this file left no key in any output', () => {
  assert.ok(!readFileSync(`/proc/${service().run.pid}/cmdline`, 'utf8').includes('tcn_'));
  assert.ok(!service().log.join('\n').includes(service().key.slice(-43)));
});
