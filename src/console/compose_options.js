// When it goes, and the rest that most alerts do not need, behind a disclosure.
import { h, replace, setAttributes, uniqueId } from './dom.js';
import { chipGroup, optionalWord, textField } from './fields.js';
import { dateTime, label, t, zoneName } from './i18n.js';
import { instant } from './draft.js';
import { places } from './session.js';

const pointerOf = (when) => (when === 'embargo' ? '/embargoed_until' : '/send_at');

function timeField(draft, fields, changed) {
  const id = uniqueId('at');
  const meaning = h('p', { class: 'hint', id: `${id}-hint` });
  const labelLine = h('label', { for: id });
  const place = h('div', { class: 'field-said' });
  const input = h('input', {
    id,
    type: 'datetime-local',
    value: draft.at,
    on: {
      input: () => {
        draft.at = input.value;
        show();
        changed();
      },
    },
  });
  const root = h('div', { class: 'field' }, labelLine, input, meaning, place);
  for (const when of ['at', 'embargo'])
    fields.add(pointerOf(when), { inputs: [input], place, describedBy: [meaning.id] });
  const show = () => {
    setAttributes(root, { hidden: draft.when === 'now' });
    replace(labelLine, t(draft.when === 'embargo' ? 'when_embargo_label' : 'when_at_label'));
    const at = instant(draft.at);
    replace(
      meaning,
      at
        ? t('when_meaning', { zone: zoneName(), local: dateTime(at), utc: at.slice(0, 16).replace('T', ' ') })
        : t('when_zone', { zone: zoneName() }),
    );
  };
  show();
  return { root, show };
}

/** Now, at a time, or when an embargo ends. */
export function whenPart(draft, fields, changed) {
  const time = timeField(draft, fields, changed);
  const group = chipGroup({
    name: 'when',
    type: 'radio',
    legend: t('when'),
    fields,
    pointer: '/when',
    options: ['now', 'at', 'embargo'].map((id) => ({ id, text: t(`when_${id}`) })),
    isChosen: (id) => draft.when === id,
    onChoose(id) {
      draft.when = id;
      time.show();
      changed();
    },
  });
  return h('div', { class: 'when' }, group.root, time.root);
}

function fallbackField(draft, fields, changed) {
  const id = uniqueId('fallback');
  const place = h('div', { class: 'field-said' });
  const hint = h('p', { class: 'hint', id: `${id}-hint` }, t('fallback_hint'));
  const select = h(
    'select',
    {
      id,
      value: draft.fallback,
      on: {
        change: () => {
          draft.fallback = select.value;
          changed();
        },
      },
    },
    h('option', { value: '' }, t('fallback_none')),
    places().editions.map((e) => h('option', { value: e.id }, t('fallback_to', { edition: label(e) }))),
  );
  fields.add('/fallback_language', { inputs: [select], place, describedBy: [hint.id] });
  return h('div', { class: 'field' }, h('label', { for: id }, t('fallback')), select, hint, place);
}

/** Story id, tags, source, life time, picture, fallback language, collapse id. */
export function morePart(draft, fields, changed) {
  const field = (name, pointer, options = {}) =>
    textField(fields, {
      pointer,
      labelText: [t(`option_${name}`), optionalWord()],
      value: draft[name],
      hint: t(`option_${name}_hint`),
      onInput(value) {
        draft[name] = value;
        changed();
      },
      ...options,
    }).root;
  const isUsed = ['story_id', 'tags', 'source', 'ttl_minutes', 'image_url', 'fallback', 'collapse_id'].some(
    (name) => draft[name],
  );
  return h(
    'details',
    { class: 'card more', open: isUsed },
    h('summary', {}, h('h2', {}, t('more'))),
    h(
      'div',
      { class: 'more-grid' },
      fallbackField(draft, fields, changed),
      field('story_id', '/story_id'),
      field('tags', '/tags'),
      field('source', '/source'),
      field('ttl_minutes', '/ttl_s', { type: 'number', attributes: { min: 0, max: 40320, inputmode: 'numeric' } }),
      field('image_url', '/image_url', { type: 'url', dir: 'ltr', attributes: { placeholder: 'https://' } }),
      field('collapse_id', '/collapse_id', { dir: 'ltr' }),
    ),
  );
}
