// Whom it is for and how urgent it is: chips for regions and sections, urgency in plain words.
import { h } from './dom.js';
import { chipGroup } from './fields.js';
import { label, t } from './i18n.js';
import { URGENCIES } from './alert_words.js';
import { find, mayUse, places, session } from './session.js';

const toggle = (list, id, on) => {
  const at = list.indexOf(id);
  if (on && at < 0) list.push(id);
  if (!on && at >= 0) list.splice(at, 1);
};

function regionChips(draft, fields, changed) {
  const all = { id: 'all', text: t('all_regions'), className: 'chip-all', disabled: session().all_regions === false };
  const options = places().regions.map((region) => ({
    id: region.id,
    text: label(region),
    disabled: !mayUse('regions', region.id),
    title: mayUse('regions', region.id) ? null : t('not_in_your_key'),
    more: region.parent ? t('region_within', { region: label(find('regions', region.parent)) }) : null,
  }));
  const group = chipGroup({
    name: 'regions',
    type: 'checkbox',
    options: [all, ...options],
    legend: t('regions'),
    hint: t('regions_hint'),
    fields,
    pointer: '/audience/regions',
    isChosen: (id) => (id === 'all' ? draft.allRegions : draft.regions.includes(id)),
    onChoose(id, on) {
      if (id === 'all') {
        draft.allRegions = on;
        if (on) draft.regions = [];
      } else {
        toggle(draft.regions, id, on);
        if (on) draft.allRegions = false;
      }
      group.sync();
      changed();
    },
  });
  return group.root;
}

function sectionChips(draft, fields, changed) {
  const options = places().sections.map((section) => ({ id: section.id, text: label(section) }));
  return chipGroup({
    name: 'sections',
    type: 'checkbox',
    options,
    legend: t('sections'),
    hint: t('sections_hint'),
    fields,
    pointer: '/audience/sections',
    isChosen: (id) => draft.sections.includes(id),
    onChoose(id, on) {
      toggle(draft.sections, id, on);
      changed();
    },
  }).root;
}

function isAllowed(urgency) {
  const most = session().max_urgency;
  return !most || URGENCIES.indexOf(urgency) >= URGENCIES.indexOf(most);
}

function urgencyChips(draft, fields, changed) {
  const options = URGENCIES.map((id) => ({
    id,
    text: t(`urgency_${id}`),
    more: t(`urgency_${id}_meaning`),
    className: `urgency-chip urgency-${id}`,
    disabled: !isAllowed(id),
    title: isAllowed(id) ? null : t('not_in_your_key'),
  }));
  return chipGroup({
    name: 'urgency',
    type: 'radio',
    options,
    legend: t('urgency'),
    className: 'urgencies',
    fields,
    pointer: '/urgency',
    isChosen: (id) => draft.urgency === id,
    onChoose(id) {
      draft.urgency = id;
      changed();
    },
  }).root;
}

export const audienceParts = (draft, fields, changed) => [
  h('section', { class: 'card' }, urgencyChips(draft, fields, changed)),
  h('section', { class: 'card' }, regionChips(draft, fields, changed), sectionChips(draft, fields, changed)),
];
