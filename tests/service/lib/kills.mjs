// kill -9 of dispatchers and of the embedded Redis while an alert is being pushed, and what the
// provider's ledger says of it beside the counters of the service.
import { isAlive } from './processes.mjs';
import { OUTCOMES } from './outcomes.mjs';
import { until } from './wait.mjs';

// What may be handed over and not yet be noted in Redis: by one dispatcher, to both platforms. That
// much, and no more, is pushed again after its death.
export const window = (config) =>
  2 * (config['dispatcher.in_flight_max'] + 2 * config['dispatcher.jobs'] * config['dispatcher.flush_max']);

const counts = async (service, id) => (await service.sim.summary()).alerts[id] ?? { accepted: 0, tokens: 0 };

// The state of an alert; undefined while Redis is away.
async function state(service, id) {
  const answer = await service.get(`/v1/alerts/${id}/stats`);
  return answer.status === 200 ? answer.json.state : undefined;
}

const dispatchers = async (service) => (await service.workers('dispatcher')).map((worker) => worker.pid);

// Each returns how many it killed of either.
const VICTIMS = {
  async dispatcher(service, turn) {
    const pids = (await dispatchers(service)).filter(isAlive);
    if (pids.length === 0) return { dispatchers: 0 };
    process.kill(pids[turn % pids.length], 'SIGKILL');
    return { dispatchers: 1 };
  },
  async redis(service) {
    process.kill(service.redisPid(), 'SIGKILL');
    return { redis: 1 };
  },
  async all(service) {
    const pids = (await dispatchers(service)).filter(isAlive);
    for (const pid of pids) process.kill(pid, 'SIGKILL');
    return { dispatchers: pids.length };
  },
  async both(service, turn) {
    const redis = service.redisPid();
    const killed = await VICTIMS.dispatcher(service, turn);
    process.kill(redis, 'SIGKILL');
    return { ...killed, redis: 1 };
  },
};

// Kills one victim after another, each when the provider has accepted `stride` more pushes, until
// the alert is done. Returns how many were killed.
export async function killDuring(service, id, { victims, stride, deadlineMs }) {
  const killed = { dispatchers: 0, redis: 0 };
  let next = stride;
  let turn = 0;
  await until(`alert ${id} to be done`, async () => {
    const { accepted } = await counts(service, id);
    if (accepted >= next) {
      const now = await VICTIMS[victims[turn % victims.length]](service, turn);
      killed.dispatchers += now.dispatchers ?? 0;
      killed.redis += now.redis ?? 0;
      turn++;
      next = accepted + stride;
      return false;
    }
    return (await state(service, id)) === 'done';
  }, deadlineMs);
  return killed;
}

// What came of it: phones that never got it, pushes beyond the first to a phone, notifications that
// a phone shows beyond one (another collapse id), and whether the counters say the same.
export async function account(service, id) {
  const { total } = (await service.get(`/v1/alerts/${id}/stats`)).json;
  const { alerts, places } = await service.sim.summary();
  const ledger = alerts[id];
  const sum = OUTCOMES.reduce((all, name) => all + total[name], 0);
  return {
    total,
    targeted: total.targeted,
    sum,
    lost: total.targeted - ledger.tokens,
    repeats: ledger.accepted - ledger.tokens,
    shown_twice: places - Object.values(alerts).reduce((all, alert) => all + alert.tokens, 0),
    agree: sum === total.targeted && total.accepted === ledger.tokens && total.to_go === 0,
  };
}
