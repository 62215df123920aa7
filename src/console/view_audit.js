// Who did what: the chained record, newest first, for one alert or all; and whether it is whole.
import { get } from './api.js';
import { h, replace } from './dom.js';
import { icon } from './icons.js';
import { dateTime, known, number, t } from './i18n.js';
import { notice, showError } from './notice.js';
import { link } from './router.js';

const PAGE = 50;
// All that was ever done is read for it.
const VERIFY_MS = 600_000;

const short = (value) => (/^[0-9a-f]{64}$/.test(value) ? `${value.slice(0, 8)}…` : value);

const detailWords = (detail) =>
  Object.entries(detail ?? {})
    .map(([name, value]) => `${name}: ${typeof value === 'object' ? JSON.stringify(value) : short(value)}`)
    .join(', ');

function entryRow(entry) {
  return h(
    'tr',
    {},
    h('td', { class: 'figure' }, number(entry.seq)),
    h('td', {}, h('time', { datetime: entry.at }, dateTime(entry.at))),
    h('td', {}, known(`action_${entry.action}`, entry.action)),
    h(
      'td',
      {},
      entry.actor?.name || t('nobody'),
      entry.actor?.key_id ? h('span', { class: 'sub' }, h('code', {}, entry.actor.key_id)) : null,
    ),
    h(
      'td',
      {},
      entry.alert_id
        ? h('a', { href: link(`alert/${entry.alert_id}`) }, h('code', {}, `…${entry.alert_id.slice(-12)}`))
        : '–',
      entry.revision ? ` · ${entry.revision}` : null,
    ),
    h('td', { class: 'detail' }, detailWords(entry.detail)),
    h('td', {}, h('code', { title: entry.hash }, (entry.hash ?? '').slice(0, 8))),
  );
}

const COLUMNS = ['seq', 'at', 'action', 'actor', 'alert', 'detail', 'hash'];

export function auditView(outlet, alertId) {
  let before = null;
  let isEnded = false;
  const said = h('div', {});
  const result = h('div', { role: 'status' });
  const rows = h('tbody', {});
  const more = h('button', { type: 'button', class: 'button', hidden: true, on: { click: () => load() } }, t('older'));
  const verify = h(
    'button',
    { type: 'button', class: 'button', on: { click: () => check() } },
    icon('shield'),
    t('verify'),
  );

  async function load() {
    more.disabled = true; // a second click would bring the same entries again
    const query = new URLSearchParams({
      limit: PAGE,
      ...(before === null ? {} : { before }),
      ...(alertId ? { alert: alertId } : {}),
    });
    try {
      const answer = await get(`/v1/audit?${query}`);
      if (isEnded) return;
      rows.append(...answer.entries.map(entryRow));
      before = answer.before;
      more.hidden = before === null || before === undefined;
    } catch (error) {
      if (!isEnded) showError(said, error);
    }
    more.disabled = false;
  }

  async function check() {
    verify.disabled = true;
    try {
      const answer = await get('/v1/audit:verify', { limitMs: VERIFY_MS });
      replace(
        result,
        answer.intact
          ? notice('good', t('audit_intact', { count: answer.entries }))
          : notice('error', t('audit_broken', { seq: answer.broken_at })),
      );
    } catch (error) {
      showError(result, error);
    }
    verify.disabled = false;
  }

  replace(
    outlet,
    h('div', { class: 'view-head' }, h('h1', { tabindex: '-1' }, t('audit')), verify),
    alertId
      ? h('p', {}, t('audit_of', { id: alertId }), ' ', h('a', { href: link('audit') }, t('audit_all')))
      : h('p', { class: 'sub' }, t('audit_words')),
    result,
    said,
    h(
      'div',
      { class: 'table-scroll', tabindex: '0', role: 'group', 'aria-label': t('audit') },
      h(
        'table',
        { class: 'audit' },
        h(
          'thead',
          {},
          h(
            'tr',
            {},
            COLUMNS.map((name) => h('th', { scope: 'col' }, t(`audit_${name}`))),
          ),
        ),
        rows,
      ),
    ),
    more,
  );
  load();
  return () => {
    isEnded = true;
  };
}
