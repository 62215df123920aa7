// An alert under way: bar, curve, figures, and the button that stops it.
import { get, persistently, post, serverNow } from './api.js';
import { preview } from './audience.js';
import { announce, h, replace, setAttributes } from './dom.js';
import { icon } from './icons.js';
import { courseOf, follow } from './live_feed.js';
import { LiveChart } from './live_chart.js';
import { LiveNumbers } from './live_numbers.js';
import { duration, number, t } from './i18n.js';
import { notice, showError } from './notice.js';
import { may } from './session.js';
import { onCommand } from './shortcuts.js';

const READERS_MS = 10_000;
const UNDER_WAY = ['planning', 'sending', 'aborting'];

/** How many readers are connected who get such an alert, asked with its own audience. */
async function readersOf(alert) {
  const { audience, content, urgency, status, fallback_language, tags } = alert;
  const answer = await preview({ audience, content, urgency, status, fallback_language, tags });
  return answer.readers?.matching;
}

export class LivePanel {
  constructor(alert) {
    this.alert = alert;
    this.sentAt = Date.parse(alert.sent_at);
    this.chart = new LiveChart();
    this.numbers = new LiveNumbers();
    this.state = h('p', { class: 'live-state', role: 'status' });
    this.elapsed = h('p', { class: 'elapsed' });
    this.said = h('div', {});
    this.stop = h(
      'button',
      { type: 'button', class: 'button stop big', hidden: true, on: { click: () => this.abort() } },
      icon('stop'),
      t('stop'),
    );
    this.root = h(
      'section',
      { class: 'live', 'aria-labelledby': 'live-title' },
      h(
        'div',
        { class: 'live-top' },
        h('h2', { id: 'live-title' }, t('live_title')),
        this.state,
        this.elapsed,
        this.stop,
      ),
      this.said,
      h('div', { class: 'live-grid' }, this.numbers.root, this.chart.root),
      this.numbers.tables,
    );
    this.offStop = onCommand('stop', () => this.stop.hidden || this.abort());
    this.endFeed = follow(alert.id, null, this.sentAt, (stats, curve, state) => this.show(stats, curve, state));
    this.clock = setInterval(() => this.tick(), 1000);
    this.countReaders();
    this.readersClock = setInterval(() => this.countReaders(), READERS_MS);
  }

  end() {
    this.endFeed();
    this.chart.end();
    this.offStop();
    clearInterval(this.clock);
    clearInterval(this.readersClock);
  }

  countReaders() {
    if (document.hidden || (this.isOver && this.readers !== undefined)) return;
    readersOf(this.alert)
      .then((readers) => {
        this.readers = readers;
        if (this.stats) this.numbers.show(this.stats, this);
      })
      .catch(() => {}); // the figure stays as it was; the alert's own numbers do not depend on it
  }

  tick() {
    if (this.isOver || !this.stats) return;
    replace(this.elapsed, t('elapsed', { time: duration(serverNow() - this.sentAt) }));
  }

  show(stats, curve, connection) {
    this.stats = stats;
    const wasOver = this.isOver;
    this.isOver = !UNDER_WAY.includes(stats.state);
    setAttributes(this.root, { 'data-state': stats.state, 'data-connection': connection });
    const words = connection === 'cut' && !this.isOver ? t('live_cut') : t(`stats_${stats.state}`);
    if (this.said_ !== words) replace(this.state, words);
    this.said_ = words;
    setAttributes(this.stop, {
      hidden: this.isOver || stats.state === 'aborting' || !(may('publish') || may('admin')),
    });
    this.numbers.show(stats, this);
    // Seen only when it was over: its course is known by its percentiles alone.
    const isLate = (this.isLate ??= this.isOver);
    this.chart.draw(isLate ? courseOf(stats) : curve);
    if (this.isOver && !wasOver) {
      replace(this.elapsed, isLate ? '' : this.elapsed.textContent);
      if (!isLate)
        announce(t('over_words', { accepted: number(stats.total.accepted), targeted: number(stats.total.targeted) }));
    }
  }

  /** At once and without a question: what is stopped by mistake can be sent again, the reverse not. */
  async abort() {
    this.stop.disabled = true;
    try {
      await this.aborted(await persistently(() => post(`/v1/alerts/${this.alert.id}:abort`, {})));
    } catch (error) {
      this.stop.disabled = false;
      showError(this.said, error);
    }
  }

  /** Says what became of the stop; numbers only once they are final. */
  async aborted(stats) {
    const words = ({ state, total }) => {
      if (state === 'done') return notice('info', t('stop_too_late'));
      if (state === 'aborting') return notice('warning', t('stats_aborting'));
      const [accepted, aborted, unknown] = [total.accepted, total.aborted, total.unknown].map(number);
      return notice('warning', t('stopped', { accepted, aborted, unknown }));
    };
    const say = (now) => replace(this.said, words(now));
    say(stats);
    while (stats.state === 'aborting' && this.root.isConnected) {
      await new Promise((resolve) => setTimeout(resolve, 250));
      stats = await persistently(() => get(`/v1/alerts/${this.alert.id}/stats`));
      say(stats);
    }
  }
}
