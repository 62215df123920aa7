// The texts: one column for each edition, side by side, each in its own direction.
import { h, replace, setAttributes } from './dom.js';
import { textField, optionalWord } from './fields.js';
import { graphemes } from './graphemes.js';
import { label, number, t } from './i18n.js';
import { mayUse, places } from './session.js';

// Shown until the server says what it advises for the devices there are.
let advised = { headline: null, body: null };

export function takeAdvice(answer) {
  const any = Object.values(answer?.lengths ?? {})[0];
  if (any) advised = { headline: any.headline?.advised_max ?? null, body: any.body?.advised_max ?? null };
}

function counterOf(part) {
  return (text) => {
    const count = graphemes(text.trim());
    const max = advised[part];
    return { words: max ? `${number(count)} / ${number(max)}` : number(count), isLong: Boolean(max) && count > max };
  };
}

function switchRow(edition, text, onSwitch) {
  const input = h('input', {
    type: 'checkbox',
    id: `send-${edition.id}`,
    checked: text.on,
    disabled: !mayUse('editions', edition.id),
    on: { change: () => onSwitch(input.checked) },
  });
  return h('div', { class: 'edition-switch' }, input, h('label', { for: input.id }, t('edition_send')));
}

function column(edition, draft, fields, changed, recounts) {
  const text = draft.texts[edition.id];
  const language = { lang: edition.id, dir: edition.dir };
  const set = (name) => (value) => {
    text[name] = value;
    changed();
  };
  const headline = textField(fields, {
    pointer: `/content/${edition.id}/headline`,
    labelText: t('headline'),
    value: text.headline,
    onInput: set('headline'),
    rows: 2,
    counter: counterOf('headline'),
    ...language,
    attributes: { 'aria-required': 'true', class: 'headline-input' },
  });
  const body = textField(fields, {
    pointer: `/content/${edition.id}/body`,
    labelText: [t('body'), optionalWord()],
    value: text.body,
    onInput: set('body'),
    rows: 3,
    counter: counterOf('body'),
    ...language,
  });
  const url = textField(fields, {
    pointer: `/content/${edition.id}/url`,
    labelText: [t('link'), optionalWord()],
    value: text.url,
    onInput: set('url'),
    type: 'url',
    dir: 'ltr',
    attributes: { inputmode: 'url', placeholder: 'https://' },
  });
  recounts.push(headline.recount, body.recount);
  // A headline has no line breaks: Enter goes on to the next field.
  headline.input.addEventListener('keydown', (event) => {
    if (event.key === 'Enter' && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      body.input.focus();
    }
  });
  const inputs = h('div', { class: 'edition-fields' }, headline.root, body.root, url.root);
  const off = h('p', { class: 'edition-off' });
  const root = h('section', {
    class: 'edition',
    'aria-labelledby': `edition-${edition.id}`,
    data: { edition: edition.id },
  });
  const show = () => {
    root.classList.toggle('is-off', !text.on);
    setAttributes(inputs, { hidden: !text.on });
    replace(off, text.on ? null : t('edition_off'));
  };
  const head = h(
    'div',
    { class: 'edition-head' },
    h(
      'h2',
      { id: `edition-${edition.id}` },
      label(edition),
      h('span', { class: 'edition-mark', 'aria-hidden': 'true' }, edition.id.toUpperCase()),
    ),
    switchRow(edition, text, (on) => {
      text.on = on;
      if (!on && draft.fallback === edition.id) draft.fallback = '';
      show();
      changed();
    }),
  );
  show();
  return replace(root, head, off, inputs);
}

/** All columns; `recount()` refreshes the counters when the server's advice is known. */
export function editionColumns(draft, fields, changed) {
  const recounts = [];
  const place = h('div', { class: 'field-said' });
  const columns = places().editions.map((edition) => column(edition, draft, fields, changed, recounts));
  fields.add('/content', { inputs: columns.map((c) => c.querySelector('.edition-switch input')), place });
  return {
    root: h('div', { class: 'editions-part' }, h('div', { class: 'editions' }, columns), place),
    recount: () => recounts.forEach((f) => f()),
  };
}
