// What the push benchmarks share: a Tocsin with phones and the provider simulator, what a send
// costs the dispatcher, and the same requests sent by others.
import { spawn } from 'node:child_process';
import { randomBytes, randomUUID } from 'node:crypto';
import { createWriteStream, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { once } from 'node:events';
import { join } from 'node:path';
import { Credentials, grant } from '../sim/client.mjs';
import { cpuTicks } from '../service/lib/processes.mjs';
import { Service } from '../service/lib/service.mjs';
import { until } from '../service/lib/wait.mjs';
import { device, generator } from './population.mjs';

export const PLATFORMS = ['apns', 'fcm'];
const LINES_AT_ONCE = 1000;
const URIS = 1000; // more would measure how h2load reads its list

export const median = (list) => [...list].sort((a, b) => a - b)[Math.floor(list.length / 2)];
export const fields = (object) => Object.entries(object).map(([k, v]) => `${k}=${v}`).join(' ');

// The options of a benchmark: --name N, all numbers.
export function options(defaults) {
  const values = { ...defaults };
  const args = process.argv.slice(2);
  for (let i = 0; i < args.length; i += 2) {
    const name = args[i].replace(/^--/, '').replaceAll('-', '_');
    if (!(name in defaults) || !(Number(args[i + 1]) > 0 || args[i + 1] === '0')) {
      const usage = Object.keys(defaults).map((k) => `[--${k.replaceAll('_', '-')} N]`).join(' ');
      console.error(`usage: tests/bench/${process.env.BENCH_NAME} ${usage}`);
      process.exit(2);
    }
    values[name] = Number(args[i + 1]);
  }
  return values;
}

// As long as those of real phones.
const newToken = {
  apns: () => randomBytes(32).toString('hex'),
  fcm: () => `${randomBytes(16).toString('base64url')}:APA91b${randomBytes(101).toString('base64url')}`,
};

// `lines` yields registrations; they are written many at a time.
async function writeDevices(path, lines) {
  const file = createWriteStream(path);
  let batch = [];
  const write = async () => {
    const text = batch.map((line) => `${JSON.stringify(line)}\n`).join('');
    batch = [];
    if (!file.write(text)) await once(file, 'drain');
  };
  for (const line of lines) {
    if (batch.push(line) === LINES_AT_ONCE) await write();
  }
  await write();
  file.end();
  await once(file, 'finish');
}

// So many phones of each platform, all alike.
export function* uniform(count) {
  for (let i = 0; i < count; i++) {
    for (const platform of PLATFORMS) {
      yield { id: randomUUID(), platform, token: newToken[platform](), edition: 'en', regions: ['mena'] };
    }
  }
}

// So many phones in all, as a news service has them (population.mjs); `changes` are the same for all.
export function* mixed(count, changes = {}) {
  const next = generator(1);
  for (let i = 0; i < count; i++) yield { ...device(next), ...changes };
}

// A service with these phones, or so many of each platform. Google's quota is left out: what is
// measured is what a sender could do.
export async function start(devices, config = {}) {
  const service = await Service.start({
    config: { 'dispatcher.workers': 1, 'fcm.rate_per_min': 0, 'fcm.ramp_s': 0, ...config },
  });
  const path = join(service.dir, 'devices.ndjson');
  await writeDevices(path, typeof devices === 'number' ? uniform(devices) : devices);
  const child = spawn(join(process.env.TEST_BUILD, 'tocsin'), ['devices', 'import', path, ...service.flags],
    { stdio: ['ignore', 'ignore', 'pipe'] });
  let said = '';
  child.stderr.on('data', (part) => (said += part));
  const [code] = await once(child, 'close');
  if (code !== 0) throw new Error(`the import failed: ${said.slice(-500)}`);
  rmSync(path);
  return service;
}

const alert = (platform) => ({
  urgency: 'high',
  audience: { regions: ['mena'], editions: ['en'], platforms: [platform] },
  content: {
    en: {
      headline: 'Earthquake off the coast, warning for the whole shore',
      body: 'Magnitude 7.1. Leave the beaches and the harbour and go to higher ground.',
      url: 'https://news.example/world/2026/earthquake-off-the-coast',
    },
  },
  ttl_s: 3600,
});

// The same to the phones of both.
export function everyone() {
  const { audience, ...rest } = alert('');
  return { ...rest, audience: { ...audience, platforms: PLATFORMS } };
}

// One alert to every phone of a platform: what it cost the dispatcher, start to last outcome.
export async function send(service, platform, how) {
  const [{ pid }] = await service.workers('dispatcher');
  const ticks = cpuTicks(pid);
  const started = performance.now();
  const { id } = await post(service, alert(platform));
  const stats = await done(service, id, how);
  const seconds = (performance.now() - started) / 1000;
  const { accepted, targeted } = stats.total;
  if (accepted !== targeted) throw new Error(`not all accepted: ${JSON.stringify(stats.total)}`);
  return { id, accepted, seconds, cpu: (cpuTicks(pid) - ticks) / 100 };
}

// What one of these pushes looks like on the wire, from the simulator's ledger, for the others.
export async function sample(service, platform) {
  const { id } = await send(service, platform);
  const [push] = await service.sim.ledger({ platform, alert_id: id, limit: 1 });
  const credentials = new Credentials(service.sim.dir);
  if (platform === 'apns') {
    return {
      push,
      body: typeof push.payload === 'string' ? push.payload : JSON.stringify(push.payload),
      uris: Array.from({ length: URIS }, () => `${service.sim.apns}/3/device/${newToken.apns()}`),
      headers: [`authorization: bearer ${credentials.apnsToken()}`, `apns-topic: ${push.topic}`,
        `apns-push-type: ${push.push_type}`, `apns-priority: ${push.priority}`,
        `apns-expiration: ${push.expiration}`, `apns-collapse-id: ${push.collapse_id}`,
        `apns-id: ${randomUUID()}`],
    };
  }
  const { json } = await grant(service.sim.oauth, credentials);
  const message = typeof push.payload === 'string' ? JSON.parse(push.payload) : push.payload;
  return {
    push,
    body: JSON.stringify({ message: { token: push.token, ...(message.message ?? message) } }),
    uris: [`${service.sim.fcm}/v1/projects/tocsin-sim/messages:send`],
    headers: [`authorization: Bearer ${json.access_token}`, 'content-type: application/json'],
  };
}

function runTimed(command, args, env = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn('bash', ['-c', 'TIMEFORMAT="cpu %U %S"; time "$0" "$@"', command, ...args],
      { stdio: ['ignore', 'pipe', 'pipe'], env: { ...process.env, LC_ALL: 'C', ...env } });
    let out = '';
    let err = '';
    child.stdout.on('data', (part) => (out += part));
    child.stderr.on('data', (part) => (err += part));
    child.on('error', reject);
    child.on('close', (code) => {
      const cpu = /cpu ([\d.]+) ([\d.]+)/.exec(err);
      if (code !== 0 || !cpu) reject(new Error(`${command} failed: ${out.slice(-500)}${err.slice(-500)}`));
      else resolve({ out, cpu: Number(cpu[1]) + Number(cpu[2]) });
    });
  });
}

// h2load with the same request; what it was refused at the start does not count.
export async function h2load(service, { body, uris, headers }, requests, { connections, streams }) {
  writeFileSync(join(service.dir, 'uris'), `${uris.join('\n')}\n`);
  writeFileSync(join(service.dir, 'body'), body);
  const { out, cpu } = await runTimed('h2load', ['-n', requests, '-c', connections, '-m', streams, '-t', 1,
    '-i', join(service.dir, 'uris'), '-d', join(service.dir, 'body'),
    ...headers.flatMap((h) => ['-H', h])].map(String));
  const accepted = Number(/status codes: (\d+) 2xx/.exec(out)?.[1]);
  if (!(accepted > requests / 2)) throw new Error(`h2load was refused: ${out}`);
  return { accepted, cpu };
}

// node-apn with the same payload and headers.
export async function nodeApn(service, { push, body }, requests) {
  const job = { url: service.sim.apns, key: join(service.sim.dir, 'apns_key.p8'), requests, body,
    topic: push.topic, expiry: Number(push.expiration), priority: Number(push.priority),
    collapseId: push.collapse_id, pushType: push.push_type };
  const { out } = await runTimed(process.execPath, [join(import.meta.dirname, 'node_apn.mjs'), JSON.stringify(job)],
    { NODE_EXTRA_CA_CERTS: join(service.sim.dir, 'ca.pem') });
  return JSON.parse(out);
}

const TEXTS = {
  en: ['Earthquake off the coast, warning for the whole shore',
    'Magnitude 7.1. Leave the beaches and the harbour and go to higher ground.'],
  ar: ['زلزال قبالة الساحل وتحذير للشاطئ بأكمله', 'بقوة 7.1 درجات. غادروا الشواطئ والميناء وتوجهوا إلى أماكن مرتفعة.'],
  es: ['Sismo frente a la costa, alerta para todo el litoral',
    'Magnitud 7,1. Abandonen las playas y el puerto y suban a zonas altas.'],
};

// An alert in three languages; audience and urgency as given.
export function news(urgency, audience) {
  const content = Object.entries(TEXTS).map(([edition, [headline, body]]) => [edition,
    { headline, body, url: `https://news.example/${edition}/world/2026/earthquake-off-the-coast` }]);
  return { urgency, audience: { regions: ['all'], ...audience }, content: Object.fromEntries(content), ttl_s: 3600 };
}

export async function post(service, alert) {
  const posted = Date.now();
  const answer = await service.post(alert);
  if (answer.status !== 202) throw new Error(`POST /v1/alerts: ${answer.status} ${answer.text}`);
  return { id: answer.json.id, posted };
}

// The statistics once every device has its outcome; `watch` is called meanwhile.
export function done(service, id, { deadlineMs = 300_000, watch = async () => {} } = {}) {
  return until(`alert ${id} to be done`, async () => {
    const { json } = await service.get(`/v1/alerts/${id}/stats`);
    await watch(json);
    return json.state === 'done' && json;
  }, deadlineMs);
}

// Seconds from the post until the provider had taken the first push of an alert, nine tenths of its
// pushes and the last one, from the simulator's ledger; and what got lost or came twice.
export async function arrival(service, { id, posted }, targeted) {
  const { alerts } = (await service.sim.stats()).ledger;
  const { accepted, tokens } = alerts[id];
  const after = async (rows) => {
    const [row] = await service.sim.ledger({ alert_id: id, skip: rows - 1, limit: 1 });
    return (row.time_ms - posted) / 1000;
  };
  return {
    accepted,
    lost: targeted - tokens,
    dup: accepted - tokens,
    first: await after(1),
    p90: await after(Math.ceil(0.9 * accepted)),
    last: await after(accepted),
  };
}

// A number of the service's configuration.
export async function setting(service, section, key) {
  const { stdout } = await service.tocsin(['check-config', '--print', ...service.flags]);
  return Number(stdout.match(new RegExp(`^\\[${section}\\][^]*?^${key} = (\\d+)`, 'm'))?.[1]);
}

// CPU seconds the simulator has used.
export const simCpu = (service) => cpuTicks(service.sim.run.pid) / 100;
export const residentMib = (pid) =>
  Math.round(Number(/^VmHWM:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);
