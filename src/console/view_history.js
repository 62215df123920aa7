// What was sent, newest first: search, open, correct, retract.
import { get } from './api.js';
import { headline, regionWords, statusMark, urgencyMark } from './alert_words.js';
import { compose } from './view_compose.js';
import { correct, retract } from './correct.js';
import { draftFrom } from './draft.js';
import { h, replace, setText } from './dom.js';
import { icon } from './icons.js';
import { ago, dateTime, language, t } from './i18n.js';
import { showError } from './notice.js';
import { link } from './router.js';
import { find, may } from './session.js';
import { onCommand } from './shortcuts.js';

const PAGE = 50;
const SEARCH_PAGES = 20; // how many more pages a search reads by itself: a thousand alerts
const TYPING_MS = 250;

const fold = (text) => text.normalize('NFKD').replace(/\p{M}/gu, '').toLocaleLowerCase();

/** Everything of an alert that somebody might look for. */
function haystack(alert) {
  const texts = Object.values(alert.content ?? {}).flatMap((c) => [c.headline, c.body, c.url]);
  const regions = (alert.audience?.regions ?? []).flatMap((id) => [id, ...Object.values(find('regions', id).labels)]);
  return fold(
    [alert.id, alert.story_id, alert.source, ...(alert.tags ?? []), ...texts, ...regions].filter(Boolean).join('\n'),
  );
}

function row(alert, reload) {
  const isRetracted = alert.msg_type === 'cancel' || alert.retracted;
  const mayChange = may('publish') && !isRetracted;
  const act = (text, action, className = 'button small') =>
    h('button', { type: 'button', class: className, on: { click: action } }, text);
  return h(
    'li',
    { class: ['item', isRetracted ? 'is-retracted' : null], data: { id: alert.id } },
    h(
      'div',
      { class: 'item-main' },
      h(
        'p',
        { class: 'marks' },
        statusMark(alert),
        urgencyMark(alert.urgency),
        alert.revision > 1 && !isRetracted
          ? h('span', { class: 'mark' }, t('corrected', { revision: alert.revision }))
          : null,
        isRetracted ? h('span', { class: 'mark retracted' }, t('retracted')) : null,
      ),
      h('h2', {}, h('a', { href: link(`alert/${alert.id}`) }, headline(alert, language()))),
      h(
        'p',
        { class: 'sub' },
        h('time', { datetime: alert.sent_at, title: dateTime(alert.sent_at) }, ago(alert.sent_at)),
        ` · ${regionWords(alert)}`,
        alert.source ? ` · ${alert.source}` : null,
      ),
    ),
    h(
      'div',
      { class: 'item-actions' },
      mayChange ? act(t('correct'), () => correct(alert, reload)) : null,
      mayChange ? act(t('retract'), () => retract(alert, reload), 'button small danger-quiet') : null,
      may('publish')
        ? act(
            t('again'),
            () => compose(draftFrom({ ...alert, send_at: null, embargoed_until: null, collapse_id: '' })),
            'button small quiet',
          )
        : null,
    ),
  );
}

class History {
  constructor(outlet) {
    this.alerts = new Map();
    this.next = undefined;
    this.turn = 0;
    this.list = h('ul', { class: 'items' });
    this.words = h('p', { class: 'list-words', role: 'status' });
    this.said = h('div', {});
    this.more = h(
      'button',
      { type: 'button', class: 'button', hidden: true, on: { click: () => this.older() } },
      t('older'),
    );
    this.input = h('input', {
      type: 'search',
      id: 'search',
      autocomplete: 'off',
      placeholder: t('search_hint'),
      on: {
        input: () => {
          clearTimeout(this.timer);
          this.timer = setTimeout(() => this.search(), TYPING_MS);
        },
      },
    });
    replace(
      outlet,
      h('div', { class: 'view-head' }, h('h1', { tabindex: '-1' }, t('history'))),
      h(
        'div',
        { class: 'search', role: 'search' },
        h('label', { for: 'search' }, icon('list'), t('search')),
        this.input,
      ),
      this.said,
      this.words,
      this.list,
      this.more,
    );
    this.off = onCommand('search', () => this.input.focus());
    this.search();
  }

  end() {
    this.turn = -1;
    clearTimeout(this.timer);
    this.off();
  }

  /** One page more, unless something else was asked for meanwhile: its answer is of another list. */
  async page(turn) {
    const answer = await get(`/v1/alerts?limit=${PAGE}${this.next ? `&before=${encodeURIComponent(this.next)}` : ''}`);
    if (turn !== this.turn) return;
    // Newest first: a later revision was seen before the earlier one and stays.
    for (const alert of answer.alerts) {
      if (!this.alerts.has(alert.id)) this.alerts.set(alert.id, { ...alert, text: haystack(alert) });
    }
    this.next = answer.next;
  }

  found() {
    const words = fold(this.input.value).split(/\s+/).filter(Boolean);
    return [...this.alerts.values()].filter((alert) => words.every((word) => alert.text.includes(word)));
  }

  draw() {
    const found = this.found();
    replace(
      this.list,
      found.map((alert) => row(alert, () => this.reload())),
    );
    this.more.hidden = !this.next;
    const oldest = [...this.alerts.values()].at(-1);
    setText(
      this.words,
      !oldest
        ? t('history_none')
        : this.input.value.trim()
          ? t('search_found', { count: found.length, since: dateTime(oldest.sent_at) })
          : t('history_count', { count: found.length }),
    );
    return found.length;
  }

  /** Reads on until there is a page of findings, or enough was read. */
  async search() {
    const turn = ++this.turn;
    try {
      if (this.next === undefined) await this.page(turn);
      if (turn !== this.turn) return;
      let count = this.draw();
      for (let i = 0; i < SEARCH_PAGES && this.input.value.trim() && count < PAGE && this.next; i++) {
        await this.page(turn);
        if (turn !== this.turn) return;
        count = this.draw();
      }
    } catch (error) {
      if (turn === this.turn) showError(this.said, error);
    }
  }

  async older() {
    const turn = ++this.turn;
    try {
      await this.page(turn);
      if (turn === this.turn) this.draw();
    } catch (error) {
      if (turn === this.turn) showError(this.said, error);
    }
  }

  reload() {
    this.alerts.clear();
    this.next = undefined;
    return this.search();
  }
}

export function historyView(outlet) {
  const history = new History(outlet);
  return () => history.end();
}
