/* Elements without markup in texts: what an alert says is never read as HTML. */

const SVG = 'http://www.w3.org/2000/svg';

/* What the pictures are made of, on a square of 16. */
const SHAPES = {
  flash: 'M9.500 0 3 9h4l-1 7 7-10H8.500z',
  high: 'M8 1 0.500 15h15zM7.200 6h1.600v5H7.200zm0 6.200h1.600v1.600H7.200z',
  normal: 'M1 2h14v2.200H1zm0 4.500h14v1.600H1zm0 4h9v1.600H1z',
  low: 'M2 7h12v2H2z',
  update: 'M11.300 1.200l3.500 3.500-9 9-4.300.8.800-4.300zM10.200 3.900l1.900 1.900',
  cancel: 'M8 .8a7.200 7.200 0 1 0 0 14.400A7.200 7.200 0 0 0 8 .8zM3.900 5.300l6.800 6.800a5 5 0 0 1-6.800-6.800zm1.400-1.400a5 5 0 0 1 6.800 6.800z',
};

export function icon(name) {
  const svg = document.createElementNS(SVG, 'svg');
  const path = document.createElementNS(SVG, 'path');
  svg.setAttribute('viewBox', '0 0 16 16');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  path.setAttribute('d', SHAPES[name]);
  path.setAttribute('fill-rule', 'evenodd');
  svg.append(path);
  return svg;
}

/* An element; of `properties` class, text, lang, dir and data are understood, all else is set as an
 * attribute. Children that are null or false are left out. */
export function el(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (value === undefined || value === null || value === false) continue;
    if (key === 'class') element.className = value;
    else if (key === 'text') element.textContent = value;
    else if (key === 'data') Object.assign(element.dataset, value);
    else element.setAttribute(key, value === true ? '' : value);
  }
  element.append(...children.filter((child) => child !== null && child !== false && child !== undefined));
  return element;
}

/* A link may lead to the web, nowhere else. */
export const isWeb = (url) => /^https?:\/\//i.test(url ?? '');
