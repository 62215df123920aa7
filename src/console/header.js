// The bar at the top: where one is, LIVE or TEST, language, appearance, who is signed in.
import { button, ask } from './dialog.js';
import { isEmpty } from './draft.js';
import { h, setAttributes } from './dom.js';
import { icon } from './icons.js';
import { language, languages, setLanguage, t } from './i18n.js';
import { loadWork, recall, remember } from './memory.js';
import { isTest, onMode, setTest } from './mode.js';
import { link, onRoute } from './router.js';
import { session } from './session.js';
import { showShortcuts } from './shortcuts.js';

const VIEWS = [
  ['compose', 'pen'],
  ['planned', 'clock'],
  ['history', 'list'],
  ['audit', 'shield'],
  ['health', 'pulse'],
];
const THEMES = ['auto', 'light', 'dark'];

export function languageSelect() {
  const select = h(
    'select',
    { id: 'language', value: language(), on: { change: () => setLanguage(select.value) } },
    languages().map(({ id, name }) => h('option', { value: id, lang: id }, name)),
  );
  return h('div', { class: 'pick' }, h('label', { for: 'language' }, t('language')), select);
}

export function startTheme() {
  const theme = recall('theme');
  if (THEMES.includes(theme) && theme !== 'auto') document.documentElement.dataset.theme = theme;
}

function themeSelect() {
  const select = h(
    'select',
    {
      id: 'theme',
      value: recall('theme') ?? 'auto',
      on: {
        change: () => {
          remember('theme', select.value);
          if (select.value === 'auto') delete document.documentElement.dataset.theme;
          else document.documentElement.dataset.theme = select.value;
        },
      },
    },
    THEMES.map((id) => h('option', { value: id }, t(`theme_${id}`))),
  );
  return h('div', { class: 'pick' }, h('label', { for: 'theme' }, t('theme')), select);
}

/** One switch of two words; the one that holds is marked by more than its colour. */
function modeSwitch() {
  const make = (test) =>
    h(
      'button',
      { type: 'button', class: ['mode-button', test ? 'mode-test' : 'mode-live'], on: { click: () => setTest(test) } },
      h('span', { class: 'mode-dot', 'aria-hidden': 'true' }),
      t(test ? 'test_word' : 'live_word'),
    );
  const [live, test] = [make(false), make(true)];
  const sync = () => {
    setAttributes(live, { 'aria-pressed': String(!isTest()) });
    setAttributes(test, { 'aria-pressed': String(isTest()) });
  };
  sync();
  return { root: h('div', { class: 'mode', role: 'group', 'aria-label': t('mode') }, live, test), off: onMode(sync) };
}

function userMenu(onSignOut) {
  const leave = async () => {
    const draft = loadWork(session().key_id)?.draft;
    const hasWork = draft && !isEmpty(draft);
    if (hasWork && !(await ask({ title: t('sign_out_title'), text: t('sign_out_text'), action: t('sign_out') })))
      return;
    onSignOut();
  };
  const menu = h(
    'details',
    { class: 'user' },
    h('summary', {}, h('span', { class: 'user-name', dir: 'auto' }, session().name)),
    h(
      'div',
      { class: 'user-menu' },
      languageSelect(),
      themeSelect(),
      button(t('keys_title'), { class: 'button', on: { click: () => showShortcuts() } }),
      button(t('sign_out'), { class: 'button', on: { click: leave } }),
    ),
  );
  menu.addEventListener('keydown', (event) => {
    if (event.key !== 'Escape' || !menu.open) return;
    menu.open = false;
    menu.querySelector('summary').focus();
  });
  menu.addEventListener('focusout', (event) => {
    if (menu.open && event.relatedTarget && !menu.contains(event.relatedTarget)) menu.open = false;
  });
  return menu;
}

let stopMode = () => {};

/** The frame around every view. Answers {root, outlet}. */
export function frame(onSignOut) {
  const links = VIEWS.map(([name, picture]) =>
    h('a', { href: link(name), data: { view: name } }, icon(picture), h('span', {}, t(`nav_${name}`))),
  );
  onRoute((name) =>
    links.forEach((a) => setAttributes(a, { 'aria-current': a.dataset.view === name ? 'page' : null })),
  );
  stopMode();
  const mode = modeSwitch();
  stopMode = mode.off;
  const outlet = h('main', { id: 'main', class: 'outlet', tabindex: '-1' });
  const skip = h(
    'a',
    {
      class: 'skip',
      href: '#main',
      on: {
        click: (event) => {
          event.preventDefault(); // the address belongs to the views
          outlet.focus();
        },
      },
    },
    t('skip'),
  );
  const stripe = h(
    'aside',
    { class: 'test-stripe', 'aria-label': t('mode') },
    h('span', { class: 'stripe-words' }, h('strong', {}, t('test_word')), t('test_meaning')),
  );
  const root = h(
    'div',
    { class: 'frame' },
    skip,
    h(
      'header',
      { class: 'top' },
      h('a', { class: 'brand', href: link('compose'), 'aria-label': 'Tocsin' }, icon('bell'), h('span', {}, 'Tocsin')),
      h('nav', { 'aria-label': t('navigation') }, links),
      mode.root,
      userMenu(onSignOut),
    ),
    stripe,
    outlet,
  );
  return { root, outlet };
}
