// Signing in with a personal key. The key goes to the server once and is kept nowhere here.
import { button } from './dialog.js';
import { h, replace, setAttributes } from './dom.js';
import { icon } from './icons.js';
import { t } from './i18n.js';
import { explain, notice } from './notice.js';
import { signIn } from './session.js';
import { languageSelect } from './header.js';

export function signInView(outlet, { wasLost, onDone }) {
  const said = h('div', { id: 'sign-in-said' });
  const input = h('input', {
    id: 'key',
    type: 'password',
    autocomplete: 'current-password',
    spellcheck: 'false',
    dir: 'ltr',
    required: true,
    placeholder: 'tcn_…',
    'aria-describedby': 'key-hint sign-in-said',
  });
  const go = h('button', { type: 'submit', class: 'button primary big' }, t('sign_in'));
  const show = button(t('show_key'), {
    class: 'button quiet',
    'aria-pressed': 'false',
    on: {
      click: () => {
        const isShown = input.type === 'text';
        input.type = isShown ? 'password' : 'text';
        setAttributes(show, { 'aria-pressed': String(!isShown) });
      },
    },
  });

  async function submit(event) {
    event.preventDefault();
    const key = input.value.trim();
    const fail = (text) => {
      replace(said, notice('error', text));
      setAttributes(input, { 'aria-invalid': 'true' });
      input.focus();
    };
    if (!key) {
      fail(t('key_needed'));
      return;
    }
    go.disabled = true;
    try {
      await signIn(key);
      input.value = '';
      onDone();
    } catch (error) {
      fail(error.status === 401 ? t('key_wrong') : explain(error));
    }
    go.disabled = false;
  }

  replace(
    outlet,
    h(
      'main',
      { class: 'sign-in', id: 'main' },
      h(
        'div',
        { class: 'sign-in-card' },
        h('div', { class: 'brand brand-large' }, icon('bell'), h('span', {}, 'Tocsin')),
        h('h1', { tabindex: '-1' }, t('sign_in_title')),
        wasLost ? notice('warning', t('session_lost')) : h('p', {}, t('sign_in_words')),
        h(
          'form',
          { novalidate: true, on: { submit } },
          h(
            'div',
            { class: 'field' },
            h('label', { for: 'key' }, t('personal_key')),
            input,
            h('p', { class: 'hint', id: 'key-hint' }, t('key_hint')),
          ),
          said,
          h('div', { class: 'actions' }, go, show),
        ),
        languageSelect(),
      ),
    ),
  );
  input.focus();
}
