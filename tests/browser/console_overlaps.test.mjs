// What an editor does before the answer to the last thing has come: saving twice, sending while it is saved,
// closing, clearing and leaving. Each answer is held back here until the next thing was done.
import {
  alertsOf, compose, confirmButton, consoleSuite, counted, dialogOf, escape, headlineOf, idShown, review, TEXTS,
} from './lib/console.mjs';
import { assert, test } from '../service/lib/suite.mjs';
import { until } from '../service/lib/wait.mjs';

const { service, openAs, editor } = consoleSuite({ config: { 'newsroom.hold_s': 300 } });
const textsOf = (word) => Object.fromEntries(Object.entries(TEXTS).map(([edition, text]) => [edition, `${text} ${word}`]));

// Answers to `method` at `path` are held, though the service has done what was asked, until release() is called.
async function holding(page, method, path) {
  const held = { count: 0 };
  const released = new Promise((resolve) => (held.release = resolve));
  await page.route(path, async (route) => {
    if (route.request().method() !== method) return route.fallback();
    const response = await route.fetch();
    held.count++;
    await released;
    return route.fulfill({ response }).catch(() => {}); // nobody may be waiting any more
  });
  held.arrived = () => until('the service to have it', () => held.count > 0);
  return held;
}

// More than the console waits for an answer: its clock is put forward instead of waiting.
const TOO_LONG_MS = 25_000;

// What screen readers are told stays, unlike the line at the foot of the window.
const isTold = (page, text) => page.locator('#polite', { hasText: text }).waitFor({ state: 'attached' });
const isSaved = (page) => isTold(page, 'Draft saved.');

const DRAFTS = /\/v1\/drafts$/;
const ONE_DRAFT = /\/v1\/drafts\/[^/:]+$/;

// Confirms; no answer to that comes in time, so it is asked for again. Answers the id of what was sent.
async function confirmUnanswered(page, path) {
  const held = await holding(page, 'POST', path);
  await confirmButton(page).click();
  await held.arrived();
  await page.clock.fastForward(TOO_LONG_MS);
  await dialogOf(page).getByText('The service does not answer.').waitFor();
  held.release();
  return idShown(page);
}

// Saves a draft and leaves its view before the answer, which is held back.
async function leaveDuringSave(page, headline) {
  const held = await holding(page, 'POST', DRAFTS);
  await compose(page, { texts: { en: headline }, regions: ['europe'] });
  await page.keyboard.press('Control+s');
  await held.arrived();
  await page.goto(`${service().newsroom}/#/history`);
  await page.locator('#search').waitFor();
  return held;
}

// Drafts that are not sent, by the start of their English headline.
async function draftsOf(start) {
  const { drafts } = (await service().get('/v1/drafts?state=open&limit=50')).json;
  return drafts.filter(({ alert }) => alert.content?.en?.headline?.startsWith(start));
}

test('Ctrl+S twice at once makes one draft, with what was written in between', async (t) => {
  const page = await openAs(t, editor());
  const held = await holding(page, 'POST', DRAFTS);
  await compose(page, { texts: { en: 'Saved twice' }, regions: ['europe'] });
  await page.keyboard.press('Control+s');
  await held.arrived();
  await headlineOf(page, 'en').fill('Saved twice, and longer');
  await page.keyboard.press('Control+s');
  await page.keyboard.press('Control+s');
  held.release();
  await page.getByText('Draft, version 2').waitFor();
  assert.deepEqual((await draftsOf('Saved twice')).map(({ alert, version }) => [alert.content.en.headline, version]),
    [['Saved twice, and longer', 2]]);
  assert.equal(held.count, 1);
});

test('sending while it is being saved sends that draft, and leaves none beside the alert', async (t) => {
  const page = await openAs(t, editor());
  const held = await holding(page, 'POST', DRAFTS);
  const texts = textsOf('saved and sent');
  await compose(page, { texts, regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await page.keyboard.press('Control+s');
  await held.arrived();
  const [draft] = await draftsOf(texts.en);
  await page.keyboard.press('Control+Enter');
  await page.keyboard.press('Control+Enter');
  held.release();
  await dialogOf(page).locator('.confirm-count').waitFor();
  assert.equal(await dialogOf(page).count(), 1);
  await confirmButton(page).click();
  assert.equal(await idShown(page), draft.id);
  assert.deepEqual((await draftsOf(texts.en)).map(({ id, state }) => [id, state]), [[draft.id, 'held']]);
  await page.goto(`${service().newsroom}/#/compose`);
  await page.locator('.compose').waitFor();
  assert.equal(await headlineOf(page, 'en').inputValue(), '', 'what was sent does not come back');
});

test('closing the confirmation while it stores the draft, then saving, is no conflict with oneself', async (t) => {
  const page = await openAs(t, editor());
  const texts = textsOf('closed');
  await compose(page, { texts, regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await page.keyboard.press('Control+s');
  await page.getByText('Draft, version 1').waitFor();
  const held = await holding(page, 'PUT', ONE_DRAFT);
  await headlineOf(page, 'en').fill(`${texts.en}, longer`);
  await page.keyboard.press('Control+Enter');
  await held.arrived();
  await escape(page);
  await headlineOf(page, 'en').fill(`${texts.en}, longer still`);
  await page.keyboard.press('Control+s');
  held.release();
  await page.getByText('Draft, version 3').waitFor();
  assert.equal(await dialogOf(page).count(), 0);
  assert.deepEqual((await draftsOf(texts.en)).map(({ alert }) => alert.content.en.headline), [`${texts.en}, longer still`]);
});

test('Escape, however often, does not close what is being sent; its page follows', async (t) => {
  const page = await openAs(t, editor());
  const held = await holding(page, 'POST', /\/v1\/alerts$/);
  const texts = textsOf('on its way');
  await compose(page, { texts, regions: ['africa'], sections: ['health'], urgency: 'normal' });
  await review(page);
  await confirmButton(page).click();
  await held.arrived();
  for (let i = 0; i < 3; i++) await page.keyboard.press('Escape');
  assert.equal(await dialogOf(page).count(), 1);
  held.release();
  await idShown(page);
  await page.getByText('You can still take it back.').waitFor();
  assert.equal((await draftsOf(texts.en)).length, 1);
  assert.equal((await alertsOf(service())).filter((a) => a.content.en.headline === texts.en).length, 0);
});

test('what was cleared while it was being saved does not come back', async (t) => {
  const page = await openAs(t, editor());
  const held = await holding(page, 'POST', DRAFTS);
  await compose(page, { texts: { en: 'Saved and cleared' }, regions: ['europe'] });
  await page.keyboard.press('Control+s');
  await held.arrived();
  await page.getByRole('button', { name: 'Start over' }).click();
  await dialogOf(page).getByRole('button', { name: 'Start over' }).click();
  await until('an empty composer', async () => (await headlineOf(page, 'en').inputValue()) === '');
  held.release();
  await isSaved(page);
  await page.reload();
  await page.locator('.compose').waitFor();
  assert.equal(await headlineOf(page, 'en').inputValue(), '');
  assert.equal((await draftsOf('Saved and cleared')).length, 1, 'it is among the drafts all the same');
});

test('a view left while it is being saved: the work that is kept knows its draft', async (t) => {
  const page = await openAs(t, editor());
  const held = await leaveDuringSave(page, 'Saved and left');
  held.release();
  await isSaved(page);
  await page.goto(`${service().newsroom}/#/compose`);
  await page.getByText('Draft, version 1').waitFor();
  assert.equal((await draftsOf('Saved and left')).length, 1);
});

test('an undo answered when its view was left says so, and leaves what is being written alone', async (t) => {
  const page = await openAs(t, editor());
  const texts = textsOf('undone and left');
  await compose(page, { texts, regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await review(page);
  await confirmButton(page).click();
  const id = await idShown(page);
  const held = await holding(page, 'POST', /\/v1\/drafts\/[^/]+:cancel$/);
  await page.getByRole('button', { name: 'Undo' }).click();
  await held.arrived();
  await page.goto(`${service().newsroom}/#/compose`);
  await headlineOf(page, 'en').fill('Already the next');
  held.release();
  await isTold(page, 'Taken back. Nothing was sent; it is a draft under Planned.');
  assert.equal(await headlineOf(page, 'en').inputValue(), 'Already the next');
  await page.reload();
  await page.locator('.compose').waitFor();
  assert.equal(await headlineOf(page, 'en').inputValue(), 'Already the next');
  assert.deepEqual((await draftsOf(texts.en)).map((draft) => [draft.id, draft.state]), [[id, 'draft']]);
});

test('an undo that fails when its view was left is told all the same', async (t) => {
  const page = await openAs(t, editor());
  await compose(page, { texts: textsOf('not undone'), regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await review(page);
  await confirmButton(page).click();
  await idShown(page);
  const asked = [];
  await page.route(/:cancel$/, (route) => void asked.push(route));
  await page.getByRole('button', { name: 'Undo' }).click();
  await until('it to be asked', () => asked.length > 0);
  await page.goto(`${service().newsroom}/#/history`);
  await page.locator('#search').waitFor();
  await asked[0].abort('connectionreset');
  await isTold(page, 'The service cannot be reached.');
});

test('an alert whose answer does not come is asked for again under its key, and sent once', async (t) => {
  const page = await openAs(t, editor());
  await page.clock.install();
  const texts = textsOf('unanswered');
  const keys = [];
  page.on('request', (request) => {
    if (request.method() === 'POST' && /\/v1\/alerts$/.test(request.url())) keys.push(request.headers()['idempotency-key']);
  });
  await compose(page, { texts, regions: ['africa'], sections: ['health'], urgency: 'normal' });
  await review(page);
  const id = await confirmUnanswered(page, /\/v1\/alerts$/);
  assert.ok(keys.length >= 2, 'it was tried again');
  assert.equal(new Set(keys).size, 1, 'under one key');
  assert.deepEqual((await draftsOf(texts.en)).map((draft) => [draft.id, draft.state]), [[id, 'held']]);
});

test('a stored draft whose sending is not answered is sent once, too', async (t) => {
  const page = await openAs(t, editor());
  await page.clock.install();
  const texts = textsOf('stored and unanswered');
  await compose(page, { texts, regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await page.keyboard.press('Control+s');
  await page.getByText('Draft, version 1').waitFor();
  await review(page);
  const id = await confirmUnanswered(page, /\/v1\/drafts\/[^/]+:send$/);
  assert.deepEqual((await draftsOf(texts.en)).map((draft) => [draft.id, draft.state]), [[id, 'held']]);
});

test('a save whose answer does not come ends in words, and what waited for it goes on', async (t) => {
  const page = await openAs(t, editor());
  await page.clock.install();
  await compose(page, { texts: textsOf('hangs'), regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await counted(page);
  const held = await holding(page, 'POST', DRAFTS);
  await page.keyboard.press('Control+s');
  await held.arrived();
  await page.keyboard.press('Control+Enter');
  await isTold(page, 'The draft is being saved first.');
  assert.equal(await dialogOf(page).count(), 0);
  await page.clock.fastForward(TOO_LONG_MS);
  await page.locator('.compose-said').getByText('The service cannot be reached.').waitFor();
  await dialogOf(page).locator('.confirm-count').waitFor();
  held.release();
});

test('a save that fails when its view was left is told all the same', async (t) => {
  const page = await openAs(t, editor());
  await page.clock.install();
  const held = await leaveDuringSave(page, 'Left and failed');
  await page.clock.fastForward(TOO_LONG_MS);
  await isTold(page, 'The service cannot be reached.');
  held.release();
});
