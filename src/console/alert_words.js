// An alert in words: urgency, audience, state. The same everywhere it is shown.
import { h } from './dom.js';
import { label, list, t } from './i18n.js';
import { isActual } from './mode.js';
import { find, places } from './session.js';

export const URGENCIES = ['flash', 'high', 'normal', 'low'];
export const PLATFORMS = ['apns', 'fcm', 'webpush', 'stream'];

export const regionsOf = (alert) => alert.audience?.regions ?? [];
export const isForAll = (alert) => regionsOf(alert).includes('all');

export const regionWords = (alert) =>
  isForAll(alert) ? t('all_regions') : list(regionsOf(alert).map((id) => label(find('regions', id))));

export const sectionWords = (alert) =>
  alert.audience?.sections?.length
    ? list(alert.audience.sections.map((id) => label(find('sections', id))))
    : t('all_sections');

/** Ids of the editions with text, in the newsroom's order. */
export const editionsOf = (alert) =>
  (places()?.editions ?? []).filter((e) => alert.content?.[e.id]?.headline).map((e) => e.id);

export const editionWords = (alert) => list(editionsOf(alert).map((id) => label(find('editions', id))));

/** The headline for lists: in the console's language where there is one. */
export function headline(alert, preferred) {
  const ids = editionsOf(alert);
  const id = ids.includes(preferred) ? preferred : ids[0];
  const { dir } = find('editions', id);
  return h(
    'span',
    { lang: id ?? null, dir: dir ?? 'auto', class: 'headline' },
    id ? alert.content[id].headline : t('no_headline'),
  );
}

/** Every edition's headline, each in its own direction. */
export const headlines = (alert) =>
  h(
    'ul',
    { class: 'headlines' },
    editionsOf(alert).map((id) =>
      h(
        'li',
        {},
        h('span', { class: 'edition-mark' }, id.toUpperCase()),
        h('span', { lang: id, dir: find('editions', id).dir ?? 'auto' }, alert.content[id].headline),
      ),
    ),
  );

export const urgencyMark = (urgency) => h('span', { class: ['mark', `urgency-${urgency}`] }, t(`urgency_${urgency}`));

/** LIVE or TEST: by word, weight and pattern. */
export const statusMark = (alert) =>
  isActual(alert)
    ? h('span', { class: 'mark live-mark' }, t('live_word'))
    : h('span', { class: 'mark test-mark' }, t('test_word'));

export const stateMark = (state) => h('span', { class: ['mark', `state-${state}`] }, t(`state_${state}`));

export const platformWord = (platform) => t(`platform_${platform}`);
