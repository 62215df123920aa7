// The person in tests/bench/abort: signed in at the console, watches the alert, presses stop in the
// middle; and what the page then says beside what the API and the provider's ledger say.
import { launchChromium } from '../browser/lib/chromium.mjs';
import { digits, figuresOf, liveState, signIn } from '../browser/lib/pages.mjs';
import { until } from '../service/lib/wait.mjs';
import { duration } from '../../src/console/i18n.js';

const GROUPS = ['platforms', 'editions', 'regions'];
const TIMES = { half_within: 'p50_ms', p90_within: 'p90_ms', p99_within: 'p99_ms' };
const NOT_REACHED = ['failed', 'token_dead', 'expired', 'suppressed', 'payload_rejected'];
const NOTICE = ['accepted', 'aborted', 'unknown'];

// {group: {row: {outcome: number}}} → {'group row outcome': number}
function flat(groups) {
  const entries = Object.entries(groups).flatMap(([group, rows]) => Object.entries(rows).flatMap(([row, c]) =>
    Object.entries(c).filter(([, value]) => typeof value === 'number').map(([name, value]) => [`${group} ${row} ${name}`, value])));
  return Object.fromEntries(entries);
}

// Everything that the page of an alert says in numbers, by name.
async function shown(page) {
  const boxes = await page.locator('[data-figure]').evaluateAll((list) => list.map((box) =>
    [box.dataset.figure, ...['value', 'more'].map((part) => box.querySelector(`.figure-${part}`)?.textContent)]));
  const figures = boxes.map(([name, value, more]) => {
    if (name in TIMES) return [name, value];
    return [name, digits(name === 'within_30' ? more : value)]; // its value is a percentage
  });
  const [targeted] = (await page.locator('.big-words').textContent()).match(/\d[\d,]*/);
  const notice = (await page.locator('.live .notice').textContent()).match(/\d[\d,]*/g);
  const [bar, barMax] = await page.locator('progress.bar').evaluate(({ value, max }) => [value, max]);
  const groups = await Promise.all(GROUPS.map(async (group) => [group, await figuresOf(page, group)]));
  return {
    accepted: digits(await page.locator('.big-number').textContent()),
    targeted: digits(targeted),
    bar,
    bar_max: barMax,
    ...Object.fromEntries(NOTICE.map((name, i) => [`notice ${name}`, digits(notice[i])])),
    ...Object.fromEntries(figures),
    ...flat(Object.fromEntries(groups)),
  };
}

// The same of the API's statistics. Nobody is connected to the gateway here.
function told({ total, ...stats }) {
  const groups = Object.fromEntries(GROUPS.map((group) => [group, stats[group]]));
  return {
    accepted: total.accepted,
    targeted: total.targeted,
    bar: total.targeted - total.to_go,
    bar_max: total.targeted,
    ...Object.fromEntries(NOTICE.map((name) => [`notice ${name}`, total[name]])),
    outcome_to_go: total.to_go,
    outcome_aborted: total.aborted,
    outcome_unknown: total.unknown,
    not_reached: NOT_REACHED.reduce((sum, name) => sum + total[name], 0),
    readers_now: 0,
    ...Object.fromEntries(Object.entries(TIMES).map(([name, field]) => [name, duration(total.latency[field])])),
    within_30: total.latency.within_30_s,
    ...flat(groups),
  };
}

/** What two accounts say otherwise, in words. What one leaves out is nothing. */
export function differences(one, other) {
  return [...new Set([...Object.keys(one), ...Object.keys(other)])]
    .filter((name) => (one[name] ?? 0) !== (other[name] ?? 0))
    .map((name) => `${name}: ${one[name]}, ${other[name]}`);
}

/** An editor at the console of a service. */
export async function editor(service) {
  const key = await service.createKey(['--name', 'Amal', '--person', '--scopes', 'publish,read', '--all-regions']);
  const browser = await launchChromium();
  const page = await browser.newPage({ viewport: { width: 1440, height: 950 }, locale: 'en' });
  await page.goto(service.newsroom);
  await signIn(page, key);
  return {
    /** Opens an alert and waits until it says that more than so many are handed over. */
    async watch(id, handedOver) {
      await page.goto(`${service.newsroom}/#/alert/${id}`);
      await page.locator('.about code').getByText(id).waitFor(); // no longer the alert before
      await page.waitForFunction((n) => Number(document.querySelector('.big-number').dataset.value) > n, handedOver);
    },

    /** Presses stop, and waits until the page says that it is heard. Answers when it was clicked, by the machine's clock. */
    async stop() {
      await page.evaluate(() => document.querySelector('.live .stop').addEventListener('click',
        (event) => (window.pressedAt = performance.timeOrigin + event.timeStamp), { once: true, capture: true }));
      await page.getByRole('button', { name: 'Stop sending' }).click();
      await page.locator('.live .notice').waitFor();
      return page.evaluate(() => window.pressedAt);
    },

    /** Waits until the page says that it is over and all it shows agrees: how many numbers, and which do not. */
    async agreed(stats) {
      await liveState(page, 'aborted');
      let numbers = {};
      let wrong;
      const same = async () => {
        numbers = await shown(page);
        wrong = differences(numbers, told(stats));
        return wrong.length === 0;
      };
      await until('the page to agree', same).catch((error) => (wrong ??= [error.message]));
      return { shown: Object.keys(numbers).length, wrong };
    },

    close: () => browser.close(),
  };
}
