// Readers that never read, handshakes that never end and a flood of garbage do the good
// readers no harm, and the gateway keeps within the memory its settings allow.
import { assert, sharedService, test } from './lib/suite.mjs';
import { http } from './lib/http.mjs';
import { abuse, abuseConfig } from './lib/abuse.mjs';

const COUNT = 200;
const service = sharedService({ sim: false, config: abuseConfig(COUNT) });

test('200 stuck, 200 half-open and garbage beside 200 good readers', async (t) => {
  const result = await abuse(service(), { count: COUNT, floods: 20, alerts: 220 });
  t.diagnostic(JSON.stringify(result));
  const { missed, dup, reordered, unknown } = result;
  assert.deepEqual({ missed, dup, reordered, unknown }, { missed: 0, dup: 0, reordered: 0, unknown: 0 });
  assert.ok(result.garbage > 20, 'thrown out, and back again');
  const closed = async (code) => {
    const { text } = await http('GET', `${service().newsroom}/metrics`);
    return Number(new RegExp(`^tocsin_gateway_closed_total\\{code="${code}"\\} (\\d+)`, 'm').exec(text)?.[1]);
  };
  assert.ok((await closed(4000)) > 0, 'garbage was refused');
  assert.ok((await closed(4101)) > 0, 'who never read fell out of the ring');
  const [worker] = await service().workers('gateway');
  assert.equal(worker.pid, result.pid, 'the worker was not replaced');
  // The sanitizers' own memory is no part of the bound.
  if (!process.env.TEST_SANITIZED) assert.ok(result.peakBytes <= result.boundBytes, 'memory keeps within the bound');
});
