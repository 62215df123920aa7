// Fields with a label, a counter and the faults and warnings the server has about them. Each is known
// by the JSON pointer under which the server speaks of it.
import { h, replace, setAttributes, setText, uniqueId } from './dom.js';
import { icon } from './icons.js';
import { known, t } from './i18n.js';

export const faultText = (fault) => known(`fault_${fault.code}`, '') || fault.detail || fault.code;
export const warningText = (warning) => known(`warning_${warning.code}`, '') || warning.detail || warning.code;

/** All fields of a form, so that faults find theirs. */
export class FieldSet {
  constructor() {
    this.fields = new Map();
    this.marks = {};
  }

  /** `inputs` are the controls to mark; `place` shows the words. */
  add(pointer, { inputs, place, describedBy = [] }) {
    place.id ||= uniqueId('said');
    this.fields.set(pointer, { inputs, place, describedBy });
    this.describe(pointer);
  }

  /** The nearest field: a fault of /audience/regions/2 belongs to /audience/regions. */
  nearest(pointer) {
    for (let at = pointer; at; at = at.slice(0, at.lastIndexOf('/'))) if (this.fields.has(at)) return at;
    return null;
  }

  describe(pointer) {
    const { inputs, place, describedBy } = this.fields.get(pointer);
    const said = place.childElementCount > 0 ? [place.id] : [];
    for (const input of inputs) {
      setAttributes(input, { 'aria-describedby': [...describedBy, ...said].join(' ') || null });
    }
  }

  /** Shows faults and warnings; answers those that belong to no field here. */
  show({ faults = [], warnings = [] }) {
    const wanted = JSON.stringify([faults, warnings]);
    if (this.shown === wanted) return this.strays;
    this.shown = wanted;
    const lines = new Map([...this.fields.keys()].map((pointer) => [pointer, []]));
    this.strays = [];
    const put = (list, kind, textOf) => {
      for (const item of list) {
        const at = this.nearest(item.pointer ?? '');
        if (at) lines.get(at).push({ kind, text: textOf(item) });
        else this.strays.push({ kind, text: textOf(item), item });
      }
    };
    put(faults, 'fault', faultText);
    put(warnings, 'caution', warningText);
    for (const [pointer, said] of lines) {
      const { inputs, place } = this.fields.get(pointer);
      replace(
        place,
        said.map(({ kind, text }) => h('p', { class: ['said', kind] }, icon('warning'), h('span', {}, text))),
      );
      const isFaulty = said.some(({ kind }) => kind === 'fault');
      for (const input of inputs) setAttributes(input, { 'aria-invalid': isFaulty ? 'true' : null });
      this.describe(pointer);
    }
    return this.strays;
  }

  /** The focus goes to the first field with a fault. */
  focusFirst() {
    for (const { inputs } of this.fields.values()) {
      const input = inputs.find((i) => i.getAttribute('aria-invalid') === 'true');
      if (input) {
        input.focus();
        input.scrollIntoView({ block: 'center' });
        return true;
      }
    }
    return false;
  }
}

/**
 * One line or several of text. `counter(text)` gives what stands beside the label. Answers {root, input}.
 */
export function textField(
  fields,
  { pointer, labelText, value, onInput, hint, lang, dir, type = 'text', rows, counter, attributes = {} },
) {
  const id = uniqueId('field');
  const count = counter ? h('span', { class: 'counter', id: `${id}-count` }) : null;
  const hintLine = hint ? h('p', { class: 'hint', id: `${id}-hint` }, hint) : null;
  const place = h('div', { class: 'field-said' });
  const showCount = (text) => {
    if (!counter) return;
    const { words, isLong } = counter(text);
    setText(count, words);
    count.classList.toggle('is-long', isLong);
  };
  const input = h(rows ? 'textarea' : 'input', {
    id,
    rows,
    type: rows ? null : type,
    lang,
    dir,
    value,
    autocomplete: 'off',
    spellcheck: type === 'text' ? 'true' : null,
    ...attributes,
    on: {
      input: () => {
        showCount(input.value);
        onInput(input.value);
      },
    },
  });
  showCount(value);
  fields.add(pointer, { inputs: [input], place, describedBy: [hintLine?.id, count?.id].filter(Boolean) });
  const root = h(
    'div',
    { class: 'field' },
    h('div', { class: 'field-head' }, h('label', { for: id }, labelText), count),
    input,
    hintLine,
    place,
  );
  return { root, input, recount: () => showCount(input.value) };
}

/** A group of check boxes or radio buttons that look like chips. */
export function chipGroup({ name, type, options, isChosen, onChoose, legend, hint, fields, pointer, className = '' }) {
  const place = h('div', { class: 'field-said' });
  const hintLine = hint ? h('p', { class: 'hint', id: uniqueId('hint') }, hint) : null;
  const inputs = options.map((option) =>
    h('input', {
      type,
      name,
      id: uniqueId('chip'),
      value: option.id,
      checked: isChosen(option.id),
      disabled: option.disabled,
      on: { change: (event) => onChoose(option.id, event.target.checked) },
    }),
  );
  const chips = options.map((option, i) =>
    h(
      'span',
      { class: ['chip', option.className] },
      inputs[i],
      h(
        'label',
        { for: inputs[i].id, title: option.title },
        h('span', { class: 'chip-name' }, option.text),
        option.more ? h('span', { class: 'chip-more' }, option.more) : null,
      ),
    ),
  );
  const root = h(
    'fieldset',
    { class: ['chips', className] },
    h('legend', {}, legend),
    hintLine,
    h('div', { class: 'chip-row' }, chips),
    place,
  );
  fields.add(pointer, { inputs, place, describedBy: hintLine ? [hintLine.id] : [] });
  return { root, inputs, sync: () => inputs.forEach((input) => (input.checked = isChosen(input.value))) };
}

export const optionalWord = () => h('span', { class: 'optional' }, t('optional'));
