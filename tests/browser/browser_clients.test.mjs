// A real browser's own WebSocket, EventSource and fetch, from a page of another
// origin: receive an alert in Arabic, and resume after the gateway was killed.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { ARABIC, alertBody } from '../service/lib/service.mjs';
import { ARTIFACTS, SOURCE, freePort } from '../service/lib/processes.mjs';
import { assert, ownService, sharedService, test } from '../service/lib/suite.mjs';
import { Authority, startTls } from '../service/lib/tls.mjs';
import { DEADLINE_MS, until } from '../service/lib/wait.mjs';
import { launchChromium } from './lib/chromium.mjs';

const service = sharedService({ sim: false });
const QUERY = { regions: 'mena', editions: 'ar' };
let browser;
let server;
let origin;

before(async () => {
  const page = readFileSync(join(SOURCE, 'tests/browser/page.html'));
  const port = await freePort();
  server = createServer((request, answer) => {
    answer.writeHead(request.url === '/' ? 200 : 404, { 'content-type': 'text/html; charset=utf-8' });
    answer.end(request.url === '/' ? page : '');
  });
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  origin = `http://localhost:${port}`;
  browser = await launchChromium();
});

after(async () => {
  await browser?.close();
  server?.close();
});

async function openPage(t, options) {
  const page = await browser.newPage(options);
  const problems = [];
  page.on('pageerror', (error) => problems.push(error.message));
  page.setDefaultTimeout(DEADLINE_MS);
  await page.goto(origin);
  t.after(async () => {
    await page.close();
    assert.deepEqual(problems, []);
  });
  return page;
}

const messages = (page) => page.evaluate(() => seen.messages);
const alerts = async (page) => (await messages(page)).filter((m) => m.type === 'alert');
const got = (page, id) => page.waitForFunction((wanted) => seen.messages.some((m) => m.id === wanted), id);

async function receivesAndResumes(t, name, start) {
  const page = await openPage(t);
  await page.evaluate(start, { gateway: service().gateway, query: QUERY });
  await page.waitForFunction(() => seen.messages.some((m) => m.type === 'welcome'));
  const body = alertBody();
  const first = await service().post(body);
  assert.equal(first.status, 202, first.text);
  await got(page, first.json.id);
  const [received] = await alerts(page);
  assert.deepEqual(Object.keys(received.content), ['ar']);
  assert.equal(received.content.ar.headline, body.content.ar.headline);
  assert.ok(received.content.ar.headline.startsWith(ARABIC));
  assert.equal(received.content.ar.dir, 'rtl');
  assert.equal(await page.locator('#alerts li').first().textContent(), body.content.ar.headline);

  await service().killWorker('gateway');
  await page.waitForFunction(() => seen.closes.length > 0);
  const ids = [first.json.id];
  for (let i = 0; i < 3; i++) ids.push((await service().publishWhenPossible()).id);
  await got(page, ids.at(-1));
  assert.deepEqual((await alerts(page)).map((a) => a.id), ids, 'all of them, in order, once each');
  const welcomes = (await messages(page)).filter((m) => m.type === 'welcome');
  assert.ok(welcomes.length >= 2);
  assert.ok(welcomes.every((w) => w.recovered === true), JSON.stringify(welcomes));
  await page.screenshot({ path: join(ARTIFACTS, `browser-${name}.png`) });
}

test('native WebSocket: Arabic byte for byte, and nothing lost over a killed gateway', (t) =>
  receivesAndResumes(t, 'websocket', ({ gateway, query }) => followByWebSocket(gateway, query)));

test('native EventSource: the same, reconnecting by itself with Last-Event-ID', (t) =>
  receivesAndResumes(t, 'eventsource', ({ gateway, query }) => followByEventSource(gateway, query)));

test('native WebSocket and EventSource over TLS', async (t) => {
  const authority = await Authority.create();
  t.after(() => authority.remove());
  const secure = await startTls(authority, await authority.issue('browser'), { sim: false });
  t.after(() => secure.stop());
  const page = await openPage(t, { ignoreHTTPSErrors: true }); // Chromium has no flag to name an authority
  await page.evaluate(({ ws, https, query }) => {
    followByWebSocket(ws, query);
    followByEventSource(https, query);
  }, { ws: secure.secure.ws, https: secure.secure.http, query: QUERY });
  await page.waitForFunction(() => seen.messages.filter((m) => m.type === 'welcome').length === 2);
  const { id } = await secure.publish();
  await page.waitForFunction((wanted) => seen.messages.filter((m) => m.id === wanted).length === 2, id);
  assert.equal(await page.evaluate(() => seen.closes.length), 0);
});

test('fetch from another origin reads the ticker', async (t) => {
  const page = await openPage(t);
  const { id } = await service().publish();
  const answer = await until('the ticker to have it', async () => {
    const json = await page.evaluate(
      ({ gateway, query }) => ticker(gateway, query),
      { gateway: service().gateway, query: { ...QUERY, limit: 5 } },
    );
    return json.alerts.some((a) => a.id === id) && json;
  });
  assert.equal(answer.alerts[0].id, id);
});

test('a page cannot register devices or read the newsroom across origins', async (t) => {
  const page = await openPage(t);
  const blocked = await page.evaluate(async ({ newsroom, gateway, id }) => {
    const attempt = (url, options) => fetch(url, options).then(() => 'read', () => 'blocked');
    return [
      await attempt(`${newsroom}/v1/alerts`, { headers: { authorization: 'Bearer x' } }),
      await attempt(`${newsroom}/metrics`),
      await attempt(`${gateway}/v1/devices/${id}`, { method: 'DELETE' }),
    ];
  }, { newsroom: service().newsroom, gateway: service().gateway, id: 'phone-00000000' });
  assert.deepEqual(blocked, ['blocked', 'blocked', 'blocked']);
});

// What a page gets over each way in: "open", "refused" or a status.
const tryAll = (page, gateway) =>
  page.evaluate(async (base) => {
    const outcome = (source) =>
      new Promise((resolve) => {
        source.onopen = () => resolve('open');
        source.onerror = () => resolve('refused');
      }).finally(() => source.close());
    const answer = (path, options) => fetch(base + path, options).then((a) => a.status, () => 'refused');
    return {
      webSocket: await outcome(new WebSocket(`${base.replace(/^http/, 'ws')}/v1/stream?regions=mena`)),
      eventSource: await outcome(new EventSource(`${base}/v1/events?regions=mena`)),
      ticker: await answer('/v1/alerts?regions=mena'),
      device: await answer('/v1/devices/8f14e45f-ceea-467f-a0e6-1c1f3a7f5a10', {
        method: 'PUT',
        headers: { 'content-type': 'application/json', authorization: `Bearer ${'x'.repeat(40)}` },
        body: '{}',
      }),
    };
  }, gateway);

test('with a list of origins its pages get in, preflight and all, and the pages of others do not', async (t) => {
  const page = await openPage(t);
  const ours = await ownService(t, { sim: false, config: { 'gateway.allowed_origins': `https://x.example,${origin}` } });
  assert.deepEqual(await tryAll(page, ours.gateway), { webSocket: 'open', eventSource: 'open', ticker: 200, device: 422 });
  const theirs = await ownService(t, { sim: false, config: { 'gateway.allowed_origins': 'https://x.example' } });
  assert.deepEqual(await tryAll(page, theirs.gateway), {
    webSocket: 'refused', eventSource: 'refused', ticker: 'refused', device: 'refused',
  });
});
