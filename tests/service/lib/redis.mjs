// A real redis-server of the test's own, and a wire to it that can be cut, stalled
// and robbed of messages.
import { connect, createServer } from 'node:net';
import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { freePort, isAlive, run, start, stop } from './processes.mjs';
import { until } from './wait.mjs';

export class Redis {
  static async start(dir, port) {
    const redis = new Redis();
    redis.dir = dir;
    redis.port = port ?? (await freePort());
    await redis.serve();
    return redis;
  }

  async serve() {
    mkdirSync(this.dir, { recursive: true });
    const args = ['--port', this.port, '--bind', '127.0.0.1', '--dir', this.dir, '--save', ''];
    this.run = start('redis-server', [...args, '--appendonly', 'yes', '--appendfsync', 'always'].map(String), {
      label: 'redis',
    });
    await until('Redis to answer', async () => (await this.try(['PING'])).stdout.startsWith('PONG'));
  }

  try(args) {
    return run('redis-cli', ['-p', String(this.port), ...args.map(String)], { label: 'redis-cli' });
  }

  async command(...args) {
    const result = await this.try(args);
    if (result.code !== 0 || /^(ERR|NOPERM|READONLY|MISCONF)/.test(result.stdout)) {
      throw new Error(`${args.join(' ')}: ${result.stdout}${result.stderr}`);
    }
    return result.stdout.trim();
  }

  signal(name) {
    process.kill(this.run.pid, name);
  }

  // kill -9; the data stay where the file system has them.
  async kill() {
    this.signal('SIGKILL');
    await until('Redis to be gone', () => !isAlive(this.run.pid));
  }

  empty() {
    rmSync(this.dir, { recursive: true, force: true });
  }

  // What a backup would hold, and what it brings back. Redis must be down.
  save(to) {
    cpSync(this.dir, to, { recursive: true });
  }

  restore(from) {
    this.empty();
    cpSync(from, this.dir, { recursive: true });
  }

  async stop() {
    if (!isAlive(this.run.pid)) return;
    this.signal('SIGCONT');
    await stop(this.run);
  }
}

// One RESP value starting at `at`: where it ends, or -1 when there is not enough yet.
function respEnd(bytes, at) {
  const eol = bytes.indexOf('\r\n', at);
  if (eol < 0) return -1;
  const count = Number(bytes.toString('latin1', at + 1, eol));
  const kind = String.fromCharCode(bytes[at]);
  if (kind === '$') {
    const end = eol + 2 + (count < 0 ? 0 : count + 2);
    return end <= bytes.length ? end : -1;
  }
  let end = eol + 2;
  if (kind === '*') for (let i = 0; i < count && end >= 0; i++) end = end < bytes.length ? respEnd(bytes, end) : -1;
  return end;
}

// Between a gateway and Redis. `swallow(push)` decides about each value on a
// subscribed connection; `stalled` holds the kinds of connection ('bell',
// 'commands') on which nothing moves; `split` cuts all that comes from Redis in
// single bytes or so.
export class Wire {
  static async open(target) {
    const wire = new Wire();
    Object.assign(wire, { target, swallow: () => false, stalled: new Set(), split: 0, swallowed: 0 });
    wire.links = new Set();
    wire.server = createServer((client) => wire.link(client));
    wire.port = await freePort();
    await new Promise((done) => wire.server.listen(wire.port, '127.0.0.1', done));
    return wire;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  link(client) {
    const server = connect(this.target, '127.0.0.1');
    const link = { client, server, kind: 'commands', rest: Buffer.alloc(0), up: [], down: [] };
    this.links.add(link);
    const end = () => {
      this.links.delete(link);
      client.destroy();
      server.destroy();
    };
    for (const socket of [client, server]) socket.on('error', end).on('close', end);
    client.on('data', (chunk) => {
      if (chunk.includes('SUBSCRIBE')) link.kind = 'bell';
      link.up.push(chunk);
      this.move(link);
    });
    server.on('data', (chunk) => {
      link.down.push(...(link.kind === 'bell' ? this.filter(link, chunk) : [chunk]));
      this.move(link);
    });
  }

  filter(link, chunk) {
    const kept = [];
    link.rest = Buffer.concat([link.rest, chunk]);
    for (;;) {
      const end = link.rest.length ? respEnd(link.rest, 0) : -1;
      if (end < 0) return kept;
      const push = link.rest.subarray(0, end);
      link.rest = link.rest.subarray(end);
      if (this.swallow(push.toString('utf8'))) this.swallowed++;
      else kept.push(push);
    }
  }

  move(link) {
    if (this.stalled.has(link.kind)) return;
    for (const chunk of link.up.splice(0)) link.server.write(chunk);
    for (const chunk of link.down.splice(0)) {
      const size = this.split || chunk.length;
      for (let at = 0; at < chunk.length; at += size) link.client.write(chunk.subarray(at, at + size));
    }
  }

  // Nothing moves on connections of this kind, old and new ones.
  stall(kind) {
    this.stalled.add(kind);
  }

  flow() {
    this.stalled.clear();
    for (const link of this.links) this.move(link);
  }

  cut(kind) {
    for (const link of [...this.links]) if (!kind || link.kind === kind) link.client.destroy();
  }

  async close() {
    this.cut();
    await new Promise((done) => this.server.close(done));
  }
}

export const isBell = (push) => push.includes('\r\nmessage\r\n') && push.includes('"urgency"');
export const isHeartbeat = (push) => push.includes('\r\nmessage\r\n') && push.includes('heartbeat');
