// What happens between writing and sending: undo, times, a second person, two people at one draft; and the
// record of all of it.
import { assertAccessible, compose, confirmButton, consoleSuite, dialogOf, headlineOf, idShown, importPhones, liveState, review, shot, TEXTS } from './lib/console.mjs';
import { assert, test } from '../service/lib/suite.mjs';
import { until } from '../service/lib/wait.mjs';

const APPROVAL_ABOVE = 20;
// Long enough to undo however slow the machine: nothing here waits for its end.
const { service, openAs, editor, chief } = consoleSuite({
  config: { 'newsroom.hold_s': 300, 'newsroom.approval_above': APPROVAL_ABOVE, 'newsroom.duplicate_window_s': 1800,
    'newsroom.schedule_max_days': 3650, 'dispatcher.flush_ms': 20 },
});

const draftOf = async (id) => (await service().get(`/v1/drafts/${id}`)).json;
const stateOf = (id, state) => until(`draft ${id} to be ${state}`, async () => (await draftOf(id)).state === state);
const textsOf = (word) => Object.fromEntries(Object.entries(TEXTS).map(([edition, text]) => [edition, `${text} ${word}`]));
const to = (page, view) => page.goto(`${service().newsroom}/#/${view}`);

async function send(page, options) {
  await compose(page, options);
  await review(page);
  await confirmButton(page).click();
  return idShown(page);
}

test('undo takes it back before it leaves, with every word', async (t) => {
  const page = await openAs(t, editor());
  const texts = textsOf('undone');
  const id = await send(page, { texts, regions: ['africa'], sections: ['sports'], urgency: 'high' });
  await page.getByText('You can still take it back.').waitFor();
  assert.equal((await draftOf(id)).state, 'held');
  await assertAccessible(page, 'held');
  await shot(page, 'held');
  assert.equal(await page.evaluate(() => document.activeElement.textContent), 'Undo');
  await page.keyboard.press('Enter');
  await page.locator('.compose').waitFor();
  for (const edition of ['en', 'ar', 'es']) assert.equal(await headlineOf(page, edition).inputValue(), texts[edition]);
  assert.equal((await draftOf(id)).state, 'draft');
  assert.equal((await service().get(`/v1/alerts/${id}`)).status, 404);
});

test('scheduled for the end of an embargo, seen among what is planned, taken back, discarded', async (t) => {
  const page = await openAs(t, editor());
  await compose(page, { texts: textsOf('later'), regions: ['africa'], sections: ['sports'], urgency: 'normal' });
  await page.locator('input[name=when][value=embargo]').check();
  await page.locator('.send').click();
  assert.equal(await page.locator('input[type=datetime-local]').getAttribute('aria-invalid'), 'true');
  await page.locator('input[type=datetime-local]').fill('2031-03-01T09:30');
  await page.getByText('2031-03-01 08:30 UTC').waitFor(); // of Madrid, in winter
  await review(page);
  await confirmButton(page).click();
  const id = await idShown(page);
  await stateOf(id, 'scheduled');
  assert.equal((await draftOf(id)).due_at.slice(0, 16), '2031-03-01T08:30');
  await page.locator('.mark.state-scheduled').waitFor();
  await to(page, 'planned');
  const item = page.locator(`.item[data-id="${id}"]`);
  await item.waitFor();
  await assertAccessible(page, 'planned');
  await shot(page, 'planned');
  await item.getByRole('button', { name: 'Take back' }).click();
  await stateOf(id, 'draft');
  await item.getByRole('button', { name: 'Edit' }).click();
  await page.getByText('Draft, version').waitFor();
  assert.equal(await page.locator('input[type=datetime-local]').inputValue(), '2031-03-01T09:30');
  await to(page, 'planned');
  await item.getByRole('button', { name: 'Discard' }).click();
  await dialogOf(page).getByRole('button', { name: 'Discard' }).click();
  await stateOf(id, 'cancelled');
  await item.waitFor({ state: 'detached' });
});

test('so many phones need a second person; the record says who did what and is whole', async (t) => {
  await importPhones(service(), APPROVAL_ABOVE + 5, { regions: ['asia'], sections: ['economy'] });
  const page = await openAs(t, editor());
  await compose(page, { texts: textsOf('approved'), regions: ['asia'], sections: ['economy'], urgency: 'flash' });
  await review(page);
  assert.ok((await dialogOf(page).textContent()).includes('second person'));
  await confirmButton(page).click();
  const id = await idShown(page);
  await page.getByText('Another person has to approve it.').waitFor();
  assert.equal(await page.getByRole('button', { name: 'Approve and send' }).count(), 0);
  const other = await openAs(t, chief());
  await to(other, 'planned');
  const item = other.locator(`.item[data-id="${id}"]`);
  await shot(other, 'approval');
  await item.getByRole('button', { name: 'Approve and send' }).click();
  await liveState(page, 'done'); // the editor who waits sees it leave
  await to(other, `audit/${id}`);
  await other.getByRole('cell', { name: 'Approved', exact: true }).waitFor();
  await other.getByRole('button', { name: 'Verify the chain' }).click();
  await other.getByText(/^Whole: /).waitFor();
  await assertAccessible(other, 'audit of one');
  await shot(other, 'audit-of-one', { fullPage: true });
});

test('a rejected alert comes back with its reason', async (t) => {
  await importPhones(service(), APPROVAL_ABOVE + 5, { regions: ['asia'], sections: ['politics'] });
  const page = await openAs(t, editor());
  const id = await send(page, { texts: textsOf('rejected'), regions: ['asia'], sections: ['politics'], urgency: 'normal' });
  const other = await openAs(t, chief());
  await to(other, `alert/${id}`);
  await other.getByRole('button', { name: 'Reject' }).click();
  await dialogOf(other).getByRole('textbox').fill('Two sources, please');
  await dialogOf(other).getByRole('button', { name: 'Reject' }).click();
  await page.getByText('Two sources, please').waitFor();
  await stateOf(id, 'draft');
});

test('two people at one draft: neither text is lost', async (t) => {
  const [one, two] = [await openAs(t, editor()), await openAs(t, chief())];
  await compose(one, { texts: { en: 'Draft of one' }, regions: ['europe'] });
  await one.getByRole('button', { name: 'Save draft' }).click();
  await one.getByText('Draft, version 1').waitFor();
  await to(two, 'planned');
  await two.locator('.item', { hasText: 'Draft of one' }).getByRole('button', { name: 'Edit' }).click();
  await headlineOf(two, 'en').fill('Draft of two');
  await two.keyboard.press('Control+s');
  await two.getByText('Draft, version 2').waitFor();
  await headlineOf(one, 'en').fill('Draft of one, longer');
  await one.keyboard.press('Control+s');
  await dialogOf(one).getByText('Rosa changed it').waitFor();
  const kept = one.waitForResponse((answer) => answer.request().method() === 'POST' && answer.url().endsWith('/v1/drafts'));
  await one.keyboard.press('Escape');
  assert.equal(await headlineOf(one, 'en').inputValue(), 'Draft of one, longer');
  await one.keyboard.press('Control+s');
  assert.equal((await kept).status(), 201);
  await to(one, 'planned');
  for (const text of ['Draft of one, longer', 'Draft of two']) await one.getByText(text, { exact: true }).waitFor();
});

test('a draft that somebody else discards goes on as a new one', async (t) => {
  const [one, two] = [await openAs(t, editor()), await openAs(t, chief())];
  await compose(one, { texts: { en: 'Discarded by another' }, regions: ['europe'] });
  await one.keyboard.press('Control+s');
  await one.getByText('Draft, version 1').waitFor();
  await to(two, 'planned');
  await two.locator('.item', { hasText: 'Discarded by another' }).getByRole('button', { name: 'Discard' }).click();
  await dialogOf(two).getByRole('button', { name: 'Discard' }).click();
  await two.locator('.item', { hasText: 'Discarded by another' }).waitFor({ state: 'detached' });
  await headlineOf(one, 'en').fill('Discarded by another, and kept');
  await one.keyboard.press('Control+s');
  await one.locator('.kept').getByText('Kept in this browser').waitFor();
  await one.keyboard.press('Control+s');
  await one.getByText('Draft, version 1').waitFor();
  await two.locator('.item', { hasText: 'Discarded by another, and kept' }).waitFor();
});

test('what was just sent is not sent again unless somebody insists', async (t) => {
  const page = await openAs(t, editor());
  const twice = (word) => ({ texts: textsOf(word), regions: ['latin-america'], urgency: 'flash' });
  const first = await send(page, twice('twice'));
  await liveState(page, 'done');
  await to(page, 'compose');
  await compose(page, twice('twice'));
  await review(page);
  assert.ok((await dialogOf(page).getByRole('link', { name: 'See that alert' }).getAttribute('href')).endsWith(first));
  assert.ok(await confirmButton(page).isDisabled());
  await shot(page, 'duplicate');
  await dialogOf(page).getByRole('checkbox').check();
  await confirmButton(page).click();
  const second = await idShown(page);
  assert.notEqual(second, first);
  await liveState(page, 'done');

  // Sent by another between the count and the confirmation.
  await to(page, 'compose');
  const { texts, regions, urgency } = twice('thrice');
  await compose(page, { texts, regions, urgency });
  await review(page);
  const content = Object.fromEntries(Object.entries(texts).map(([edition, headline]) => [edition, { headline }]));
  await service().publish({ content, audience: { regions }, urgency });
  await confirmButton(page).click();
  await dialogOf(page).getByText('was sent a short while ago').waitFor();
  await dialogOf(page).getByRole('button', { name: 'once more all the same' }).click();
  await idShown(page);
  await liveState(page, 'done');
});

test('an admin pauses and resumes pushes; who is none cannot', async (t) => {
  const page = await openAs(t, chief());
  await to(page, 'health');
  await page.locator('button[data-verb=pause][data-platform=apns]').click();
  await dialogOf(page).getByRole('textbox').fill('Wrong topic');
  await dialogOf(page).getByRole('button', { name: 'Pause' }).click();
  await page.getByText('Wrong topic').waitFor();
  await shot(page, 'paused');
  await page.locator('button[data-verb=resume][data-platform=apns]').click();
  await page.locator('button[data-verb=pause][data-platform=apns]').waitFor();
  const other = await openAs(t, editor());
  await to(other, 'health');
  await other.getByText('Everything is ready.').waitFor();
  assert.equal(await other.locator('button[data-verb]').count(), 0);
});
