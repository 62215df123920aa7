// What can be done with a draft in each of its states. Each names the version it is about, so that nobody
// approves or cancels something other than what is on the screen.
import { post, remove } from './api.js';
import { compose } from './view_compose.js';
import { confirmSend } from './confirm.js';
import { ask, askText } from './dialog.js';
import { draftFrom } from './draft.js';
import { h } from './dom.js';
import { t } from './i18n.js';
import { tellError, toast } from './notice.js';
import { setTest } from './mode.js';
import { go, link } from './router.js';
import { may, session } from './session.js';

const CHANGEABLE = ['draft', 'awaiting_approval', 'scheduled', 'held', 'failed'];
const WAITING = ['awaiting_approval', 'scheduled', 'held'];

const isOwn = (draft) =>
  [draft.created_by?.key_id, draft.edited_by?.key_id, draft.submitted_by?.key_id, ...(draft.editors ?? [])].includes(
    session().key_id,
  );

// A correction waits only for approval; it is changed by taking it back and correcting anew.
const isNew = (draft) => (draft.alert.msg_type ?? 'alert') === 'alert';

/** Buttons for `draft`; `reload()` when something happened. */
export function plannedActions(draft, reload) {
  const said = h('div', {});
  const move = (verb, body = {}) => post(`/v1/drafts/${draft.id}:${verb}`, { version: draft.version, ...body });
  const act = (text, className, action) => {
    const button = h(
      'button',
      {
        type: 'button',
        class: ['button', className],
        on: {
          click: async () => {
            button.disabled = true;
            try {
              await action();
            } catch (error) {
              tellError(said, error); // the list may have been drawn anew while a question stood open
            }
            button.disabled = false;
          },
        },
      },
      text,
    );
    return button;
  };
  const done = (words) => {
    toast(words);
    reload();
  };
  const edit = () => {
    setTest((draft.alert.status ?? 'actual') !== 'actual');
    compose(draftFrom(draft.alert, { id: draft.id, version: draft.version }, draft));
  };
  const approve = async () => {
    await move('approve');
    done(t('approved'));
  };
  const reject = async () => {
    const reason = await askText({ title: t('reject_title'), labelText: t('reject_reason'), action: t('reject') });
    if (reason === undefined) return;
    await move('reject', { reason });
    done(t('rejected'));
  };
  const cancel = async () => {
    await move('cancel');
    done(t('taken_back'));
  };
  const discard = async () => {
    if (!(await ask({ title: t('discard_title'), text: t('discard_text'), action: t('discard'), danger: true })))
      return;
    await remove(`/v1/drafts/${draft.id}`, { headers: { 'if-match': `"${draft.version}"` } });
    done(t('discarded'));
  };
  const again = () =>
    confirmSend({
      alert: draft.alert,
      stored: { id: draft.id, version: draft.version },
      allowDuplicate: true,
      onSent: (id) => (location.hash === `#/alert/${id}` ? reload() : go(`alert/${id}`)),
      onFaults: edit,
      onStale: reload,
    });
  const mayRepeat = may('publish') && isNew(draft) && draft.state === 'failed' && draft.reason_code === 'duplicate';
  const mayApprove = draft.state === 'awaiting_approval' && (may('approve') || may('admin')) && !isOwn(draft);
  return h(
    'div',
    { class: 'planned-actions' },
    h(
      'div',
      { class: 'actions' },
      draft.duplicate_of
        ? h('p', {}, h('a', { href: link(`alert/${draft.duplicate_of}`) }, t('confirm_duplicate_see')))
        : null,
      mayRepeat ? act(t('confirm_duplicate_anyway'), '', again) : null,
      mayApprove ? [act(t('approve'), 'primary', approve), act(t('reject'), '', reject)] : null,
      draft.state === 'awaiting_approval' && isOwn(draft) ? h('p', { class: 'sub' }, t('own_draft')) : null,
      may('publish') && isNew(draft) && CHANGEABLE.includes(draft.state) ? act(t('edit'), '', edit) : null,
      may('publish') && WAITING.includes(draft.state) ? act(t('take_back'), '', cancel) : null,
      may('publish') && CHANGEABLE.includes(draft.state) ? act(t('discard'), 'danger-quiet', discard) : null,
    ),
    said,
  );
}
