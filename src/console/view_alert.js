// One alert over its whole life, at one address: held (with the undo countdown), waiting, under way with
// live numbers and a stop button, over; corrected and retracted.
import { get, Problem } from './api.js';
import { headlines, regionWords, sectionWords, stateMark, statusMark, urgencyMark } from './alert_words.js';
import { compose } from './view_compose.js';
import { correct, retract } from './correct.js';
import { draftFrom } from './draft.js';
import { h, replace } from './dom.js';
import { icon } from './icons.js';
import { LivePanel } from './live_panel.js';
import { plannedActions } from './planned_actions.js';
import { heldPanel } from './undo.js';
import { dateTime, t } from './i18n.js';
import { isActual } from './mode.js';
import { notice, showError, toast } from './notice.js';
import { go, link } from './router.js';
import { may } from './session.js';

const LOOK_MS = 1000;
const OVER = ['sent', 'sending'];

const factLine = (name, ...value) => h('div', { class: 'fact' }, h('dt', {}, name), h('dd', {}, ...value));

const about = (alert, more = []) =>
  h(
    'dl',
    { class: 'facts compact' },
    factLine(t('urgency'), alert.urgency ? urgencyMark(alert.urgency) : '–'),
    factLine(t('regions'), regionWords(alert)),
    factLine(t('sections'), sectionWords(alert)),
    more,
  );

class AlertPage {
  constructor(outlet, id) {
    this.outlet = outlet;
    this.id = id;
    this.isEnded = false;
    this.turn = 0;
    this.load();
  }

  end() {
    this.isEnded = true;
    clearTimeout(this.timer);
    this.part?.end?.();
  }

  async load() {
    clearTimeout(this.timer);
    const turn = ++this.turn; // an answer to an earlier question is older than what is shown
    try {
      const alert = await this.find();
      if (!this.isEnded && turn === this.turn) alert.state ? this.showDraft(alert) : this.showAlert(alert);
    } catch (error) {
      if (!this.isEnded && turn === this.turn) this.fail(error);
    }
  }

  /** A sent alert; before it is sent, the draft of the same id. */
  async find() {
    try {
      return await get(`/v1/alerts/${this.id}`);
    } catch (error) {
      if (!(error instanceof Problem) || error.status !== 404) throw error;
      return get(`/v1/drafts/${this.id}`);
    }
  }

  fail(error) {
    const place = h('div', {});
    replace(
      this.outlet,
      h('h1', { tabindex: '-1' }, t('alert')),
      place,
      h('p', {}, h('a', { href: link('history') }, t('to_history'))),
    );
    showError(place, error);
  }

  head(alert, marks) {
    return h(
      'header',
      { class: 'alert-head' },
      h('p', { class: 'marks' }, statusMark(alert), marks),
      h('h1', { tabindex: '-1', class: 'visually-hidden' }, t('alert_page')),
      headlines(alert),
    );
  }

  showDraft(draft) {
    this.part?.end?.();
    const again = () => this.isEnded || this.load();
    if (draft.state === 'held') {
      this.part = heldPanel(draft, {
        onUndone: (now) => this.undone(now),
        onGone: again,
      });
      replace(this.outlet, this.head(draft.alert, stateMark(draft.state)), this.part.root, about(draft.alert));
      this.part.start();
      return;
    }
    if (OVER.includes(draft.state)) {
      // A correction has the id of its alert, once it is sent.
      if (draft.alert_id && draft.alert_id !== this.id) return void go(`alert/${draft.alert_id}`);
      // The alert is being written: in a moment it can be read under the same id.
      this.timer = setTimeout(again, LOOK_MS / 4);
      return;
    }
    replace(
      this.outlet,
      this.head(draft.alert, stateMark(draft.state)),
      draft.reason ? notice('warning', draft.reason) : null,
      about(draft.alert, draft.due_at ? factLine(t('when'), dateTime(draft.due_at)) : []),
      plannedActions(draft, again),
      h('p', {}, h('a', { href: link('planned') }, t('to_planned'))),
    );
    if (['scheduled', 'awaiting_approval'].includes(draft.state)) {
      this.timer = setTimeout(() => this.lookAgain(draft), LOOK_MS);
      this.part = null;
    }
  }

  /** Back to where it was written. Who left this page meanwhile may be writing something else, and is only told. */
  undone(now) {
    toast(t(this.isEnded ? 'undone_left' : 'undone'));
    if (this.isEnded) return;
    if ((now.alert.msg_type ?? 'alert') === 'alert')
      compose(draftFrom(now.alert, { id: now.id, version: now.version }, now));
    else go('planned');
  }

  /** Waits for somebody else's approval or the due time, without drawing what did not change. */
  async lookAgain(draft) {
    const { turn } = this;
    const now = await this.find().catch(() => draft);
    if (this.isEnded || turn !== this.turn) return;
    if (!now.state || now.state !== draft.state || now.version !== draft.version)
      now.state ? this.showDraft(now) : this.showAlert(now);
    else this.timer = setTimeout(() => this.lookAgain(draft), LOOK_MS);
  }

  showAlert(alert) {
    this.part?.end?.();
    const panel = new LivePanel(alert);
    this.part = panel;
    const isRetracted = alert.msg_type === 'cancel' || alert.retracted;
    const done = () => this.isEnded || this.load();
    const actions =
      may('publish') && !isRetracted
        ? h(
            'div',
            { class: 'actions' },
            h(
              'button',
              { type: 'button', class: 'button', on: { click: () => correct(alert, done) } },
              icon('pen'),
              t('correct'),
            ),
            h(
              'button',
              { type: 'button', class: 'button danger-quiet', on: { click: () => retract(alert, done) } },
              icon('stop'),
              t('retract'),
            ),
          )
        : null;
    replace(
      this.outlet,
      this.head(alert, [
        urgencyMark(alert.urgency),
        alert.revision > 1 ? h('span', { class: 'mark' }, t('revision', { revision: alert.revision })) : null,
        isRetracted ? h('span', { class: 'mark retracted' }, t('retracted')) : null,
      ]),
      isActual(alert) ? null : notice('info', t('test_alert_words')),
      panel.root,
      h(
        'section',
        { class: 'card about' },
        h('h2', {}, t('about')),
        about(alert, [
          factLine(t('sent_at'), dateTime(alert.sent_at)),
          factLine(t('alert_id'), h('code', {}, alert.id)),
          factLine(t('in_audit'), h('a', { href: link(`audit/${alert.id}`) }, t('show_audit'))),
        ]),
        actions,
        this.revisions(alert),
      ),
    );
  }

  revisions(alert) {
    if (alert.revision < 2) return null;
    const place = h('ol', { class: 'revisions' });
    const box = h('section', {}, h('h3', {}, t('revisions')), place);
    get(`/v1/alerts/${this.id}/revisions`)
      .then(({ revisions }) => {
        replace(
          place,
          revisions.map((r) =>
            h(
              'li',
              {},
              h('p', { class: 'sub' }, `${t('revision', { revision: r.revision })} · ${dateTime(r.sent_at)}`),
              headlines(r),
            ),
          ),
        );
      })
      .catch((error) => showError(place, error));
    return box;
  }
}

export function alertView(outlet, id) {
  const page = new AlertPage(outlet, id);
  return () => page.end();
}
