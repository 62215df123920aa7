// What the composer holds, and the alert the API takes made of it.
import { loadWork, saveWork } from './memory.js';
import { isTest, setTest, statusOf } from './mode.js';
import { mayUse, places, session } from './session.js';

const emptyText = () => ({ on: true, headline: '', body: '', url: '' });

export function emptyDraft() {
  const texts = {};
  for (const { id } of places().editions) texts[id] = { ...emptyText(), on: mayUse('editions', id) };
  return {
    texts,
    urgency: '',
    allRegions: false,
    regions: [],
    sections: [],
    fallback: '',
    story_id: '',
    source: '',
    tags: '',
    image_url: '',
    ttl_minutes: '',
    collapse_id: '',
    when: 'now',
    at: '',
    stored: null,
  };
}

/** The text as it is sent: an editor's stray spaces and line breaks at the ends are not meant. */
const clean = (text) => text.normalize('NFC').trim();

const optional = (object, name, text) => {
  if (clean(text)) object[name] = clean(text);
};

function contentOf(draft) {
  const content = {};
  for (const [id, text] of Object.entries(draft.texts)) {
    if (!text.on) continue;
    const { headline, ...rest } = text;
    const one = {};
    optional(one, 'headline', headline);
    optional(one, 'body', rest.body);
    optional(one, 'url', rest.url);
    optional(one, 'image_url', draft.image_url);
    // An edition with nothing but the picture has no text; the server names what is missing.
    if (one.headline || one.body || one.url) content[id] = one;
  }
  return content;
}

export const wantedEditions = (draft) => Object.keys(draft.texts).filter((id) => draft.texts[id].on);

export const tagsOf = (draft) => draft.tags.split(',').map(clean).filter(Boolean);

/** A local date and time of the form, as the instant it is here. */
export const instant = (local) => (local ? new Date(local).toISOString().replace(/\.\d+Z$/, 'Z') : undefined);

function audienceOf(draft) {
  const audience = { regions: draft.allRegions ? ['all'] : [...draft.regions].sort() };
  if (draft.sections.length > 0) audience.sections = [...draft.sections].sort();
  const wanted = wantedEditions(draft);
  if (!draft.fallback && wanted.length < places().editions.length) audience.editions = wanted;
  return audience;
}

/** The body of POST /v1/alerts. */
export function alertOf(draft) {
  const alert = { status: statusOf(), audience: audienceOf(draft), content: contentOf(draft) };
  if (draft.urgency) alert.urgency = draft.urgency;
  if (draft.fallback) alert.fallback_language = draft.fallback;
  const tags = tagsOf(draft);
  if (tags.length > 0) alert.tags = tags;
  for (const name of ['story_id', 'source', 'collapse_id']) optional(alert, name, draft[name]);
  if (draft.ttl_minutes !== '') alert.ttl_s = Math.round(Number(draft.ttl_minutes) * 60);
  if (draft.when === 'at' && draft.at) alert.send_at = instant(draft.at);
  if (draft.when === 'embargo' && draft.at) alert.embargoed_until = instant(draft.at);
  return alert;
}

/** What is missing, in the form of the server's faults; found before asking it. */
export function faultsOf(draft) {
  const faults = [];
  const add = (pointer, code) => faults.push({ pointer, code, detail: '' });
  if (!draft.allRegions && draft.regions.length === 0) add('/audience/regions', 'choose_regions');
  if (!draft.urgency) add('/urgency', 'choose_urgency');
  const wanted = wantedEditions(draft);
  if (wanted.length === 0) add('/content', 'choose_edition');
  for (const id of wanted) if (!clean(draft.texts[id].headline)) add(`/content/${id}/headline`, 'required');
  if (draft.when !== 'now' && !draft.at) add(draft.when === 'at' ? '/send_at' : '/embargoed_until', 'choose_time');
  if (draft.when !== 'now' && draft.at && new Date(draft.at) <= Date.now())
    add(draft.when === 'at' ? '/send_at' : '/embargoed_until', 'time_past');
  return faults;
}

/**
 * The same audience with a placeholder where text is missing: who would get it can be counted before
 * a word is written. null when there is nobody to count yet.
 */
export function countable(draft) {
  if ((!draft.allRegions && draft.regions.length === 0) || wantedEditions(draft).length === 0) return null;
  const alert = alertOf(draft);
  delete alert.send_at;
  delete alert.embargoed_until;
  alert.urgency ??= 'normal';
  for (const id of wantedEditions(draft)) alert.content[id] = { headline: '…', ...alert.content[id] };
  if (alert.fallback_language && !alert.content[alert.fallback_language]) delete alert.fallback_language;
  return alert;
}

export const isEmpty = (draft) =>
  Object.values(draft.texts).every((text) => !text.headline && !text.body && !text.url) &&
  !draft.allRegions &&
  draft.regions.length === 0 &&
  draft.sections.length === 0 &&
  !draft.urgency;

const localTime = (iso) => {
  if (!iso) return '';
  const at = new Date(iso);
  return new Date(at - at.getTimezoneOffset() * 60_000).toISOString().slice(0, 16);
};

/** A stored alert or draft back in the form. `stored` names the server's draft, if it is one. */
export function draftFrom(alert, stored = null, times = {}) {
  const draft = emptyDraft();
  const content = alert.content ?? {};
  const listed = alert.audience?.editions;
  for (const id of Object.keys(draft.texts)) {
    const { headline = '', body = '', url = '' } = content[id] ?? {};
    const on = listed ? listed.includes(id) : !alert.fallback_language || Boolean(content[id]);
    draft.texts[id] = { on, headline, body, url };
    if (content[id]?.image_url) draft.image_url = content[id].image_url;
  }
  const regions = alert.audience?.regions ?? [];
  const until = times.embargoed_until ?? alert.embargoed_until;
  const at = times.send_at ?? alert.send_at;
  return {
    ...draft,
    urgency: alert.urgency ?? '',
    allRegions: regions.includes('all'),
    regions: regions.filter((id) => id !== 'all'),
    sections: alert.audience?.sections ?? [],
    fallback: alert.fallback_language ?? '',
    tags: (alert.tags ?? []).join(', '),
    story_id: alert.story_id ?? '',
    source: alert.source ?? '',
    collapse_id: alert.collapse_id ?? '',
    ttl_minutes: alert.ttl_s === undefined ? '' : String(alert.ttl_s / 60),
    when: until ? 'embargo' : at ? 'at' : 'now',
    at: localTime(until ?? at),
    stored,
  };
}

/** What was being written before a reload or a lost session; it keeps its mode, too. */
export function unsentDraft() {
  const work = loadWork(session().key_id);
  if (!work?.draft?.texts) return null;
  const blank = emptyDraft();
  const texts = {};
  for (const id of Object.keys(blank.texts)) texts[id] = { ...blank.texts[id], ...work.draft.texts[id] };
  if (work.test !== isTest()) setTest(work.test);
  return { ...blank, ...work.draft, texts };
}

/** Whether this very work is what is kept: nobody cleared it, went on with it or signed out meanwhile. */
export const isKept = (draft) =>
  session() !== null && JSON.stringify(loadWork(session().key_id)?.draft) === JSON.stringify(draft);

export const keepDraft = (draft) => saveWork(session().key_id, { draft, test: isTest() });
