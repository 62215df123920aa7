// The work of tests/bench/audience: fills Redis with the bitmaps of many devices, then asks in turn
// for previews and for the bare scripts, and compares the medians; their counts must agree.
import { Agent, request } from 'node:http';
import { connect } from 'node:net';
import { parseArgs } from 'node:util';
import { follows, generator } from './population.mjs';

const BLOCK = 16384;
const { values: options } = parseArgs({
  options: Object.fromEntries(['socket', 'newsroom', 'key', 'devices', 'rounds'].map((name) => [name, { type: 'string' }])),
});
const devices = Number(options.devices);
const blocks = Math.ceil(devices / BLOCK);

const PLATFORMS = ['apns', 'fcm', 'webpush'];
const EDITIONS = ['en', 'ar', 'es'];
const ALERT = {
  urgency: 'high',
  audience: { regions: ['palestine', 'europe'], sections: ['politics', 'health'] },
  content: Object.fromEntries(EDITIONS.map((edition) => [edition, { headline: 'Headline' }])),
};

// What the preview counts, with every name in place.
const BARE = `
redis.set_repl(redis.REPL_NONE)
local b = '{b' .. ARGV[1] .. '}:'
local all, part = b .. 'tmp:all', b .. 'tmp:part'
local call = redis.call
call('BITOP', 'OR', all, b .. 'region:palestine', b .. 'region:mena', b .. 'region:europe', b .. 'region:*')
call('BITOP', 'OR', part, b .. 'section:politics', b .. 'section:health', b .. 'section:*')
call('BITOP', 'AND', all, all, part)
call('BITOP', 'OR', part, b .. 'urgency:high', b .. 'urgency:normal', b .. 'urgency:low')
call('BITOP', 'AND', all, all, part)
local counts = {}
for _, platform in ipairs({'${PLATFORMS.join("','")}'}) do
  for _, edition in ipairs({'${EDITIONS.join("','")}'}) do
    call('BITOP', 'AND', part, all, b .. 'platform:' .. platform, b .. 'edition:' .. edition)
    counts[#counts + 1] = call('BITCOUNT', part)
  end
end
call('DEL', all, part)
return table.concat(counts, ' ')`;

// Redis over its socket: commands in one write, all their answers.
class Redis {
  constructor(path) {
    this.socket = connect(path);
    this.socket.on('data', (chunk) => this.take(chunk));
    this.rest = Buffer.alloc(0);
  }

  static bytes(words) {
    const parts = [Buffer.from(`*${words.length}\r\n`)];
    for (const word of words) {
      const bytes = Buffer.isBuffer(word) ? word : Buffer.from(String(word));
      parts.push(Buffer.from(`$${bytes.length}\r\n`), bytes, Buffer.from('\r\n'));
    }
    return Buffer.concat(parts);
  }

  send(bytes, count) {
    this.answers = [];
    this.wanted = count;
    return new Promise((done, fail) => {
      this.done = done;
      this.fail = fail;
      this.socket.write(bytes);
    });
  }

  take(chunk) {
    this.rest = this.rest.length ? Buffer.concat([this.rest, chunk]) : chunk;
    let at = 0;
    for (;;) {
      const end = this.rest.indexOf('\r\n', at);
      if (end < 0) break;
      const line = this.rest.toString('latin1', at, end);
      if (line[0] === '-') return this.fail(new Error(line));
      if (line[0] === '$') {
        const size = Number(line.slice(1));
        if (this.rest.length < end + size + 4) break;
        this.answers.push(this.rest.toString('latin1', end + 2, end + 2 + size));
        at = end + size + 4;
      } else {
        this.answers.push(line.slice(1));
        at = end + 2;
      }
    }
    this.rest = this.rest.subarray(at);
    if (this.answers.length === this.wanted) this.done(this.answers);
    return undefined;
  }
}

function valuesOf(what) {
  const list = (kind, names) => (names.length ? names.map((name) => `${kind}:${name}`) : [`${kind}:*`]);
  return [`platform:${what.platform}`, `edition:${what.edition}`, `urgency:${what.min_urgency}`,
    `zone:${what.time_zone}`, ...list('region', what.regions), ...list('section', what.sections)];
}

async function fill(redis) {
  const next = generator(1);
  for (let block = 0; block < blocks; block++) {
    const bitmaps = {};
    for (let slot = 0; slot < Math.min(BLOCK, devices - block * BLOCK); slot++) {
      for (const name of valuesOf(follows(next))) {
        (bitmaps[name] ??= Buffer.alloc(BLOCK / 8))[slot >> 3] |= 128 >> (slot & 7);
      }
    }
    const sets = Object.entries(bitmaps).map(([name, bits]) => Redis.bytes(['SET', `{b${block}}:${name}`, bits]));
    await redis.send(Buffer.concat(sets), sets.length);
  }
  await redis.send(Redis.bytes(['MSET', '{d}:next', devices, '{d}:count', devices]), 1);
}

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const body = JSON.stringify(ALERT);
function preview() {
  return new Promise((resolve, reject) => {
    const rq = request(`${options.newsroom}/v1/alerts:preview`, {
      method: 'POST', agent,
      headers: { 'content-type': 'application/json', authorization: `Bearer ${options.key}`, 'content-length': body.length },
    }, (answer) => {
      let text = '';
      answer.on('data', (part) => (text += part));
      answer.on('end', () => (answer.statusCode === 200 ? resolve(JSON.parse(text)) : reject(new Error(text))));
    });
    rq.on('error', reject);
    rq.end(body);
  });
}

const median = (list) => list.sort((a, b) => a - b)[Math.floor(list.length / 2)];
async function timed(times, work) {
  const before = performance.now();
  const result = await work();
  times.push(performance.now() - before);
  return result;
}

const redis = new Redis(options.socket);
await fill(redis);
const [sha] = await redis.send(Redis.bytes(['SCRIPT', 'LOAD', BARE]), 1);
const all = Buffer.concat(Array.from({ length: blocks }, (_, block) => Redis.bytes(['EVALSHA', sha, 0, block])));
const times = { preview: [], bare: [] };
let told;
for (let round = 0; round < Number(options.rounds); round++) {
  told = await timed(times.preview, preview);
  const lines = await timed(times.bare, () => redis.send(all, blocks));
  const sums = Array(PLATFORMS.length * EDITIONS.length).fill(0);
  for (const line of lines) line.split(' ').forEach((count, i) => (sums[i] += Number(count)));
  const same = PLATFORMS.every((p, i) => EDITIONS.every((e, k) => told.platform_editions[p][e] === sums[3 * i + k]));
  if (!same) throw new Error(`the counts differ: ${JSON.stringify(told)} ${sums}`);
}
const ms = median(times.preview);
const bare = median(times.bare);
console.log(`bench=audience devices=${devices} rounds=${options.rounds} targeted=${told.total} ms=${ms.toFixed(2)}` +
  ` bare_ms=${bare.toFixed(2)} ratio_bare=${(ms / bare).toFixed(2)}`);
redis.socket.destroy();
agent.destroy();
