// Waiting for things to become true. The deadlines only keep a broken run from
// hanging; no test asserts how long anything took.

const SLOWNESS = process.env.TEST_SANITIZED ? 4 : 1;
export const DEADLINE_MS = 60_000 * SLOWNESS;
// For node:test: a test that hangs fails instead of stopping the run.
export const TEST_TIMEOUT = { timeout: 300_000 * SLOWNESS };

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

// Calls `probe` until it returns something truthy, and returns that.
export async function until(what, probe, deadlineMs = DEADLINE_MS) {
  const end = Date.now() + deadlineMs;
  let last;
  for (;;) {
    try {
      const value = await probe();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (Date.now() > end) {
      const detail = last instanceof Error ? last.message : JSON.stringify(last);
      throw new Error(`gave up waiting for: ${what} (last: ${detail})`);
    }
    await sleep(25);
  }
}

// `promise`, or an error that says what was waited for.
export async function within(what, promise, deadlineMs = DEADLINE_MS) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`gave up waiting for: ${what}`)), deadlineMs);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// A list that grows and can be waited on.
export class Inbox {
  constructor(what) {
    this.what = what;
    this.items = [];
    this.waiting = new Set();
    this.ended = null;
  }

  push(item) {
    this.items.push(item);
    this.wake();
  }

  end(reason) {
    this.ended ??= reason;
    this.wake();
  }

  wake() {
    for (const check of [...this.waiting]) check();
  }

  // The first item at or after index `from` for which `accept` holds.
  find(accept, from = 0, deadlineMs = DEADLINE_MS) {
    const seen = () => this.items.slice(-5).map((x) => JSON.stringify(x)?.slice(0, 300));
    return within(
      `${this.what}: ${accept}; last items: ${seen()}`,
      new Promise((resolve, reject) => {
        const check = () => {
          const found = this.items.slice(from).find(accept);
          if (found !== undefined) {
            this.waiting.delete(check);
            resolve(found);
          } else if (this.ended) {
            this.waiting.delete(check);
            reject(new Error(`${this.what} ended (${JSON.stringify(this.ended)}); last: ${seen()}`));
          }
        };
        this.waiting.add(check);
        check();
      }),
      deadlineMs,
    );
  }
}
