/* The readers' page: one client (tocsin.js), the list it fills, and what the reader chose. */
import { Tocsin } from './tocsin.mjs';
import { Choice } from './choice.js';
import { AlertList } from './list.js';
import { StateView } from './state.js';
import { Language } from './strings.js';

const HISTORY = 40;
const TICK_MS = 1000;
const AGO_MS = 20_000;
const TAXONOMY_RETRY_MS = 3000;

const $ = (selector) => document.querySelector(selector);

class Page {
  constructor(taxonomy) {
    this.choice = new Choice(taxonomy, () => this.change());
    this.language = new Language(this.choice.edition);
    this.state = new StateView(this.language);
    this.client = new Tocsin({ filter: this.choice.filter, history: HISTORY, receipts: true });
    this.unread = 0; // arrived while nobody looked at the top of the page
    this.settled = false; // the history is there
    this.lastVisit = this.client.lastVisit;
    this.render();
    for (const type of ['alert', 'update', 'cancel']) this.client.on(type, (alert) => this.take(alert));
    this.client.on('reset', (reset) => this.reset(reset));
    this.client.on('status', (status) => this.state.show(status));
    $('#retry').addEventListener('click', () => this.client.retry());
    $('#newer').addEventListener('click', () => this.toTop());
    addEventListener('scroll', () => this.look(), { passive: true });
    document.addEventListener('visibilitychange', () => this.look());
    setInterval(() => this.state.render(), TICK_MS);
    setInterval(() => this.list.tick(), AGO_MS);
    this.client.start();
  }

  render() {
    const { language, choice } = this;
    const root = document.documentElement;
    root.lang = language.id;
    root.dir = language.dir;
    document.title = language.text('title');
    for (const element of document.querySelectorAll('[data-text]')) element.textContent = language.text(element.dataset.text);
    for (const element of document.querySelectorAll('[data-label]')) element.setAttribute('aria-label', language.text(element.dataset.label));
    $('#tests').hidden = !choice.test;
    choice.render(language);
    this.state.language = language;
    this.state.render();
    this.list = new AlertList($('#alerts'), {
      language,
      edition: choice.edition,
      labels: (id) => choice.label('regions', id, language),
      opened: (alert) => this.client.opened(alert),
    });
    this.settled = false;
    this.showEmpty();
  }

  change() {
    this.language = new Language(this.choice.edition);
    this.unread = 0;
    this.render();
    this.look();
    this.client.setFilter(this.choice.filter);
  }

  // The history is to come, or so long was missed that the list has to be read anew.
  reset({ reason }) {
    this.list.clear();
    this.settled = reason === 'history';
    if (!this.settled) this.client.setFilter(this.choice.filter);
    this.showEmpty();
  }

  take(alert) {
    this.state.hear();
    const isLive = !alert.replay;
    const isNew = alert.replay === true && this.isSince(alert.position);
    if (!this.list.put(alert, { isNew, isLive })) return;
    this.showEmpty();
    if (!isLive) return;
    this.say(alert);
    if (alert.type === 'alert') this.unread++;
    this.look();
  }

  // Positions count up within an epoch; across epochs nothing is claimed.
  isSince(position) {
    const [epoch, seq] = position.split(':');
    const [lastEpoch, lastSeq] = (this.lastVisit ?? '').split(':');
    return epoch === lastEpoch && Number(seq) > Number(lastSeq);
  }

  say(alert) {
    const content = alert.content?.[this.choice.edition] ?? Object.values(alert.content ?? {})[0];
    const word = this.language.text(alert.type === 'alert' ? alert.urgency : alert.type);
    const text = `${word}: ${content?.headline ?? ''}`;
    $(alert.urgency === 'flash' ? '#say-now' : '#say').textContent = text;
  }

  showEmpty() {
    const empty = $('#empty');
    empty.hidden = this.list.size > 0;
    empty.textContent = this.language.text(this.settled ? 'empty' : 'loading');
  }

  look() {
    const sees = !document.hidden && scrollY < 120;
    if (sees) this.unread = 0;
    const newer = $('#newer');
    newer.hidden = this.unread === 0 || document.hidden;
    newer.textContent = this.language.more(this.unread);
    document.title = `${this.unread > 0 ? `(${this.unread}) ` : ''}${this.language.text('title')}`;
  }

  toTop() {
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    scrollTo({ top: 0, behavior: calm ? 'auto' : 'smooth' });
    $('#alerts').focus({ preventScroll: true });
  }
}

async function begin() {
  for (;;) {
    try {
      const answer = await fetch('v1/taxonomy');
      if (!answer.ok) throw new Error(`status ${answer.status}`);
      return new Page(await answer.json());
    } catch {
      $('#state-text').textContent = new Language(navigator.languages[0].split('-')[0]).text('waiting');
      $('#state').dataset.state = 'waiting';
      await new Promise((resolve) => setTimeout(resolve, TAXONOMY_RETRY_MS));
    }
  }
}

begin();
