// What the confirm dialog states, as elements: LIVE or TEST, to whom, how many, when, and what is odd.
import { editionWords, headlines, isForAll, PLATFORMS, regionWords, sectionWords, urgencyMark } from './alert_words.js';
import { h, uniqueId } from './dom.js';
import { icon } from './icons.js';
import { warningText } from './fields.js';
import { dateTime, label, list, number, t, zoneName } from './i18n.js';
import { isActual } from './mode.js';
import { link } from './router.js';
import { find } from './session.js';
import { isGrave, testWords } from './test_words.js';

export const banner = (alert) =>
  h(
    'p',
    { class: ['banner', isActual(alert) ? 'banner-live' : 'banner-test'] },
    h('strong', {}, t(isActual(alert) ? 'live_word' : 'test_word')),
    h('span', {}, t(isActual(alert) ? 'live_meaning' : 'test_meaning')),
  );

const line = (name, ...value) => h('div', { class: 'fact' }, h('dt', {}, name), h('dd', {}, ...value));

const counts = (object, nameOf) =>
  list(
    Object.entries(object ?? {})
      .filter(([, n]) => n > 0)
      .map(([id, n]) => `${nameOf(id)} ${number(n)}`),
  );

function whenWords(alert) {
  const at = alert.embargoed_until ?? alert.send_at;
  if (at)
    return `${t(alert.embargoed_until ? 'confirm_embargo' : 'confirm_at', { when: dateTime(at) })} (${zoneName()})`;
  return t(alert.urgency === 'flash' || (alert.msg_type ?? 'alert') !== 'alert' ? 'confirm_now_flash' : 'confirm_now');
}

/** Everything that is going to happen, once it has been counted. */
export function facts(alert, answer, { withTexts = true } = {}) {
  const night = answer.local_time?.night;
  return h(
    'dl',
    { class: 'facts' },
    line(
      t('confirm_count'),
      h('strong', { class: 'confirm-count' }, t('count_phones', { count: answer.total })),
      h(
        'span',
        { class: 'sub' },
        [
          counts(answer.platforms, (id) => t(`platform_${id}`)),
          t('audience_readers', { count: answer.readers?.matching ?? 0 }),
        ]
          .filter(Boolean)
          .join(' · '),
      ),
    ),
    night === undefined
      ? null
      : line(t('confirm_night'), night > 0 ? icon('moon') : null, t('confirm_night_count', { count: night })),
    alert.audience
      ? line(t('regions'), h('strong', { class: isForAll(alert) ? 'all' : null }, regionWords(alert)))
      : null,
    alert.audience ? line(t('sections'), sectionWords(alert)) : null,
    line(
      t('editions'),
      editionWords(alert),
      h(
        'span',
        { class: 'sub' },
        counts(answer.editions, (id) => label(find('editions', id))),
      ),
    ),
    alert.urgency
      ? line(
          t('urgency'),
          urgencyMark(alert.urgency),
          h('span', { class: 'sub' }, t(`urgency_${alert.urgency}_meaning`)),
        )
      : null,
    line(
      t('when'),
      whenWords(alert),
      answer.needs_approval ? h('span', { class: 'sub strong' }, t('audience_approval')) : null,
    ),
    withTexts ? line(t('texts'), headlines(alert)) : null,
  );
}

export const platformsOf = (answer) => PLATFORMS.filter((p) => answer.platforms?.[p] > 0);

const editionName = (pointer = '') => {
  const edition = pointer.split('/')[2];
  return edition ? label(find('editions', edition)) : '';
};

const fieldName = (pointer) => {
  const [, , edition, part] = pointer.split('/');
  return edition ? `${label(find('editions', edition))}${part ? ` · ${t(part === 'url' ? 'link' : part)}` : ''}` : '';
};

/** The id of an alert that the server's words name, if they do. */
export const alertIn = (text) => /[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}/.exec(text ?? '')?.[0];

/** A warning to be ticked; `boxes` gets its box. */
function graveLine(warning, boxes, onTick) {
  const where = fieldName(warning.pointer ?? '');
  const box = h('input', {
    type: 'checkbox',
    id: uniqueId('tick'),
    on: { change: () => onTick(boxes.every((b) => b.checked)) },
  });
  boxes.push(box);
  const earlier = warning.code === 'duplicate' ? alertIn(warning.detail) : null;
  const words = [where ? h('strong', {}, `${where}: `) : null, warningText(warning)];
  return h(
    'li',
    { class: 'caution-line grave' },
    box,
    h(
      'div',
      {},
      h('label', { for: box.id }, words, ' ', h('em', {}, t('confirm_tick'))),
      earlier
        ? h('p', {}, h('a', { href: link(`alert/${earlier}`), target: '_blank' }, t('confirm_duplicate_see')))
        : null,
    ),
  );
}

/** What several fields have in common is said once. */
function gentleLine(warnings) {
  const names = warnings.map(({ pointer }) => (warnings.length > 1 ? editionName(pointer) : fieldName(pointer ?? '')));
  const where = list([...new Set(names)].filter(Boolean));
  const words = [where ? h('strong', {}, `${where}: `) : null, warningText(warnings[0])];
  return h('li', { class: 'caution-line' }, icon('warning'), h('span', {}, words));
}

/** Warnings; the grave ones with a box to tick. `onTick(all ticked)`. */
export function cautions(alert, answer, onTick) {
  // How many it wakes stands among the facts.
  const all = [...testWords(alert), ...(answer.warnings ?? [])].filter(({ code }) => code !== 'night_time');
  const boxes = [];
  const grave = all.filter(isGrave).map((warning) => graveLine(warning, boxes, onTick));
  const byCode = new Map();
  for (const warning of all.filter((w) => !isGrave(w))) {
    byCode.set(warning.code, [...(byCode.get(warning.code) ?? []), warning]);
  }
  const items = [...grave, ...[...byCode.values()].map(gentleLine)];
  onTick(boxes.length === 0);
  return items.length > 0 ? h('ul', { class: 'cautions' }, items) : null;
}

/** A flash to everybody needs a word typed; null where it does not. */
export function typedWord(alert, onTyped) {
  if (!isActual(alert) || alert.urgency !== 'flash' || !isForAll(alert)) {
    onTyped(true);
    return null;
  }
  const id = uniqueId('typed');
  const word = t('confirm_word');
  const input = h('input', {
    id,
    type: 'text',
    autocomplete: 'off',
    spellcheck: 'false',
    autocapitalize: 'characters',
    on: { input: () => onTyped(input.value.trim().toLocaleUpperCase() === word) },
  });
  onTyped(false);
  return h('div', { class: 'field typed' }, h('label', { for: id }, t('confirm_type', { word })), input);
}
