// Correcting and retracting a sent alert. Two clicks: one opens the dialog with everything filled in and counted,
// one sends it to exactly those who got the original.
import { confirmSend } from './confirm.js';
import { button, openDialog } from './dialog.js';
import { editionsOf } from './alert_words.js';
import { h, replace, uniqueId } from './dom.js';
import { FieldSet, textField } from './fields.js';
import { graphemes } from './graphemes.js';
import { label, number, t } from './i18n.js';
import { notice } from './notice.js';
import { go } from './router.js';
import { find } from './session.js';

const reference = (alert, msgType) => ({ msg_type: msgType, status: alert.status ?? 'actual', references: [alert.id] });

/** What the dialog shows of the alert that an update or a retraction inherits from. */
const inheritedOf = ({ audience, urgency, content, status }) => ({ audience, urgency, content, status });

function contentOf(alert) {
  const content = {};
  for (const id of editionsOf(alert)) {
    const { headline, body, url, image_url } = alert.content[id];
    content[id] = Object.fromEntries(Object.entries({ headline, body, url, image_url }).filter(([, text]) => text));
  }
  return content;
}

// Corrections that were begun and closed, so that Escape loses nothing; by alert and revision.
const begun = new Map();
export const forgetCorrections = () => begun.clear();

const finish = (id, onDone) => {
  if (location.hash === `#/alert/${id}`) onDone?.();
  else go(`alert/${id}`);
};

function soundBox(onChange) {
  const id = uniqueId('sound');
  const input = h('input', { type: 'checkbox', id, on: { change: onChange } });
  return { input, root: h('p', { class: 'check' }, input, h('label', { for: id }, t('sound_again'))) };
}

/** Opens the confirm dialog for a retraction: the first of the two clicks. */
export function retract(alert, onDone) {
  confirmSend({
    alert: reference(alert, 'cancel'),
    inherited: inheritedOf(alert),
    onSent: (id) => finish(id, onDone),
    onFaults: (errors) =>
      openDialog({
        title: t('retract'),
        build({ close, body, foot }) {
          replace(
            body,
            errors.map((e) => notice('error', e.detail)),
          );
          foot.append(button(t('close'), { class: 'button', on: { click: () => close() } }));
        },
      }),
  });
}

/** The texts of the alert, to be changed. `changed()` when they were. */
function textFields(fields, content, changed) {
  const field = (id, part, rows) =>
    textField(fields, {
      pointer: `/content/${id}/${part}`,
      labelText: t(part),
      value: content[id][part] ?? '',
      lang: id,
      dir: find('editions', id).dir,
      rows,
      counter: (value) => ({ words: number(graphemes(value.trim())), isLong: false }),
      onInput(value) {
        if (value.trim()) content[id][part] = value.trim();
        else delete content[id][part];
        changed();
      },
    }).root;
  return h(
    'div',
    { class: 'editions' },
    Object.keys(content).map((id) =>
      h(
        'section',
        { class: 'edition' },
        h('h3', {}, label(find('editions', id))),
        field(id, 'headline', 2),
        field(id, 'body', 2),
      ),
    ),
  );
}

/** Opens the texts of the alert in the confirm dialog, counted as they are changed: one click opens, one sends. */
export function correct(alert, onDone) {
  const name = `${alert.id} ${alert.revision}`;
  const content = begun.get(name) ?? contentOf(alert);
  const fields = new FieldSet();
  const strays = h('div', {});
  const update = () => ({
    ...reference(alert, 'update'),
    content: structuredClone(content),
    ...(sound.input.checked ? { sound: true } : {}),
  });
  const say = (said) =>
    replace(
      strays,
      fields
        .show(said)
        .filter((s) => s.kind === 'fault')
        .map(({ text }) => notice('error', text)),
    );
  let changed = () => {};
  const sound = soundBox(() => changed());
  confirmSend({
    alert: update(),
    inherited: inheritedOf(alert),
    className: 'dialog-wide',
    editor(confirmation) {
      changed = () => {
        begun.set(name, content);
        confirmation.changed(update());
      };
      return h(
        'div',
        { class: 'correct' },
        h('p', {}, t('correct_words')),
        strays,
        textFields(fields, content, () => changed()),
        sound.root,
      );
    },
    onCounted: (answer) => say({ warnings: answer.warnings ?? [] }),
    onSent(id) {
      begun.delete(name);
      finish(id, onDone);
    },
    onFaults: (faults) => say({ faults }),
  });
}
