// Bad days of the providers, played to a running service: phones in places of their own, the alert
// that goes to them, and what must hold afterwards.
import assert from 'node:assert/strict';
import { assertSums } from './outcomes.mjs';
import { Phone } from './service.mjs';

// Where each test's phones are: nowhere else's.
const PLACES = ['europe', 'latin-america', 'africa'].flatMap((region) =>
  ['health', 'economy', 'environment', 'politics', 'sports', 'technology'].map((section) => ({ regions: [region], sections: [section] })));

// `service` gives the running service, once tests run.
export function weather(service) {
  const places = new Map();
  function placeOf(tag) {
    if (!places.has(tag)) {
      assert.ok(places.size < PLACES.length, 'no place is left');
      places.set(tag, PLACES[places.size]);
    }
    return places.get(tag);
  }

  // `count` phones of a platform in a place of their own, some with a behaviour.
  async function phones(tag, platform, count, behaviours = []) {
    const made = [];
    for (let i = 0; i < count; i += 20) {
      const some = Array.from({ length: Math.min(20, count - i) }, (_, k) =>
        Phone.register(service(), {
          platform, ...placeOf(tag), edition: ['en', 'ar', 'es'][(i + k) % 3], ...behaviours[i + k],
        }));
      made.push(...await Promise.all(some));
    }
    return made;
  }

  const send = (tag) => service().publish({ audience: placeOf(tag) });

  // The counters of an alert, whole and exact.
  async function settled(id, targeted) {
    const stats = await service().settled(id);
    assertSums(stats);
    assert.equal(stats.total.targeted, targeted, JSON.stringify(stats.total));
    return { id, total: stats.total, platforms: stats.platforms };
  }

  // Those of a new alert to that place.
  const outcome = async (tag, targeted) => settled((await send(tag)).id, targeted);

  async function eachOnce(all, id) {
    for (const phone of all) assert.deepEqual(await phone.got(), [id]);
  }

  // With the weather gone, the next alert reaches everybody, once and at once.
  async function recovered(tag, all) {
    await service().sim.reset();
    const { id, total } = await outcome(tag, all.length);
    assert.equal(total.accepted, all.length, JSON.stringify(total));
    await eachOnce(all, id);
  }

  const fired = async (listener, fault) => (await service().sim.stats())[listener].faults[fault] ?? 0;

  return { phones, send, settled, outcome, eachOnce, recovered, fired };
}
