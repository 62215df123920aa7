// Who is signed in, and what that key may do.
import { get, post, remove, setCsrfToken } from './api.js';
import { clearWork } from './memory.js';

let current = null;
let taxonomy = null;

export const session = () => current;
export const places = () => taxonomy;
export const may = (scope) => Boolean(current?.scopes.includes(scope));

/** True when the key may address this region or edition: no list means any. */
export const mayUse = (kind, id) => !current?.[kind] || current[kind].includes(id);

function take(answer) {
  current = answer;
  setCsrfToken(answer?.csrf_token ?? null);
}

export async function loadTaxonomy() {
  taxonomy ??= await get('/v1/taxonomy');
  return taxonomy;
}

export const find = (kind, id) => taxonomy?.[kind]?.find((value) => value.id === id) ?? { id, labels: {} };

/** The session of the cookie, or null. */
export async function resume() {
  try {
    take(await get('/v1/session', { mayBeAnonymous: true }));
  } catch (error) {
    if (error.status !== 401) throw error;
    take(null);
  }
  return current;
}

export async function signIn(key) {
  take(await post('/v1/session', { key }, { mayBeAnonymous: true }));
  return current;
}

/** Ends the session here and there; unsent work goes, because somebody else may sit down. */
export async function signOut() {
  const keyId = current?.key_id;
  await remove('/v1/session', { mayBeAnonymous: true }).catch((error) => {
    if (error.status !== 401) throw error;
  });
  if (keyId) clearWork(keyId);
  take(null);
}

export const drop = () => take(null);
