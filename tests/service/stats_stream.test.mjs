// The statistics of an alert as they change: `stats` events whose sums hold, the last one final.
import { randomUUID } from 'node:crypto';
import { get as httpGet } from 'node:http';
import { Phone } from './lib/service.mjs';
import { assert, ownService, sharedService, test } from './lib/suite.mjs';
import { until, within } from './lib/wait.mjs';

const config = { 'newsroom.stats_streams_max': 3 };
const service = sharedService({ config });
const audience = { regions: ['africa'], sections: ['health'] };

// Opens a stream; `events` grows, `ended` resolves with the end of the response.
function watch(t, own, path, key = own.key) {
  return within(`the head of ${path}`, new Promise((resolve, reject) => {
    const rq = httpGet(`${own.newsroom}${path}`, { agent: false, headers: { authorization: `Bearer ${key}` } }, (answer) => {
      const watcher = { status: answer.statusCode, headers: answer.headers, events: [], text: '' };
      answer.setEncoding('utf8');
      answer.on('data', (part) => {
        watcher.text += part;
        if (answer.headers['content-type'] !== 'text/event-stream') return;
        const blocks = watcher.text.split('\n\n');
        watcher.text = blocks.pop();
        for (const block of blocks.filter((b) => !b.startsWith(':'))) {
          const [, event, data] = /^event: (\w+)\ndata: (.*)$/s.exec(block);
          watcher.events.push({ event, ...JSON.parse(data) });
        }
      });
      watcher.ended = new Promise((end) => answer.on('close', end));
      watcher.close = () => rq.destroy();
      t.after(() => rq.destroy());
      resolve(watcher);
    });
    rq.on('error', reject);
  }));
}

// From now on alerts stay under way.
async function pause(own) {
  const admin = await own.createKey(['--name', 'chief', '--scopes', 'admin']);
  const paused = await own.tocsin(['push', 'pause'], { env: { TOCSIN_KEY: admin } });
  assert.equal(paused.code, 0, paused.stderr);
  await until('the pause', async () => (await own.metric('tocsin_push_lanes_paused')) > 0);
}

test('two streams of one alert follow it to its end and say the same', async (t) => {
  const own = service();
  for (let i = 0; i < 20; i++) await Phone.register(own, { ...audience, edition: ['en', 'ar', 'es'][i % 3] });
  await own.sim.faults({ apns: { latency: { ms: 300, max_ms: 400 }, mcs_never: true } });
  t.after(() => own.sim.faults({ apns: { latency: null, mcs_never: null } }));
  const { id } = await own.publish({ audience });
  const watchers = await Promise.all([1, 2].map(() => watch(t, own, `/v1/alerts/${id}/stats/stream`)));
  for (const w of watchers) {
    assert.equal(w.status, 200);
    assert.equal(w.headers['content-type'], 'text/event-stream');
    await within('the end', w.ended);
    assert.equal(w.events.at(-1).event, 'done');
    const stats = w.events.slice(0, -1);
    assert.ok(stats.length >= 2, JSON.stringify(w.events));
    for (const s of stats) {
      assert.equal(s.event, 'stats');
      assert.equal(s.total.accepted + s.total.to_go, s.total.targeted, JSON.stringify(s));
    }
    const last = stats.at(-1);
    assert.equal(last.state, 'done');
    assert.equal(last.total.accepted, 20);
    const { event, ...object } = last;
    assert.equal(event, 'stats');
    assert.deepEqual(object, (await own.get(`/v1/alerts/${id}/stats`)).json);
  }
  await until('no stream to be open', async () => (await own.metric('tocsin_stats_streams')) === 0);
});

test('one event and the end for what is over; 404, 403, 422; too many are refused', async (t) => {
  const own = service();
  const { id } = await own.publish({ audience: { regions: ['europe'], sections: ['sports'] } });
  await own.settled(id);
  const over = await watch(t, own, `/v1/alerts/${id}/stats/stream?revision=1`);
  await within('the end', over.ended);
  assert.deepEqual(over.events.map((e) => e.event), ['stats', 'done']);
  assert.equal((await own.get(`/v1/alerts/${randomUUID()}/stats/stream`)).status, 404);
  assert.equal((await own.get(`/v1/alerts/${id}/stats/stream?revision=2`)).status, 404);
  assert.equal((await own.get(`/v1/alerts/${id}/stats/stream?revision=x`)).status, 422);
  assert.equal((await own.get(`/v1/alerts/${id}/stats/stream`, null)).status, 401);
  const writer = await own.createKey(['--name', 'writer', '--scopes', 'publish']);
  assert.equal((await own.get(`/v1/alerts/${id}/stats/stream`, writer)).status, 403);

  await Phone.register(own, { regions: ['africa'], sections: ['sports'] });
  await pause(own);
  const slow = await own.publish({ audience: { regions: ['africa'], sections: ['sports'] } });
  const path = `/v1/alerts/${slow.id}/stats/stream`;
  const open = [];
  for (let i = 0; i < 3; i++) open.push(await watch(t, own, path));
  const fourth = await own.get(path);
  assert.equal(fourth.status, 503);
  assert.ok(fourth.headers['retry-after']);
  assert.equal(await own.metric('tocsin_stats_streams_refused_total'), 1);
  open[0].close();
  await until('the place of a client that left', async () => (await own.metric('tocsin_stats_streams')) === 2);
  assert.equal((await watch(t, own, path)).status, 200);
  open[1].close();
});

test('a service that stops ends its streams', async (t) => {
  const own = await ownService(t, { config });
  await Phone.register(own, audience);
  await pause(own);
  const { id } = await own.publish({ audience });
  const w = await watch(t, own, `/v1/alerts/${id}/stats/stream`);
  await until('its first event', () => w.events.length > 0);
  process.kill((await own.workers('newsroom'))[0].pid, 'SIGTERM');
  await within('the end', w.ended);
  assert.notEqual(w.events.at(-1).event, 'done');
});
