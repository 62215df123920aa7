// Whether the service can do its work: every worker, every platform; admins pause and resume.
import { get, post, Problem } from './api.js';
import { askText } from './dialog.js';
import { h, replace } from './dom.js';
import { icon } from './icons.js';
import { dateTime, known, number, t } from './i18n.js';
import { notice, showError } from './notice.js';
import { may } from './session.js';

const LOOK_MS = 3000;

/** /readyz says 503 with the same body when something is not ready. */
async function readiness() {
  try {
    return await get('/readyz');
  } catch (error) {
    if (error instanceof Problem && error.body.reasons) return error.body;
    throw error;
  }
}

const workerRow = (w) =>
  h(
    'tr',
    {},
    h('th', { scope: 'row' }, known(`role_${w.role}`, w.role), ` ${number(w.worker + 1)}`),
    h(
      'td',
      {},
      h('span', { class: ['mark', w.ready ? 'state-ready' : 'state-failed'] }, t(w.ready ? 'ready' : 'not_ready')),
    ),
    h('td', {}, w.reason || '–'),
    h('td', { class: 'figure' }, number(w.restarts)),
  );

function platformRow(platform, paused, whole, turn) {
  const pause = paused ?? null;
  const act = (verb, text, className) =>
    h(
      'button',
      {
        type: 'button',
        class: ['button small', className],
        data: { verb, platform },
        on: { click: () => turn(verb, platform) },
      },
      text,
    );
  const words = pause
    ? t('paused_by', {
        when: (pause.since ?? pause.at) ? dateTime(pause.since ?? pause.at) : '–',
        who: pause.by ?? pause.key_id ?? '–',
        reason: pause.reason || '–',
      })
    : t('runs');
  return h(
    'tr',
    {},
    h('th', { scope: 'row' }, t(platform === 'all' ? 'all_platforms' : `platform_${platform}`)),
    h(
      'td',
      {},
      h(
        'span',
        { class: ['mark', pause || whole ? 'state-failed' : 'state-ready'] },
        t(pause || whole ? 'paused' : 'running'),
      ),
    ),
    h('td', {}, words),
    h('td', {}, may('admin') ? (pause ? act('resume', t('resume'), 'primary') : act('pause', t('pause'), '')) : null),
  );
}

export function healthView(outlet) {
  let timer = null;
  let isEnded = false;
  let asked = 0;
  let drawn = '';
  const said = h('div', {});
  const place = h('div', { class: 'health' });

  const table = (caption, columns, rows) =>
    h(
      'section',
      { class: 'card' },
      h('h2', {}, caption),
      h(
        'div',
        { class: 'table-scroll', tabindex: '0', role: 'group', 'aria-label': caption },
        h(
          'table',
          {},
          h(
            'thead',
            {},
            h(
              'tr',
              {},
              columns.map((c) => h('th', { scope: 'col' }, c)),
            ),
          ),
          h('tbody', {}, rows),
        ),
      ),
    );

  async function turn(verb, platform) {
    try {
      let reason;
      if (verb === 'pause') {
        reason = await askText({
          title: t('pause_title', { platform: t(platform === 'all' ? 'all_platforms' : `platform_${platform}`) }),
          text: t('pause_text'),
          labelText: t('pause_reason'),
          action: t('pause'),
        });
        if (reason === undefined) return;
      }
      await post(`/v1/push:${verb}`, { platform, ...(reason ? { reason } : {}) });
      load();
    } catch (error) {
      showError(said, error);
    }
  }

  function draw(ready, push) {
    const state = JSON.stringify([ready, push]);
    if (state === drawn) return;
    drawn = state;
    replace(
      place,
      ready.ready
        ? notice('good', t('health_good'))
        : notice(
            'error',
            h('p', {}, t('health_bad')),
            h(
              'ul',
              {},
              ready.reasons.map((r) => h('li', {}, r)),
            ),
          ),
      table(
        t('platforms'),
        [t('platform'), t('state'), t('health_reason'), h('span', { class: 'visually-hidden' }, t('actions'))],
        Object.entries(push).map(([platform, paused]) => platformRow(platform, paused, push.all, turn)),
      ),
      table(
        t('workers'),
        [t('worker'), t('state'), t('health_reason'), t('restarts')],
        (ready.workers ?? []).map(workerRow),
      ),
    );
  }

  async function load() {
    clearTimeout(timer);
    const mine = ++asked;
    const isOld = () => isEnded || mine !== asked; // asked again meanwhile: that answer is newer
    try {
      const [ready, push] = await Promise.all([readiness(), get('/v1/push')]);
      if (!isOld()) {
        replace(said);
        draw(ready, push);
      }
    } catch (error) {
      if (!isOld()) showError(said, error);
    }
    if (!isOld()) timer = setTimeout(load, LOOK_MS);
  }

  replace(
    outlet,
    h('div', { class: 'view-head' }, h('h1', { tabindex: '-1' }, icon('pulse'), t('health'))),
    said,
    place,
  );
  load();
  return () => {
    isEnded = true;
    clearTimeout(timer);
  };
}
