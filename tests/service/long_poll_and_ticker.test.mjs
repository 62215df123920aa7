// GET /v1/alerts on the public listener: with `after` a long-poll, without it a
// site's ticker.
import { assertProblem, http } from './lib/http.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { PollReader } from './lib/readers.mjs';

const service = sharedService({ sim: false });
const get = (query) => http('GET', `${service().gateway}/v1/alerts?${query}`);

test('a long-poll returns at once what is there, oldest first', async (t) => {
  const first = await service().publish();
  const second = await service().publish();
  const third = await service().publish();
  await service().reached(third);
  const reader = closing(t, new PollReader(service().gateway, { query: { regions: 'mena' }, position: first.position }));
  const answer = await reader.poll(60);
  assert.equal(answer.recovered, true);
  assert.deepEqual(answer.alerts.map((a) => a.id), [second.id, third.id]);
  assert.equal(answer.position, third.position);
  assert.deepEqual(answer.alerts.map((a) => a.type), ['alert', 'alert']);
});

test('it waits for the next alert of its filter', async (t) => {
  const start = await service().publish();
  await service().reached(start);
  const reader = closing(t, new PollReader(service().gateway, { query: { regions: 'africa' }, position: start.position }));
  const waiting = reader.poll(60);
  await service().publish({ audience: { regions: ['mena'] } });
  const wanted = await service().publish({ audience: { regions: ['africa'] } });
  const answer = await waiting;
  assert.deepEqual(answer.alerts.map((a) => a.id), [wanted.id]);
  assert.equal(answer.position, wanted.position);
});

test('after the wait it is empty, with a fresh position', async () => {
  const start = await service().publish();
  const other = await service().publish({ audience: { regions: ['mena'] } });
  await service().reached(other);
  for (const wait of [0, 1]) {
    const answer = await get(`regions=africa&after=${start.position}&wait=${wait}`);
    assert.equal(answer.status, 200);
    assert.deepEqual(answer.json.alerts, []);
    assert.equal(answer.json.recovered, true);
    assert.equal(answer.json.position, other.position, 'moved past what its filter does not want');
  }
});

test('a chain of polls misses nothing and repeats nothing', async (t) => {
  const reader = closing(t, await PollReader.open(service().gateway, { query: { regions: 'asia' } }));
  reader.follow();
  const ids = [];
  for (let i = 0; i < 20; i++) {
    ids.push((await service().publish({ audience: { regions: ['asia'] } })).id);
    await service().publish({ audience: { regions: ['europe'] } });
  }
  await reader.alert(ids.at(-1));
  assert.deepEqual(reader.ids, ids);
});

test('garbage and unknown positions are answered with the active alerts, marked', async () => {
  const active = await service().publish({ audience: { regions: ['latin-america'] } });
  await service().reached(active);
  for (const after of ['yesterday', 'zzzzzzzzzzzzzzzz:5', '']) {
    const answer = await get(`regions=latin-america&after=${after}&wait=0`);
    assert.equal(answer.status, 200, answer.text);
    assert.equal(answer.json.recovered, false);
    assert.equal(answer.json.reason, 'unknown');
    assert.deepEqual(answer.json.alerts.map((a) => a.id), [active.id]);
    assert.equal(answer.json.alerts[0].replay, true);
    const next = await get(`regions=latin-america&after=${answer.json.position}&wait=0`);
    assert.equal(next.json.recovered, true);
    assert.deepEqual(next.json.alerts, []);
  }
});

test('the ticker is newest first, filtered, limited, and may be read from any page', async () => {
  const ids = [];
  for (let i = 0; i < 4; i++) {
    ids.unshift((await service().publish({ audience: { regions: ['us-canada'] } })).id);
    await service().reached(await service().publish({ audience: { regions: ['asia-pacific'] } }));
  }
  const answer = await get('regions=us-canada&editions=es&limit=3');
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['access-control-allow-origin'], '*');
  assert.deepEqual(answer.json.alerts.map((a) => a.id), ids.slice(0, 3));
  assert.deepEqual(Object.keys(answer.json.alerts[0].content), ['es']);
  const all = await get('limit=100');
  assert.ok(all.json.alerts.length > 4);
});

test('a cancelled alert is on no ticker', async () => {
  const audience = { regions: ['asia-pacific'], sections: ['health'] };
  const kept = await service().publish({ audience });
  const gone = await service().publish({ audience });
  await service().post({ msg_type: 'cancel', references: [gone.id] });
  const seen = await fetchUntilIncludes(kept.id);
  assert.ok(!seen.some((a) => a.id === gone.id && a.type !== 'cancel'), JSON.stringify(seen));
});

async function fetchUntilIncludes(id) {
  for (;;) {
    const answer = await get('regions=asia-pacific&sections=health&limit=10');
    assert.equal(answer.status, 200);
    if (answer.json.alerts.some((a) => a.id === id) && answer.json.alerts.length !== 2) return answer.json.alerts;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

test('bad parameters are 422 and name the parameter', async () => {
  for (const [query, pointers] of [
    ['limit=0', ['?limit']],
    ['limit=101', ['?limit']],
    ['limit=ten', ['?limit']],
    ['after=x:1&wait=61', ['?wait']],
    ['after=x:1&wait=-1', ['?wait']],
    ['regions=atlantis&editions=xx', ['?editions', '?regions']],
    ['min_urgency=huge', ['?min_urgency']],
    ['nonsense=1', ['?nonsense']],
  ]) {
    assertProblem(assert, await get(query), 422, pointers);
  }
});

test('the taxonomy is public, and an unknown path is a 404 problem', async () => {
  const taxonomy = await http('GET', `${service().gateway}/v1/taxonomy`);
  assert.equal(taxonomy.status, 200);
  const palestine = taxonomy.json.regions.find((r) => (r.id ?? r.name) === 'palestine');
  assert.equal(palestine.parent, 'mena');
  assertProblem(assert, await http('GET', `${service().gateway}/v1/nothing`), 404);
  assertProblem(assert, await http('GET', `${service().gateway}/v1`), 404);
});
