// Who would get it, while it is being written: one request after a short pause, older answers dropped.
import { post } from './api.js';

const PAUSE_MS = 350;

/** Exact counts, rendered payloads, warnings and a confirm token for an alert. */
export const preview = (alert, options) => post('/v1/alerts:preview', alert, options);

/**
 * Calls `show({state, answer, error})` as things stand: 'none', 'counting', 'known' or 'failed'. What was
 * asked last is what is shown: an answer to an older question never comes through.
 */
export function audienceWatch(show) {
  let timer = null;
  let running = null;
  let asked = '';
  const stop = () => {
    clearTimeout(timer);
    running?.abort();
    running = null;
  };
  const ask = async (alert) => {
    running = new AbortController();
    const mine = running;
    try {
      const answer = await preview(alert, { signal: mine.signal });
      if (mine === running) show({ state: 'known', answer, alert });
    } catch (error) {
      if (error.name !== 'AbortError' && mine === running) show({ state: 'failed', error, alert });
    }
  };
  return {
    /** The alert as it is now; null when there is nothing to count. */
    update(alert) {
      const question = JSON.stringify(alert);
      if (question === asked) return;
      asked = question;
      stop();
      show({ state: alert ? 'counting' : 'none', alert });
      if (alert) timer = setTimeout(ask, PAUSE_MS, alert);
    },
    /** Asks again although nothing changed here: the audience may have. */
    again() {
      const alert = asked ? JSON.parse(asked) : null;
      asked = '';
      this.update(alert);
    },
    stop() {
      stop();
      asked = '';
    },
  };
}
