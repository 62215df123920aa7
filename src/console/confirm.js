// The last look: what goes where, to how many, counted anew; then sends exactly that, once.
import { Problem } from './api.js';
import { preview } from './audience.js';
import { alertIn, banner, cautions, facts, typedWord } from './confirm_words.js';
import { button, openDialog } from './dialog.js';
import { announce, h, replace, setAttributes } from './dom.js';
import { t } from './i18n.js';
import { isActual } from './mode.js';
import { explain, notice } from './notice.js';
import { link } from './router.js';
import { isElsewhere, newAttempt, storeDraft, submit } from './submit.js';

const TYPING_MS = 350;
// What was confirmed no longer holds; it is counted again and has to be confirmed again.
const STALE = ['audience_changed', 'confirm_expired', 'confirm_mismatch', 'confirm_required'];

class Confirmation {
  constructor(options) {
    Object.assign(this, { attempt: newAttempt(), stored: null, allowDuplicate: false, ...options });
    this.abort = new AbortController();
    this.turn = 0;
    this.isTyped = false;
    this.isTicked = false;
    openDialog({
      title: () => this.title(null),
      className: [
        this.className ?? '',
        'dialog-confirm',
        isActual(this.alert) ? 'is-live-dialog' : 'is-test-dialog',
      ].join(' '),
      canClose: () => !this.isSending,
      onClose: (id) => {
        clearTimeout(this.timer);
        this.turn = -1;
        this.abort.abort();
        if (id) this.onSent(id);
        else if (this.isStale) this.onStale();
        else if (this.faults) this.onFaults(this.faults);
      },
      build: (parts) => {
        Object.assign(this, parts);
        this.go = button(this.action(), {
          class: ['button', 'big', isActual(this.alert) ? 'primary' : 'test'],
          disabled: true,
          on: { click: () => this.send() },
        });
        this.said = h('div', { class: 'confirm-said' });
        this.space = h('div', {}, h('p', { class: 'counting', role: 'status' }, t('confirm_counting')));
        replace(this.body, banner(this.alert), this.editor?.(this), this.said, this.space);
        this.foot.append(
          button(t(this.inherited ? 'cancel' : 'back'), {
            class: 'button big',
            on: { click: () => this.isSending || this.close() },
          }),
          this.go,
        );
        this.count();
      },
    });
  }

  title(count) {
    const kind = this.alert.msg_type ?? 'alert';
    const mode = isActual(this.alert) ? 'live' : 'test';
    return count === null ? t(`confirm_title_${mode}`) : t(`confirm_${kind}_${mode}`, { count });
  }

  action() {
    if (this.alert.msg_type === 'cancel') return t('confirm_retract');
    if (this.alert.msg_type === 'update') return t('confirm_correct');
    if (this.alert.send_at || this.alert.embargoed_until)
      return t(isActual(this.alert) ? 'confirm_schedule' : 'confirm_schedule_test');
    return t(isActual(this.alert) ? 'confirm_send' : 'confirm_send_test');
  }

  /** The text was changed in the dialog itself: what was counted holds no more. */
  changed(alert) {
    this.alert = alert;
    this.attempt = newAttempt();
    this.answer = null;
    this.turn++;
    this.enable();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.count(), TYPING_MS);
  }

  async count() {
    const turn = ++this.turn;
    this.answer = null;
    this.enable();
    try {
      // A later change of ours gives a later version; what is confirmed is what the server holds.
      if (this.stored) {
        this.stored = await this.store();
      }
      const answer = await preview(this.alert, { signal: this.abort.signal });
      if (turn !== this.turn) return;
      this.answer = answer;
      this.show();
    } catch (error) {
      if (error.name !== 'AbortError' && turn === this.turn) this.fail(error);
    }
  }

  /** Told when it begins and when it is done, even if the dialog was closed meanwhile. */
  store() {
    const storing = storeDraft(this.alert, this.stored).then((stored) => {
      this.onStored?.(stored);
      return stored;
    });
    this.onStoring?.(storing);
    return storing;
  }

  /** `shown` is what the tokens and boxes belong to: a new count takes them back. */
  show() {
    const shown = this.inherited ? { ...this.inherited, ...this.alert } : this.alert;
    const title = this.title(this.answer.total);
    if (this.heading.textContent !== title) announce(title);
    this.heading.textContent = title;
    this.onCounted?.(this.answer);
    // Its box has to be ticked before this is sent: that is the insisting.
    this.allowDuplicate ||= (this.answer.warnings ?? []).some(({ code }) => code === 'duplicate');
    replace(
      this.space,
      cautions(shown, this.answer, (all) => {
        this.isTicked = all;
        this.enable();
      }),
      facts(shown, this.answer, { withTexts: !this.editor }),
      typedWord(shown, (right) => {
        this.isTyped = right;
        this.enable();
      }),
    );
    this.enable();
  }

  enable() {
    if (this.go)
      setAttributes(this.go, { disabled: !this.answer || !this.isTyped || !this.isTicked || this.isSending });
  }

  async send() {
    // A second click finds it disabled; a second call shares the first.
    if (!this.answer || this.isSending || this.go.disabled) return;
    this.isSending = true;
    this.enable();
    replace(this.go, t('sending'));
    try {
      const options = { token: this.answer.confirm_token, allowDuplicate: this.allowDuplicate };
      const result = await submit(this.attempt, this.alert, this.stored, options, () =>
        replace(this.said, notice('warning', t('confirm_retry'))),
      );
      this.isSending = false;
      this.close(result.id);
    } catch (error) {
      this.isSending = false;
      replace(this.go, this.action());
      this.fail(error);
    }
  }

  fail(error) {
    if (
      error instanceof Problem &&
      error.status === 422 &&
      error.errors.length > 0 &&
      !error.has('idempotency_key_reused')
    ) {
      this.refuse(error.errors);
    } else if (this.stored && this.onStale && isElsewhere(error)) {
      this.isStale = true;
      this.close();
    } else if (STALE.some((code) => error.has?.(code))) {
      this.recount(error);
    } else if (error.has?.('duplicate')) {
      this.offerDuplicate(error);
    } else {
      const again =
        error instanceof Problem && error.status < 500
          ? null
          : button(t('try_again'), {
              class: 'button',
              on: {
                click: () => {
                  replace(this.said); // a second click would overtake the first
                  this.answer ? this.send() : this.count();
                },
              },
            });
      replace(this.said, notice('error', h('p', {}, explain(error)), again));
      this.enable();
    }
  }

  /** Faults go to the fields they are about: those of this dialog, or those behind it. */
  refuse(errors) {
    if (this.editor) {
      replace(this.space);
      this.onFaults(errors);
    } else {
      this.faults = errors;
      this.close();
    }
  }

  async recount(error) {
    const before = this.answer?.total;
    // Refused, so nothing was stored under the old key; what is confirmed next is another attempt.
    this.attempt = newAttempt();
    replace(this.said, notice('warning', t('confirm_again')));
    await this.count();
    const now = this.answer?.total;
    if (error.has('audience_changed') && now !== undefined) {
      const changed = t('confirm_changed', { from: before, to: now });
      replace(this.said, notice('warning', changed));
      announce(changed, { urgent: true });
    }
    this.heading.focus();
  }

  offerDuplicate(error) {
    const earlier = alertIn(error.detail);
    replace(
      this.said,
      notice(
        'warning',
        h('p', {}, t('confirm_duplicate')),
        earlier
          ? h(
              'p',
              {},
              h('a', { href: link(`alert/${earlier}`), on: { click: () => this.close() } }, t('confirm_duplicate_see')),
            )
          : null,
        button(t('confirm_duplicate_anyway'), {
          class: 'button',
          on: {
            click: () => {
              this.allowDuplicate = true;
              this.attempt = newAttempt();
              replace(this.said);
              this.send();
            },
          },
        }),
      ),
    );
    this.enable();
  }
}

/**
 * Asks for confirmation and sends. {alert, onSent(id), onFaults(errors)} and, where it applies: `stored`, the draft
 * that holds it, with onStoring(promise), onStored(draft) and onStale(); `inherited`, what an update or a retraction
 * takes from its alert, for show; editor(confirmation), an element in which the text can still be changed, with
 * onCounted(answer); `allowDuplicate`, when it was said already that it may go twice.
 */
export const confirmSend = (options) => new Confirmation(options);
