// Handing a confirmed alert to the service. Every repeat carries the same Idempotency-Key or version, so
// that a double click, a lost answer and a retry all end in one alert.
import { persistently, post, put } from './api.js';

/** One of these for each time the confirm dialog opens. */
export const newAttempt = () => ({ key: crypto.randomUUID(), running: null });

function postAlert(alert, { token, allowDuplicate, key }) {
  const headers = { 'idempotency-key': key };
  if (token) headers['confirm-token'] = token;
  if (allowDuplicate) headers['allow-duplicate'] = 'true';
  return post('/v1/alerts', alert, { headers });
}

/** A draft that the server holds is brought up to what is confirmed, then sent. */
export async function storeDraft(alert, stored) {
  const answer = await put(`/v1/drafts/${stored.id}`, alert, { headers: { 'if-match': `"${stored.version}"` } });
  return { id: answer.id, version: answer.version };
}

const sendDraft = (stored, { token, allowDuplicate }) =>
  post(`/v1/drafts/${stored.id}:send`, {
    version: stored.version,
    ...(token ? { confirm_token: token } : {}),
    ...(allowDuplicate ? { allow_duplicate: true } : {}),
  });

/** Sends once however often it is called: while one call is under way the others share it. */
export function submit(attempt, alert, stored, options, onWait) {
  attempt.running ??= persistently(
    () => (stored ? sendDraft(stored, options) : postAlert(alert, { ...options, key: attempt.key })),
    { onWait },
  ).finally(() => (attempt.running = null));
  return attempt.running;
}

/** The draft is not what it was when it was opened: changed, sent, discarded or gone. */
export const isElsewhere = (error) =>
  [404, 412].includes(error.status) || error.has?.('claimed') || error.has?.('cancelled');
