/* The alerts on the page: newest first, by day; corrections and withdrawals where the alert stands. */
import { el, icon, isWeb } from './dom.js';
import { dayNumber } from './strings.js';

const SHOWN_MAX = 200;

export class AlertList {
  /* `home` is filled. `labels` tells the name of a region; `opened(alert)` hears of followed links. */
  constructor(home, { language, edition, labels, opened }) {
    Object.assign(this, { home, language, edition, labels, opened });
    this.items = new Map(); // id → item
    this.home.replaceChildren();
  }

  get size() {
    return this.items.size;
  }

  clear() {
    this.items.clear();
    this.home.replaceChildren();
  }

  /* Shows an alert, or what became of it. False: nothing to show it at. */
  put(alert, { isNew = false, isLive = false } = {}) {
    const before = this.items.get(alert.id);
    if (alert.type === 'cancel' && !before) return false;
    const [language, content] = this.#contentOf(alert) ?? [before.language, before.content];
    // A withdrawal crosses out what was said; what it says itself stands below.
    const isCancel = alert.type === 'cancel';
    const item = {
      alert, language,
      content: isCancel ? before.content : content,
      word: isCancel && content.headline !== before.content.headline ? content.headline : null,
      isNew: before?.isNew ?? isNew,
      first: before?.first ?? alert,
      earlier: before && !isCancel ? this.#earlier(before, content) : [],
    };
    const article = this.#render(item);
    article.classList.toggle('arrived', isLive);
    if (before) before.article.replaceWith(article);
    else this.#place(article, new Date(alert.sent_at));
    this.items.set(alert.id, { ...item, article });
    this.#trim();
    return true;
  }

  /* Times "5 minutes ago" go on; at midnight the days are named anew. */
  tick() {
    for (const time of this.home.querySelectorAll('time[data-ago]')) {
      time.nextElementSibling.textContent = this.language.ago(new Date(time.dateTime));
    }
    for (const day of this.home.querySelectorAll('.day')) {
      day.querySelector('h2').textContent = this.language.day(new Date(Number(day.dataset.at)));
    }
  }

  #contentOf({ content }) {
    const entries = Object.entries(content ?? {});
    return entries.find(([language]) => language === this.edition) ?? entries[0];
  }

  // Headlines it had, the last first; an update of something else in it leaves none.
  #earlier(before, content) {
    const changed = before.content.headline !== content.headline;
    return changed ? [before.content.headline, ...before.earlier] : before.earlier;
  }

  #place(article, date) {
    const number = dayNumber(date);
    const days = [...this.home.children];
    let day = days.find((d) => Number(d.dataset.day) === number);
    if (!day) {
      day = el('section', { class: 'day', data: { day: number, at: date.getTime() } },
        el('h2', { text: this.language.day(date) }));
      const older = days.find((d) => Number(d.dataset.day) < number);
      this.home.insertBefore(day, older ?? null);
    }
    const older = [...day.querySelectorAll('article')].find((a) => Number(a.dataset.at) <= date.getTime());
    day.insertBefore(article, older ?? null);
  }

  #trim() {
    while (this.items.size > SHOWN_MAX) {
      const last = this.home.lastElementChild;
      const article = last.lastElementChild;
      this.items.delete(article.dataset.id);
      article.remove();
      if (!last.querySelector('article')) last.remove();
    }
  }

  // --- one alert ---

  #render(item) {
    const { alert, first } = item;
    const date = new Date(first.sent_at);
    return el('article', {
      class: `alert ${alert.urgency} ${alert.type}`,
      data: { id: alert.id, revision: alert.revision, at: date.getTime() },
    }, this.#when(date), el('div', { class: 'what' }, this.#labels(item), this.#headline(item), ...this.#rest(item)),
    this.#picture(item));
  }

  #when(date) {
    const exact = this.language.time(date, { dateStyle: 'full', timeStyle: 'long' });
    return el('p', { class: 'when' },
      el('time', { datetime: date.toISOString(), title: exact, data: { ago: '' }, text: this.language.time(date) }),
      el('span', { class: 'ago', text: this.language.ago(date) }));
  }

  #labels({ alert, isNew }) {
    const badge = (name, text = this.language.text(name)) => el('span', { class: `badge ${name}` }, icon(name), text);
    const { status = 'actual' } = alert;
    return el('p', { class: 'labels' },
      badge(alert.urgency),
      status !== 'actual' && el('span', { class: 'badge trial', text: this.language.text(status) }),
      alert.type !== 'alert' && badge(alert.type),
      el('span', { class: 'places', text: (alert.audience?.regions ?? []).map((id) => this.labels(id)).join(' · ') }),
      isNew && el('span', { class: 'fresh', text: this.language.text('isNew') }));
  }

  #headline({ alert, language, content }) {
    const text = alert.type === 'cancel' ? el('s', { text: content.headline }) : content.headline;
    const linked = isWeb(content.url) && alert.type !== 'cancel';
    const inner = linked ? el('a', { href: content.url, rel: 'noopener' }, text) : text;
    if (linked) inner.addEventListener('click', () => this.opened(alert));
    return el('h3', { lang: language, dir: content.dir ?? 'auto' }, inner);
  }

  #rest(item) {
    const { alert, language, content, earlier, word } = item;
    const own = { lang: language, dir: content.dir ?? 'auto' };
    const at = this.language.time(new Date(alert.sent_at));
    const rest = [];
    if (alert.type === 'cancel') {
      if (word) rest.push(el('p', { class: 'body', ...own, text: word }));
      rest.push(el('p', { class: 'note', text: this.language.text('withdrawnAt', { time: at }) }));
      return rest;
    }
    if (content.body) rest.push(el('p', { class: 'body', ...own, text: content.body }));
    if (alert.source) rest.push(el('p', { class: 'source', text: this.language.text('source', { source: alert.source }) }));
    if (alert.type === 'update') rest.push(el('p', { class: 'note', text: this.language.text('correctedAt', { time: at }) }));
    if (earlier.length > 0) {
      rest.push(el('details', {}, el('summary', { text: this.language.text('before') }),
        ...earlier.map((headline) => el('p', own, el('del', { text: headline })))));
    }
    return rest;
  }

  #picture({ alert, content }) {
    if (!/^https:\/\//i.test(content.image_url ?? '') || alert.type === 'cancel') return null;
    const picture = el('img', {
      class: 'picture', src: content.image_url, alt: '', loading: 'lazy', referrerpolicy: 'no-referrer', width: 112, height: 84,
    });
    picture.addEventListener('error', () => picture.remove());
    return picture;
  }
}
