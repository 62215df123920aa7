// The three catalogues of the console say the same things.
import { join } from 'node:path';
import { assert, test } from '../service/lib/suite.mjs';
import { SOURCE } from '../service/lib/processes.mjs';

const load = async (id, name) => (await import(join(SOURCE, `src/console/text_${id}.js`)))[name];
const placeholders = (text) => [...String(text).matchAll(/\{(\w+)\}/g)].map((m) => m[1]).sort();
const forms = (text) => (typeof text === 'string' ? [text] : Object.values(text));

test('Arabic and Spanish have every message of English, with its parts', async () => {
  const english = await load('en', 'english');
  for (const [id, name] of [['ar', 'arabic'], ['es', 'spanish']]) {
    const other = await load(id, name);
    assert.deepEqual(Object.keys(other).sort(), Object.keys(english).sort(), id);
    for (const [key, text] of Object.entries(other)) {
      const wanted = new Set(forms(english[key]).flatMap(placeholders));
      for (const form of forms(text)) {
        // A plural form may spell its number out ("two phones"), and no form may ask for more.
        for (const part of placeholders(form)) assert.ok(wanted.has(part), `${id} ${key}: {${part}}`);
        if (typeof text === 'string') assert.deepEqual(placeholders(form), [...wanted].sort(), `${id} ${key}`);
      }
      if (typeof text !== 'string') {
        const categories = new Intl.PluralRules(id).resolvedOptions().pluralCategories;
        assert.ok('other' in text && Object.keys(text).every((c) => categories.includes(c) || c === 'zero'), `${id} ${key}`);
      }
    }
  }
});
