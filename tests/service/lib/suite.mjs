// What nearly every file needs: node:test with a time limit, cleaning up that
// always happens, and a service that lives as long as the file.
import assert from 'node:assert/strict';
import { after, before, test as nodeTest } from 'node:test';
import { Service } from './service.mjs';
import { DEADLINE_MS, TEST_TIMEOUT } from './wait.mjs';

export { assert };

// A file that leaves something running does not hold up the whole run.
after(() => {
  setTimeout(() => {
    console.error('something of this file still runs');
    process.exit(1);
  }, 2 * DEADLINE_MS).unref();
});

// `body` gets {after, diagnostic}. What was given to after() runs when the test
// ends or times out, last first, all of it, whatever fails.
export function test(name, body) {
  nodeTest(name, TEST_TIMEOUT, async (t) => {
    const cleanups = [];
    const clean = async () => {
      const errors = [];
      for (const cleanup of cleanups.splice(0).reverse()) {
        try {
          await cleanup();
        } catch (error) {
          errors.push(error);
        }
      }
      if (errors.length > 0) throw errors[0];
    };
    t.signal.addEventListener('abort', () => clean().catch(() => {}));
    let failure = null;
    try {
      await body({ after: (f) => cleanups.push(f), diagnostic: (text) => t.diagnostic(text) });
    } catch (error) {
      failure = error;
    }
    try {
      await clean();
    } catch (error) {
      failure ??= error;
    }
    if (failure) throw failure;
  });
}

// The running service, once tests run.
export function sharedService(options) {
  const holder = {};
  before(async () => {
    holder.service = await Service.start(options);
  }, TEST_TIMEOUT);
  after(async () => {
    await holder.service?.stop();
  }, TEST_TIMEOUT);
  return () => holder.service;
}

// A service of its own for one test.
export async function ownService(t, options) {
  const service = await Service.start(options);
  t.after(() => service.stop());
  return service;
}

// Closes readers with the test.
export function closing(t, ...readers) {
  for (const reader of readers) t.after(() => reader.close());
  return readers.length === 1 ? readers[0] : readers;
}
