// tocsin.js on the pages of other sites: two lines, module and classic script, and all it promises.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { jwt, lasting } from '../service/lib/jwt.mjs';
import { assert, ownService, sharedService, test } from '../service/lib/suite.mjs';
import { DEADLINE_MS, until } from '../service/lib/wait.mjs';
import { launchChromium } from './lib/chromium.mjs';
import { proxyTo, siteOf } from './lib/site.mjs';

const service = sharedService({ sim: false, config: { 'gateway.heartbeat_s': 1 } });
let browser;

before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

async function visit(t, url, context) {
  const own = context ?? (await browser.newContext());
  const page = await own.newPage();
  const problems = [];
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('pageerror', (error) => problems.push(error.message));
  t.after(async () => {
    await (context ? page : own).close();
    assert.deepEqual(problems, []);
  });
  await page.goto(url);
  return page;
}

// A client in a page of another site, whose events are kept in `events` and `states`.
async function follow(t, gateway, options = {}, { context, url } = {}) {
  const site = await siteOf(t, `<script src="${gateway}/tocsin.js"></script>`);
  const page = await visit(t, url ?? site, context);
  await begin(page, options);
  return page;
}

const begin = (page, options = {}) =>
  page.evaluate((given) => {
    globalThis.events = [];
    globalThis.states = [];
    globalThis.resets = [];
    if (given.tokens) given.token = () => given.tokens.length > 1 ? given.tokens.shift() : given.tokens[0];
    globalThis.client = new Tocsin(given);
    for (const type of ['alert', 'update', 'cancel']) client.on(type, (alert) => events.push(alert));
    client.on('status', (status) => states.push(status));
    client.on('reset', (reset) => resets.push(reset));
    client.start();
  }, options);

const hasState = (page, state) => page.waitForFunction((wanted) => client.status.state === wanted, state);
const hasAlert = (page, { id }) => page.waitForFunction((wanted) => events.some((e) => e.id === wanted), id);
const idsOf = (page) => page.evaluate(() => events.map(({ id }) => id));

test('two lines on a page make a ticker, which a correction and a withdrawal change in place', async (t) => {
  const old = await service().publish();
  const site = await siteOf(t, `
<div data-tocsin data-regions="mena" data-editions="ar" data-limit="2"></div>
<script type="module" src="${service().gateway}/tocsin-ticker.mjs"></script>`);
  const page = await visit(t, site);
  const items = page.locator('.tocsin-alert');
  await items.first().waitFor();
  assert.ok((await service().get(`/v1/alerts/${old.id}`)).json.content.ar.headline.endsWith((await items.first().locator('a').textContent()).slice(-8)));
  assert.deepEqual([await items.first().getAttribute('lang'), await items.first().getAttribute('dir')], ['ar', 'rtl']);
  const first = await service().publish();
  await service().publish({ msg_type: 'update', references: [first.id], audience: undefined });
  await page.locator('.tocsin-update').waitFor();
  assert.equal(await page.locator('.tocsin-update .tocsin-label').textContent(), 'تصحيح');
  await service().publish({ msg_type: 'cancel', references: [first.id], audience: undefined });
  await page.locator('.tocsin-cancel').waitFor();
  assert.equal(await items.count(), 2, 'no more than asked for');
});

test('only each alert once, revisions in order, and the position is kept for the next visit', async (t) => {
  const context = await browser.newContext();
  t.after(() => context.close());
  const url = await siteOf(t, `<script src="${service().gateway}/tocsin.js"></script>`);
  const page = await follow(t, service().gateway, { filter: { regions: ['mena'] } }, { context, url });
  await hasState(page, 'live');
  const one = await service().publish();
  const two = await service().publish({ msg_type: 'update', references: [one.id], audience: undefined });
  await page.waitForFunction(() => events.length === 2);
  const stored = (tab) => tab.evaluate(() => Object.values(localStorage).find((value) => /:\d+$/.test(value)));
  assert.deepEqual(await page.evaluate(() => events.map(({ type, revision }) => [type, revision])), [['alert', 1], ['update', 2]]);
  await until('the place to be stored', async () => (await stored(page)) === two.position);
  await page.close();
  const missed = await service().publish();
  const again = await visit(t, url, context);
  await begin(again, { filter: { regions: ['mena'] } });
  await hasAlert(again, missed);
  assert.deepEqual(await idsOf(again), [missed.id], 'what was missed, and nothing else');
  await until('that place to be stored', async () => (await stored(again)) === missed.position);

  // Another tab of the site reads on from the same place; neither moves the place back.
  const tab = await visit(t, url, context);
  await begin(tab, { filter: { regions: ['mena'] } });
  await hasState(tab, 'live');
  const both = await service().publish();
  await Promise.all([hasAlert(again, both), hasAlert(tab, both)]);
  assert.deepEqual(await idsOf(tab), [both.id]);
  await until('the place to be stored', async () => (await stored(tab)) === both.position);
});

test('a refusal is final: told with its code, its faults and no further attempt', async (t) => {
  const before = await service().metric('tocsin_gateway_closed_total{code="4002"}');
  const page = await follow(t, service().gateway, { filter: { regions: ['nowhere'] } });
  await hasState(page, 'stopped');
  const status = await page.evaluate(() => client.status);
  assert.equal(status.code, 4002);
  assert.deepEqual(status.errors.map((e) => e.pointer), ['?regions']);
  const rest = await follow(t, service().gateway, { filter: { regions: ['nowhere'] }, transports: ['sse'] });
  await hasState(rest, 'stopped');
  assert.equal((await rest.evaluate(() => client.status)).code, 422);
  assert.equal((await service().metric('tocsin_gateway_closed_total{code="4002"}')) - before, 1);
});

test('a gateway that goes says bye: the client waits as told and misses nothing', async (t) => {
  for (const transports of [['websocket'], ['sse']]) {
    const page = await follow(t, service().gateway, { transports });
    await hasState(page, 'live');
    await service().killWorker('gateway', { signal: 'SIGTERM' });
    const missed = await service().publishWhenPossible();
    await hasAlert(page, missed);
    assert.deepEqual(await idsOf(page), [missed.id]);
    const waits = await page.evaluate(() => states.filter(({ state }) => state === 'waiting'));
    assert.equal(waits[0].reason, 'draining', JSON.stringify(waits));
  }
});

test('a filter can be changed while connected', async (t) => {
  const page = await follow(t, service().gateway, { filter: { regions: ['europe'] } });
  await hasState(page, 'live');
  await page.evaluate(() => client.setFilter({ regions: ['africa'] }));
  const regions = () => page.evaluate(() => events.map((e) => e.audience.regions[0]));
  await until('the new filter to hold', async () => {
    await service().publish({ audience: { regions: ['africa'] } });
    return (await regions()).includes('africa');
  });
  await service().publish({ audience: { regions: ['europe'] } });
  await hasAlert(page, await service().publish({ audience: { regions: ['africa'] } }));
  assert.deepEqual([...new Set(await regions())], ['africa']);
  assert.equal(await page.evaluate(() => states.filter(({ state }) => state === 'live').length), 1, 'on the same connection');
});

test('a position that cannot be recovered: what is still valid comes, and a reset says what', async (t) => {
  const valid = await service().publish();
  const url = await siteOf(t, `<script src="${service().gateway}/tocsin.js"></script>`);
  const page = await visit(t, url);
  await page.evaluate((key) => localStorage.setItem(key, 'zzzzzzzzzzzzzzzz:7'), `tocsin:position:${service().gateway}/`);
  await begin(page, { filter: { regions: ['mena'] } });
  await page.waitForFunction(() => resets.length > 0);
  const [reset] = await page.evaluate(() => resets);
  assert.equal(reset.reason, 'unknown');
  assert.ok(reset.ids.includes(valid.id));
  assert.ok(await page.evaluate(() => events.every((e) => e.replay)));
  const next = await service().publish();
  await hasAlert(page, next);
});

test('a connection that goes silent is given up and made anew', async (t) => {
  const proxy = await proxyTo(t, service().gateway);
  const page = await follow(t, proxy.origin, { transports: ['websocket'] });
  await hasState(page, 'live');
  proxy.frozen = true;
  const missed = await service().publish();
  await page.waitForFunction(() => states.some(({ state }) => state === 'waiting'));
  proxy.frozen = false;
  await hasAlert(page, missed);
  assert.deepEqual(await idsOf(page), [missed.id]);
});

test('tokens: fetched for each connection; a bad one has a second try and then it is over', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'tocsin-token-'));
  t.after(() => rmSync(dir, { recursive: true, force: true }));
  const secret = 's'.repeat(40);
  writeFileSync(join(dir, 'hs.key'), secret);
  const own = await ownService(t, { sim: false, config: { 'gateway.token_required': true, 'gateway.token_secrets': join(dir, 'hs.key') } });
  const token = (key) => jwt(key, lasting(600), { alg: 'HS256' });
  for (const transports of [['websocket'], ['sse']]) {
    const page = await follow(t, own.gateway, { transports, tokens: [token('x'.repeat(40)), token(secret)], history: 5 });
    await hasState(page, 'live');
    const alert = await own.publish();
    await hasAlert(page, alert);
    const refused = await follow(t, own.gateway, { transports, tokens: [token('x'.repeat(40))] });
    await hasState(refused, 'stopped');
    const status = await refused.evaluate(() => client.status);
    assert.equal(status.reason, 'token_bad_signature');
    assert.ok([401, 4001].includes(status.code));
  }
});
