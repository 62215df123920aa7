// See tests/bench/abort.
import { account } from '../service/lib/kills.mjs';
import { http } from '../service/lib/http.mjs';
import { until } from '../service/lib/wait.mjs';
import { everyone, fields, options, start } from './senders.mjs';

const { devices, rounds } = options({ devices: 200_000, rounds: 3 });
const service = await start(devices / 2);
const headers = { authorization: `Bearer ${service.key}`, 'content-type': 'application/json' };

// When the provider took its last push of the alert (the machine's clock, as here).
async function lastPush(accepted) {
  const rows = await service.sim.ledger({ since: accepted - 1 });
  return Math.max(...rows.map((row) => row.time_ms));
}

try {
  // Slow enough that there is a middle.
  const latency = { ms: 50, max_ms: 150 };
  await service.sim.faults({ apns: { latency }, fcm: { latency } });
  for (let round = 1; round <= rounds; round++) {
    const before = (await service.sim.summary()).accepted;
    const { id } = await service.publish(everyone());
    await until('a quarter to be handed over', async () =>
      (await service.sim.summary()).accepted - before > devices / 4);
    const asked = Date.now();
    const answer = await http('POST', `${service.newsroom}/v1/alerts/${id}:abort`, { headers });
    if (answer.status !== 200) throw new Error(`abort: ${answer.status} ${answer.text}`);
    const answered = Date.now();
    await until('the abort to be counted', async () =>
      (await service.get(`/v1/alerts/${id}/stats`)).json.state === 'aborted');
    const counted = Date.now();
    const result = await account(service, id);
    const last = await lastPush((await service.sim.summary()).accepted);
    console.log(`bench=abort ${fields({
      round,
      devices,
      accepted: result.total.accepted,
      aborted: result.total.aborted,
      unknown: result.total.unknown,
      sum_exact: result.sum === result.targeted ? 'yes' : 'no',
      ledger_agrees: result.agree ? 'yes' : 'no',
      ms_until_answered: answered - asked,
      ms_until_last_push: Math.max(0, last - asked),
      ms_until_counted: counted - asked,
    })}`);
  }
} finally {
  await service.stop();
}
