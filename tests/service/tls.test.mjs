// The service's own TLS: WebSocket, everything else over HTTP, and the newsroom.
import { randomBytes } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { http } from './lib/http.mjs';
import { TOCSIN, run, stop } from './lib/processes.mjs';
import { PollReader, SseReader, WsReader } from './lib/readers.mjs';
import { alertBody } from './lib/service.mjs';
import { assert, closing, test } from './lib/suite.mjs';
import { Authority, handshake, replaceFile, startTls } from './lib/tls.mjs';
import { TEST_TIMEOUT, until, within } from './lib/wait.mjs';

const HTTP_TALK = 'GET /healthz HTTP/1.1\r\nHost: tocsin\r\n\r\n';
const WS_TALK =
  'GET /v1/stream?regions=all HTTP/1.1\r\nHost: tocsin\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n' +
  'Sec-WebSocket-Key: dG9jc2luIHRlc3RpbmcgMQ==\r\nSec-WebSocket-Version: 13\r\n\r\n';

let authority;
let files;
let service;
before(async () => {
  authority = await Authority.create();
  files = await authority.issue('first');
  service = await startTls(authority, files, { sim: false, config: { 'gateway.workers': 2 } });
}, TEST_TIMEOUT);
after(async () => {
  await service?.stop();
  authority?.remove();
}, TEST_TIMEOUT);

const talks = (of = service) => [
  ['wss', of.tlsPorts.wss, WS_TALK],
  ['https', of.tlsPorts.https, HTTP_TALK],
  ['newsroom', of.tlsPorts.newsroom, HTTP_TALK],
];

test('every kind of reader, a phone and an editor are served over TLS', async (t) => {
  const tls = service.secure.options;
  const query = { regions: 'mena' };
  const ws = await WsReader.open(service.secure.ws, { query, tls });
  const sse = await SseReader.open(service.secure.http, { query, tls });
  const poll = await PollReader.open(service.secure.http, { query, tls, position: ws.position });
  closing(t, ws, sse, poll);
  poll.follow();
  const posted = await http('POST', `${service.secure.newsroom}/v1/alerts`, {
    tls,
    headers: { 'content-type': 'application/json', authorization: `Bearer ${service.key}`, 'idempotency-key': 'tls-1' },
    body: alertBody(),
  });
  assert.equal(posted.status, 202, posted.text);
  for (const reader of [ws, sse, poll]) await reader.alert(posted.json.id);
  const device = await http('PUT', `${service.secure.http}/v1/devices/tls-phone-0001`, {
    tls,
    headers: { 'content-type': 'application/json' },
    body: { platform: 'fcm', token: `fcm-tls:${'A'.repeat(40)}`, edition: 'en', regions: ['mena'] },
  });
  assert.equal(device.status, 201, device.text);
});

test('over TLS the cookie of a session is bound to TLS and to this host', async () => {
  const tls = service.secure.options;
  const url = `${service.secure.newsroom}/v1/session`;
  const key = await service.createKey(['--name', 'editor', '--person']);
  const answer = await http('POST', url, { tls, headers: { 'content-type': 'application/json' }, body: { key } });
  assert.equal(answer.status, 200, answer.text);
  const [cookie] = answer.headers['set-cookie'];
  assert.match(cookie, /^__Host-tocsin_session=[^;]+; HttpOnly; SameSite=Strict; Path=\/; Secure$/);
  const pair = cookie.split(';')[0];
  assert.equal((await http('GET', url, { tls, headers: { cookie: pair } })).status, 200);
  assert.equal((await http('GET', url, { tls, headers: { cookie: pair.replace('__Host-', '') } })).status, 401);
});

test('the command line works over https with an authority of its own', async () => {
  const env = { TOCSIN_URL: service.secure.newsroom };
  const ca = `--tls.ca_file=${authority.caFile}`;
  const publish = ['publish', '--urgency', 'high', '--regions', 'mena', '--editions', 'en', '--headline', 'en=Over TLS', ca];
  const refused = await service.tocsin(['stats', '019ab000-0000-7000-8000-000000000000', `--tls.ca_file=${files.key}`], { env });
  assert.notEqual(refused.code, 0);
  assert.match(refused.stderr, /certificate|SSL|CA/);
  const listening = service.tocsin(
    ['listen', '--regions', 'mena', '--count', '1', '--json', '--gateway', service.secure.http, ca],
    { env: { TOCSIN_URL: '' } },
  );
  let listened = false;
  listening.then(() => (listened = true));
  const result = await until('the listener to have heard of an alert', async () => {
    const posted = await service.tocsin(publish, { env });
    assert.equal(posted.code, 0, posted.stderr);
    return listened && listening;
  });
  assert.equal(result.code, 0, result.stderr);
  assert.equal(JSON.parse(result.stdout).content.en.headline, 'Over TLS');
  const stats = await service.tocsin(['stats', JSON.parse(result.stdout).id, '--json', ca], { env });
  assert.equal(stats.code, 0, stats.stderr);
});

test('TLS 1.2 and 1.3 are spoken, nothing older', async () => {
  for (const [, port, talk] of talks()) {
    const { ca } = authority;
    assert.equal((await handshake(port, { ca }, talk)).protocol, 'TLSv1.3');
    assert.equal((await handshake(port, { ca, maxVersion: 'TLSv1.2' }, talk)).protocol, 'TLSv1.2');
    const old = { ca, minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' };
    await assert.rejects(handshake(port, old, talk), /protocol|alert|ECONNRESET|closed|disconnected before secure/i);
  }
});

test('a ticket of one worker is taken by the others, and by one that was started later', async () => {
  const resumes = async (session, maxVersion) => {
    for (const [name, port, talk] of talks()) {
      const first = session[name];
      const again = await handshake(port, { ca: authority.ca, maxVersion, session: first }, talk);
      assert.ok(again.reused, `${name} ${maxVersion}`);
    }
  };
  for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
    const session = {};
    for (const [name, port, talk] of talks()) {
      const first = await handshake(port, { ca: authority.ca, maxVersion }, talk);
      assert.equal(first.reused, false);
      session[name] = first.session;
      assert.ok(first.session, `${name} ${maxVersion}: no ticket`);
    }
    // The kernel spreads connections over both workers: that all of these came to one has a
    // chance of one in a million.
    for (let i = 0; i < 20; i++) await resumes(session, maxVersion);
    for (const role of ['gateway', 'newsroom']) {
      await service.killWorker(role);
      await service.isReady();
    }
    await until('every TLS port to be served', async () => {
      for (const [, port, talk] of talks()) await handshake(port, { ca: authority.ca }, talk);
      return true;
    });
    await resumes(session, maxVersion);
  }
});

test('SIGHUP changes the certificate, also its kind, and no connection notices', async (t) => {
  const tls = service.secure.options;
  const query = { regions: 'mena' };
  const ws = await WsReader.open(service.secure.ws, { query, tls });
  const sse = await SseReader.open(service.secure.http, { query, tls });
  closing(t, ws, sse);
  const names = async () => {
    const seen = new Set();
    for (let i = 0; i < 8; i++) {
      for (const [, port, talk] of talks()) {
        const { name, curve } = await handshake(port, { ca: authority.ca }, talk);
        seen.add(`${name} ${curve ? 'ec' : 'rsa'}`);
      }
    }
    return [...seen];
  };
  const reload = async (result) => {
    const name = `tocsin_tls_reloads_total{result="${result}"}`;
    const was = await counter(service, name);
    process.kill(service.run.pid, 'SIGHUP');
    await until(`three workers to have read the files: ${result}`, async () => (await counter(service, name)) === was + 3);
  };
  const first = { cert: readFileSync(files.cert), key: readFileSync(files.key) };
  assert.deepEqual(await names(), ['first ec']);
  const second = await authority.issue('second', 'rsa');
  replaceFile(files.cert, readFileSync(second.cert));
  replaceFile(files.key, readFileSync(second.key));
  await reload('ok');
  assert.deepEqual(await names(), ['second rsa']);

  for (const [path, bytes, why] of [
    [files.cert, 'no certificate', /holds no certificate/],
    [files.key, first.key, /does not belong/],
  ]) {
    const kept = readFileSync(path);
    const from = service.log.length;
    replaceFile(path, bytes);
    await reload('failed');
    const line = await service.waitLog('tls_files_unusable', { file: path }, from);
    assert.match(line.why, why);
    assert.deepEqual(await names(), ['second rsa']);
    replaceFile(path, kept);
  }

  replaceFile(files.cert, first.cert);
  replaceFile(files.key, first.key);
  await reload('ok');
  assert.deepEqual(await names(), ['first ec']);
  const { id } = await service.publish();
  await ws.alert(id);
  await sse.alert(id);
  assert.equal(ws.messages.filter((m) => m.type === 'welcome').length, 1);
});

test('a reader over TLS that stalls gets every alert once, in order', async (t) => {
  const slow = await startTls(authority, files, { sim: false, config: { 'gateway.send_buffer_bytes': 4096 } });
  t.after(() => slow.stop());
  const tls = authority.ca;
  const ws = await WsReader.open(slow.secure.ws, { query: { regions: 'mena' }, tls: { ca: tls } });
  const sse = await SseReader.open(slow.secure.http, { query: { regions: 'mena' }, tls: { ca: tls } });
  closing(t, ws, sse);
  ws.socket._socket.pause();
  sse.answer.socket.pause();
  sse.answer.pause();
  const sent = [];
  for (let i = 0; i < 150; i++) {
    const text = (edition) => ({ headline: `Alert ${i} ${edition}`, body: randomBytes(3000).toString('base64') });
    const { id } = await slow.publish({ content: { en: text('en'), ar: text('ar'), es: text('es') } });
    sent.push(id);
  }
  ws.socket._socket.resume();
  sse.answer.socket.resume();
  sse.answer.resume();
  for (const reader of [ws, sse]) {
    await reader.alert(sent.at(-1));
    assert.deepEqual(reader.ids, sent);
  }
});

// Sum of one series with its labels.
async function counter(of, series) {
  const page = await http('GET', `${of.newsroom}/metrics`);
  const row = page.text.split('\n').find((line) => line.startsWith(`${series} `));
  return Number(row.slice(series.length));
}

// A socket that says `bytes`; `closed` resolves when the server closes it.
function silent(port, bytes, localAddress = '127.0.0.1') {
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.on('error', () => {});
  socket.resume();
  const opened = new Promise((resolve) => socket.on('connect', resolve));
  if (bytes) socket.write(bytes);
  const closed = within(`port ${port} to close a connection`, new Promise((resolve) => socket.on('close', resolve)));
  return { socket, opened, closed };
}

// One whose hello comes a byte at a time and never ends.
function dripping(port) {
  const one = silent(port, Buffer.from([0x16, 0x03, 0x01, 0x3f, 0x00, 0x01, 0x00, 0x3e, 0xfc, 0x03, 0x03]));
  const timer = setInterval(() => one.socket.write(Buffer.from([7])), 20);
  one.socket.on('close', () => clearInterval(timer));
  return one;
}

test('handshakes that never end are closed and counted; so are those past the limits', async (t) => {
  const strict = await startTls(authority, files, {
    sim: false,
    config: { 'gateway.handshake_timeout_s': 5, 'newsroom.handshake_timeout_s': 5, 'gateway.handshakes_max': 16, 'gateway.per_ip_max': 6 },
  });
  t.after(() => strict.stop());
  const refused = (reason) => counter(strict, `tocsin_connections_refused_total{reason="${reason}"}`);
  const reader = await WsReader.open(strict.secure.ws, { query: { regions: 'mena' }, tls: strict.secure.options });
  closing(t, reader);
  const half = Buffer.from([0x16, 0x03, 0x01, 0x02, 0x00, 0x01, 0x00]);
  const already = await refused('tls');
  const bad = ['', half, 'GET / HTTP/1.1\r\nHost: a\r\n\r\n', randomBytes(64)];
  const total = already + 3 * (bad.length + 1);
  await Promise.all(talks(strict).flatMap(([, port]) => bad.map((bytes) => silent(port, bytes).closed)));
  await Promise.all(talks(strict).map(([, port]) => dripping(port).closed));
  await until('all of them to be counted', async () => (await refused('tls')) === total);
  for (const port of [strict.tlsPorts.wss, strict.tlsPorts.https]) {
    const perIp = await refused('per_ip');
    const held = Array.from({ length: 6 }, () => silent(port, half, '127.0.0.2'));
    await Promise.all(held.map((s) => s.opened));
    await silent(port, half, '127.0.0.2').closed;
    assert.ok((await refused('per_ip')) > perIp);
    for (const s of held) s.socket.destroy();
  }
  const { id } = await strict.publish();
  await reader.alert(id);
});

test('of too many handshakes the oldest goes, and a good client still gets in', async (t) => {
  const strict = await startTls(authority, files, {
    sim: false,
    config: { 'gateway.handshake_timeout_s': 120, 'gateway.handshakes_max': 16 },
  });
  t.after(() => strict.stop());
  for (const [, port, talk] of talks(strict).slice(0, 2)) {
    const held = [];
    for (let i = 0; i < 17; i++) {
      held.push(silent(port, ''));
      await held[i].opened;
    }
    await held[0].closed;
    assert.equal((await handshake(port, { ca: authority.ca }, talk)).protocol, 'TLSv1.3');
    for (const s of held) s.socket.destroy();
  }
  assert.ok((await counter(strict, 'tocsin_connections_refused_total{reason="pending"}')) >= 4);
});

test('half a TLS configuration is refused, with the key and the file that is wrong', async () => {
  const other = await authority.issue('other');
  const empty = join(authority.dir, 'empty.pem');
  writeFileSync(empty, '');
  const locked = join(authority.dir, 'locked.key');
  await authority.openssl(['pkey', '-in', files.key, '-aes256', '-passout', 'pass:secret', '-out', locked]);
  const faults = [
    [{ 'gateway.tls_listen': '127.0.0.1:1' }, /^gateway\.tls_cert_file: empty, but .*tls_listen/m],
    [{ 'gateway.tls_cert_file': files.cert }, /^gateway\.tls_key_file: empty, but gateway\.tls_cert_file is set/m],
    [{ 'newsroom.tls_key_file': files.key }, /^newsroom\.tls_cert_file: empty, but newsroom\.tls_key_file is set/m],
    [{ 'gateway.tls_cert_file': '/nowhere.pem', 'gateway.tls_key_file': files.key }, /^gateway\.tls_cert_file: \/nowhere\.pem cannot be read/m],
    [{ 'gateway.tls_cert_file': files.cert, 'gateway.tls_key_file': other.key }, /^gateway\.tls_key_file: .*other\.key does not belong to the certificate/m],
    [{ 'newsroom.tls_cert_file': empty, 'newsroom.tls_key_file': files.key }, /^newsroom\.tls_cert_file: .*empty\.pem holds no certificate/m],
    [{ 'newsroom.tls_cert_file': files.cert, 'newsroom.tls_key_file': locked }, /^newsroom\.tls_key_file: .*locked\.key holds no private key/m],
    [{ 'gateway.tls_listen': 'here', 'gateway.tls_cert_file': files.cert, 'gateway.tls_key_file': files.key }, /^gateway\.tls_listen: "here" is no address/m],
    [{ 'tls.ticket_key_file': empty }, /^tls\.ticket_key_file: .*empty\.pem must have 32/m],
    [{ 'newsroom.listen': '' }, /^newsroom\.listen: empty/m],
    [{ 'gateway.listen': '' }, /^gateway\.listen: empty/m],
  ];
  for (const [config, wanted] of faults) {
    const flags = Object.entries(config).map(([key, value]) => `--${key}=${value}`);
    const result = await run(TOCSIN, ['check-config', ...flags], { label: 'config', cwd: authority.dir });
    assert.equal(result.code, 2, JSON.stringify(config));
    assert.match(result.stderr, wanted);
    assert.equal(result.stderr.trim().split('\n').length, 1, result.stderr);
  }
});

test('with TLS addresses alone nothing is spoken in the clear, and a ticket file outlives a restart', async (t) => {
  const secret = join(authority.dir, 'tickets');
  writeFileSync(secret, randomBytes(48));
  const only = await startTls(authority, files, {
    sim: false,
    wait: false,
    config: { 'gateway.listen': '', 'newsroom.listen': '', 'tls.ticket_key_file': secret },
  });
  t.after(() => only.stop());
  const session = {};
  await only.waitLog('ready');
  for (const [name, port, talk] of talks(only)) {
    session[name] = (await handshake(port, { ca: authority.ca }, talk)).session;
  }
  await stop(only.run);
  await only.serve();
  await only.waitLog('ready');
  for (const [name, port, talk] of talks(only)) {
    assert.ok((await handshake(port, { ca: authority.ca, session: session[name] }, talk)).reused, name);
  }
});
