// Modal dialogs on <dialog>: the browser keeps the focus inside, Escape closes, and the focus goes
// back to where it was.
import { h, replace, uniqueId } from './dom.js';
import { t } from './i18n.js';

const whole = (value) => (typeof value === 'function' ? value() : value);

/**
 * Opens a dialog with a heading. `build({close, body, foot})` fills it; `onClose(value)` is called once.
 * `canClose` may refuse Escape while something is under way.
 */
export function openDialog({ title, className = '', build, onClose = () => {}, canClose = () => true }) {
  const id = uniqueId('dialog');
  const before = document.activeElement;
  const heading = h('h2', { id, tabindex: '-1' }, whole(title));
  const body = h('div', { class: 'dialog-body', tabindex: '0', role: 'group', 'aria-labelledby': id });
  const foot = h('div', { class: 'dialog-foot' });
  const dialog = h('dialog', { class: ['dialog', className], 'aria-labelledby': id }, heading, body, foot);
  let result;
  const close = (value) => {
    result = value;
    dialog.close();
  };
  // Chromium asks `cancel` only once: a second Escape would close whatever it answered.
  const guard = (event) => {
    if (event.key === 'Escape' && !canClose()) event.preventDefault();
  };
  addEventListener('keydown', guard, true);
  dialog.addEventListener('cancel', (event) => {
    if (!canClose()) event.preventDefault();
  });
  dialog.addEventListener('close', () => {
    removeEventListener('keydown', guard, true);
    dialog.remove();
    if (before?.isConnected) before.focus();
    onClose(result);
  });
  document.body.append(dialog);
  build({ close, body, foot, heading, dialog });
  dialog.showModal();
  heading.focus();
  return { close, dialog, body, foot, heading };
}

export const button = (text, props = {}, ...more) => h('button', { type: 'button', ...props }, ...more, text);

export const cancelButton = (close, text = t('cancel')) =>
  button(text, { class: 'button', on: { click: () => close() } });

/** Asks for one line of text; resolves with it, or undefined. */
export const askText = ({ title, text, labelText, action, maxLength = 200 }) =>
  new Promise((resolve) => {
    openDialog({
      title,
      className: 'dialog-small',
      onClose: resolve,
      build({ close, body, foot }) {
        const input = h('input', { id: uniqueId('ask'), type: 'text', maxlength: maxLength, autocomplete: 'off' });
        const form = h(
          'form',
          {
            id: uniqueId('form'),
            on: {
              submit: (event) => {
                event.preventDefault();
                close(input.value.trim());
              },
            },
          },
          text ? h('p', {}, text) : null,
          h('label', { for: input.id }, labelText),
          input,
        );
        replace(body, form);
        foot.append(
          cancelButton(close),
          h('button', { type: 'submit', class: 'button primary', form: form.id }, action),
        );
      },
    });
  });

/** Asks yes or no; resolves with true or undefined. */
export const ask = ({ title, text, action, danger = false }) =>
  new Promise((resolve) => {
    openDialog({
      title,
      className: 'dialog-small',
      onClose: resolve,
      build({ close, body, foot }) {
        replace(body, h('p', {}, text));
        foot.append(
          cancelButton(close),
          button(action, { class: ['button', danger ? 'danger' : 'primary'], on: { click: () => close(true) } }),
        );
      },
    });
  });
