// Faults of every kind in turn, while alerts flow: the account of every reader is
// whole. tests/bench/chaos is the same with more readers.
import { assert, test } from './lib/suite.mjs';
import { runChaos } from './lib/chaos.mjs';

test('gateways, Redis and the bus fail in turn: no reader misses, doubles or reorders an alert', async (t) => {
  const result = await runChaos({ readers: 12 });
  t.diagnostic(JSON.stringify(result));
  const { missed, dup, reordered, unknown } = result;
  assert.deepEqual({ missed, dup, reordered, unknown }, { missed: 0, dup: 0, reordered: 0, unknown: 0 });
  assert.ok(result.swallowed > 0, 'bells were really lost');
  assert.ok(result.reconnects > 0, 'readers really had to come back');
});
