// The counters of an alert: every device in exactly one outcome.
import assert from 'node:assert/strict';

export const OUTCOMES = ['accepted', 'suppressed', 'expired', 'aborted', 'superseded', 'payload_rejected', 'token_dead', 'failed', 'unknown'];

// Nothing is left to do, and the outcomes add up in total, by platform and by edition.
export function assertSums(stats) {
  const parts = [stats.total, ...Object.values(stats.platforms), ...Object.values(stats.editions)];
  for (const c of parts) {
    assert.equal(c.to_go, 0);
    assert.equal(OUTCOMES.reduce((sum, name) => sum + c[name], 0), c.targeted, JSON.stringify(stats));
  }
  // The times are counted in the same step as the outcomes.
  for (const c of [stats.total, ...Object.values(stats.platforms)]) {
    if (c.accepted === 0) {
      assert.equal(c.latency, null);
      continue;
    }
    const { p50_ms, p90_ms, p99_ms, within_30_s, within_60_s, within_120_s } = c.latency;
    assert.ok(p50_ms > 0 && p50_ms <= p90_ms && p90_ms <= p99_ms, JSON.stringify(c));
    assert.ok(within_30_s <= within_60_s && within_60_s <= within_120_s && within_120_s <= c.accepted, JSON.stringify(c));
    if (p99_ms <= 30_000) assert.ok(within_30_s >= 0.99 * c.accepted, JSON.stringify(c));
    if (p99_ms < 100_000) assert.ok(within_120_s >= 0.99 * c.accepted, JSON.stringify(c));
  }
  for (const dimension of ['platforms', 'editions']) {
    for (const name of ['targeted', ...OUTCOMES]) {
      const sum = Object.values(stats[dimension]).reduce((total, c) => total + c[name], 0);
      assert.equal(sum, stats.total[name], `${dimension} ${name}: ${JSON.stringify(stats)}`);
    }
  }
}
