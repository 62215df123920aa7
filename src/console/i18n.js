// The console's own languages: messages, plural forms, numbers, dates and the writing direction.
import { arabic } from './text_ar.js';
import { english } from './text_en.js';
import { spanish } from './text_es.js';
import { remember, recall } from './memory.js';

// Western digits in Arabic, too: the figures here are compared with those of the API and of logs.
const LANGUAGES = {
  en: { name: 'English', dir: 'ltr', locale: 'en-GB', texts: english },
  ar: { name: 'العربية', dir: 'rtl', locale: 'ar-u-nu-latn', texts: arabic },
  es: { name: 'Español', dir: 'ltr', locale: 'es', texts: spanish },
};

let current = 'en';
const listeners = new Set();

export const languages = () => Object.entries(LANGUAGES).map(([id, { name, dir }]) => ({ id, name, dir }));
export const language = () => current;
export const direction = () => LANGUAGES[current].dir;
const locale = () => LANGUAGES[current].locale;

function apply(id) {
  current = id;
  document.documentElement.lang = id;
  document.documentElement.dir = LANGUAGES[id].dir;
}

export function setLanguage(id) {
  if (!(id in LANGUAGES)) return;
  apply(id);
  remember('language', id);
  for (const listener of listeners) listener(id);
}

export const onLanguage = (listener) => listeners.add(listener);

/** The language chosen before, else the first of the browser's that there is. */
export function startLanguage() {
  const wanted = [recall('language'), ...navigator.languages.map((tag) => tag.slice(0, 2))];
  apply(wanted.find((id) => id in LANGUAGES) ?? 'en');
}

const form = (text, count) => {
  if (typeof text === 'string') return text;
  if (count === 0 && text.zero) return text.zero; // also in languages whose grammar has no form for nothing
  return text[new Intl.PluralRules(locale()).select(count)] ?? text.other;
};

/**
 * The message `key`; {name} in it becomes params.name, numbers as the language writes them. A message
 * with plural forms takes the one for params.count.
 */
export function t(key, params = {}) {
  const text = LANGUAGES[current].texts[key] ?? english[key];
  if (text === undefined) throw new Error(`no message ${key}`);
  return form(text, params.count).replace(/\{(\w+)\}/g, (whole, name) => {
    const value = params[name];
    return value === undefined ? whole : typeof value === 'number' ? number(value) : String(value);
  });
}

/** The message for a code the server gave, or what the server says about it. */
export const known = (key, fallback) => (key in english ? t(key) : fallback);

export const number = (value) => new Intl.NumberFormat(locale()).format(value);
export const percent = (part, whole) =>
  new Intl.NumberFormat(locale(), {
    style: 'percent',
    maximumFractionDigits: whole && part < whole && part / whole > 0.99 ? 2 : 0,
  }).format(whole ? part / whole : 0);

export const list = (items) => new Intl.ListFormat(locale(), { type: 'conjunction' }).format(items);

const time = (options) => (at) => new Intl.DateTimeFormat(locale(), options).format(new Date(at));
export const dateTime = time({ dateStyle: 'medium', timeStyle: 'medium' });
export const shortTime = time({ hour: '2-digit', minute: '2-digit' });
export const clockTime = time({ hour: '2-digit', minute: '2-digit', second: '2-digit' });
export const zoneName = () => Intl.DateTimeFormat().resolvedOptions().timeZone;

/** 850 ms, 4.2 s, 3 min 20 s */
export function duration(ms) {
  const unit = (value, name, digits = 0) =>
    new Intl.NumberFormat(locale(), {
      style: 'unit',
      unit: name,
      unitDisplay: 'short',
      maximumFractionDigits: digits,
    }).format(value);
  if (ms < 1000) return unit(Math.round(ms), 'millisecond');
  if (ms < 60_000) return unit(ms / 1000, 'second', 1);
  const minutes = Math.floor(ms / 60_000);
  return `${unit(minutes, 'minute')} ${unit(Math.round((ms % 60_000) / 1000), 'second')}`;
}

export function ago(at, now = Date.now()) {
  const seconds = Math.round((new Date(at) - now) / 1000);
  const relative = new Intl.RelativeTimeFormat(locale(), { numeric: 'auto' });
  for (const [unit, size] of [
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
  ]) {
    if (Math.abs(seconds) >= size) return relative.format(Math.round(seconds / size), unit);
  }
  return relative.format(seconds, 'second');
}

/** The label of a region, section or edition in the console's language. */
export const label = (value) => value?.labels?.[current] ?? value?.labels?.en ?? value?.id ?? '';
