// A population of devices as a news service has it, the same for the same number: most follow one or
// two regions, every tenth any; a third any section; editions and platforms uneven. As NDJSON for
// `tocsin devices import`:
//
//   node population.mjs COUNT [apns|fcm] > devices.ndjson
import { createWriteStream } from 'node:fs';
import { pathToFileURL } from 'node:url';

const REGIONS = ['africa', 'asia', 'asia-pacific', 'europe', 'latin-america', 'mena', 'palestine', 'us-canada'];
const SECTIONS = ['politics', 'economy', 'sports', 'arts-culture', 'health', 'miscellaneous', 'technology', 'environment'];
const ZONES = ['Asia/Beirut', 'Africa/Cairo', 'Europe/London', 'Europe/Madrid', 'America/New_York', 'America/Bogota',
  'Asia/Riyadh', 'Asia/Kolkata', 'Asia/Jakarta', 'Africa/Nairobi', 'Australia/Sydney', 'America/Los_Angeles'];
const URGENCIES = ['low', 'low', 'low', 'normal', 'normal', 'high', 'flash'];

export function generator(seed) {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state;
  };
}
const below = (next, n) => Math.floor((next() / 2 ** 32) * n);

// What one device follows. `platform` undefined: 45 in a hundred are Apple's.
export function follows(next, platform) {
  const two = (list) => {
    const first = list[below(next, list.length)];
    const second = list[below(next, list.length)];
    return below(next, 2) && second !== first ? [first, second] : [first];
  };
  return {
    platform: platform ?? (below(next, 100) < 45 ? 'apns' : 'fcm'),
    edition: ['en', 'en', 'en', 'ar', 'ar', 'es'][below(next, 6)],
    regions: below(next, 10) ? two(REGIONS) : [],
    sections: below(next, 3) ? two(SECTIONS) : [],
    min_urgency: URGENCIES[below(next, URGENCIES.length)],
    time_zone: ZONES[below(next, ZONES.length)],
  };
}

const hex = (next, words) => {
  let text = '';
  for (let i = 0; i < words; i++) text += next().toString(16).padStart(8, '0');
  return text;
};

export function device(next, platform) {
  const id = hex(next, 4);
  const what = follows(next, platform);
  return {
    id: `${id.slice(0, 8)}-${id.slice(8, 12)}-4${id.slice(13, 16)}-8${id.slice(17, 20)}-${id.slice(20)}`,
    token: what.platform === 'apns' ? hex(next, 8) : `${hex(next, 3).slice(0, 22)}:APA91b${hex(next, 16)}`,
    secret_sha256: hex(next, 8),
    ...what,
  };
}

async function main([count, platform]) {
  const out = createWriteStream(null, { fd: 1, highWaterMark: 1 << 20 });
  const next = generator(1);
  let text = '';
  for (let i = 0; i < Number(count); i++) {
    text += `${JSON.stringify(device(next, platform))}\n`;
    if (text.length > 1 << 20) {
      if (!out.write(text)) await new Promise((done) => out.once('drain', done));
      text = '';
    }
  }
  out.end(text);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? '').href) await main(process.argv.slice(2));
