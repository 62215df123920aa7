// How it will look: lock screens of an iPhone and an Android phone, a browser's notification and a
// site's ticker, from what the server rendered; before there is an answer, from what is written.
import { h, replace } from './dom.js';
import { clockTime, label, number, t } from './i18n.js';
import { find } from './session.js';

export const DEVICES = ['apns', 'fcm', 'browser', 'stream'];

/** Title and body for a device. A device without a rendering of its own shows the texts as written. */
export function renderedFor(device, edition, alert, answer) {
  const source = device === 'browser' ? 'webpush' : device;
  const rendered = answer?.rendered?.[source]?.[edition];
  const text = alert?.content?.[edition] ?? {};
  return {
    title: rendered?.title ?? text.headline ?? '',
    body: rendered?.body ?? text.body ?? '',
    bytes: rendered?.bytes,
    limit: rendered?.limit,
    isShortened: Boolean(rendered?.shortened),
  };
}

const appIcon = () => h('span', { class: 'app-icon', 'aria-hidden': 'true' }, 'T');

function phone(kind, shown, content) {
  return h(
    'div',
    { class: ['device', `device-${kind}`] },
    h('div', { class: 'device-clock', 'aria-hidden': 'true' }, clockTime(Date.now()).slice(0, 5)),
    h(
      'div',
      { class: 'bubble' },
      h(
        'div',
        { class: 'bubble-head' },
        appIcon(),
        h('span', { class: 'bubble-app' }, t('preview_app')),
        h('span', { class: 'bubble-when' }, t('preview_now')),
      ),
      content(shown),
    ),
  );
}

const texts = ({ title, body }) => [
  h('p', { class: 'bubble-title' }, title || t('preview_empty')),
  body ? h('p', { class: 'bubble-body' }, body) : null,
];

const DRAW = {
  apns: (shown) => phone('iphone', shown, texts),
  fcm: (shown) => phone('android', shown, texts),
  browser: (shown) =>
    h(
      'div',
      { class: 'device device-browser' },
      h(
        'div',
        { class: 'bubble' },
        appIcon(),
        h('div', {}, texts(shown), h('p', { class: 'bubble-site' }, t('preview_site'))),
      ),
    ),
  stream: (shown) =>
    h(
      'div',
      { class: 'device device-ticker' },
      h('span', { class: 'ticker-mark' }, t('preview_breaking')),
      h('span', { class: 'ticker-text' }, shown.title || t('preview_empty')),
    ),
};

function size(shown) {
  if (shown.bytes === undefined) return null;
  return h(
    'p',
    { class: 'device-size' },
    shown.limit
      ? t('preview_bytes_of', { bytes: shown.bytes, limit: shown.limit })
      : t('preview_bytes', { bytes: shown.bytes }),
    shown.isShortened ? h('strong', {}, ` ${t('preview_shortened')}`) : null,
  );
}

/** Draws `device` for `edition` into `place`. The picture speaks the reader's language and direction. */
export function drawDevice(place, device, edition, alert, answer) {
  const shown = renderedFor(device, edition, alert, answer);
  const { dir } = find('editions', edition);
  const picture = DRAW[device](shown);
  picture.setAttribute('dir', dir ?? 'auto');
  picture.setAttribute('lang', edition);
  replace(place, picture, size(shown));
}

/** How many phones show it like that, e.g. "iPhone · Arabic: 4,932". */
export function deviceCount(device, edition, answer) {
  const name = `${t(`device_${device}`)} · ${label(find('editions', edition))}`;
  const count = answer?.platform_editions?.[device]?.[edition];
  return count === undefined ? name : `${name}: ${number(count)}`;
}
