// What is done and read at the console's pages by tests and benchmarks alike.

/** Signs in with a personal key, at the page that asks for one. */
export async function signIn(page, key) {
  await page.locator('#key').fill(key);
  await page.keyboard.press('Enter');
  await page.locator('.frame').waitFor();
  return page;
}

/** Waits until an alert's delivery is in that state, as its page shows it. */
export const liveState = (page, state) => page.locator(`.live[data-state=${state}]`).waitFor();

/** The number that a text shows, whatever stands between its digits. */
export const digits = (text) => Number(text.replace(/\D/g, ''));

/** The figures of a table on the page of an alert ('platforms', 'editions', 'regions'), by row and outcome. */
export async function figuresOf(page, group) {
  const rows = await page.locator(`.tables [data-group=${group}] tr[data-row]`).evaluateAll((list) =>
    list.map((row) => [row.dataset.row, [...row.querySelectorAll('[data-outcome]')].map((cell) => [cell.dataset.outcome, cell.textContent])]));
  return Object.fromEntries(rows.map(([row, cells]) => [row, Object.fromEntries(cells.map(([name, text]) => [name, digits(text)]))]));
}
