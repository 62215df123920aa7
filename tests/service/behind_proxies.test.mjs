// The shipped samples in the real nginx and HAProxy, over TLS, in front of the
// real service: every transport works, and each client is known by its address.
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before } from 'node:test';
import { http, raw } from './lib/http.mjs';
import { SOURCE, freePort, start, stop } from './lib/processes.mjs';
import { PollReader, ResumingReader, SseReader, WsReader } from './lib/readers.mjs';
import { Service } from './lib/service.mjs';
import { assert, closing, test } from './lib/suite.mjs';
import { Authority } from './lib/tls.mjs';
import { TEST_TIMEOUT, until } from './lib/wait.mjs';

const query = { regions: 'mena' };
const PER_IP_MAX = 4;
let authority;
let files;
before(async () => {
  authority = await Authority.create();
  files = await authority.issue('proxy');
}, TEST_TIMEOUT);
after(() => authority?.remove());

function find(name) {
  const path = [`/usr/sbin/${name}`, `/usr/bin/${name}`].find(existsSync);
  assert.ok(path, `${name} is missing: config/packages.sh install test`);
  return path;
}

// The sample with this test's ports and certificate in place of its own; each
// must really stand there.
function sample(name, replacements) {
  let text = readFileSync(join(SOURCE, 'config', name), 'utf8');
  for (const [from, to] of replacements) {
    assert.ok(text.includes(from), `${name} no longer says ${from}`);
    text = text.replaceAll(from, to);
  }
  return text;
}

const proxies = {
  nginx: {
    config: {},
    start(dir, port, upstream) {
      writeFileSync(join(dir, 'tocsin.conf'), sample('nginx.conf.sample', [
        ['listen 443 ssl', `listen 127.0.0.1:${port} ssl`],
        ['server 127.0.0.1:8080', `server 127.0.0.1:${upstream}`],
        ['/etc/ssl/tocsin/fullchain.pem', files.cert],
        ['/etc/ssl/tocsin/privkey.pem', files.key],
      ]));
      const temp = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
        .map((kind) => `  ${kind}_temp_path ${dir}/${kind};\n`).join('');
      const main = join(dir, 'nginx.conf');
      writeFileSync(main, `daemon off;\nworker_processes 1;\npid ${dir}/nginx.pid;\nerror_log stderr warn;\n` +
        `events { worker_connections 1000; }\nhttp {\n${temp}  access_log off;\n  include ${dir}/tocsin.conf;\n}\n`);
      const args = ['-p', dir, '-c', main, '-e', 'stderr'];
      execFileSync(find('nginx'), ['-t', ...args], { stdio: 'pipe' });
      return start(find('nginx'), args, { label: 'nginx' });
    },
  },
  haproxy: {
    config: { 'gateway.proxy_protocol': 'true' },
    start(dir, port, upstream) {
      const pem = join(dir, 'tocsin.pem');
      writeFileSync(pem, readFileSync(files.cert, 'utf8') + readFileSync(files.key, 'utf8'), { mode: 0o600 });
      const main = join(dir, 'haproxy.cfg');
      writeFileSync(main, sample('haproxy.cfg.sample', [
        ['maxconn 100000', 'maxconn 1000'],
        ['bind :443 ssl', `bind 127.0.0.1:${port} ssl`],
        ['/etc/haproxy/tocsin.pem', pem],
        ['127.0.0.1:8080 send', `127.0.0.1:${upstream} send`],
      ]));
      execFileSync(find('haproxy'), ['-c', '-f', main], { stdio: 'pipe' });
      return start(find('haproxy'), ['-db', '-f', main], { label: 'haproxy' });
    },
  },
};

// One service and one proxy of the kind, for the whole file.
function running(kind) {
  const own = {};
  before(async () => {
    const config = {
      'gateway.workers': 1, 'gateway.trusted_proxies': '127.0.0.1', 'gateway.per_ip_max': PER_IP_MAX,
      'gateway.drain_s': 1, ...proxies[kind].config,
    };
    // The service's own address is asked by the newsroom's readiness only: without a PROXY header
    // it does not answer.
    own.service = await Service.start({ sim: false, wait: false, config });
    await own.service.waitLog('ready');
    own.service.key = await own.service.createKey();
    own.dir = mkdtempSync(join(tmpdir(), 'tocsin-proxy-'));
    const port = await freePort();
    own.port = port;
    own.run = proxies[kind].start(own.dir, port, own.service.gatewayPort);
    own.base = `https://127.0.0.1:${port}`;
    await until(`${kind} to pass requests on`, async () =>
      (await http('GET', `${own.base}/v1/taxonomy`, from(9))).status === 200);
  }, TEST_TIMEOUT);
  after(async () => {
    if (own.run) await stop(own.run);
    await own.service?.stop();
    if (own.dir) rmSync(own.dir, { recursive: true, force: true });
  }, TEST_TIMEOUT);
  return own;
}

// As another client: every 127.x.x.x is ours to call from.
const from = (i) => ({ tls: { ca: authority.ca, localAddress: `127.0.1.${i}` } });

for (const kind of Object.keys(proxies)) {
  const own = running(kind);

  test(`${kind}: WebSocket, events, long-poll, ticker and a device over TLS`, async (t) => {
    const { base, service } = own;
    const ws = await WsReader.open(base, { query, ...from(1) });
    const sse = await SseReader.open(base, { query, ...from(2) });
    const poll = await PollReader.open(base, { query, position: ws.position, ...from(3) });
    closing(t, ws, sse, poll);
    poll.follow();
    // Each must have come before the next is posted: nothing is held back in a buffer.
    for (let i = 0; i < 3; i++) {
      const { id } = await service.publish();
      for (const reader of [ws, sse, poll]) await reader.alert(id);
    }
    assert.deepEqual(sse.ids, ws.ids);
    assert.match(sse.answer.headers['content-type'], /^text\/event-stream/);
    const ticker = await http('GET', `${base}/v1/alerts?regions=mena&limit=2`, from(4));
    assert.deepEqual(ticker.json.alerts.map((a) => a.id), ws.ids.slice(1).reverse());
    const device = await http('PUT', `${base}/v1/devices/behind-${kind}-0001`, {
      ...from(4),
      headers: { 'content-type': 'application/json' },
      body: { platform: 'fcm', token: `fcm-${kind}:${'A'.repeat(40)}`, edition: 'en', regions: ['mena'] },
    });
    assert.equal(device.status, 201, device.text);
    assert.equal((await http('GET', `${base}/metrics`, from(4))).status, 404);
  });

  test(`${kind}: each client is limited by its own address, whatever it claims`, async (t) => {
    const { base, service } = own;
    const refused = await service.metric('tocsin_connections_refused_total{reason="per_ip"}');
    for (let i = 0; i < PER_IP_MAX; i++) closing(t, await WsReader.open(base, { query, ...from(5) }));
    const headers = { 'x-forwarded-for': '203.0.113.99' };
    const answer = await http('GET', `${base}/v1/taxonomy`, { headers, ...from(5) });
    assert.equal(answer.status, 429, answer.text);
    await assert.rejects(WsReader.open(base, { query, headers, ...from(5) }), /429/);
    assert.equal(await service.metric('tocsin_connections_refused_total{reason="per_ip"}'), refused + 2);
    // Another one is not touched by it, and places that become free are given again.
    closing(t, await SseReader.open(base, { query, ...from(6) }));
  });

  test(`${kind}: readers follow through a rolling restart behind it`, async (t) => {
    const { base, service } = own;
    const readers = {
      ws: await ResumingReader.ws(base, query, from(7)).ready(),
      sse: await ResumingReader.sse(base, query, from(8)).ready(),
    };
    closing(t, ...Object.values(readers));
    const ids = [(await service.publish()).id];
    const line = service.log.length;
    process.kill(service.run.pid, 'SIGUSR2');
    let rolling = true;
    const done = service.waitLog('rolling_restart_done', {}, line).finally(() => (rolling = false));
    while (rolling) ids.push((await service.publish()).id);
    await done;
    ids.push((await service.publish()).id);
    for (const [name, reader] of Object.entries(readers)) {
      await reader.alert(ids.at(-1));
      assert.deepEqual(reader.ids, ids, name);
      assert.ok(reader.connections > 1, name);
    }
  });
}

test('a PROXY header is taken from a trusted proxy alone, and must come from it', async () => {
  const own = await Service.start({
    sim: false, wait: false,
    config: { 'gateway.trusted_proxies': '127.0.0.1/32', 'gateway.proxy_protocol': 'on' },
  });
  try {
    await own.waitLog('ready');
    const request = 'GET /healthz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n';
    const header = 'PROXY TCP4 203.0.113.7 127.0.0.1 51000 443\r\n';
    assert.match((await raw(own.gatewayPort, header + request)).text, /^HTTP\/1.1 200 /);
    const metric = 'tocsin_connections_refused_total{reason="proxy_header"}';
    for (const text of [request, 'PROXY TCP4 nonsense\r\n', `PROXY TCP4 ${'1'.repeat(200)}`]) {
      assert.equal((await raw(own.gatewayPort, text)).text, '');
    }
    assert.equal(await own.metric(metric), 3);
    const line = await raw(own.gatewayPort, header + request, { localAddress: '127.0.0.2' });
    assert.equal(line.text, '', 'a stranger is not believed');
    assert.equal(await own.metric(metric), 4);
    assert.match((await raw(own.gatewayPort, request, { localAddress: '127.0.0.2' })).text, /^HTTP\/1.1 200 /);
  } finally {
    await own.stop();
  }
});

test('faults of trusted_proxies are named', async () => {
  const own = new Service();
  own.options = {};
  for (const [value, part] of [['10.0.0.1/8', '10.0.0.1/8'], ['proxy.example', 'proxy.example'], ['::1,', '""']]) {
    const result = await own.tocsin(['check-config', `--gateway.trusted_proxies=${value}`]);
    assert.equal(result.code, 2);
    assert.ok(result.stderr.includes('gateway.trusted_proxies') && result.stderr.includes(part), result.stderr);
  }
  const alone = await own.tocsin(['check-config', '--gateway.proxy_protocol=on']);
  assert.equal(alone.code, 2);
  assert.match(alone.stderr, /gateway\.proxy_protocol/);
});
