// Everything that can go wrong between newsroom and reader, in turn, while alerts
// flow; in the end the account of every reader and how long each repair took.
import { Cluster, account, roam } from './cluster.mjs';
import { isBell } from './redis.mjs';
import { sleep, until } from './wait.mjs';

const GAP_MS = 50; // between alerts
const FAULT_MS = 4000; // longer than the silence after which a gateway acts

// Alerts one after the other until paused.
class Flow {
  constructor(cluster) {
    this.cluster = cluster;
    this.wanted = true;
    this.running = this.run();
  }

  async run() {
    while (this.wanted) {
      await this.cluster.publish();
      await sleep(GAP_MS);
    }
  }

  async pause() {
    this.wanted = false;
    await this.running;
  }
}

const isIn = (reader, alert) => reader.messages.findLast((m) => m.id === alert.id);

async function allHave(readers, alert) {
  for (const reader of readers) await until('all readers to be whole', () => isIn(reader, alert), 120_000);
}

const faults = {
  async bells_lost(cluster) {
    let count = 0;
    for (const wire of cluster.wires) wire.swallow = (push) => isBell(push) && count++ % 3 !== 0;
    await sleep(FAULT_MS);
    for (const wire of cluster.wires) wire.swallow = () => false;
  },
  async bell_stalled(cluster) {
    cluster.wires[0].stall('bell');
    cluster.wires[1].stall('commands');
    await sleep(FAULT_MS);
    for (const wire of cluster.wires) wire.flow();
  },
  async redis_stop(cluster) {
    cluster.redis.signal('SIGSTOP');
    await sleep(FAULT_MS);
    cluster.redis.signal('SIGCONT');
  },
  async redis_kill(cluster) {
    await cluster.redis.kill();
    await cluster.redis.serve();
  },
  async gateway_kill(cluster) {
    for (const node of cluster.nodes) for (const pid of node.descendants()) process.kill(pid, 'SIGKILL');
  },
  async redis_empty(cluster, flow, readers) {
    // What Redis alone still had when it is emptied nobody can bring back.
    await flow.pause();
    await allHave(readers, cluster.accepted.at(-1));
    await cluster.redis.kill();
    cluster.redis.empty();
    await cluster.redis.serve();
    await cluster.renewKey();
  },
};

// `say(text)` is told of each repair.
async function breakInTurn(cluster, readers, rounds, say) {
  const repaired = {};
  for (let round = 0; round < rounds; round++) {
    for (const [name, fault] of Object.entries(faults)) {
      const flow = new Flow(cluster);
      await sleep(500);
      await fault(cluster, flow, readers);
      const end = Date.now();
      await flow.pause();
      const alert = await cluster.publish();
      await allHave(readers, alert);
      repaired[name] = Math.max(repaired[name] ?? 0, Date.now() - end);
      say(`round ${round + 1}: ${name} repaired in ${Date.now() - end} ms`);
      await cluster.ready();
    }
  }
  return repaired;
}

export async function runChaos({ readers: count, rounds = 1, say = () => {} }) {
  const cluster = await Cluster.start({
    config: { 'gateway.per_ip_max': 0, 'gateway.accept_rate': 10_000, 'newsroom.key_cache_s': 0 },
  });
  const readers = [];
  try {
    for (let i = 0; i < count; i++) {
      const bases = cluster.bases();
      readers.push(await roam(['ws', 'sse', 'poll', 'mixed'][i % 4], i % 2 ? bases : bases.reverse()));
    }
    const repaired = await breakInTurn(cluster, readers, rounds, say);
    const sum = { missed: 0, dup: 0, reordered: 0, unknown: 0 };
    for (const reader of readers) {
      for (const [what, list] of Object.entries(account(reader.messages, cluster.accepted))) sum[what] += list.length;
    }
    const reconnects = readers.reduce((total, r) => total + Math.max(0, (r.connections ?? 1) - 1), 0);
    const swallowed = cluster.wires.reduce((total, wire) => total + wire.swallowed, 0);
    return { readers: count, alerts: cluster.accepted.length, reconnects, swallowed, ...sum, repaired };
  } finally {
    await Promise.all(readers.map((reader) => reader.close()));
    await cluster.stop();
  }
}
