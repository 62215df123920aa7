// See tests/bench/abort.
import { assertSums } from '../service/lib/outcomes.mjs';
import { until } from '../service/lib/wait.mjs';
import { differences, editor } from './abort_console.mjs';
import { PLATFORMS, fields, news, options, post, start, uniform } from './senders.mjs';

const { devices, rounds } = options({ devices: 200_000, rounds: 3 });
const EDITIONS = ['en', 'ar', 'es'];
const REGIONS = ['mena', 'europe'];
const owners = new Map(); // token → who has it

function* phones() {
  let i = 0;
  for (const phone of uniform(devices / PLATFORMS.length)) {
    const follows = { edition: EDITIONS[i % EDITIONS.length], regions: [REGIONS[Math.floor(i / 2) % REGIONS.length]] };
    owners.set(phone.token, { platforms: phone.platform, editions: follows.edition, regions: follows.regions[0] });
    i++;
    yield { ...phone, ...follows };
  }
}

// What the provider accepted of an alert: pushes, phones, when the last one came (the machine's clock,
// as here), and the phones by platform, edition and region.
async function provider(id) {
  const rows = await service.sim.ledger({ alert_id: id });
  const tokens = new Set(rows.map((row) => row.token));
  const accepted = { total: { all: tokens.size }, platforms: {}, editions: {}, regions: {} };
  for (const token of tokens) {
    for (const [group, name] of Object.entries(owners.get(token))) {
      accepted[group][name] = (accepted[group][name] ?? 0) + 1;
    }
  }
  return { pushes: rows.length, tokens: tokens.size, accepted, last: rows.reduce((ms, row) => Math.max(ms, row.time_ms), 0) };
}

const acceptedOf = (groups) => Object.fromEntries(Object.entries(groups).flatMap(([group, rows]) =>
  Object.entries(rows).map(([name, c]) => [`${group} ${name}`, c.accepted ?? c])));

// Where sums do not add up, and where ledger and counters differ, in words.
function faults(stats, ledger) {
  const wrong = { sums: [], ledger: [] };
  try {
    assertSums(stats);
  } catch (error) {
    wrong.sums.push(error.message);
  }
  const { total, platforms, editions, regions } = stats;
  if (total.targeted !== devices) wrong.sums.push(`${total.targeted} targeted`);
  if (total.aborted === 0) wrong.sums.push('nothing was left to stop');
  wrong.ledger = differences(acceptedOf({ total: { all: total }, platforms, editions, regions }), acceptedOf(ledger.accepted));
  if (ledger.pushes !== ledger.tokens) wrong.ledger.push(`${ledger.pushes} pushes to ${ledger.tokens} phones`);
  return wrong;
}

async function round(number, person) {
  const { id } = await post(service, news('high', { regions: REGIONS, platforms: PLATFORMS }));
  await person.watch(id, devices / 4);
  const pressed = await person.stop();
  const answered = Date.now();
  const stats = await until('the abort to be counted', async () => {
    const { json } = await service.get(`/v1/alerts/${id}/stats`);
    return json.state === 'aborted' && json;
  });
  const counted = Date.now();
  const page = await person.agreed(stats);
  const shown = Date.now();
  const ledger = await provider(id);
  const wrong = { ...faults(stats, ledger), console: page.wrong };
  const yesNo = (list) => (list.length === 0 ? 'yes' : 'no');
  console.log(`bench=abort ${fields({
    round: number,
    devices,
    targeted: stats.total.targeted,
    accepted: stats.total.accepted,
    aborted: stats.total.aborted,
    unknown: stats.total.unknown,
    to_go: stats.total.to_go,
    sum_exact: yesNo(wrong.sums),
    ledger_agrees: yesNo(wrong.ledger),
    console_agrees: yesNo(wrong.console),
    console_numbers: page.shown,
    abort_ms: Math.max(0, Math.round(ledger.last - pressed)),
    ms_until_answered: Math.round(answered - pressed),
    ms_until_counted: Math.round(counted - pressed),
    ms_until_shown: Math.round(shown - pressed),
  })}`);
  for (const [what, list] of Object.entries(wrong)) for (const line of list) console.error(`${what}: ${line}`);
  return Object.values(wrong).flat().length === 0;
}

const service = await start(phones());
let person;
try {
  person = await editor(service);
  // Slow enough that there is a middle.
  const latency = { ms: 50, max_ms: 150 };
  await service.sim.faults({ apns: { latency }, fcm: { latency } });
  for (let number = 1; number <= rounds; number++) {
    if (!(await round(number, person))) process.exitCode = 1;
  }
} finally {
  await person?.close();
  await service.stop();
}
