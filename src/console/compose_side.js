// Beside the texts: exactly who would get it, and how it will look.
import { h, replace, setAttributes, setText, uniqueId } from './dom.js';
import { icon } from './icons.js';
import { DEVICES, deviceCount, drawDevice } from './device_preview.js';
import { faultText } from './fields.js';
import { label, number, t } from './i18n.js';
import { explain } from './notice.js';
import { find, places } from './session.js';

const row = (name, value, share) =>
  h(
    'li',
    { class: 'count-row' },
    h('span', {}, name),
    h('span', { class: 'figure' }, number(value)),
    h('meter', { min: 0, max: 1, value: share, 'aria-hidden': 'true', tabindex: '-1' }),
  );

function breakdown(answer) {
  const part = (title, counts, nameOf) => {
    const entries = Object.entries(counts ?? {}).filter(([, count]) => count > 0);
    return entries.length === 0
      ? null
      : h(
          'div',
          { class: 'count-part' },
          h('h3', {}, title),
          h(
            'ul',
            {},
            entries.map(([id, count]) => row(nameOf(id), count, answer.total ? count / answer.total : 0)),
          ),
        );
  };
  return [
    part(t('by_platform'), answer.platforms, (id) => t(`platform_${id}`)),
    part(t('by_edition'), answer.editions, (id) => label(find('editions', id))),
    part(t('by_region'), answer.regions, (id) => label(find('regions', id))),
  ];
}

/** Who would get it. `show(state)` takes what audienceWatch tells. */
export function audienceBox() {
  const total = h('p', { class: 'total' });
  const words = h('p', { class: 'total-words', role: 'status' });
  const detail = h('div', { class: 'counts' });
  const root = h(
    'section',
    { class: 'card audience-box', 'aria-labelledby': 'audience-title' },
    h('h2', { id: 'audience-title' }, t('audience')),
    total,
    words,
    detail,
  );
  const draw = {
    none() {
      setText(total, '–');
      setText(words, t('audience_none'));
      replace(detail);
    },
    counting() {
      setText(words, t('audience_counting'));
    },
    known({ answer }) {
      setText(total, number(answer.total));
      setText(words, t('audience_phones', { count: answer.total }));
      const night = answer.local_time?.night;
      replace(
        detail,
        h('p', { class: 'readers' }, icon('people'), t('audience_readers', { count: answer.readers?.matching ?? 0 })),
        night ? h('p', { class: 'night' }, icon('moon'), t('audience_night', { count: night })) : null,
        answer.needs_approval ? h('p', { class: 'night' }, icon('shield'), t('audience_approval')) : null,
        breakdown(answer),
      );
    },
    failed({ error }) {
      setText(total, '–');
      setText(words, t('audience_failed'));
      const faults = error.errors?.length ? error.errors.map((f) => faultText(f)) : [explain(error)];
      replace(
        detail,
        faults.map((text) => h('p', { class: 'said fault' }, icon('warning'), h('span', {}, text))),
      );
    },
  };
  return {
    root,
    show(state) {
      setAttributes(root, { 'aria-busy': state.state === 'counting' ? 'true' : null, 'data-state': state.state });
      draw[state.state](state);
    },
  };
}

/** The device pictures: one device and one edition at a time, chosen by buttons. */
export function previewBox(editionsWanted) {
  let device = 'apns';
  let edition = places().editions[0].id;
  let alert = null;
  let answer = null;
  const stage = h('div', { class: 'stage' });
  const words = h('p', { class: 'stage-words', id: uniqueId('stage') });
  const choice = (name, ids, textOf, chosen, choose) => {
    const buttons = ids.map((id) =>
      h(
        'button',
        {
          type: 'button',
          class: 'segment',
          data: { id },
          on: {
            click: () => {
              choose(id);
              draw();
            },
          },
        },
        textOf(id),
      ),
    );
    return {
      root: h('div', { class: 'segments', role: 'group', 'aria-label': name }, buttons),
      sync: () => buttons.forEach((b) => setAttributes(b, { 'aria-pressed': String(b.dataset.id === chosen()) })),
    };
  };
  const devices = choice(
    t('preview_device'),
    DEVICES,
    (id) => t(`device_${id}`),
    () => device,
    (id) => (device = id),
  );
  const editions = choice(
    t('preview_edition'),
    places().editions.map((e) => e.id),
    (id) => label(find('editions', id)),
    () => edition,
    (id) => (edition = id),
  );
  function draw() {
    devices.sync();
    editions.sync();
    drawDevice(stage, device, edition, alert, answer);
    setText(words, deviceCount(device, edition, answer));
  }
  draw();
  return {
    root: h(
      'section',
      { class: 'card preview-box', 'aria-labelledby': 'preview-title' },
      h('h2', { id: 'preview-title' }, t('preview')),
      devices.root,
      editions.root,
      stage,
      words,
    ),
    /** `rendered` only when it is of exactly this alert. */
    show(newAlert, rendered) {
      alert = newAlert;
      answer = rendered;
      const wanted = editionsWanted();
      if (wanted.length > 0 && !wanted.includes(edition)) [edition] = wanted;
      draw();
    },
    focusEdition(id) {
      if (id === edition || !id) return;
      edition = id;
      draw();
    },
  };
}
