// Which view is shown: the part of the address after '#'. A view is a function (outlet, argument)
// that fills the outlet and may return a function that ends it.

const routes = new Map();
let end = null;
let outlet = null;
let shown = '';
const listeners = new Set();

export const addRoute = (name, view, options = {}) => routes.set(name, { view, ...options });
export const onRoute = (listener) => listeners.add(listener);
export const go = (path) => {
  if (location.hash === `#/${path}`) refresh();
  else location.hash = `#/${path}`;
};
export const link = (path) => `#/${path}`;

function parse() {
  const [name, ...rest] = location.hash.replace(/^#\/?/, '').split('/');
  return routes.has(name)
    ? { name, argument: decodeURIComponent(rest.join('/')) }
    : { name: [...routes.keys()][0], argument: '' };
}

export const currentRoute = () => parse().name;

/** Ends what is shown; nothing of it goes on in the background. */
export function leave() {
  end?.();
  end = null;
}

/** Shows the view of the address. The focus moves to its heading only when the view changed. */
export function refresh({ focus = false } = {}) {
  leave();
  const { name, argument } = parse();
  const isNew = shown !== location.hash;
  shown = location.hash;
  outlet.replaceChildren();
  end = routes.get(name).view(outlet, argument) ?? null;
  for (const listener of listeners) listener(name, argument);
  if (focus && isNew) outlet.querySelector('h1')?.focus();
  if (isNew) scrollTo(0, 0);
}

export function startRouter(element) {
  outlet = element;
  shown = location.hash;
}

addEventListener('hashchange', () => {
  if (outlet?.isConnected) refresh({ focus: true });
});
