// The seconds between "send" and sending: a countdown and a button that takes it back.
import { get, post, serverNow } from './api.js';
import { announce, h, replace, setText } from './dom.js';
import { t } from './i18n.js';
import { showError, tellError, toast } from './notice.js';

const LOOK_MS = 250;

/**
 * The panel of a held draft. onUndone(draft) when it was taken back; onGone() once it is held no more.
 */
export function heldPanel(draft, { onUndone, onGone }) {
  const due = Date.parse(draft.due_at);
  const said = h('div', {});
  const count = h('p', { class: 'countdown', 'aria-hidden': 'true' });
  const total = Math.max(1, due - serverNow());
  const bar = h('progress', { class: 'bar', max: total, value: total, 'aria-label': t('undo_bar') });
  const undo = h('button', { type: 'button', class: 'button primary big', on: { click: () => takeBack() } }, t('undo'));
  const root = h(
    'section',
    { class: 'held card' },
    h('h2', {}, t('held_title')),
    h('p', {}, t('held_words')),
    count,
    bar,
    h('div', { class: 'actions' }, undo),
    said,
  );
  let timer = null;
  let isEnded = false;

  async function takeBack() {
    undo.disabled = true;
    try {
      const now = await post(`/v1/drafts/${draft.id}:cancel`, { version: draft.version });
      end();
      onUndone(now.alert ? now : await get(`/v1/drafts/${draft.id}`));
    } catch (error) {
      if (error.status === 409 || error.status === 412) {
        toast(t('undo_too_late'));
        await look();
      } else {
        undo.disabled = false;
        tellError(said, error);
      }
    }
  }

  async function look() {
    try {
      const now = await get(`/v1/drafts/${draft.id}`);
      if (now.state !== 'held' && !isEnded) {
        end();
        onGone();
      }
    } catch (error) {
      if (!isEnded) showError(said, error);
    }
  }

  async function tick() {
    const left = due - serverNow();
    setText(count, left > 0 ? t('held_count', { count: Math.ceil(left / 1000) }) : t('held_leaving'));
    bar.value = Math.max(0, left);
    if (left <= 0) await look();
    if (!isEnded) timer = setTimeout(tick, LOOK_MS);
  }

  function end() {
    isEnded = true;
    clearTimeout(timer);
  }

  return {
    root,
    end,
    start() {
      announce(t('held_said'), { urgent: true });
      tick();
      undo.focus();
      replace(said);
    },
  };
}
