// An editor sends an alert from the console, and the famous accidents with such forms are tried on it.
import {
  alertsOf, compose, confirmButton, consoleSuite, counted, dialogOf, headlineOf, idShown, importPhones, liveState, review, shot, TEXTS,
} from './lib/console.mjs';
import { assert, test } from '../service/lib/suite.mjs';
import { until } from '../service/lib/wait.mjs';

const PHONES = 60;
const TEST_PHONES = 4;
const mena = { texts: TEXTS, regions: ['mena'], sections: ['politics'], urgency: 'high' };

const { service, openAs, editor } = consoleSuite({ config: { 'newsroom.hold_s': 1, 'newsroom.duplicate_window_s': 1800, 'dispatcher.flush_ms': 20 } });

// Phones once for the file, whichever test comes first.
const population = (() => {
  let made;
  return () => (made ??= (async () => {
    await importPhones(service(), PHONES);
    await importPhones(service(), TEST_PHONES, { test: true });
    await importPhones(service(), 30, { regions: ['europe'] });
  })());
})();

// A signed-in editor whose texts are told from those of other tests by `word`.
async function editing(t, word, options) {
  await population();
  const page = await openAs(t, editor(), options);
  const texts = Object.fromEntries(Object.entries(TEXTS).map(([edition, text]) => [edition, `${text} ${word}`]));
  const sent = async () => (await alertsOf(service())).filter((a) => a.content.en?.headline === texts.en);
  return { page, texts, sent };
}

// What a screen reader says of a field beside its label.
const wordsOf = (field) =>
  field.evaluate((input) => (input.getAttribute('aria-describedby') ?? '').split(' ').map((id) => document.getElementById(id)?.textContent ?? ''));

async function confirmAndWatch(page) {
  await confirmButton(page).click();
  const id = await idShown(page);
  await liveState(page, 'done');
  return id;
}

test('someone new to it composes, previews, confirms and watches an alert', async (t) => {
  const started = Date.now();
  const { page, texts } = await editing(t, 'one');
  await shot(page, 'compose-empty');
  await compose(page, { ...mena, texts });
  await counted(page);
  await until('the count', async () => (await page.locator('.total').textContent()) === String(PHONES + TEST_PHONES));
  await page.getByRole('button', { name: 'Android', exact: true }).click();
  assert.equal(await page.locator('.device-android .bubble-title').textContent(), texts.es, 'the edition written last');
  await shot(page, 'compose');
  await review(page);
  const dialog = dialogOf(page);
  for (const words of ['LIVE', 'Middle East and North Africa', 'Politics', `${PHONES + TEST_PHONES} phones`, texts.ar, 'High']) {
    assert.ok((await dialog.textContent()).includes(words), words);
  }
  await shot(page, 'confirm');
  const id = await confirmAndWatch(page);
  t.diagnostic(`composed, previewed, confirmed and watched in ${((Date.now() - started) / 1000).toFixed(1)} s`);
  assert.equal(await page.locator('.big-number').getAttribute('data-value'), String(PHONES + TEST_PHONES));
  await page.locator('.chart canvas').waitFor();
  await shot(page, 'live', { fullPage: true });
  const stats = (await service().get(`/v1/alerts/${id}/stats`)).json;
  assert.equal(stats.total.accepted, PHONES + TEST_PHONES);
  assert.equal((await service().get(`/v1/alerts/${id}`)).json.status, 'actual');
});

test('a double click on send, and a lost answer, send once', async (t) => {
  const { page, texts, sent } = await editing(t, 'two');
  const keys = [];
  let isFirst = true;
  await page.route(/\/v1\/alerts$/, async (route) => {
    if (route.request().method() !== 'POST') return route.continue();
    keys.push(route.request().headers()['idempotency-key']);
    if (!isFirst) return route.continue();
    isFirst = false;
    await route.fetch(); // the service has it; the browser never learns
    return route.abort('connectionreset');
  });
  await compose(page, { ...mena, texts });
  await review(page);
  await confirmButton(page).dblclick();
  await idShown(page);
  await liveState(page, 'done');
  assert.ok(keys.length >= 2, 'it was tried again');
  assert.deepEqual([...new Set(keys)].length, 1, 'under one key');
  assert.equal((await sent()).length, 1);
});

test('TEST looks different and reaches test phones only; "test" in a LIVE text has to be acknowledged', async (t) => {
  const { page, texts, sent } = await editing(t, 'three');
  await page.getByRole('button', { name: 'TEST', exact: true }).click();
  assert.ok((await page.locator('.test-stripe').textContent()).includes('Only test devices'));
  assert.match(await page.title(), /^TEST/);
  await compose(page, { ...mena, texts });
  await until('the count', async () => (await page.locator('.total').textContent()) === String(TEST_PHONES));
  await shot(page, 'compose-test');
  await review(page);
  assert.ok((await dialogOf(page).textContent()).includes('TEST'));
  await shot(page, 'confirm-test');
  const id = await confirmAndWatch(page);
  const stats = (await service().get(`/v1/alerts/${id}/stats`)).json;
  assert.equal(stats.total.targeted, TEST_PHONES);
  assert.equal((await sent())[0].status, 'test');

  await page.goto(`${service().newsroom}/#/compose`);
  await page.getByRole('button', { name: 'LIVE', exact: true }).click();
  await compose(page, { ...mena, texts: { ...texts, en: 'Test, please ignore' } });
  await review(page);
  assert.ok(await confirmButton(page).isDisabled());
  await shot(page, 'confirm-test-in-live');
  await dialogOf(page).getByRole('checkbox').check();
  assert.ok(await confirmButton(page).isEnabled());
  await page.keyboard.press('Escape');
  assert.ok(!(await alertsOf(service())).some((a) => a.content.en.headline.startsWith('Test, please')));
});

test('the wrong language in an edition is said at its field and has to be acknowledged', async (t) => {
  const { page, texts, sent } = await editing(t, 'wrong');
  await compose(page, { ...mena, texts: { ...texts, ar: texts.es } });
  const arabic = headlineOf(page, 'ar');
  await until('the warning at its field', async () =>
    /Latin letters, in the Arabic edition/.test((await wordsOf(arabic)).join(' ')));
  assert.notEqual(await arabic.getAttribute('aria-invalid'), 'true', 'a warning is no fault');
  await review(page);
  assert.ok(await confirmButton(page).isDisabled());
  await shot(page, 'confirm-wrong-language');
  for (const box of await dialogOf(page).getByRole('checkbox').all()) await box.check();
  assert.ok(await confirmButton(page).isEnabled());
  await page.keyboard.press('Escape');
  assert.equal((await sent()).length, 0);
});

test('a missing edition is named at its field; switched off, it is left out', async (t) => {
  const { page, texts, sent } = await editing(t, 'four');
  await compose(page, { ...mena, texts: { en: texts.en, ar: texts.ar } });
  await page.locator('.send').click();
  const spanish = headlineOf(page, 'es');
  assert.equal(await spanish.getAttribute('aria-invalid'), 'true');
  assert.equal(await page.evaluate(() => document.activeElement.closest('.edition')?.dataset.edition), 'es');
  assert.match((await wordsOf(spanish)).join(' '), /This is needed/);
  await shot(page, 'missing-edition');
  await page.locator('#send-es').uncheck();
  await page.locator('.send').click();
  await dialogOf(page).locator('.confirm-count').waitFor();
  await confirmAndWatch(page);
  const [alert] = await sent();
  assert.deepEqual(alert.audience.editions, ['en', 'ar']);
  assert.deepEqual(Object.keys(alert.content).sort(), ['ar', 'en']);
});

test('what the server refuses is marked at its field', async (t) => {
  const { page, texts, sent } = await editing(t, 'five');
  await compose(page, { ...mena, texts });
  const link = page.locator('[data-edition=ar] input[type=url]');
  await link.fill('news example');
  await page.locator('.send').click();
  await until('the mark', async () => (await link.getAttribute('aria-invalid')) === 'true');
  await page.locator('dialog[open]').waitFor({ state: 'detached' });
  assert.equal(await headlineOf(page, 'ar').inputValue(), texts.ar, 'nothing typed is lost');
  assert.equal((await sent()).length, 0);
});

test('a late answer to an older question is not shown; nothing is sent that was not counted', async (t) => {
  const { page, texts, sent } = await editing(t, 'six');
  const held = [];
  let holding = true;
  await page.route(/alerts:preview/, async (route) => {
    if (!holding) return route.continue();
    const answer = await route.fetch();
    held.push(() => route.fulfill({ response: answer }).catch(() => {}));
    return undefined;
  });
  await compose(page, { ...mena, texts });
  await until('a first question', () => held.length > 0);
  holding = false;
  await compose(page, { regions: ['europe'] });
  await until('the answer to the newest', async () => (await page.locator('.total').textContent()) === String(PHONES + TEST_PHONES + 30));
  for (const release of held) await release();
  assert.equal(await page.locator('.total').textContent(), String(PHONES + TEST_PHONES + 30));

  holding = true;
  held.length = 0;
  await page.locator('.send').click();
  await until('the dialog to count', () => held.length > 0);
  assert.ok(await confirmButton(page).isDisabled(), 'not before it is counted');
  holding = false;
  for (const release of held) await release();
  await dialogOf(page).locator('.confirm-count').waitFor();
  await page.keyboard.press('Escape');
  assert.equal((await sent()).length, 0);
});

test('what was counted for another text is not good for this one', async (t) => {
  const { page, texts, sent } = await editing(t, 'stale');
  let old = null;
  let isOld = false;
  await page.route(/alerts:preview/, async (route) => {
    const response = await route.fetch();
    const json = await response.json();
    if (!json.confirm_token) return route.fulfill({ response });
    if (isOld) json.confirm_token = old;
    else old ??= json.confirm_token;
    isOld = false;
    return route.fulfill({ response, json });
  });
  await compose(page, { ...mena, texts });
  await until('a token', () => old !== null);
  await headlineOf(page, 'en').fill(`${texts.en}!`);
  await until('the count of the new text', async () => (await page.locator('.audience-box').getAttribute('data-state')) === 'known');
  isOld = true;
  await review(page);
  await confirmButton(page).click();
  await dialogOf(page).getByText('Look again, then confirm').waitFor();
  assert.equal((await alertsOf(service())).filter((a) => a.content.en.headline.startsWith(texts.en)).length, 0);
  await until('it to be counted again', () => confirmButton(page).isEnabled());
  await confirmAndWatch(page);
  assert.equal((await alertsOf(service())).filter((a) => a.content.en.headline === `${texts.en}!`).length, 1);
  assert.equal((await sent()).length, 0);
});

test('an audience that changed after it was shown has to be confirmed again', async (t) => {
  const { page, texts, sent } = await editing(t, 'seven');
  await compose(page, { texts, regions: ['africa'], sections: ['health'], urgency: 'normal' });
  await importPhones(service(), 5, { regions: ['africa'], sections: ['health'] });
  await review(page);
  assert.ok((await dialogOf(page).textContent()).includes('5 phones'));
  await importPhones(service(), 45, { regions: ['africa'], sections: ['health'] });
  await confirmButton(page).click();
  await dialogOf(page).getByText('changed from 5 to 45').waitFor();
  assert.equal((await sent()).length, 0);
  await shot(page, 'audience-changed');
  await confirmAndWatch(page);
  assert.equal((await sent()).length, 1);
});

test('a flash to all needs its word typed', async (t) => {
  const { page, texts } = await editing(t, 'eight');
  await compose(page, { texts, regions: ['all'], urgency: 'flash' });
  await review(page);
  assert.ok(await confirmButton(page).isDisabled());
  await dialogOf(page).getByRole('textbox').fill('flas');
  assert.ok(await confirmButton(page).isDisabled());
  await dialogOf(page).getByRole('textbox').fill('flash');
  assert.ok(await confirmButton(page).isEnabled());
  await shot(page, 'confirm-flash');
  await confirmAndWatch(page);
});

test('a repetition found only when its seconds are over fails in words, and goes if somebody insists', async (t) => {
  const { page, texts, sent } = await editing(t, 'nine');
  const same = { regions: ['us-canada'], urgency: 'normal' };
  await compose(page, { texts, ...same });
  await review(page);
  const content = Object.fromEntries(Object.entries(texts).map(([edition, headline]) => [edition, { headline }]));
  const first = await service().publish({ content, audience: { regions: same.regions }, urgency: same.urgency });
  await confirmButton(page).click();
  await page.locator('.mark.state-failed').waitFor();
  await page.getByText('An alert said the same a short while ago').waitFor();
  assert.ok((await page.getByRole('link', { name: 'See that alert' }).getAttribute('href')).endsWith(first.id));
  assert.equal((await sent()).length, 1);
  await page.getByRole('button', { name: 'once more all the same' }).click();
  await dialogOf(page).locator('.confirm-count').waitFor();
  await dialogOf(page).getByRole('checkbox').check();
  await confirmButton(page).click();
  await liveState(page, 'done');
  assert.equal((await sent()).length, 2);
});
