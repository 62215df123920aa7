// Elements from data. Text only ever becomes text nodes, so nothing that an editor or a reader typed
// can turn into markup.

const SVG = 'http://www.w3.org/2000/svg';
let lastId = 0;

export const uniqueId = (what) => `${what}-${++lastId}`;

function setProperty(element, name, value) {
  if (value === null || value === undefined || value === false) return;
  if (name === 'class') element.setAttribute('class', [value].flat().filter(Boolean).join(' '));
  else if (name === 'on')
    for (const [event, listener] of Object.entries(value)) element.addEventListener(event, listener);
  else if (name === 'data') Object.assign(element.dataset, value);
  else if (name === 'value') element.value = value;
  else if (name === 'checked' || name === 'indeterminate' || name === 'selected') element[name] = Boolean(value);
  else element.setAttribute(name, value === true ? '' : String(value));
}

function fill(element, props, children) {
  for (const child of children.flat(Infinity)) {
    if (child === null || child === undefined || child === false) continue;
    element.append(child);
  }
  // After the children: a <select> takes its value only when it has the option.
  for (const [name, value] of Object.entries(props ?? {})) setProperty(element, name, value);
  return element;
}

/** h('p', {class: 'note'}, 'text', element, [more]): an HTML element. */
export const h = (tag, props, ...children) => fill(document.createElement(tag), props, children);

/** The same for SVG. */
export const svg = (tag, props, ...children) => fill(document.createElementNS(SVG, tag), props, children);

export function replace(parent, ...children) {
  parent.replaceChildren(
    ...children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false),
  );
  return parent;
}

/** Changes text only where it differs: screen readers repeat what is set anew. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

export function setAttributes(element, attributes) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) element.removeAttribute(name);
    else element.setAttribute(name, value === true ? '' : String(value));
  }
}

/** Says something to screen readers without moving the focus. */
export function announce(text, { urgent = false } = {}) {
  const region = document.getElementById(urgent ? 'urgent' : 'polite');
  region.textContent = '';
  requestAnimationFrame(() => (region.textContent = text));
}
