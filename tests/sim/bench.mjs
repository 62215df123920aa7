// The simulator's own ceiling: h2load against the APNs and the FCM listener.
//   node tests/sim/bench.mjs path/to/tocsin-sim [requests] [connections] [streams]
// Prints one line a listener. "per CPU-second" counts the simulator's CPU time only, so it holds
// on a machine that the load generator shares.
import { spawn } from 'node:child_process';
import { createPrivateKey, randomBytes, sign } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { connect } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const [program, requests = '200000', connections = '4', streams = '100'] = process.argv.slice(2);
const dir = mkdtempSync(join(tmpdir(), 'sim-bench-'));
const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');

function signed(header, claims, key, options) {
  const text = `${encode(header)}.${encode(claims)}`;
  return `${text}.${sign('sha256', text, { key, ...options }).toString('base64url')}`;
}

function apnsToken() {
  const key = createPrivateKey(readFileSync(join(dir, 'apns_key.p8')));
  const iat = Math.floor(Date.now() / 1000);
  return signed({ alg: 'ES256', kid: 'ABC123DEFG' }, { iss: 'TEAM123456', iat }, key, {
    dsaEncoding: 'ieee-p1363',
  });
}

async function bearer() {
  const account = JSON.parse(readFileSync(join(dir, 'fcm_service_account.json')));
  const iat = Math.floor(Date.now() / 1000);
  const assertion = signed({ alg: 'RS256', typ: 'JWT' }, {
    iss: account.client_email,
    scope: 'https://www.googleapis.com/auth/firebase.messaging',
    aud: account.token_uri,
    iat,
    exp: iat + 3600,
  }, createPrivateKey(account.private_key));
  const url = new URL(account.token_uri);
  const session = connect(url.origin, { ca: readFileSync(join(dir, 'ca.pem')) });
  const stream = session.request({
    ':method': 'POST',
    ':path': url.pathname,
    'content-type': 'application/x-www-form-urlencoded',
  });
  stream.end(`grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=${assertion}`);
  let text = '';
  for await (const part of stream) text += part;
  session.close();
  return JSON.parse(text).access_token;
}

// CPU time of a process in seconds (100 clock ticks each).
function cpuSeconds(pid) {
  const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) / 100;
}

function residentMib(pid) {
  return Math.round(Number(/^VmRSS:\s+(\d+)/m.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) / 1024);
}

function run(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', 'inherit'] });
    let text = '';
    child.stdout.on('data', (part) => (text += part));
    child.on('error', reject);
    child.on('close', () => resolve(text));
  });
}

const sim = spawn(program, ['--dir', dir], { stdio: ['ignore', 'pipe', 'inherit'] });
const [line] = await new Promise((resolve) => createInterface(sim.stdout).once('line', (l) => resolve([l])));
const ready = JSON.parse(line);

async function measure(name, uris, body, headers) {
  const uriFile = join(dir, `${name}.uris`);
  const bodyFile = join(dir, `${name}.body`);
  writeFileSync(uriFile, uris.join('\n') + '\n');
  writeFileSync(bodyFile, body);
  const before = cpuSeconds(sim.pid);
  const text = await run('h2load', ['-n', requests, '-c', connections, '-m', streams, '-t', '1',
    '-i', uriFile, '-d', bodyFile, ...headers.flatMap((h) => ['-H', h])]);
  const cpu = cpuSeconds(sim.pid) - before;
  const stats = (await (await fetch(`${ready.control}/stats`)).json())[name];
  const rate = /finished in ([\d.]+)(m?s)/.exec(text);
  const seconds = Number(rate[1]) / (rate[2] === 'ms' ? 1000 : 1);
  console.log(`bench=sim-${name} accepted=${stats.accepted} refused_at_start=${stats.streams_excess_race} ` +
    `seconds=${seconds.toFixed(2)} per_second=${Math.round(stats.accepted / seconds)} ` +
    `cpu_seconds=${cpu.toFixed(2)} per_cpu_second=${Math.round(stats.accepted / cpu)} ` +
    `resident_mib=${residentMib(sim.pid)}`);
}

const alertId = '0191a8f0-0000-7000-8000-000000000001';
const tokens = Array.from({ length: Math.min(Number(requests), 1_000_000) }, () => `${ready.apns}/3/device/${randomBytes(32).toString('hex')}`);
await measure('apns', tokens, JSON.stringify({
  aps: { alert: { title: 'Earthquake off the coast', body: 'Magnitude 7.1, warning for the shore.' },
    sound: 'default', 'mutable-content': 1, 'thread-id': 'world' },
  alert_id: alertId,
  url: 'https://news.example/world/earthquake',
}), [`authorization: bearer ${apnsToken()}`, 'apns-topic: com.example.tocsin', 'apns-push-type: alert',
  'apns-priority: 10', 'apns-expiration: 1900000000', `apns-collapse-id: ${alertId}`]);
await measure('fcm', [`${ready.fcm}/v1/projects/tocsin-sim/messages:send`], JSON.stringify({
  message: { token: randomBytes(100).toString('base64url'),
    notification: { title: 'Earthquake off the coast', body: 'Magnitude 7.1, warning for the shore.' },
    data: { alert_id: alertId },
    android: { priority: 'high', ttl: '3600s', collapse_key: alertId } },
}), [`authorization: Bearer ${await bearer()}`, 'content-type: application/json']);
sim.kill('SIGTERM');
await new Promise((resolve) => sim.on('exit', resolve));
rmSync(dir, { recursive: true });
