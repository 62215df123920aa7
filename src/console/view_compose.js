// The composer: texts, audience, urgency and time on one page, and beside them what would happen.
import { regionWords, sectionWords } from './alert_words.js';
import { get, post, put } from './api.js';
import { audienceParts } from './compose_audience.js';
import { editionColumns, takeAdvice } from './compose_editions.js';
import { morePart, whenPart } from './compose_options.js';
import { audienceBox, previewBox } from './compose_side.js';
import { audienceWatch } from './audience.js';
import { confirmSend } from './confirm.js';
import { ask } from './dialog.js';
import {
  alertOf,
  countable,
  draftFrom,
  emptyDraft,
  faultsOf,
  isEmpty,
  isKept,
  keepDraft,
  unsentDraft,
  wantedEditions,
} from './draft.js';
import { h, replace, setText } from './dom.js';
import { icon } from './icons.js';
import { FieldSet } from './fields.js';
import { ago, t } from './i18n.js';
import { isTest, onMode } from './mode.js';
import { notice, tellError, toast } from './notice.js';
import { go } from './router.js';
import { may } from './session.js';
import { onCommand } from './shortcuts.js';
import { isElsewhere } from './submit.js';
import { testWords } from './test_words.js';

/** Warnings about what the person wrote, not about the placeholders of an unfinished alert. */
function warningsOf(answer, alert, isComplete) {
  // That there is no link is said once, before it is sent, rather than at each empty field.
  const told = (answer?.warnings ?? []).filter(({ code }) => code !== 'no_url');
  const all = [...told, ...testWords(alert)];
  return isComplete
    ? all
    : all.filter(({ pointer }) => {
        const [, , edition, part] = pointer.split('/');
        return part !== undefined && alert.content?.[edition]?.[part] !== undefined;
      });
}

const ENDED = ['sent', 'sending', 'cancelled'];

class Composer {
  constructor(outlet, draft) {
    this.outlet = outlet;
    this.draft = draft;
    this.fields = new FieldSet();
    this.wantsFaults = false;
    this.serverFaults = [];
    this.latest = { state: 'none' };
    this.watch = audienceWatch((state) => this.audienceIs(state));
    this.build();
    this.refresh();
  }

  build() {
    const changed = () => this.changed();
    this.said = h('div', { class: 'compose-said' });
    this.editions = editionColumns(this.draft, this.fields, changed);
    this.audience = audienceBox();
    this.preview = previewBox(() => wantedEditions(this.draft));
    this.kept = h('p', { class: 'kept' });
    this.sendButton = h('button', {
      type: 'button',
      class: 'button primary big send',
      on: { click: () => this.review() },
    });
    this.barCount = h('span', { class: 'bar-count' });
    const bar = h(
      'div',
      { class: 'send-bar' },
      this.barCount,
      h('button', { type: 'button', class: 'button', on: { click: () => this.save() } }, t('save_draft')),
      this.sendButton,
    );
    const main = h(
      'div',
      { class: 'compose-main' },
      this.editions.root,
      audienceParts(this.draft, this.fields, changed),
      h('section', { class: 'card' }, whenPart(this.draft, this.fields, changed)),
      morePart(this.draft, this.fields, changed),
    );
    const side = h('aside', { class: 'compose-side', 'aria-label': t('side') }, this.audience.root, this.preview.root);
    replace(
      this.outlet,
      h(
        'div',
        { class: 'view-head' },
        h('h1', { tabindex: '-1' }, t(this.draft.stored ? 'compose_edit' : 'compose')),
        this.kept,
        h('button', { type: 'button', class: 'button quiet', on: { click: () => this.clear() } }, t('clear')),
      ),
      this.said,
      h(
        'form',
        { class: 'compose', novalidate: true, 'aria-label': t('compose'), on: { submit: (e) => e.preventDefault() } },
        main,
        side,
        bar,
      ),
    );
    main.addEventListener('focusin', (event) =>
      this.preview.focusEdition(event.target.closest('.edition')?.dataset.edition),
    );
    if (!may('publish')) replace(this.said, notice('info', t('may_not_publish')));
  }

  changed() {
    this.serverFaults = [];
    keepDraft(this.draft);
    this.refresh();
  }

  /** The part of the question that decides whether faults are shown: only once somebody wanted to send. */
  refresh() {
    const faults = faultsOf(this.draft);
    const alert = alertOf(this.draft);
    this.isComplete = faults.length === 0;
    this.watch.update(this.isComplete ? alert : countable(this.draft));
    this.alert = alert;
    this.showWords();
    const isKnown =
      this.isComplete && this.latest.state === 'known' && JSON.stringify(this.latest.alert) === JSON.stringify(alert);
    this.preview.show(alert, isKnown ? this.latest.answer : null);
    replace(
      this.sendButton,
      icon('bell'),
      t(
        this.draft.when === 'now'
          ? isTest()
            ? 'review_test'
            : 'review_live'
          : isTest()
            ? 'review_test_later'
            : 'review_live_later',
      ),
    );
    this.sendButton.disabled = !may('publish');
    setText(
      this.kept,
      this.draft.stored
        ? t('kept_there', { version: this.draft.stored.version })
        : isEmpty(this.draft)
          ? ''
          : t('kept_here'),
    );
  }

  showWords() {
    const faults = this.wantsFaults ? [...faultsOf(this.draft), ...this.serverFaults] : [];
    const warnings = warningsOf(this.latest.state === 'known' ? this.latest.answer : null, this.alert, this.isComplete);
    const strays = this.fields.show({ faults, warnings });
    const lines = strays.filter(({ kind }) => kind === 'fault');
    if (lines.length > 0)
      replace(
        this.said,
        lines.map(({ text }) => notice('error', text)),
      );
    else if (this.saidStrays) replace(this.said);
    this.saidStrays = lines.length > 0;
  }

  audienceIs(state) {
    this.latest =
      state.state === 'counting'
        ? { ...this.latest, ...(this.latest.state === 'known' ? { state: 'stale' } : {}) }
        : state;
    if (state.state === 'known') {
      takeAdvice(state.answer);
      this.editions.recount();
    }
    this.audience.show(state);
    this.showBar(state);
    if (state.state === 'failed' && state.error.status === 422 && this.isComplete) {
      this.serverFaults = state.error.errors;
      this.wantsFaults = true;
    }
    if (this.alert) this.refresh();
  }

  /** The foot of the page says to whom it goes, wherever the page is scrolled. */
  showBar(state) {
    const { alert } = this;
    if (state.state !== 'known' || !alert) {
      replace(this.barCount, state.state === 'counting' ? t('audience_counting') : null);
      return;
    }
    const words = [alert.urgency ? t(`urgency_${alert.urgency}`) : null, regionWords(alert), sectionWords(alert)];
    replace(
      this.barCount,
      t('bar_phones', { count: state.answer.total }),
      h('span', { class: 'sub' }, words.filter(Boolean).join(' · ')),
    );
  }

  /** Faults the server found: at their fields, the first one focused. */
  refuse(errors) {
    this.wantsFaults = true;
    this.serverFaults = errors;
    this.showWords();
    if (!this.fields.focusFirst()) this.said.scrollIntoView({ block: 'center' });
  }

  /** What is being saved is saved first: sent is that draft, and not another alert beside it. */
  async review() {
    if (!may('publish') || this.isReviewing) return;
    this.isReviewing = true;
    if (this.saving) toast(t('saved_first'));
    await this.settled();
    this.isReviewing = false;
    if (!this.isEnded && !document.querySelector('dialog[open]')) this.openReview();
  }

  openReview() {
    const faults = faultsOf(this.draft);
    if (faults.length > 0) {
      this.refuse([]);
      return;
    }
    confirmSend({
      alert: alertOf(this.draft),
      stored: this.draft.stored,
      onStoring: (storing) => (this.storing = storing),
      onStored: (stored) => this.learn(stored),
      onFaults: (errors) => this.refuse(errors),
      onStale: this.draft.stored ? () => (this.storing = this.resolve()) : undefined,
      onSent: (id) => this.sent(id),
    });
  }

  sent(id) {
    keepDraft(emptyDraft());
    go(`alert/${id}`);
  }

  end() {
    this.isEnded = true;
    this.watch.stop();
  }

  /** The server's draft is another now. What was cleared or begun since the view was left stays as it is. */
  learn(stored) {
    const mayKeep = !this.isEnded || isKept(this.draft);
    this.draft.stored = stored;
    if (mayKeep) keepDraft(this.draft);
  }

  /** When nothing that changes the server's draft is under way. How it went is told where it was begun. */
  settled() {
    return Promise.allSettled([this.saving, this.storing]);
  }

  /** One save at a time: what is asked for meanwhile is saved after it, with what it learned of the draft. */
  save() {
    this.savesAgain = true;
    this.saving ??= this.saveAll().finally(() => (this.saving = null));
    return this.saving;
  }

  async saveAll() {
    while (this.savesAgain) {
      this.savesAgain = false;
      await this.saveOnce();
    }
  }

  async saveOnce() {
    await Promise.allSettled([this.storing]);
    try {
      const alert = alertOf(this.draft);
      const { stored } = this.draft;
      const answer = stored
        ? await put(`/v1/drafts/${stored.id}`, alert, { headers: { 'if-match': `"${stored.version}"` } })
        : await post('/v1/drafts', alert);
      this.learn({ id: answer.id, version: answer.version });
      if (!this.isEnded) this.refresh();
      toast(t('saved'));
    } catch (error) {
      if (this.draft.stored && isElsewhere(error)) await this.resolve();
      else if (error.status === 422) this.refuse(error.errors);
      else tellError(this.said, error);
    }
  }

  /** Somebody else saved or ended it meanwhile: theirs, or ours as another draft. Neither is lost. */
  async resolve() {
    const theirs = await get(`/v1/drafts/${this.draft.stored.id}`).catch(() => null);
    if (this.isEnded) return; // asked when it is saved the next time
    if (!theirs || ENDED.includes(theirs.state)) {
      this.keepAsNew();
      return;
    }
    const wantsTheirs = await ask({
      title: t('stale_title'),
      action: t('stale_theirs'),
      text: t('stale_text', {
        name: theirs.edited_by?.name ?? theirs.created_by?.name ?? '?',
        when: ago(theirs.edited_at ?? theirs.created_at),
      }),
    });
    if (wantsTheirs) {
      keepDraft(draftFrom(theirs.alert, { id: theirs.id, version: theirs.version }, theirs));
      go('compose');
    } else {
      this.keepAsNew();
    }
  }

  keepAsNew() {
    this.learn(null);
    if (!this.isEnded) this.changed();
    toast(t('stale_kept'));
  }

  async clear() {
    if (
      !isEmpty(this.draft) &&
      !(await ask({ title: t('clear_title'), text: t('clear_text'), action: t('clear'), danger: true }))
    )
      return;
    keepDraft(emptyDraft());
    go('compose');
  }
}

export function composeView(outlet) {
  const composer = new Composer(outlet, unsentDraft() ?? emptyDraft());
  const offs = [
    onCommand('review', () => composer.review()),
    onCommand('save', () => composer.save()),
    onMode(() => composer.changed()),
  ];
  return () => {
    composer.end();
    for (const off of offs) off();
  };
}

/** Puts a stored draft, or the text of an alert, into the composer. */
export function compose(draft) {
  keepDraft(draft);
  go('compose');
}
