// Short words about what just happened or what went wrong, beside where it happened.
import { announce, h, replace } from './dom.js';
import { icon } from './icons.js';
import { Problem, Unreachable } from './api.js';
import { known, t } from './i18n.js';

/** An error as the reader should read it. */
export function explain(error) {
  if (error instanceof Unreachable) return t('error_unreachable');
  if (!(error instanceof Problem)) return String(error.message ?? error);
  const code = error.body.code ?? error.errors[0]?.code;
  const text = known(`error_${code}`, '');
  if (text) return text;
  if (error.status === 503) return t('error_busy');
  if (error.status === 429) return t('error_rate');
  return error.detail || error.message;
}

/** A box with a message; kind is error, warning, good or info. */
export const notice = (kind, ...content) =>
  h(
    'div',
    { class: ['notice', kind], role: kind === 'error' ? 'alert' : null },
    icon(kind === 'good' ? 'check' : 'warning'),
    h('div', {}, ...content),
  );

export function showError(place, error) {
  replace(place, notice('error', explain(error)));
  if (!(error instanceof Problem) && !(error instanceof Unreachable)) console.error(error);
}

/** An error of something begun at `place`, also when that was left meanwhile. */
export function tellError(place, error) {
  if (place.isConnected) showError(place, error);
  else toast(explain(error));
}

let timer;
/** A line at the foot of the window that goes by itself; it is also said aloud. */
export function toast(text) {
  document.querySelector('.toast')?.remove();
  clearTimeout(timer);
  document.body.append(h('div', { class: 'toast', 'aria-hidden': 'true' }, text));
  timer = setTimeout(() => document.querySelector('.toast')?.remove(), 5000);
  announce(text);
}
