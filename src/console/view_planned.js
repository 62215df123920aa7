// What is not sent yet: waiting for approval, scheduled, held, drafts; and what failed or came too late.
import { get } from './api.js';
import { headline, regionWords, stateMark, statusMark, urgencyMark } from './alert_words.js';
import { h, replace } from './dom.js';
import { ago, dateTime, language, t } from './i18n.js';
import { plannedActions } from './planned_actions.js';
import { faultText } from './fields.js';
import { showError } from './notice.js';
import { link } from './router.js';

const ORDER = ['awaiting_approval', 'held', 'scheduled', 'draft', 'failed', 'expired'];
const LOOK_MS = 3000;

function item(draft, reload) {
  const { alert } = draft;
  const by = draft.edited_by?.name ?? draft.created_by?.name ?? '';
  const at = draft.edited_at ?? draft.created_at;
  return h(
    'li',
    { class: 'item', data: { id: draft.id } },
    h(
      'div',
      { class: 'item-main' },
      h(
        'p',
        { class: 'marks' },
        statusMark(alert),
        stateMark(draft.state),
        alert.urgency ? urgencyMark(alert.urgency) : null,
      ),
      h('h3', {}, h('a', { href: link(`alert/${draft.id}`) }, headline(alert, language()))),
      h(
        'p',
        { class: 'sub' },
        [
          draft.due_at ? t('due', { when: dateTime(draft.due_at) }) : null,
          regionWords(alert),
          by ? t('by_whom', { name: by, when: ago(at) }) : null,
        ]
          .filter(Boolean)
          .join(' · '),
      ),
      draft.reason ? h('p', { class: 'sub strong' }, t('reason', { reason: draft.reason })) : null,
      draft.state === 'draft' && draft.faults?.length
        ? h(
            'ul',
            { class: 'sub faults' },
            draft.faults.map((f) => h('li', {}, faultText(f))),
          )
        : null,
    ),
    plannedActions(draft, reload),
  );
}

export function plannedView(outlet) {
  let timer = null;
  let isEnded = false;
  let turn = 0;
  let drawn = '';
  const place = h('div', {});
  const said = h('div', {});
  replace(outlet, h('div', { class: 'view-head' }, h('h1', { tabindex: '-1' }, t('planned'))), said, place);

  function draw(drafts) {
    // Drawn anew only when something changed: whoever is about to press a button keeps the focus.
    const state = JSON.stringify(drafts);
    if (state === drawn) return;
    drawn = state;
    const groups = ORDER.map((name) => [name, drafts.filter((d) => d.state === name)]).filter(
      ([, list]) => list.length > 0,
    );
    replace(
      place,
      groups.length === 0
        ? h('p', { class: 'empty' }, t('planned_none'))
        : groups.map(([name, list]) =>
            h(
              'section',
              {},
              h('h2', {}, t(`state_${name}`), h('span', { class: 'tally' }, String(list.length))),
              h(
                'ul',
                { class: 'items' },
                list.map((draft) => item(draft, load)),
              ),
            ),
          ),
    );
  }

  async function load() {
    clearTimeout(timer);
    const mine = ++turn;
    const isOld = () => isEnded || mine !== turn; // asked again meanwhile: that answer is newer
    try {
      const [open, failed, expired] = await Promise.all(
        ['open', 'failed', 'expired'].map((s) => get(`/v1/drafts?state=${s}&limit=50`)),
      );
      const seen = new Map([...open.drafts, ...failed.drafts, ...expired.drafts].map((d) => [d.id, d]));
      if (!isOld()) {
        replace(said);
        draw([...seen.values()]);
      }
    } catch (error) {
      if (!isOld()) showError(said, error);
    }
    if (!isOld()) timer = setTimeout(load, LOOK_MS);
  }

  load();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}
