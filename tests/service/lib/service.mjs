// One Tocsin with its own state folder, ports and embedded Redis, and one
// provider simulator, both ended with the test file that started them.
import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { randomUUID } from 'node:crypto';
import { http } from './http.mjs';
import { ARTIFACTS, SOURCE, TOCSIN, freePort, isAlive, program, run, start, stop } from './processes.mjs';
import { DEADLINE_MS, until } from './wait.mjs';

const SANITIZED = process.env.TEST_SANITIZED === '1';

// A line "key=value key="two words" …" → object.
export function parseLogLine(line) {
  const fields = {};
  for (const [, key, quoted, plain] of line.matchAll(/([A-Za-z_]+)=(?:"((?:[^"\\]|\\.)*)"|(\S*))/g)) {
    fields[key] = quoted ?? plain;
  }
  return fields;
}

export class Simulator {
  static async start(dir) {
    const sim = new Simulator();
    sim.run = start(program('tocsin-sim'), ['--dir', dir], { label: 'sim', env: sanitizerEnv(dir) });
    const line = await sim.run.out.find(() => true);
    Object.assign(sim, JSON.parse(line));
    return sim;
  }

  async tokens(list) {
    const body = list.map((token) => `${JSON.stringify(token)}\n`).join('');
    const answer = await http('POST', `${this.control}/tokens`, { body });
    assert.ok(answer.status < 300, `POST /tokens: ${answer.status} ${answer.text}`);
  }

  async faults(body) {
    const answer = await http('POST', `${this.control}/faults`, { body });
    assert.ok(answer.status < 300, `POST /faults: ${answer.status} ${answer.text}`);
  }

  async ledger(query = {}) {
    const answer = await http('GET', `${this.control}/ledger?${new URLSearchParams(query)}`);
    assert.equal(answer.status, 200, answer.text);
    return answer.text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  async ledgerText(query = {}) {
    return (await http('GET', `${this.control}/ledger?${new URLSearchParams(query)}`)).bytes;
  }

  async stats() {
    return (await http('GET', `${this.control}/stats`)).json;
  }

  async summary() {
    return (await http('GET', `${this.control}/ledger/summary`)).json;
  }

  async reset() {
    const answer = await http('POST', `${this.control}/reset`);
    assert.ok(answer.status < 300, `POST /reset: ${answer.status} ${answer.text}`);
  }

  stop() {
    return stop(this.run);
  }
}

// Sanitizer reports go to files beside the state, where stop() looks for them.
function sanitizerEnv(dir) {
  if (!SANITIZED) return {};
  return {
    ASAN_OPTIONS: `log_path=${dir}/asan:detect_leaks=1:detect_stack_use_after_return=1`,
    UBSAN_OPTIONS: `log_path=${dir}/ubsan:print_stacktrace=1`,
  };
}

// Text with an Arabic marker, quotes, a zero-width joiner and a surrogate pair:
// what breaks when bytes are counted as characters or escaped twice.
export const ARABIC = 'عاجل: «إطلاق نار» في شبعا — ٪١٢ \u200f\u200d "اقتباس" \\ 🔔';
export const SPANISH = 'Última hora: sismo en la península, según la agencia';

export function alertBody(overrides = {}) {
  const marker = randomUUID().slice(0, 8);
  return {
    urgency: 'high',
    audience: { regions: ['mena'], sections: ['politics'] },
    content: {
      en: { headline: `Headline ${marker}`, url: 'https://news.example/a' },
      ar: { headline: `${ARABIC} ${marker}`, url: 'https://news.example/ar/a' },
      es: { headline: `${SPANISH} ${marker}`, url: 'https://news.example/es/a' },
    },
    ...overrides,
  };
}

export class Service {
  // options: config {"section.key": value}, roles, sim (bool), wait (for ready).
  static async start(options = {}) {
    const service = new Service();
    service.dir = mkdtempSync(join(tmpdir(), 'tocsin-test-'));
    service.stateDir = join(service.dir, 'state');
    service.options = options;
    service.newsroomPort = await freePort();
    service.gatewayPort = await freePort();
    service.newsroom = `http://127.0.0.1:${service.newsroomPort}`;
    service.gateway = `http://127.0.0.1:${service.gatewayPort}`;
    try {
      if (options.sim !== false) service.sim = await Simulator.start(join(service.dir, 'sim'));
      await service.serve();
      if (options.wait !== false) {
        await service.ready();
        service.key = await service.createKey();
      }
    } catch (error) {
      await service.stop().catch(() => {});
      throw error;
    }
    return service;
  }

  get settings() {
    const settings = {
      'serve.state_dir': this.stateDir,
      'serve.taxonomy': join(SOURCE, 'config/taxonomy.json'),
      'newsroom.listen': `127.0.0.1:${this.newsroomPort}`,
      'gateway.listen': `127.0.0.1:${this.gatewayPort}`,
      'serve.restart_min_ms': 50,
      // Tests come faster than newsrooms, and need no gentle end.
      'newsroom.key_rate_per_min': 1_000_000,
      'newsroom.key_burst': 100_000,
      'newsroom.key_cache_s': 0,
      'newsroom.duplicate_window_s': 0,
      'newsroom.breaker_alerts': 0,
      'gateway.drain_s': 0,
    };
    if (this.sim) {
      Object.assign(settings, {
        'apns.url': this.sim.apns,
        'apns.ca_file': join(this.sim.dir, 'ca.pem'),
        'apns.key_file': join(this.sim.dir, 'apns_key.p8'),
        'apns.key_id': 'ABC123DEFG',
        'apns.team_id': 'TEAM123456',
        'apns.topic': 'com.example.tocsin',
        'fcm.url': this.sim.fcm,
        'fcm.ca_file': join(this.sim.dir, 'ca.pem'),
        'fcm.rate_per_min': 0, // the simulator has no quota unless a test gives it one
        'fcm.service_account_file': join(this.sim.dir, 'fcm_service_account.json'),
      });
    }
    return { ...settings, ...this.options.config };
  }

  // The configuration as flags, understood by every command.
  get flags() {
    return Object.entries(this.settings).map(([key, value]) => `--${key}=${value}`);
  }

  async serve() {
    const args = ['serve', ...this.flags];
    if (this.options.roles) args.push(`--roles=${this.options.roles}`);
    this.run = start(TOCSIN, args, {
      label: 'tocsin',
      cwd: this.dir,
      env: { ...sanitizerEnv(this.dir), ...this.options.env },
    });
    this.exit = null;
    const { exited } = this.run;
    exited.then((status) => (this.exit = status));
  }

  get log() {
    return this.run.err.items;
  }

  // A log line of that event whose fields hold `fields`, at or after line `from`.
  waitLog(event, fields = {}, from = 0) {
    const wanted = Object.entries(fields);
    return this.run.err
      .find((line) => {
        if (!line.includes(event)) return false;
        const parsed = parseLogLine(line);
        return parsed.event === event && wanted.every(([k, v]) => String(parsed[k]) === String(v));
      }, from)
      .then(parseLogLine);
  }

  async ready() {
    await this.waitLog('ready');
    await this.isReady();
  }

  // Every worker says it can do its work, newsroom and gateway both.
  isReady() {
    return until('the service to be ready', async () => {
      const answers = await Promise.all([
        http('GET', `${this.newsroom}/readyz`),
        ...(this.options.roles && !this.options.roles.includes('gateway')
          ? []
          : [http('GET', `${this.gateway}/readyz`)]),
      ]);
      return answers.every((a) => a.status === 200);
    });
  }

  async tocsin(args, options = {}) {
    return run(TOCSIN, args, {
      label: 'cli',
      cwd: this.dir,
      ...options,
      env: {
        TOCSIN_URL: this.newsroom,
        ...(this.key ? { TOCSIN_KEY: this.key } : {}),
        ...sanitizerEnv(this.dir),
        ...options.env,
      },
    });
  }

  async createKey(args = ['--name', 'tests']) {
    const result = await this.tocsin(['key', 'create', ...args, ...this.flags]);
    assert.equal(result.code, 0, result.stderr);
    const key = /tcn_[a-z0-9]{12}_[A-Za-z0-9_-]+/.exec(result.stdout)?.[0];
    assert.ok(key, `no key in: ${result.stdout}`);
    return key;
  }

  // The gateway has read as far as `posted`. It is told of an alert when that is stored and
  // answered already, so whoever connects at once may still find it a moment behind.
  reached(posted) {
    return until(`the gateway to have ${posted.position}`, async () => {
      const answer = await http('GET', `${this.gateway}/v1/alerts?after=${posted.position}&wait=0`);
      const [epoch, seq] = answer.json.position.split(':');
      return epoch === posted.position.split(':')[0] && Number(seq) >= posted.seq;
    });
  }

  // POST /v1/alerts as it is; nothing is asserted.
  post(body, { key = this.key, idempotencyKey = randomUUID(), headers = {}, signal } = {}) {
    const all = { 'content-type': 'application/json', ...headers };
    if (key) all.authorization = `Bearer ${key}`;
    if (idempotencyKey !== null) all['idempotency-key'] = idempotencyKey;
    for (const [name, value] of Object.entries(all)) if (value === null) delete all[name];
    return http('POST', `${this.newsroom}/v1/alerts`, { headers: all, body, signal });
  }

  // Publishes and returns the answer's body.
  async publish(overrides, options) {
    const answer = await this.post(alertBody(overrides), options);
    assert.equal(answer.status, 202, answer.text);
    return answer.json;
  }

  // Publishes although workers or Redis are being killed: repeats with one
  // Idempotency-Key until accepted.
  publishWhenPossible(body = alertBody(), idempotencyKey = randomUUID()) {
    return until('the alert to be accepted', async () => {
      const answer = await this.post(body, { idempotencyKey });
      if (answer.status === 202) return answer.json;
      assert.equal(answer.status, 503, answer.text);
      return false;
    });
  }

  get(path, key = this.key) {
    return http('GET', `${this.newsroom}${path}`, {
      headers: key ? { authorization: `Bearer ${key}` } : {},
    });
  }

  // The counters of an alert once every device has its outcome.
  settled(id, revision) {
    const query = revision ? `?revision=${revision}` : '';
    return until(`alert ${id} to be done`, async () => {
      const answer = await this.get(`/v1/alerts/${id}/stats${query}`);
      assert.equal(answer.status, 200, answer.text);
      this.lastStats = answer.json;
      return answer.json.state === 'done' && answer.json;
    }, 4 * DEADLINE_MS).catch((error) => {
      throw new Error(`${error.message}; stats ${JSON.stringify(this.lastStats)}`);
    });
  }

  async metric(name) {
    const page = await http('GET', `${this.newsroom}/metrics`);
    assert.equal(page.status, 200);
    const rows = page.text.split('\n').filter((l) => l.startsWith(name) && /^[ {]/.test(l[name.length]));
    return rows.reduce((sum, row) => sum + Number(row.slice(row.lastIndexOf(' ') + 1)), 0);
  }

  // The workers now alive, from the newsroom's readiness page.
  async workers(role) {
    const answer = await http('GET', `${this.newsroom}/readyz`);
    return answer.json.workers.filter((w) => role === undefined || w.role === role);
  }

  // kill -9, and the new worker in its place.
  async killWorker(role, { signal = 'SIGKILL' } = {}) {
    const worker = await until(`a ${role} to be alive`, async () =>
      (await this.workers(role)).find((one) => isAlive(one.pid)));
    const from = this.log.length;
    process.kill(worker.pid, signal);
    const exited = await this.waitLog('worker_exited', { role }, from);
    const again = await this.waitLog('worker_started', { role }, from);
    return { pid: worker.pid, exited, newPid: Number(again.pid) };
  }

  // Pid of the embedded redis-server: the supervisor's child of that name.
  redisPid() {
    const children = readFileSync(`/proc/${this.run.pid}/task/${this.run.pid}/children`, 'utf8');
    for (const pid of children.trim().split(' ').map(Number)) {
      if (readFileSync(`/proc/${pid}/comm`, 'utf8').startsWith('redis-server')) return pid;
    }
    throw new Error(`no redis-server among the children ${children}`);
  }

  // One Redis command on the embedded server's socket.
  async redis(args) {
    const socket = this.redisSocket();
    const result = await run('redis-cli', ['-s', socket, ...args], { label: 'redis-cli' });
    assert.equal(result.code, 0, result.stderr);
    return result.stdout;
  }

  redisSocket() {
    return join(this.stateDir, 'redis.sock');
  }

  async stop({ expectClean = true } = {}) {
    try {
      if (this.run && !this.exit) {
        const pids = this.run.pid && isAlive(this.run.pid) ? this.descendants() : [];
        const status = await stop(this.run);
        if (expectClean) {
          assert.equal(status.code, 0, `tocsin serve ended with ${JSON.stringify(status)}`);
          await until('all workers to be gone', () => pids.every((pid) => !isAlive(pid)));
        }
      }
    } finally {
      if (this.sim) await this.sim.stop().catch(() => {});
      const reports = this.sanitizerReports();
      rmSync(this.dir, { recursive: true, force: true });
      if (reports) throw new Error(`sanitizer report:\n${reports}`);
    }
  }

  descendants(pid = this.run.pid) {
    let text = '';
    try {
      text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    } catch {
      return [];
    }
    const children = text ? text.split(' ').map(Number) : [];
    return children.flatMap((child) => [child, ...this.descendants(child)]);
  }

  sanitizerReports() {
    if (!SANITIZED) return '';
    const reports = [];
    for (const dir of [this.dir, join(this.dir, 'sim')]) {
      if (!existsSync(dir)) continue;
      for (const name of readdirSync(dir).filter((n) => /^(asan|ubsan)\./.test(n))) {
        const text = readFileSync(join(dir, name), 'utf8');
        writeFileSync(join(ARTIFACTS, `sanitizer-${process.pid}-${name}.txt`), text);
        reports.push(text);
      }
    }
    return reports.join('\n');
  }
}

let tokenCount = 0;

// A phone that registered over the public API; its pushes are in the simulator's ledger.
export class Phone {
  static async register(service, { platform = 'apns', behaviour = 'ok', timestamp_ms, ...follows } = {}) {
    const phone = new Phone();
    phone.service = service;
    phone.platform = platform;
    phone.id = `phone-${randomUUID()}`;
    phone.token = follows.token ?? Phone.token(platform);
    await service.sim.tokens([
      { platform, token: phone.token, behaviour, ...(timestamp_ms ? { timestamp_ms } : {}) },
    ]);
    phone.body = { platform, edition: 'en', regions: [], sections: [], tags: [], ...follows, token: phone.token };
    const answer = await phone.put();
    assert.equal(answer.status, 201, answer.text);
    phone.secret = answer.json.secret;
    phone.answer = answer.json;
    return phone;
  }

  static token(platform) {
    const unique = `${process.pid.toString(16)}${(++tokenCount).toString(16).padStart(6, '0')}`;
    return platform === 'apns'
      ? unique.padEnd(64, 'a')
      : `fcm-${unique}:${'A'.repeat(20)}_b-${unique}`;
  }

  get url() {
    return `${this.service.gateway}/v1/devices/${this.id}`;
  }

  auth(secret = this.secret) {
    return secret ? { authorization: `Bearer ${secret}` } : {};
  }

  put(changes = {}, secret = this.secret) {
    return http('PUT', this.url, {
      headers: { 'content-type': 'application/json', ...this.auth(secret) },
      body: { ...this.body, ...changes },
    });
  }

  read(secret = this.secret) {
    return http('GET', this.url, { headers: this.auth(secret) });
  }

  remove(secret = this.secret) {
    return http('DELETE', this.url, { headers: this.auth(secret) });
  }

  pushes() {
    return this.service.sim.ledger({ platform: this.platform, token: this.token });
  }

  // Ids of the alerts this phone was given, in order of arrival.
  async got() {
    return (await this.pushes()).map((push) => push.alert_id);
  }
}
