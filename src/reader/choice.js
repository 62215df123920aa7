/* What the reader chose: edition and regions (in the address, so that it can be passed on, and kept
 * for the next visit), the look of the page. */
import { el } from './dom.js';

const KEPT = 'tocsin:choice';
const DARK_WHEN = { auto: '(prefers-color-scheme: dark)', light: 'not all', dark: 'all' };
const THEMES = Object.keys(DARK_WHEN);

const stored = () => {
  try {
    return JSON.parse(localStorage.getItem(KEPT)) ?? {};
  } catch {
    return {}; // no storage, or not ours
  }
};

export class Choice {
  constructor(taxonomy, changed) {
    this.taxonomy = taxonomy;
    this.changed = changed;
    const query = new URLSearchParams(location.search);
    const kept = stored();
    const wanted = [query.get('edition'), kept.edition, ...navigator.languages.map((l) => l.split('-')[0])];
    const editions = taxonomy.editions.map(({ id }) => id);
    this.edition = wanted.find((id) => editions.includes(id)) ?? editions[0];
    const known = new Set(taxonomy.regions.map(({ id }) => id));
    this.regions = (query.get('regions')?.split(',') ?? kept.regions ?? []).filter((id) => known.has(id));
    this.theme = THEMES.includes(kept.theme) ? kept.theme : 'auto';
    this.test = query.get('test') === 'true';
    document.querySelector('#theme').addEventListener('click', () => this.#nextTheme());
  }

  get filter() {
    return {
      editions: [this.edition],
      ...(this.regions.length > 0 ? { regions: this.regions } : {}),
      ...(this.test ? { test: true } : {}),
    };
  }

  label(kind, id, language) {
    const labels = this.taxonomy[kind].find((value) => value.id === id)?.labels ?? {};
    return labels[language.id] ?? labels[this.edition] ?? Object.values(labels)[0] ?? id;
  }

  render(language) {
    this.language = language;
    const button = (text, pressed, act, more = {}) => {
      const b = el('button', { type: 'button', 'aria-pressed': String(pressed), text, ...more });
      b.addEventListener('click', act);
      return b;
    };
    // Each edition names itself in its own language.
    document.querySelector('#editions').replaceChildren(...this.taxonomy.editions.map(({ id, dir, labels }) =>
      button(labels?.[id] ?? this.#ownName(id), id === this.edition, () => this.#setEdition(id), { lang: id, dir, 'data-edition': id })));
    const chip = (id, text, pressed, more) => button(text, pressed, () => this.#toggleRegion(id), { class: 'chip', 'data-region': id, ...more });
    document.querySelector('#regions').replaceChildren(
      chip('', language.text('all'), this.regions.length === 0),
      ...this.taxonomy.regions.map(({ id }) => chip(id, this.label('regions', id, language), this.regions.includes(id))));
    document.querySelector('#regions [aria-pressed="true"]').scrollIntoView({ block: 'nearest', inline: 'center' });
    document.querySelector('#dark').media = DARK_WHEN[this.theme];
    document.querySelector('#theme-text').textContent = language.text('theme', { name: language.text(this.theme) });
  }

  #ownName(id) {
    return new Intl.DisplayNames([id], { type: 'language' }).of(id);
  }

  #setEdition(id) {
    this.edition = id;
    this.#keep(`[data-edition="${id}"]`);
  }

  #toggleRegion(id) {
    if (id === '') this.regions = [];
    else if (this.regions.includes(id)) this.regions = this.regions.filter((other) => other !== id);
    else this.regions = [...this.regions, id];
    this.#keep(`[data-region="${id}"]`);
  }

  #nextTheme() {
    this.theme = THEMES[(THEMES.indexOf(this.theme) + 1) % THEMES.length];
    this.#store();
    this.render(this.language);
  }

  #store() {
    try {
      localStorage.setItem(KEPT, JSON.stringify({ edition: this.edition, regions: this.regions, theme: this.theme }));
    } catch {
      // Kept in the address only.
    }
  }

  // The buttons are made anew: the keyboard stays on the one it was on.
  #keep(selector) {
    const query = new URLSearchParams(location.search);
    query.set('edition', this.edition);
    query.delete('regions');
    if (this.regions.length > 0) query.set('regions', this.regions.join(','));
    history.replaceState(null, '', `?${query.toString().replaceAll('%2C', ',')}`);
    this.#store();
    this.changed();
    document.querySelector(selector)?.focus();
  }
}
