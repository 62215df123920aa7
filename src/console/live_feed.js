// The statistics of an alert as they change, and the curve they make: one point each time it changed.
import { get, serverNow } from './api.js';

const POINTS_MAX = 4000;
// After the last push readers still tell what they received and opened: asked for, ever less often.
const AFTER_MS = 3000;
const AFTER_MAX_MS = 60_000;

/** Accepted so far, by what the curve can be drawn for. */
function pointOf(stats, sentAt, now) {
  const values = {};
  for (const [id, c] of Object.entries(stats.platforms ?? {})) values[`platform.${id}`] = c.accepted;
  for (const [id, c] of Object.entries(stats.regions ?? {})) values[`region.${id}`] = c.accepted;
  const streamed = stats.receipts?.platforms?.stream?.received;
  if (streamed !== undefined) values['platform.stream'] = streamed;
  values.total = stats.total.accepted;
  return { at: Math.max(0, (now - sentAt) / 1000), values };
}

/** What an alert that was over before we looked says of its course: when half, 90 and 99 % were accepted. */
function coursePoints(stats) {
  const points = [];
  for (const [id, c] of Object.entries(stats.platforms ?? {})) {
    if (!c.latency) continue;
    for (const [share, name] of [
      [0.5, 'p50_ms'],
      [0.9, 'p90_ms'],
      [0.99, 'p99_ms'],
    ]) {
      points.push({ at: c.latency[name] / 1000, id: `platform.${id}`, value: Math.round(c.accepted * share) });
    }
  }
  return points.sort((a, b) => a.at - b.at);
}

/** The course of a finished alert as a curve, each platform by its own percentiles. */
export function courseOf(stats) {
  const now = {};
  const curve = [{ at: 0, values: { ...now } }];
  for (const { at, id, value } of coursePoints(stats)) {
    now[id] = value;
    curve.push({ at, values: { ...now } });
  }
  const all = Object.entries(stats.platforms ?? {}).map(([id, c]) => [`platform.${id}`, c.accepted]);
  curve.push({ at: curve.at(-1).at, values: Object.fromEntries(all) });
  return curve;
}

/**
 * Follows an alert until it is over. `show(stats, curve, state)`; state is 'live', 'over' or 'cut' (no
 * connection; it comes back by itself). Answers the function that ends it.
 */
export function follow(id, revision, sentAt, show) {
  const curve = [{ at: 0, values: {} }];
  const query = revision ? `?revision=${revision}` : '';
  let source = null;
  let timer = null;
  let isOver = false;
  let isEnded = false;
  let latest = null;
  const take = (stats) => {
    latest = stats;
    curve.push(pointOf(stats, sentAt, serverNow()));
    if (curve.length > POINTS_MAX) curve.splice(1, curve.length - POINTS_MAX);
  };
  const open = () => {
    source = new EventSource(`/v1/alerts/${id}/stats/stream${query}`);
    source.addEventListener('stats', (event) => {
      take(JSON.parse(event.data));
      show(latest, curve, 'live');
    });
    source.addEventListener('done', () => {
      isOver = true;
      source.close();
      show(latest, curve, 'over');
      timer = setTimeout(after, AFTER_MS, AFTER_MS);
    });
    source.onerror = () => {
      source.close();
      if (isOver || isEnded) return;
      if (latest) show(latest, curve, 'cut');
      // EventSource gives up for good on an answer that is no stream: ask ourselves, then try again.
      timer = setTimeout(() => again().catch(() => {}), 1000);
    };
  };
  const after = async (waited) => {
    try {
      const stats = await get(`/v1/alerts/${id}/stats${query}`);
      if (isEnded) return;
      if (JSON.stringify(stats) !== JSON.stringify(latest)) {
        take(stats);
        show(latest, curve, 'over');
      }
    } catch {
      // the figures stay as they are; the next look may find new ones
    }
    const wait = Math.min(AFTER_MAX_MS, waited * 1.5);
    if (!isEnded) timer = setTimeout(after, wait, wait);
  };
  const again = async () => {
    try {
      take(await get(`/v1/alerts/${id}/stats${query}`));
      show(latest, curve, 'live');
    } catch (error) {
      if (error.status === 401 || error.status === 403) return;
    }
    if (!isEnded) open();
  };
  open();
  return () => {
    isEnded = true;
    clearTimeout(timer);
    source.close();
  };
}
