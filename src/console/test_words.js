// "Test" in the text of a LIVE alert: the best known push accident.
import { isActual } from './mode.js';

const WORDS =
  /(^|[^\p{L}\p{N}])(tests?|testing|dummy|ignore this|lorem ipsum|prueba|ensayo|اختبار|تجربة|تجريبي)(?![\p{L}\p{N}])/iu;

/** A warning, in the form of the server's, for each text that looks like a test though it would go to all. */
export function testWords(alert) {
  if (!isActual(alert)) return [];
  const warnings = [];
  for (const [edition, text] of Object.entries(alert.content ?? {})) {
    for (const part of ['headline', 'body']) {
      if (WORDS.test(text[part] ?? ''))
        warnings.push({ pointer: `/content/${edition}/${part}`, code: 'test_in_live', detail: '' });
    }
  }
  return warnings;
}

// What an editor has to acknowledge one by one before it goes: each of them is how accidents look.
const GRAVE = new Set([
  'test_in_live',
  'latin_in_arabic',
  'arabic_in_latin',
  'same_text',
  'too_large',
  'unused_text',
  'duplicate',
]);
export const isGrave = (warning) => GRAVE.has(warning.code);
