/* A ticker on any page, in two lines:
 *
 *   <div data-tocsin data-regions="mena" data-editions="ar" data-limit="5"></div>
 *   <script type="module" src="https://alerts.example.com/tocsin-ticker.mjs"></script>
 *
 * Further attributes: data-sections, data-tags, data-min-urgency, data-url, data-receipts. What it
 * writes is an <ol> of .tocsin-alert with the urgency as a second class; the site styles it. */
import { Tocsin } from './tocsin.mjs';

const WORDS = {
  en: { update: 'Corrected', cancel: 'Withdrawn', flash: 'Flash', high: 'Breaking', away: 'Not connected: may be out of date' },
  ar: { update: 'تصحيح', cancel: 'سُحب', flash: 'عاجل', high: 'هام', away: 'غير متصل: قد لا تكون الأخبار محدّثة' },
  es: { update: 'Corregido', cancel: 'Retirado', flash: 'Urgente', high: 'Importante', away: 'Sin conexión: puede no estar al día' },
};
const LIMIT = 10;

const element = (name, className, text) => {
  const e = document.createElement(name);
  e.className = className;
  if (text) e.textContent = text;
  return e;
};

const isWeb = (url) => /^https?:\/\//i.test(url ?? '');

function render(item, alert, client) {
  const [language, content] = Object.entries(alert.content)[0] ?? ['en', item.content];
  const words = WORDS[language] ?? WORDS.en;
  const label = words[alert.type] ?? words[alert.urgency];
  const headline = element(isWeb(content.url) ? 'a' : 'span', 'tocsin-headline', content.headline);
  if (headline.localName === 'a') headline.href = content.url;
  headline.addEventListener('click', () => client.opened(alert));
  const time = element('time', 'tocsin-time');
  time.dateTime = alert.sent_at;
  time.textContent = new Date(alert.sent_at).toLocaleTimeString(language, { hour: '2-digit', minute: '2-digit' });
  const li = element('li', `tocsin-alert tocsin-${alert.urgency} tocsin-${alert.type}`);
  li.lang = language;
  li.dir = content.dir ?? 'auto';
  li.append(...(label ? [element('strong', 'tocsin-label', label), ' '] : []), headline, ' ', time);
  return { li, content };
}

/* Fills `target` and keeps it up to date; returns the client. */
export function mount(target, options = {}) {
  const limit = Number(target.dataset.limit ?? LIMIT);
  const filter = {};
  for (const name of ['regions', 'sections', 'editions', 'tags', 'minUrgency']) {
    const key = name === 'minUrgency' ? 'min_urgency' : name;
    const value = target.dataset[name];
    if (value) filter[key] = name === 'minUrgency' ? value : value.split(',');
  }
  const list = element('ol', 'tocsin-list');
  const notice = element('p', 'tocsin-notice');
  const items = new Map();
  list.setAttribute('aria-live', 'polite');
  notice.hidden = true;
  target.replaceChildren(notice, list);

  const client = new Tocsin({ url: target.dataset.url, history: limit, receipts: 'receipts' in target.dataset, filter, ...options });
  const put = (alert) => {
    const before = items.get(alert.id);
    if (alert.type === 'cancel' && !before) return;
    const item = render(before ?? {}, alert, client);
    if (before) before.li.replaceWith(item.li);
    else list.prepend(item.li);
    items.set(alert.id, item);
    while (items.size > limit) {
      const [id, { li }] = items.entries().next().value;
      li.remove();
      items.delete(id);
    }
  };
  for (const type of ['alert', 'update', 'cancel']) client.on(type, put);
  client.on('reset', ({ reason }) => {
    items.clear();
    list.replaceChildren();
    if (reason !== 'history') client.setFilter(client.filter);
  });
  client.on('status', ({ state }) => {
    const words = WORDS[filter.editions?.[0]] ?? WORDS.en;
    notice.hidden = !['waiting', 'offline', 'stopped', 'delayed'].includes(state);
    notice.textContent = notice.hidden ? '' : words.away;
  });
  return client.start();
}

for (const target of document.querySelectorAll('[data-tocsin]')) mount(target);
