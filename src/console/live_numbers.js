// The numbers of an alert under way: what is handed over, what is to go, what failed and why, and how
// long it took. Every device is in exactly one column.
import { h, replace, setAttributes, setText } from './dom.js';
import { duration, label, number, percent, t } from './i18n.js';
import { find } from './session.js';

const OUTCOMES = [
  'accepted',
  'to_go',
  'failed',
  'token_dead',
  'expired',
  'suppressed',
  'payload_rejected',
  'aborted',
  'superseded',
  'unknown',
];

const figure = (key, value, more) =>
  h(
    'div',
    { class: 'figure-box', data: { figure: key } },
    h('span', { class: 'figure-name' }, t(key)),
    h('span', { class: 'figure-value' }, value),
    more ? h('span', { class: 'figure-more' }, more) : null,
  );

function latencyFigures({ latency, accepted }) {
  if (!latency) return null;
  return h(
    'div',
    { class: 'figures' },
    figure('half_within', duration(latency.p50_ms)),
    figure('p90_within', duration(latency.p90_ms)),
    figure('p99_within', duration(latency.p99_ms)),
    figure('within_30', percent(latency.within_30_s, accepted), number(latency.within_30_s)),
  );
}

function table(group, caption, stats, nameOf, receipts) {
  const rows = Object.entries(stats[group] ?? {}).filter(([, c]) => c.targeted > 0);
  if (rows.length === 0) return null;
  const columns = OUTCOMES.filter((o) => o === 'accepted' || o === 'to_go' || rows.some(([, c]) => c[o] > 0)).filter(
    (o) => rows.some(([, c]) => c[o] !== undefined),
  );
  // Connected readers are not counted before they get it; what they tell stands in a row of its own.
  const untargeted = Object.keys(receipts ?? {}).filter((id) => !rows.some(([row]) => row === id));
  const seen = receipts ? ['received', 'opened'].filter((r) => Object.values(receipts).some((p) => p[r] > 0)) : [];
  return h(
    'div',
    { class: 'table-scroll', data: { group }, tabindex: '0', role: 'group', 'aria-label': caption },
    h(
      'table',
      { class: 'numbers' },
      h('caption', {}, caption),
      h(
        'thead',
        {},
        h(
          'tr',
          {},
          h('td', {}),
          h('th', { scope: 'col' }, t('outcome_targeted')),
          columns.map((o) => h('th', { scope: 'col' }, t(`outcome_${o}`))),
          seen.map((r) => h('th', { scope: 'col' }, t(`receipt_${r}`))),
        ),
      ),
      h(
        'tbody',
        {},
        rows.map(([id, c]) =>
          h(
            'tr',
            { data: { row: id } },
            h('th', { scope: 'row' }, nameOf(id)),
            h('td', { data: { outcome: 'targeted' } }, number(c.targeted)),
            columns.map((o) => h('td', { data: { outcome: o } }, number(c[o] ?? 0))),
            seen.map((r) => h('td', {}, number(receipts[id]?.[r] ?? 0))),
          ),
        ),
        untargeted.map((id) =>
          h(
            'tr',
            {},
            h('th', { scope: 'row' }, nameOf(id)),
            h('td', {}, '–'),
            columns.map(() => h('td', {}, '–')),
            seen.map((r) => h('td', {}, number(receipts[id][r] ?? 0))),
          ),
        ),
      ),
    ),
  );
}

/** Bar, figures and tables of one alert. */
export class LiveNumbers {
  constructor() {
    this.bar = h('progress', { class: 'bar', max: 1, value: 0, 'aria-label': t('progress') });
    this.big = h('p', { class: 'big-number' });
    this.words = h('p', { class: 'big-words' });
    this.parts = h('div', {});
    this.tables = h('div', { class: 'tables' });
    this.root = h('div', { class: 'numbers-box' }, this.big, this.words, this.bar, this.parts);
  }

  show(stats, { readers } = {}) {
    const { total } = stats;
    const done = total.targeted - total.to_go;
    setAttributes(this.bar, { max: Math.max(1, total.targeted), value: done });
    this.bar.value = done;
    setText(this.big, number(total.accepted));
    this.big.dataset.value = total.accepted;
    setText(
      this.words,
      stats.state === 'planning'
        ? t('planning_words')
        : t('handed_over_of', { targeted: number(total.targeted), percent: percent(total.accepted, total.targeted) }),
    );
    const received = stats.receipts?.received;
    replace(
      this.parts,
      h(
        'div',
        { class: 'figures' },
        figure('outcome_to_go', number(total.to_go)),
        total.aborted > 0 ? figure('outcome_aborted', number(total.aborted)) : null,
        figure(
          'not_reached',
          number(total.failed + total.token_dead + total.expired + total.suppressed + total.payload_rejected),
        ),
        total.unknown > 0 ? figure('outcome_unknown', number(total.unknown)) : null,
        received === undefined
          ? null
          : figure('receipt_received', number(received), t('receipts_opened', { count: stats.receipts.opened ?? 0 })),
        readers === undefined ? null : figure('readers_now', number(readers), t('readers_now_hint')),
      ),
      latencyFigures(total),
    );
    replace(
      this.tables,
      table('platforms', t('by_platform'), stats, (id) => t(`platform_${id}`), stats.receipts?.platforms),
      table('editions', t('by_edition'), stats, (id) => label(find('editions', id))),
      table('regions', t('by_region'), stats, (id) => label(find('regions', id))),
    );
  }
}
