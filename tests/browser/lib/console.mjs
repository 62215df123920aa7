// The newsroom console as an editor uses it: pages that are signed in, and the steps they repeat.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { ARTIFACTS } from '../../service/lib/processes.mjs';
import { Phone } from '../../service/lib/service.mjs';
import { assert, sharedService } from '../../service/lib/suite.mjs';
import { DEADLINE_MS, until } from '../../service/lib/wait.mjs';
import { launchChromium } from './chromium.mjs';
import { figuresOf, liveState, signIn } from './pages.mjs';

export { liveState };

const AXE = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8');

export const TEXTS = {
  en: 'Nile rises above flood level at Khartoum',
  ar: 'النيل يتجاوز منسوب الفيضان في الخرطوم',
  es: 'El Nilo supera el nivel de inundación en Jartum',
};

/** A service with an editor, and a browser, for a file. Answers {service(), open(t), keys}. */
export function consoleSuite(options = {}) {
  const service = sharedService(options);
  const holder = {};
  before(async () => {
    holder.browser = await launchChromium();
  });
  after(() => holder.browser?.close());

  const personKey = (name, ...more) => service().createKey(['--name', name, '--person', '--all-regions', ...more]);
  const editor = () => (holder.editor ??= personKey('Amal', '--scopes', 'publish,read'));
  const chief = () => (holder.chief ??= personKey('Rosa', '--scopes', 'publish,read,approve,admin'));

  // A page in a browser context of its own; whatever goes wrong in it fails the test.
  async function open(t, { language = 'en', ...contextOptions } = {}) {
    const context = await holder.browser.newContext({
      viewport: { width: 1440, height: 950 }, locale: language, timezoneId: 'Europe/Madrid', ...contextOptions,
    });
    const page = await context.newPage();
    const problems = [];
    page.setDefaultTimeout(DEADLINE_MS);
    page.on('pageerror', (error) => problems.push(error.message));
    page.on('console', (message) => {
      if (/Content Security Policy/.test(message.text())) problems.push(message.text());
    });
    t.after(async () => {
      await context.close();
      assert.deepEqual(problems, []);
    });
    await page.goto(service().newsroom);
    await page.locator('#key').waitFor();
    return page;
  }

  const openAs = async (t, key, contextOptions) => signIn(await open(t, contextOptions), await key);

  return { service, open, openAs, signIn, personKey, editor, chief };
}

/** Phones of an audience, all editions, both platforms. */
export async function importPhones(service, count, { regions = ['mena'], sections = ['politics'], ...more } = {}) {
  const lines = [];
  for (let i = 0; i < count; i++) {
    const platform = i % 2 ? 'fcm' : 'apns';
    lines.push(JSON.stringify({
      id: `${regions[0]}-${sections[0]}-${platform}-${more.test ? 'test-' : ''}${i}`, platform, token: Phone.token(platform),
      edition: ['en', 'ar', 'es'][i % 3], regions, sections, time_zone: 'Asia/Beirut', ...more,
    }));
  }
  const result = await service.tocsin(['devices', 'import', '-', ...service.flags], { input: `${lines.join('\n')}\n` });
  assert.equal(result.code, 0, result.stderr);
}

export const shot = (page, name, options = {}) => page.screenshot({ path: join(ARTIFACTS, `console-${name}.png`), ...options });

export const headlineOf = (page, edition) => page.locator(`[data-edition=${edition}] .headline-input`);

const choose = (page, name, id) => page.locator(`input[name=${name}][value="${id}"]`).check();

/** Fills the composer; what is left out stays as it is. */
export async function compose(page, { texts = {}, regions = [], sections = [], urgency }) {
  for (const [edition, text] of Object.entries(texts)) await headlineOf(page, edition).fill(text);
  if (urgency) await choose(page, 'urgency', urgency);
  for (const id of regions) await choose(page, 'regions', id);
  for (const id of sections) await choose(page, 'sections', id);
}

export const counted = (page) => page.locator('.audience-box[data-state=known]').waitFor();
export const dialogOf = (page) => page.locator('dialog[open]');
export const confirmButton = (page) => page.locator('dialog[open] .dialog-foot button').last();

/** Closes the dialog, and waits until it gave the focus back: it does so a moment after it is gone. */
export async function escape(page) {
  await page.keyboard.press('Escape');
  await page.locator('dialog').waitFor({ state: 'detached' });
}

/** Opens the confirm dialog and waits until it has counted. */
export async function review(page) {
  await page.locator('.send').click();
  await dialogOf(page).locator('.confirm-count').waitFor();
}

/** The id of the alert whose page is shown. */
export async function idShown(page) {
  await page.waitForURL(/#\/alert\//);
  return page.url().split('#/alert/')[1];
}

/** Every alert the newsroom has. */
export async function alertsOf(service) {
  return (await service.get('/v1/alerts?limit=100')).json.alerts;
}

/** axe finds nothing, in the whole page as it is. */
export async function assertAccessible(page, what) {
  // From the top: what a scrolled page has half under its bars is not what is judged here.
  await page.evaluate(() => scrollTo(0, 0));
  await page.evaluate(`${AXE}; undefined`);
  const { violations } = await page.evaluate(() => axe.run(document, {
    runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice'],
  }));
  const found = violations.map((v) => `${v.id}: ${v.nodes.map((n) => `${n.target.join(' ')} (${n.failureSummary})`).join('; ')}`);
  assert.deepEqual(found, [], what);
}

/** Waits until the console's figures are those of the API. */
export function assertFiguresAgree(page, service, id) {
  return until('console and API to agree', async () => {
    const stats = (await service.get(`/v1/alerts/${id}/stats`)).json;
    const shown = await figuresOf(page, 'platforms');
    for (const [platform, outcomes] of Object.entries(shown)) {
      for (const [name, value] of Object.entries(outcomes)) assert.equal(value, stats.platforms[platform][name], `${platform} ${name}`);
    }
    assert.ok(Object.keys(shown).length > 0);
    return stats;
  });
}
