// POST /v1/alerts:preview: who would get an alert, counted before it is sent.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { assertProblem, http } from './lib/http.mjs';
import { WsReader } from './lib/readers.mjs';
import { Phone, alertBody } from './lib/service.mjs';
import { assert, closing, ownService, sharedService, test } from './lib/suite.mjs';
import { until } from './lib/wait.mjs';

const service = sharedService();
const preview = (body, { key = service().key, query = '', headers = {} } = {}) =>
  http('POST', `${service().newsroom}/v1/alerts:preview${query}`, {
    headers: { 'content-type': 'application/json', authorization: `Bearer ${key}`, ...headers }, body,
  });
const counts = async (body, options) => {
  const answer = await preview(body, options);
  assert.equal(answer.status, 200, answer.text);
  return answer.json;
};

// A generator of one's own, so that a failure can be repeated.
function random(seed) {
  let state = seed;
  return (below) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
}

const REGIONS = ['africa', 'asia', 'asia-pacific', 'europe', 'latin-america', 'mena', 'palestine', 'us-canada'];
const SECTIONS = ['politics', 'economy', 'sports', 'health'];
const EDITIONS = ['en', 'ar', 'es'];
const URGENCIES = ['flash', 'high', 'normal', 'low'];
const TAGS = ['Lebanon', 'football', 'وسم'];
const DEVICES = process.env.TEST_SANITIZED === '1' ? 10_000 : 100_000;
const ALERTS = 12;
const ZONES = ['Asia/Beirut', 'Europe/Madrid', '+05:30'];
const some = (next, list, most) => [...new Set(Array.from({ length: next(most + 1) }, () => list[next(list.length)]))];

function randomDevice(next, i) {
  const fcm = next(3) === 0;
  return {
    id: `counted-${String(i).padStart(6, '0')}`,
    platform: fcm ? 'fcm' : 'apns',
    token: fcm ? `fcm-${i}:${'x'.repeat(140)}` : i.toString(16).padStart(64, '0'),
    edition: EDITIONS[next(3)],
    regions: some(next, REGIONS, 3),
    sections: some(next, SECTIONS, 2),
    tags: some(next, TAGS, 1),
    min_urgency: URGENCIES[next(4)],
    test: next(6) === 0,
    ...(next(2) ? { time_zone: ZONES[next(3)] } : {}),
  };
}

function randomAlert(next) {
  const regions = some(next, REGIONS, 3);
  const editions = some(next, EDITIONS, 2);
  const platforms = next(3) === 0 ? [['apns'], ['fcm', 'stream']][next(2)] : null;
  return alertBody({
    urgency: URGENCIES[next(4)],
    status: next(4) === 0 ? 'test' : 'actual',
    audience: {
      regions: regions.length ? regions : ['all'],
      ...(next(2) ? { sections: [SECTIONS[next(4)], SECTIONS[next(4)]] } : {}),
      ...(editions.length ? { editions } : {}),
      ...(platforms ? { platforms } : {}),
    },
    tags: some(next, TAGS, 2).map((tag) => tag.toUpperCase()),
  });
}

// The rule of the README, said plainly.
function isWanted(device, alert) {
  const { regions, sections, editions, platforms } = alert.audience;
  const named = regions.includes('palestine') ? [...regions, 'mena'] : regions;
  const overlaps = (wanted, given) => wanted.length === 0 || given.some((value) => wanted.includes(value));
  const inRegion = regions[0] === 'all' || overlaps(device.regions, named);
  const inSection = !sections || overlaps(device.sections, sections);
  const tagged = alert.tags.some((tag) => device.tags.some((own) => own.toUpperCase() === tag));
  return ((inRegion && inSection) || tagged) && (!editions || editions.includes(device.edition)) &&
    (!platforms || platforms.includes(device.platform)) &&
    URGENCIES.indexOf(alert.urgency) <= URGENCIES.indexOf(device.min_urgency) &&
    (alert.status === 'actual' || device.test);
}

const tally = (devices, of) => {
  const sums = {};
  for (const device of devices) for (const name of of(device)) sums[name] = (sums[name] ?? 0) + 1;
  return sums;
};
const withoutZeros = (sums) => Object.fromEntries(Object.entries(sums ?? {}).filter(([, n]) => n > 0));

test('for random registries and alerts: the preview, what is then targeted and a count by hand agree', async (t) => {
  const own = await ownService(t, { sim: false });
  const next = random(20261125);
  const devices = Array.from({ length: DEVICES }, (_, i) => randomDevice(next, i));
  const file = join(own.dir, 'devices.ndjson');
  writeFileSync(file, devices.map((d) => `${JSON.stringify(d)}\n`).join(''));
  const imported = await own.tocsin(['devices', 'import', file, ...own.flags]);
  assert.equal(imported.code, 0, imported.stderr);
  for (let i = 0; i < ALERTS; i++) {
    const body = randomAlert(next);
    const wanted = devices.filter((device) => isWanted(device, body));
    const answer = await http('POST', `${own.newsroom}/v1/alerts:preview?by=time_zone`, {
      headers: { 'content-type': 'application/json', authorization: `Bearer ${own.key}` }, body,
    });
    assert.equal(answer.status, 200, answer.text);
    const told = answer.json;
    const why = `alert ${i}: ${JSON.stringify(body)}`;
    assert.equal(told.total, wanted.length, why);
    assert.deepEqual(withoutZeros(told.platforms), tally(wanted, (d) => [d.platform]), why);
    assert.deepEqual(withoutZeros(told.editions), tally(wanted, (d) => [d.edition]), why);
    assert.deepEqual(withoutZeros(told.time_zones), tally(wanted, (d) => (d.time_zone ? [d.time_zone] : [])), why);
    const named = Object.keys(told.regions);
    const byRegion = tally(wanted, (d) => named.filter((r) => d.regions.length === 0 || d.regions.includes(r)));
    assert.deepEqual(withoutZeros(told.regions), byRegion, why);
    for (const [platform, editions] of Object.entries(told.platform_editions)) {
      assert.deepEqual(withoutZeros(editions),
        tally(wanted.filter((d) => d.platform === platform), (d) => [d.edition]), why);
    }
    const { id } = await own.publish(body);
    const stats = await own.settled(id);
    assert.equal(stats.total.targeted, told.total, why);
    for (const platform of ['apns', 'fcm']) {
      assert.equal(stats.platforms[platform]?.targeted ?? 0, told.platforms[platform] ?? 0, why);
    }
    for (const region of named) assert.equal(stats.regions[region]?.targeted ?? 0, told.regions[region], why);
  }
});

test('a preview changes nothing and needs no Idempotency-Key; repeats answer the same', async () => {
  await Phone.register(service(), { regions: ['europe'], edition: 'es' });
  const body = alertBody({ audience: { regions: ['europe'] } });
  const first = await counts(body); // the first ever makes the secret behind confirm_token
  const before = await service().redis(['dbsize']);
  const untimed = ({ confirm_token, confirm_expires_at, ...rest }) => {
    assert.ok(confirm_token && confirm_expires_at);
    return JSON.stringify(rest).replaceAll(/"sent_at":"[^"]*"/g, '');
  };
  assert.deepEqual(untimed(await counts(body)), untimed(first));
  assert.equal(first.total, 1);
  assert.deepEqual(first.platforms, { apns: 1, fcm: 0, webpush: 0 });
  assert.deepEqual(first.editions, { en: 0, ar: 0, es: 1 });
  assert.deepEqual(first.regions, { europe: 1 });
  assert.equal(await service().redis(['dbsize']), before);
  assert.deepEqual((await service().get('/v1/alerts')).json.alerts, []);
});

test('refused as a post is: every fault at once, 400, 401, 403, 415', async () => {
  assertProblem(assert, await preview(alertBody({ urgency: 'huge', audience: { regions: ['atlantis'] } })), 422,
    ['/audience/regions/0', '/urgency']);
  assertProblem(assert, await preview(alertBody(), { query: '?by=phase_of_moon' }), 422, ['?by']);
  assertProblem(assert, await preview('{'), 400);
  assertProblem(assert, await preview(alertBody(), { key: 'tcn_no' }), 401);
  assertProblem(assert, await preview(alertBody(), { headers: { 'content-type': 'text/plain' } }), 415);
  assertProblem(assert, await preview(alertBody({ msg_type: 'update', audience: undefined,
    references: ['0190b6a0-0000-7000-8000-000000000000'] })), 422, ['/references/0']);
  const regional = await service().createKey(['--name', 'regional', '--regions', 'europe']);
  assertProblem(assert, await preview(alertBody(), { key: regional }), 403, ['/audience/regions']);
  const before = await service().metric('tocsin_previews_refused_total');
  assertProblem(assert, await preview('{}'), 422);
  assert.equal(await service().metric('tocsin_previews_refused_total'), before + 1);
});

test('an update is counted for the audience that it inherits', async () => {
  await Phone.register(service(), { regions: ['africa'] });
  const { id } = await service().publish({ audience: { regions: ['africa'] } });
  const told = await counts({ msg_type: 'update', references: [id], content: { en: { headline: 'Corrected' } } });
  assert.equal(told.total, 1);
  await service().publish({ msg_type: 'cancel', references: [id], audience: undefined, content: undefined, urgency: undefined });
  assertProblem(assert, await preview({ msg_type: 'update', references: [id],
    content: { en: { headline: 'Too late' } } }), 409, ['/references/0']);
});

test('readers online and those of them that match', async (t) => {
  const readers = [
    new WsReader(service().gateway, { query: { regions: 'mena', editions: 'ar' } }),
    new WsReader(service().gateway, { query: { regions: 'mena', editions: 'ar' } }),
    new WsReader(service().gateway, { query: { regions: 'asia' } }),
  ];
  closing(t, ...readers);
  for (const reader of readers) await reader.welcome();
  const body = alertBody({ audience: { regions: ['mena'], editions: ['ar'] } });
  await until('the readers to be counted', async () => {
    const told = (await counts(body)).readers;
    return told.online === 3 && told.matching === 2 && told.unlisted === 0;
  });
  await readers[0].close();
  await until('the reader that left to be missing', async () => {
    const told = (await counts(body)).readers;
    return told.online === 2 && told.matching === 1;
  });
  const toPhones = alertBody({ audience: { regions: ['mena'], platforms: ['apns'] } });
  assert.equal((await counts(toPhones)).readers.matching, 0);
});

test('more previews at once than newsroom.previews_max: 503 with Retry-After, and the others are answered', async (t) => {
  // The key is known already, so that nothing but the counting asks Redis.
  const own = await ownService(t, { config: { 'newsroom.previews_max': 1, 'newsroom.key_cache_s': 60 } });
  const ask = () => http('POST', `${own.newsroom}/v1/alerts:preview`, {
    headers: { authorization: `Bearer ${own.key}`, 'content-type': 'application/json' }, body: alertBody(),
  });
  assert.equal((await ask()).status, 200);
  const redis = own.redisPid();
  process.kill(redis, 'SIGSTOP');
  t.after(() => process.kill(redis, 'SIGCONT'));
  // One of them waits for Redis; whichever comes second is refused at once.
  const both = [ask(), ask()];
  const refused = await Promise.race(both);
  process.kill(redis, 'SIGCONT');
  assertProblem(assert, refused, 503);
  assert.ok(Number(refused.headers['retry-after']) > 0);
  const answers = await Promise.all(both);
  assert.deepEqual(answers.map((a) => a.status).sort(), [200, 503]);
  assert.equal(await own.metric('tocsin_previews_refused_total'), 1);
  assert.equal((await ask()).status, 200, 'its place is free again');
});
