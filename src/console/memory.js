// What the browser keeps: the language, the theme, and work not yet sent, separately for each key.

const PREFIX = 'tocsin.';
const workName = (keyId) => `work.${keyId}`;

// Private windows and full disks refuse; the console works without.
function quietly(action, otherwise) {
  try {
    return action();
  } catch {
    return otherwise;
  }
}

export const remember = (name, value) => quietly(() => localStorage.setItem(PREFIX + name, JSON.stringify(value)));
export const recall = (name) => quietly(() => JSON.parse(localStorage.getItem(PREFIX + name)), null);
export const forget = (name) => quietly(() => localStorage.removeItem(PREFIX + name));

/** What this key's owner was writing. */
export const saveWork = (keyId, work) => remember(workName(keyId), work);
export const loadWork = (keyId) => recall(workName(keyId));
export const clearWork = (keyId) => forget(workName(keyId));
