// Watching, stopping, correcting and retracting at the console; its figures are those of the API.
import {
  alertsOf, assertFiguresAgree, compose, confirmButton, consoleSuite, dialogOf, escape, idShown, importPhones, liveState, review, shot, TEXTS,
} from './lib/console.mjs';
import { digits } from './lib/pages.mjs';
import { WsReader } from '../service/lib/readers.mjs';
import { assert, closing, test } from '../service/lib/suite.mjs';
import { until } from '../service/lib/wait.mjs';

// One push at a time on each connection: what is stopped in the middle would last many times as long as it
// takes to look at it and press the button.
const SLOW = { apns: { latency: { ms: 400, max_ms: 600 }, mcs_never: true } };
const FAST = { apns: { latency: null, mcs_never: null } };
const MANY = 3000;

const { service, openAs, chief } = consoleSuite({ config: { 'dispatcher.workers': 2, 'newsroom.hold_s': 1, 'dispatcher.flush_ms': 20 } });

async function send(page, options) {
  await compose(page, options);
  await review(page);
  for (const box of await dialogOf(page).getByRole('checkbox').all()) await box.check();
  await confirmButton(page).click();
  return idShown(page);
}

test('a send stopped in the middle: the numbers on the page, of the API and of the provider agree', async (t) => {
  await importPhones(service(), MANY, { regions: ['asia'], sections: ['sports'] });
  await service().sim.faults(SLOW);
  t.after(() => service().sim.faults(FAST));
  const page = await openAs(t, chief());
  const id = await send(page, { texts: TEXTS, regions: ['asia'], sections: ['sports'], urgency: 'normal' });
  await liveState(page, 'sending');
  await until('some to be handed over', async () => Number(await page.locator('.big-number').getAttribute('data-value')) > 0);
  await shot(page, 'live-sending', { fullPage: true });
  const lost = [];
  await page.route('**/stats', (route) => (lost.push(route.request().url()) === 1 ? route.abort() : route.continue()));
  const pressed = Date.now();
  await page.getByRole('button', { name: 'Stop sending' }).click();
  const words = page.locator('.live .notice').getByText('Stopped.', { exact: false });
  await words.waitFor();
  const said = (await words.textContent()).match(/\d[\d,]*/g).map(digits);
  t.diagnostic(`stopped after ${Date.now() - pressed} ms`);
  await liveState(page, 'aborted');
  const stats = await assertFiguresAgree(page, service(), id);
  assert.equal(stats.state, 'aborted');
  assert.ok(stats.total.aborted > 0, JSON.stringify(stats.total));
  // The words beside the button had the final numbers, although an answer on the way there was lost.
  assert.deepEqual(said, [stats.total.accepted, stats.total.aborted, stats.total.unknown]);
  assert.equal(stats.total.accepted + stats.total.aborted + stats.total.unknown, MANY);
  const handed = (await service().sim.ledger({ alert: id })).filter((push) => push.alert_id === id).length;
  assert.equal(handed, stats.total.accepted);
  await shot(page, 'live-stopped', { fullPage: true });
});

test('correct and retract from the history, two clicks each; readers see both', async (t) => {
  await importPhones(service(), 20, { regions: ['europe'], sections: ['health'] });
  const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'europe' } }));
  const page = await openAs(t, chief());
  const texts = { en: 'Vaccine approved for childern', ar: 'الموافقة على اللقاح للأطفال', es: 'Aprobada la vacuna infantil' };
  const id = await send(page, { texts, regions: ['europe'], sections: ['health'], urgency: 'normal' });
  await liveState(page, 'done');
  await reader.inbox.find((m) => m.type === 'alert' && m.id === id);
  reader.send({ type: 'open', id, revision: 1 });
  await until('the receipt of the reader', async () => (await service().get(`/v1/alerts/${id}/stats`)).json.receipts?.opened === 1);
  await page.getByRole('row', { name: 'Connected readers' }).waitFor();

  await page.goto(`${service().newsroom}/#/history`);
  const row = page.locator(`.item[data-id="${id}"]`);
  await row.getByRole('button', { name: 'Correct' }).click();
  await dialogOf(page).locator('textarea').first().fill('Vaccine approved for children');
  await escape(page); // by mistake
  await row.getByRole('button', { name: 'Correct' }).click();
  assert.equal(await dialogOf(page).locator('textarea').first().inputValue(), 'Vaccine approved for children');
  await dialogOf(page).getByRole('heading', { name: 'to 20 phones' }).waitFor(); // those who got the original
  await until('it to be counted', () => confirmButton(page).isEnabled());
  await shot(page, 'correct');
  await confirmButton(page).click();
  await idShown(page);
  await reader.inbox.find((m) => m.type === 'update' && m.id === id && m.content.en.headline === 'Vaccine approved for children');
  await until('the second revision', async () => (await service().get(`/v1/alerts/${id}`)).json.revision === 2);

  await page.goto(`${service().newsroom}/#/history`);
  await row.getByText('Corrected, revision 2').waitFor();
  await row.getByRole('button', { name: 'Retract' }).click();
  await dialogOf(page).locator('.confirm-count').waitFor();
  await shot(page, 'retract');
  await confirmButton(page).click();
  await reader.inbox.find((m) => m.type === 'cancel' && m.id === id);
  await page.locator('.mark.retracted').first().waitFor();
  await page.locator('.revisions li').nth(2).waitFor();
  await shot(page, 'retracted', { fullPage: true });
  assert.equal((await alertsOf(service())).filter((a) => a.id === id).length, 3);
});

test('a script stored in a headline is text wherever it is shown; search finds it', async (t) => {
  const evil = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>';
  const texts = { en: evil, ar: `${evil} ع`, es: `${evil} es` };
  const page = await openAs(t, chief());
  const id = await send(page, { texts, regions: ['asia-pacific'], sections: ['technology'], urgency: 'low' });
  await liveState(page, 'done');
  const harmless = async () => {
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.equal(await page.evaluate(() => document.querySelectorAll('#app img, #app script').length), 0);
  };
  assert.equal(await page.locator('.alert-head .headlines li').first().locator('[lang=en]').textContent(), evil);
  await harmless();
  await page.goto(`${service().newsroom}/#/history`);
  await page.locator('#search').fill('onerror');
  await until('the one that is sought', async () => (await page.locator('.items .item').count()) === 1);
  assert.equal(await page.locator(`.item[data-id="${id}"] .headline`).textContent(), evil);
  await harmless();
  await page.locator('#search').fill('nothing has these words');
  await until('none', async () => (await page.locator('.items .item').count()) === 0);
  await page.locator('#search').fill('');
  await page.locator(`.item[data-id="${id}"]`).getByRole('button', { name: 'Use again' }).click();
  await page.locator('.compose').waitFor();
  await harmless();
});
