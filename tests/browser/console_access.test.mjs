// Who gets in, what survives a lost session, and that everybody can use every view: by keyboard, with a
// screen reader, on a phone, in Arabic, in the dark.
import { assertAccessible, compose, consoleSuite, counted, dialogOf, escape, headlineOf, importPhones, review, shot, TEXTS } from './lib/console.mjs';
import { alertBody } from '../service/lib/service.mjs';
import { http } from '../service/lib/http.mjs';
import { assert, test } from '../service/lib/suite.mjs';
import { until } from '../service/lib/wait.mjs';

const { service, open, openAs, signIn, editor, chief, personKey } = consoleSuite();
const VIEWS = ['compose', 'planned', 'history', 'audit', 'health'];

const to = async (page, view) => {
  await page.goto(`${service().newsroom}/#/${view}`);
  await page.locator('h1').waitFor();
  await page.waitForLoadState('networkidle');
};

test('a wrong key, a service key and a forged cookie get nothing', async (t) => {
  const page = await open(t);
  await page.locator('#key').fill('tcn_000000000000_forged');
  await page.keyboard.press('Enter');
  await page.getByText('This key is not known').waitFor();
  assert.equal(await page.locator('#key').getAttribute('aria-invalid'), 'true');
  await page.locator('#key').fill(service().key);
  await page.keyboard.press('Enter');
  await page.getByText('This key belongs to a service').waitFor();
  await page.context().addCookies([{ name: 'tocsin_session', value: 'A'.repeat(43), url: service().newsroom }]);
  await page.reload();
  await page.locator('#key').waitFor();
  assert.equal(await page.locator('.frame').count(), 0);
  const forged = await http('GET', `${service().newsroom}/v1/alerts`, { headers: { cookie: `tocsin_session=${'A'.repeat(43)}` } });
  assert.equal(forged.status, 401);
});

test('the page brings no inline script and no other origin, and cannot be framed', async () => {
  const answer = await http('GET', `${service().newsroom}/`);
  const policy = answer.headers['content-security-policy'];
  for (const part of ["default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"]) assert.ok(policy.includes(part), policy);
  assert.ok(!policy.includes('unsafe'), policy);
});

test('work survives a reload, another language and a lost session, and goes with signing out', async (t) => {
  const key = await personKey('Lena');
  const page = await openAs(t, key);
  await compose(page, { texts: { en: 'Half a thought' }, regions: ['europe'] });
  await page.reload();
  await page.locator('.compose').waitFor();
  assert.equal(await headlineOf(page, 'en').inputValue(), 'Half a thought');
  assert.ok(await page.locator('input[name=regions][value=europe]').isChecked());
  await page.locator('.user summary').click();
  await page.locator('#language').selectOption('ar');
  await page.locator('html[dir=rtl] .compose').waitFor();
  assert.equal(await headlineOf(page, 'en').inputValue(), 'Half a thought');
  await page.locator('.user summary').click();
  await page.locator('#language').selectOption('en');
  // The cookie is worth nothing any more: the next question finds out.
  await page.context().clearCookies();
  await headlineOf(page, 'en').fill('Half a thought more');
  await page.getByText('Your session has ended').waitFor();
  await shot(page, 'session-lost');
  await signIn(page, key);
  assert.equal(await headlineOf(page, 'en').inputValue(), 'Half a thought more');
  await page.locator('.user summary').click();
  await page.getByRole('button', { name: 'Sign out' }).click();
  await dialogOf(page).getByRole('button', { name: 'Sign out' }).click();
  await page.locator('#key').waitFor();
  await signIn(page, key);
  assert.equal(await headlineOf(page, 'en').inputValue(), '');
});

test('a key that may not send, and one of one region, see what they may not', async (t) => {
  const reader = await openAs(t, personKey('Reader', '--scopes', 'read'));
  await reader.getByText('Your key may read but not send').waitFor();
  assert.ok(await reader.locator('.send').isDisabled());
  const local = await openAs(t, service().createKey(['--name', 'Local', '--person', '--regions', 'europe', '--max-urgency', 'high']));
  assert.ok(await local.locator('input[name=regions][value=mena]').isDisabled());
  assert.ok(await local.locator('input[name=regions][value=all]').isDisabled());
  assert.ok(await local.locator('input[name=urgency][value=flash]').isDisabled());
  assert.ok(await local.locator('input[name=regions][value=europe]').isEnabled());
});

test('by keyboard alone: letters, the list of them, the switch to TEST, review', async (t) => {
  const page = await openAs(t, editor());
  await page.locator('h1').waitFor();
  await page.locator('main').focus();
  await page.keyboard.press('?');
  await dialogOf(page).getByText('Keyboard shortcuts').waitFor();
  await escape(page);
  await page.locator('main').focus();
  await page.keyboard.press('h');
  await page.waitForURL(/#\/history/);
  await until('the focus in the new view', () => page.evaluate(() => document.activeElement.tagName === 'H1'));
  await page.keyboard.press('/');
  await until('the focus in the search', () => page.evaluate(() => document.activeElement.id === 'search'));
  await page.keyboard.type('nnn'); // typed, not obeyed
  assert.match(page.url(), /#\/history/);
  await page.locator('main').focus();
  await page.keyboard.press('n');
  await page.waitForURL(/#\/compose/);
  await page.keyboard.press('t');
  await page.locator('html.is-test').waitFor();
  await compose(page, { texts: TEXTS, regions: ['mena'], urgency: 'low' });
  await headlineOf(page, 'en').focus();
  await page.keyboard.press('Control+Enter');
  await dialogOf(page).locator('.confirm-count').waitFor();
  await escape(page);
  await until('the focus to be back', () => page.evaluate(() => document.activeElement.matches('.headline-input')));
});

async function everyView(t, name, options, after = async () => {}) {
  const page = await openAs(t, chief(), options);
  await after(page);
  for (const view of VIEWS) {
    await to(page, view);
    if (view === 'compose') {
      await compose(page, { texts: TEXTS, regions: ['mena'], sections: ['politics'], urgency: 'high' });
      await counted(page);
    }
    await assertAccessible(page, `${name} ${view}`);
    await shot(page, `${name}-${view}`, { fullPage: true });
  }
  return page;
}

const ready = (() => {
  let made;
  return () => (made ??= (async () => {
    await importPhones(service(), 90, { regions: ['mena', 'europe'] });
    for (const urgency of ['flash', 'high', 'normal']) await service().settled((await service().publish(alertBody({ urgency }))).id);
  })());
})();

test('axe finds nothing in any view: English, light', async (t) => {
  const page = await open(t);
  await assertAccessible(page, 'sign-in');
  await shot(page, 'sign-in');
  await ready();
  const all = await everyView(t, 'en', {});
  await to(all, 'compose');
  await review(all);
  await assertAccessible(all, 'confirm');
  await escape(all);
  await all.locator('main').focus();
  await all.keyboard.press('?');
  await dialogOf(all).waitFor();
  await assertAccessible(all, 'shortcuts');
  await escape(all);
  await to(all, 'history');
  await all.locator('.item h2 a').first().click();
  await all.locator('.live[data-state=done]').waitFor();
  await assertAccessible(all, 'alert');
  await to(all, 'history');
  await all.locator('.item').first().getByRole('button', { name: 'Correct' }).click();
  await dialogOf(all).waitFor();
  await assertAccessible(all, 'correct');
});

test('axe finds nothing in Arabic, from right to left', async (t) => {
  await ready();
  const page = await everyView(t, 'ar', { language: 'ar' });
  assert.equal(await page.evaluate(() => document.documentElement.dir), 'rtl');
  assert.equal(await page.evaluate(() => document.documentElement.lang), 'ar');
});

test('axe finds nothing in Spanish, in the dark', async (t) => {
  await ready();
  await everyView(t, 'es-dark', { language: 'es', colorScheme: 'dark' });
});

test('axe finds nothing in TEST, in the dark', async (t) => {
  await ready();
  await everyView(t, 'test-dark', { colorScheme: 'dark' }, async (page) => {
    await page.getByRole('button', { name: 'TEST', exact: true }).click();
  });
});

test('on a phone nothing is wider than the screen', async (t) => {
  await ready();
  const page = await everyView(t, 'phone', { viewport: { width: 375, height: 800 }, hasTouch: true });
  for (const view of VIEWS) {
    await to(page, view);
    const [wide, width] = await page.evaluate(() => [document.documentElement.scrollWidth, document.documentElement.clientWidth]);
    assert.ok(wide <= width, `${view}: ${wide} of ${width}`);
  }
  await to(page, 'compose');
  await review(page);
  await shot(page, 'phone-confirm');
});
