// The readers' page at the gateway's "/", as people use it: live, corrected in place, resumed, offline,
// from the right, on a phone, dark, by keyboard, and read by axe.
import { join } from 'node:path';
import { after, before } from 'node:test';
import { ARTIFACTS } from '../service/lib/processes.mjs';
import { ARABIC } from '../service/lib/service.mjs';
import { assert, sharedService, test } from '../service/lib/suite.mjs';
import { DEADLINE_MS, until } from '../service/lib/wait.mjs';
import { launchChromium } from './lib/chromium.mjs';
import { assertAccessible } from './lib/console.mjs';
import { proxyTo } from './lib/site.mjs';

const service = sharedService({ sim: false });
let browser;

before(async () => {
  browser = await launchChromium();
});
after(() => browser?.close());

const isLive = (page) => page.locator('.state[data-state=live]').waitFor();
const article = (page, { id }) => page.locator(`article[data-id="${id}"]`);
const shot = (page, name) => page.screenshot({ path: join(ARTIFACTS, `reader-${name}.png`) });

// The page in a browser of its own; whatever goes wrong in it fails the test.
async function open(t, query = '?edition=en', { origin = service().gateway, ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1100, height: 900 }, locale: 'en-GB', ...options });
  const page = await context.newPage();
  const problems = [];
  page.setDefaultTimeout(DEADLINE_MS);
  page.on('pageerror', (error) => problems.push(error.message));
  page.on('console', (message) => /Content Security Policy/.test(message.text()) && problems.push(message.text()));
  t.after(async () => {
    await context.close();
    assert.deepEqual(problems, []);
  });
  await page.goto(`${origin}/${query}`);
  await isLive(page);
  return page;
}

const content = (en, ar, es) => ({ en: { headline: en, url: 'https://news.example/en' }, ar: { headline: ar, url: 'https://news.example/ar' }, es: { headline: es, url: 'https://news.example/es' } });

const NEWS = {
  ferry: content('Ferry with 120 aboard overdue off Port Said', 'فقدان الاتصال بعبّارة تقلّ 120 شخصًا قبالة بورسعيد', 'Ferri con 120 personas a bordo, sin señal frente a Puerto Saíd'),
  safe: content('Ferry with 112 aboard reaches Port Said safely', 'وصول العبّارة وعلى متنها 112 شخصًا إلى بورسعيد بسلام', 'El ferri con 112 personas llega a salvo a Puerto Saíd'),
  rates: content('Central bank said to weigh emergency rate rise', 'أنباء عن دراسة البنك المركزي رفعًا طارئًا للفائدة', 'El banco central estudiaría una subida de tipos de emergencia'),
  border: content('Ceasefire takes effect along the northern border', 'بدء سريان وقف إطلاق النار على الحدود الشمالية', 'Entra en vigor el alto el fuego en la frontera norte'),
};

const follow = (about, msg_type, more = {}) => service().publish({ msg_type, references: [about.id], audience: undefined, ...more });

// A page of news of every kind: flash, corrected, withdrawn. Answers them.
async function fillPage() {
  const ferry = await service().publish({ content: NEWS.ferry, source: 'Civil defence' });
  const rates = await service().publish({ content: NEWS.rates, urgency: 'normal', audience: { regions: ['mena', 'africa'] } });
  const border = await service().publish({ content: NEWS.border, urgency: 'flash' });
  await follow(ferry, 'update', { content: NEWS.safe });
  await follow(rates, 'cancel', { content: undefined });
  return { ferry, rates, border };
}

test('live: an alert comes, is corrected and withdrawn where it stands, and axe finds nothing', async (t) => {
  const page = await open(t);
  const { ferry, rates, border } = await fillPage();
  await article(page, rates).and(page.locator('.cancel')).waitFor();
  const [first] = await page.locator('article').all();
  assert.equal(await first.getAttribute('data-id'), border.id, 'newest first; what became of the others moved nothing');
  assert.equal(await article(page, border).locator('.badge.flash').textContent(), 'Flash', 'not by colour alone');
  assert.equal(await article(page, ferry).locator('h3').textContent(), NEWS.safe.en.headline);
  assert.match(await article(page, ferry).textContent(), /Corrected at \d\d:\d\d/);
  await article(page, ferry).locator('summary').click();
  assert.equal(await article(page, ferry).locator('del').textContent(), NEWS.ferry.en.headline);
  assert.equal(await article(page, rates).locator('s').textContent(), NEWS.rates.en.headline);
  assert.match(await article(page, rates).textContent(), /Withdrawn by the newsroom at \d\d:\d\d/);
  const time = article(page, border).locator('time');
  assert.match(await time.getAttribute('datetime'), /^\d{4}-\d\d-\d\dT/);
  assert.match(await time.getAttribute('title'), /\d{4}/, 'the exact time');
  await until('screen readers to be told', async () => /Withdrawn/.test(await page.locator('#say').textContent()));
  assert.match(await page.locator('#say-now').textContent(), /^Flash: Ceasefire/);
  await page.locator('.arrived').first().evaluate((e) => Promise.all(e.ownerDocument.getAnimations().filter((a) => a.effect.getTiming().iterations === 1).map((a) => a.finished)));
  await assertAccessible(page, 'the page');
  await shot(page, 'en');

  // Who comes later finds the same, but nothing that was withdrawn.
  const later = await open(t, '?edition=es');
  await article(later, ferry).waitFor();
  assert.equal(await article(later, ferry).locator('h3').textContent(), NEWS.safe.es.headline);
  assert.match(await article(later, ferry).textContent(), /Corregido a las/);
  assert.equal(await article(later, rates).count(), 0);
});

test('Arabic: from the right, byte for byte, and dark; axe finds nothing', async (t) => {
  const page = await open(t, '?edition=ar', { colorScheme: 'dark' });
  assert.deepEqual(await page.evaluate(() => [document.documentElement.lang, document.documentElement.dir, document.title]), ['ar', 'rtl', 'أخبار عاجلة']);
  const { border } = await fillPage();
  const alert = await service().publish({ source: 'الوكالات' });
  await article(page, alert).waitFor();
  const headline = article(page, alert).locator('h3');
  assert.ok((await headline.textContent()).startsWith(ARABIC));
  assert.deepEqual([await headline.getAttribute('lang'), await headline.getAttribute('dir')], ['ar', 'rtl']);
  const [time, text] = await Promise.all([article(page, border).locator('.when').boundingBox(), article(page, border).locator('.what').boundingBox()]);
  assert.ok(time.x > text.x, 'times stand at the right');
  await assertAccessible(page, 'the Arabic page, dark');
  await shot(page, 'ar-dark');
});

test('phone: nothing wider than the screen, light and dark by choice; axe finds nothing', async (t) => {
  const page = await open(t, '?edition=es&regions=mena', { viewport: { width: 360, height: 740 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true });
  await fillPage();
  await page.locator('article.cancel').first().waitFor();
  assert.ok(await page.evaluate(() => document.documentElement.scrollWidth <= innerWidth), 'no sideways scrolling');
  for (const button of await page.locator('button:visible').all()) {
    const box = await button.boundingBox();
    assert.ok(box.height >= 24 && box.width >= 24, `${await button.textContent()}: ${box.width} x ${box.height}`);
  }
  assert.ok(await page.locator('.chip[aria-pressed=true]').evaluate((e) => e.getBoundingClientRect().left >= 0 && e.getBoundingClientRect().right <= innerWidth), 'the region chosen is in sight');
  await assertAccessible(page, 'the phone');
  await shot(page, 'phone');
  const paper = () => page.evaluate(() => getComputedStyle(document.body).backgroundColor);
  const light = await paper();
  const theme = page.getByRole('button', { name: /^Tema/ });
  await theme.click();
  assert.equal(await paper(), light);
  await theme.click();
  assert.notEqual(await paper(), light);
  await assertAccessible(page, 'the phone, dark');
  await shot(page, 'phone-dark');
  await page.reload();
  await isLive(page);
  assert.notEqual(await paper(), light, 'kept for the next visit');
});

test('a gateway killed with -9: the page says so, comes back, misses nothing and shows nothing twice', async (t) => {
  const page = await open(t);
  // A second client in the page, which keeps every event it gets.
  await page.evaluate(async () => {
    const { Tocsin } = await import('/tocsin.mjs');
    globalThis.events = [];
    globalThis.states = [];
    const client = new Tocsin({ storage: false });
    for (const type of ['alert', 'update', 'cancel']) client.on(type, ({ id, revision }) => events.push(`${id}:${revision}`));
    client.on('status', ({ state }) => states.push(state));
    client.start();
  });
  await page.waitForFunction(() => states.includes('live'));
  const sent = [];
  for (let round = 0; round < 3; round++) {
    sent.push(await service().publish());
    await article(page, sent.at(-1)).waitFor();
    await service().killWorker('gateway');
    for (let i = 0; i < 4; i++) sent.push(await service().publishWhenPossible());
    await article(page, sent.at(-1)).waitFor();
    await isLive(page);
  }
  const wanted = sent.map(({ id }) => `${id}:1`);
  await page.waitForFunction((last) => events.includes(last), wanted.at(-1));
  assert.deepEqual(await page.evaluate(() => events), wanted, 'each once, in order');
  assert.ok((await page.evaluate(() => states)).includes('waiting'));
  const shown = await page.locator('article').evaluateAll((all) => all.map((a) => a.dataset.id));
  assert.deepEqual(shown.slice(0, sent.length), sent.map(({ id }) => id).reverse());
  assert.equal(new Set(shown).size, shown.length);
});

test('offline: told with the time it was last true; back online what was missed comes', async (t) => {
  const page = await open(t);
  await page.context().setOffline(true);
  await page.locator('.state[data-state=offline]').waitFor();
  assert.match(await page.locator('#notice').textContent(), /no network.*\d\d:\d\d:\d\d/);
  await assertAccessible(page, 'the page offline');
  await shot(page, 'offline');
  const missed = [await service().publish(), await service().publish()];
  await page.context().setOffline(false);
  for (const alert of missed) await article(page, alert).waitFor();
  await isLive(page);
  assert.ok(await page.locator('#notice').isHidden());
});

test('where WebSocket is blocked the page lives on events, and resumes on them', async (t) => {
  const proxy = await proxyTo(t, service().gateway, { webSockets: false });
  const page = await open(t, '?edition=en', { origin: proxy.origin });
  assert.ok(proxy.upgrades > 0);
  assert.match(await page.locator('#heard').textContent(), /over SSE/);
  const first = await service().publish();
  await article(page, first).waitFor();
  await service().killWorker('gateway');
  const second = await service().publishWhenPossible();
  await article(page, second).waitFor();
  assert.equal(await article(page, first).count(), 1);
});

test('by keyboard: skip link, editions, regions; the choice filters, is in the address and outlives a reload', async (t) => {
  const page = await open(t, '');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Skip to the alerts');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  await page.keyboard.press('Tab');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Español');
  await page.keyboard.press('Enter');
  assert.equal(await page.title(), 'Última hora');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Español', 'focus stays');
  await page.locator('[data-region=europe]').focus();
  await page.keyboard.press('Space');
  await page.waitForURL('**/?edition=es&regions=europe');
  await isLive(page);
  const elsewhere = await service().publish({ audience: { regions: ['africa'] } });
  const here = await service().publish({ audience: { regions: ['europe'] } });
  await article(page, here).waitFor();
  assert.equal(await article(page, elsewhere).count(), 0);
  await page.goto(service().gateway);
  await article(page, here).waitFor();
  assert.equal(await page.locator('[data-region=europe]').getAttribute('aria-pressed'), 'true');
  assert.equal(await article(page, elsewhere).count(), 0);
  await page.locator('[data-region=""]').click();
  await article(page, elsewhere).waitFor();
});

test('a headline is text, whatever it looks like', async (t) => {
  const page = await open(t);
  const nasty = '<img src=x onerror="globalThis.hit=1"><script>globalThis.hit=1</script>';
  const alert = await service().publish({
    content: { en: { headline: nasty, body: nasty } }, fallback_language: 'en', source: '<b>bold</b>',
  });
  await article(page, alert).waitFor();
  assert.equal(await article(page, alert).locator('h3').textContent(), nasty);
  assert.equal(await article(page, alert).locator('.body').textContent(), nasty);
  assert.equal(await article(page, alert).locator('img, script, b').count(), 0);
  assert.equal(await page.evaluate(() => globalThis.hit), undefined);
});

test('the page tells the newsroom what it received and what was opened', async (t) => {
  const pages = [await open(t), await open(t, '?edition=ar')];
  await pages[0].context().route('https://news.example/**', (route) => route.fulfill({ body: 'an article' }));
  const alert = await service().publish();
  for (const page of pages) await article(page, alert).waitFor();
  await article(pages[0], alert).locator('h3 a').click();
  await pages[0].waitForURL('https://news.example/a');
  await until('both to be counted', async () => {
    const { receipts } = (await service().get(`/v1/alerts/${alert.id}/stats`)).json;
    assert.deepEqual(receipts, { received: 2, opened: 1, platforms: { stream: { received: 2, opened: 1 } } });
    return true;
  });
  // Back from the article: the page goes on where it was.
  await pages[0].goBack();
  const next = await service().publish();
  await article(pages[0], next).waitFor();
});
