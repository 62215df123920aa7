// Length as a reader sees it: an Arabic letter with its marks, or a flag, is one.

const segmenter = new Intl.Segmenter(undefined, { granularity: 'grapheme' });

export function graphemes(text) {
  let count = 0;
  for (const _ of segmenter.segment(text)) count++;
  return count;
}
