// LIVE or TEST. The mode is the browser tab's, survives a reload, and the whole console shows it.
import { t } from './i18n.js';

const listeners = new Set();
let test = sessionStorage.getItem('tocsin.mode') === 'test';

export const isTest = () => test;
/** Answers the function that ends it. */
export function onMode(listener) {
  listeners.add(listener);
  return () => listeners.delete(listener);
}
export const statusOf = () => (test ? 'test' : 'actual');

export function setTest(value) {
  test = Boolean(value);
  sessionStorage.setItem('tocsin.mode', test ? 'test' : 'live');
  showMode();
  for (const listener of listeners) listener(test);
}

/** In test: striped frame, words at top and bottom, dashed surfaces, and the title of the tab. */
export function showMode() {
  document.documentElement.classList.toggle('is-test', test);
  document.title = test ? `${t('test_word')} · Tocsin` : 'Tocsin';
}

/** Whether a stored alert is a real one. */
export const isActual = (alert) => (alert.status ?? 'actual') === 'actual';
