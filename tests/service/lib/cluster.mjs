// A newsroom and two gateway nodes that meet only in Redis, each gateway behind a
// wire of its own; and readers that change node and transport, with an account of
// what each got.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { Service, alertBody } from './service.mjs';
import { PollReader, ResumingReader, SseReader, WsReader } from './readers.mjs';
import { Redis, Wire } from './redis.mjs';
import { http } from './http.mjs';
import { sleep, until } from './wait.mjs';

export class Cluster {
  static async start(options = {}) {
    const cluster = new Cluster();
    cluster.dir = mkdtempSync(join(tmpdir(), 'tocsin-cluster-'));
    cluster.parts = [];
    cluster.accepted = [];
    try {
      await cluster.create(options);
    } catch (error) {
      await cluster.stop().catch(() => {});
      throw error;
    }
    return cluster;
  }

  async create({ config = {}, nodes = 2 }) {
    this.redis = await Redis.start(join(this.dir, 'redis'));
    this.parts.push(this.redis);
    const start = async (roles, url) => {
      const service = await Service.start({
        sim: false, roles, wait: false, config: { 'redis.reconnect_max_ms': 500, ...config, 'redis.url': url },
      });
      this.parts.push(service);
      return service;
    };
    this.deskWire = await Wire.open(this.redis.port);
    this.desk = await start('newsroom', this.deskWire.url);
    this.wires = [];
    this.nodes = [];
    for (let i = 0; i < nodes; i++) {
      this.wires.push(await Wire.open(this.redis.port));
      this.nodes.push(await start('gateway', this.wires[i].url));
    }
    await this.desk.ready();
    await this.ready();
    this.desk.key = await this.desk.createKey();
  }

  bases() {
    return this.nodes.map((node) => node.gateway);
  }

  async readiness(i) {
    return http('GET', `${this.nodes[i].gateway}/readyz`);
  }

  async ready() {
    for (let i = 0; i < this.nodes.length; i++) {
      await until(`gateway ${i} to be ready`, async () => (await this.readiness(i)).status === 200);
    }
  }

  unready(i) {
    return until(`gateway ${i} not to be ready`, async () => {
      const answer = await this.readiness(i);
      return answer.status === 503 && answer.json;
    });
  }

  // Accepted sooner or later, under one Idempotency-Key; noted in `accepted`.
  async publish(overrides = {}) {
    const audience = { regions: ['mena'], sections: ['politics'], platforms: ['stream'] };
    const body = alertBody({ audience, ...overrides });
    const idempotencyKey = randomUUID();
    const alert = await until('the alert to be accepted', async () => {
      const answer = await this.desk.post(body, { idempotencyKey });
      if (answer.status === 202) return answer.json;
      assert.equal(answer.status, 503, answer.text);
      return false;
    });
    this.accepted.push(alert);
    return alert;
  }

  async publishMany(count) {
    const all = [];
    for (let i = 0; i < count; i++) all.push(await this.publish());
    return all;
  }

  // A new key: the old one went with the data.
  async renewKey() {
    this.desk.key = await until('a new key', () => this.desk.createKey(['--name', 'again']).catch(() => false));
  }

  async stop() {
    const errors = [];
    for (const part of this.parts.reverse()) await part.stop().catch((error) => errors.push(error));
    for (const wire of [this.deskWire, ...(this.wires ?? [])]) await wire?.close();
    rmSync(this.dir, { recursive: true, force: true });
    if (errors.length > 0) throw errors[0];
  }
}

const query = { regions: 'mena' };

// Readers of every transport, one of each kind per node and one that goes round.
export async function crowd(t, cluster) {
  cluster.accepted = [];
  // What a test broke is set right at its end.
  t.after(() => {
    for (const wire of cluster.wires) {
      Object.assign(wire, { swallow: () => false, split: 0 });
      wire.flow();
    }
  });
  await cluster.ready();
  const [a, b] = cluster.bases();
  const readers = {
    'ws on a': await roam('ws', [a]),
    'ws on b': await roam('ws', [b]),
    'sse on a': await roam('sse', [a]),
    'sse on b': await roam('sse', [b]),
    'poll on both': await roam('poll', [a, b]),
  };
  for (const reader of Object.values(readers)) t.after(() => reader.close());
  return readers;
}

export function assertStayed(readers) {
  for (const [name, r] of Object.entries(readers)) {
    if (r.connections !== undefined) assert.equal(r.connections, 1, `${name}: the connection stayed open`);
  }
}

// Every connection was told.
export const noted = (readers, live) =>
  Promise.all(
    Object.entries(readers).filter(([name]) => !name.startsWith('poll'))
      .map(([, r]) => r.inbox.find((m) => m.type === 'status' && m.live === live)),
  );

// Opens `transport` on `base` at a position (undefined: now).
export async function openAt(transport, base, position) {
  if (transport === 'ws') return WsReader.open(base, { query: position ? { ...query, position } : query });
  if (transport === 'sse') return SseReader.open(base, { query, lastEventId: position });
  const reader = await PollReader.open(base, { query, position });
  return reader;
}

// Long-poll as a client that goes round the nodes: each poll at the next one.
class RoamingPoll extends PollReader {
  constructor(bases, options) {
    super(bases[0], options);
    this.bases = bases;
    this.polls = 0;
  }

  async poll(wait) {
    this.base = this.bases[this.polls++ % this.bases.length];
    const answer = await super.poll(wait);
    // Said before the alerts it is about: account() reads in this order.
    const at = this.messages.length - answer.alerts.length;
    this.messages.splice(at, 0, { type: 'welcome', recovered: answer.recovered, reason: answer.reason });
    this.inbox.wake();
    return answer;
  }
}

// A reader that comes back whenever it is cut off, at the next node and, for
// 'mixed', over the other transport.
export async function roam(transport, bases) {
  if (transport === 'poll') {
    const first = await PollReader.open(bases[0], { query });
    return new RoamingPoll(bases, { query, position: first.cursor }).follow();
  }
  let turn = 0;
  const reader = new ResumingReader(async (position) => {
    const base = bases[turn % bases.length];
    const kind = transport === 'mixed' ? ['ws', 'sse'][turn % 2] : transport;
    turn++;
    return openAt(kind, base, position);
  }, `roaming ${transport}`);
  return reader.ready();
}

const key = (alert) => `${alert.id}/${alert.revision}`;

// What one reader got against what was accepted: 0 everywhere, or which. Alerts
// that come again are the protocol's own only when they are announced: after
// `reason: failover`, or marked as a replay; a client drops them by id and revision.
export function account(messages, accepted) {
  const order = new Map(accepted.map((alert, i) => [key(alert), i]));
  const got = new Map();
  const result = { missed: [], dup: [], reordered: [], unknown: [] };
  let again = false;
  let last = -1;
  for (const m of messages) {
    if (m.type === 'welcome') again = m.reason === 'failover' || m.recovered === false;
    if (!['alert', 'update', 'cancel'].includes(m.type)) continue;
    const place = order.get(key(m));
    if (place === undefined) {
      // A snapshot may well hold what was active before this account began.
      if (!m.replay) result.unknown.push(key(m));
    } else if (got.has(place)) {
      if (!again && !m.replay) result.dup.push(key(m));
    } else {
      got.set(place, true);
      if (place < last) result.reordered.push(key(m));
      last = Math.max(last, place);
    }
  }
  for (const [name, place] of order) if (!got.has(place)) result.missed.push(name);
  return result;
}

export const WHOLE = { missed: [], dup: [], reordered: [], unknown: [] };

// Every reader has all that was accepted, once and in order.
export async function assertWhole(readers, accepted) {
  const last = accepted.at(-1);
  for (const [name, reader] of Object.entries(readers)) {
    await reader.alert(last.id);
    await sleep(0);
    assert.deepEqual(account(reader.messages, accepted), WHOLE, name);
  }
}
