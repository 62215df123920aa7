// Everything by keyboard. Single letters work outside of fields and can be switched off (WCAG 2.1.4);
// views say what they do with a command by onCommand().
import { h, replace } from './dom.js';
import { openDialog, button } from './dialog.js';
import { t } from './i18n.js';
import { recall, remember } from './memory.js';
import { isTest, setTest } from './mode.js';
import { go } from './router.js';

const commands = new Map();

/** Answers the function that ends it. The newest view to listen is the one that acts. */
export function onCommand(name, action) {
  commands.set(name, action);
  return () => {
    if (commands.get(name) === action) commands.delete(name);
  };
}

const run = (name) => {
  const action = commands.get(name);
  action?.();
  return Boolean(action);
};

const LETTERS = [
  { key: 'n', text: 'key_compose', action: () => go('compose') },
  { key: 'p', text: 'key_planned', action: () => go('planned') },
  { key: 'h', text: 'key_history', action: () => go('history') },
  { key: 'a', text: 'key_audit', action: () => go('audit') },
  { key: 's', text: 'key_health', action: () => go('health') },
  { key: 't', text: 'key_test', action: () => setTest(!isTest()) },
  { key: '/', text: 'key_search', action: () => run('search') },
  { key: '?', text: 'key_help', action: () => showShortcuts() },
];
const CHORDS = [
  { key: 'Ctrl Enter', text: 'key_review' },
  { key: 'Ctrl S', text: 'key_save' },
  { key: 'Esc', text: 'key_close' },
];

const lettersAreOn = () => recall('letters') !== false;

function table() {
  const rows = [...CHORDS, ...LETTERS].map(({ key, text }) =>
    h(
      'tr',
      {},
      h(
        'td',
        {},
        key.split(' ').map((k, i) => [i ? ' + ' : '', h('kbd', {}, k)]),
      ),
      h('td', {}, t(text)),
    ),
  );
  return h(
    'table',
    { class: 'keys' },
    h('thead', { class: 'visually-hidden' }, h('tr', {}, h('th', {}, t('key')), h('th', {}, t('key_does')))),
    h('tbody', {}, rows),
  );
}

export function showShortcuts() {
  if (document.querySelector('dialog[open]')) return;
  openDialog({
    title: t('keys_title'),
    build({ close, body, foot }) {
      const box = h('input', {
        type: 'checkbox',
        id: 'letters',
        checked: lettersAreOn(),
        on: { change: () => remember('letters', box.checked) },
      });
      replace(body, table(), h('p', { class: 'check' }, box, h('label', { for: 'letters' }, t('keys_letters'))));
      foot.append(button(t('close'), { class: 'button primary', on: { click: () => close() } }));
    },
  });
}

const isTyping = (target) =>
  target.closest('input:not([type=checkbox]):not([type=radio]), textarea, select, [contenteditable]') !== null;

export function startShortcuts(isReady) {
  addEventListener('keydown', (event) => {
    if (!isReady() || document.querySelector('dialog[open]')) return;
    const isChord = event.ctrlKey || event.metaKey;
    if (isChord && event.key === 'Enter' && run('review')) event.preventDefault();
    if (isChord && event.key.toLowerCase() === 's') {
      run('save');
      event.preventDefault();
    }
    if (isChord || event.altKey || !lettersAreOn() || isTyping(event.target)) return;
    const letter = LETTERS.find(({ key }) => key === event.key);
    if (letter) {
      event.preventDefault();
      letter.action();
    }
  });
}
