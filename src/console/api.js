// The newsroom API from the same origin, signed in by cookie. An answer that is no success becomes a
// Problem, which keeps what the server said of each field.

// Whoever waits longer is told that no answer came, though what was asked may have been done.
const ANSWER_MS = 20_000;
// A clock that is off by less is right: the answers' Date has whole seconds.
const CLOCK_OFF_MS = 2000;

let csrfToken = null;
let clockOffMs = 0;
let onLost = () => {};

export class Problem extends Error {
  constructor(status, body, retryAfter) {
    super(body.detail ?? body.title ?? `HTTP ${status}`);
    this.status = status;
    this.detail = body.detail ?? '';
    this.errors = body.errors ?? [];
    this.body = body;
    this.retryAfter = Number(retryAfter) || 0;
  }

  has(code) {
    return this.body.code === code || this.errors.some((e) => e.code === code);
  }
}

/** No answer at all, or not in time: the network, or the service is restarting. */
export class Unreachable extends Error {}

/** Now, by the service's clock: countdowns and curves hold on a computer whose own clock is wrong, too. */
export const serverNow = () => Date.now() + clockOffMs;

function compareClocks(answer) {
  const date = Date.parse(answer.headers.get('date'));
  if (Number.isNaN(date)) return;
  const off = date + 500 - Date.now();
  clockOffMs = Math.abs(off) < CLOCK_OFF_MS ? 0 : off;
}

export const setCsrfToken = (token) => (csrfToken = token);
/** Called whenever the server says that nobody is signed in. */
export const whenSessionIsLost = (listener) => (onLost = listener);

async function read(answer) {
  const text = await answer.text();
  if (!text) return null;
  try {
    return JSON.parse(text);
  } catch {
    return { detail: text.slice(0, 200) };
  }
}

/** What `ask(signal)` brings, unless the caller's `signal` or the time ends it. */
async function inTime(ask, signal, limitMs) {
  const own = new AbortController();
  const stop = () => own.abort();
  const timer = setTimeout(stop, limitMs);
  signal?.addEventListener('abort', stop);
  if (signal?.aborted) stop();
  try {
    return await ask(own.signal);
  } catch (error) {
    if (error.name === 'AbortError' && signal?.aborted) throw error;
    throw new Unreachable(error.message);
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', stop);
  }
}

async function send(method, path, { body, headers = {}, signal, mayBeAnonymous, limitMs = ANSWER_MS }) {
  const all = { accept: 'application/json', ...headers };
  if (body !== undefined) all['content-type'] = 'application/json';
  if (method !== 'GET' && csrfToken) all['x-csrf-token'] = csrfToken;
  const ask = async (until) => {
    const answer = await fetch(path, {
      method,
      headers: all,
      signal: until,
      credentials: 'same-origin',
      cache: 'no-store',
      body: body === undefined ? undefined : JSON.stringify(body),
    });
    compareClocks(answer);
    return { answer, json: await read(answer) };
  };
  const { answer, json } = await inTime(ask, signal, limitMs);
  if (answer.ok) return json;
  if (answer.status === 401 && !mayBeAnonymous) onLost();
  throw new Problem(answer.status, json ?? {}, answer.headers.get('retry-after'));
}

export const get = (path, options = {}) => send('GET', path, options);
export const post = (path, body = {}, options = {}) => send('POST', path, { ...options, body });
export const put = (path, body, options = {}) => send('PUT', path, { ...options, body });
export const remove = (path, options = {}) => send('DELETE', path, options);

const pause = (ms, signal) =>
  new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, ms);
    signal?.addEventListener('abort', () => {
      clearTimeout(timer);
      reject(new DOMException('aborted', 'AbortError'));
    });
  });

/**
 * Repeats what may be repeated (it carries an Idempotency-Key, or changes nothing) while the service
 * is away or busy, a few times, each wait longer. `onWait` is told before each.
 */
export async function persistently(attempt, { tries = 5, onWait = () => {}, signal } = {}) {
  for (let i = 1; ; i++) {
    try {
      return await attempt();
    } catch (error) {
      const mayPass = error instanceof Unreachable || [502, 503, 504].includes(error.status);
      if (!mayPass || i >= tries) throw error;
      onWait(i);
      await pause(Math.max(error.retryAfter ?? 0, 0.25 * 2 ** i) * 1000, signal);
    }
  }
}
