// gateway.allowed_origins: whose pages may connect. Apps name no origin and always may.
import { http } from './lib/http.mjs';
import { assert, closing, sharedService, test } from './lib/suite.mjs';
import { SseReader, WsReader } from './lib/readers.mjs';
import { within } from './lib/wait.mjs';

const OURS = 'https://www.news.example';
const THEIRS = 'https://evil.example';
const service = sharedService({
  sim: false,
  config: { 'gateway.allowed_origins': `${OURS}, http://localhost:3000` },
});

// The status of a refused upgrade.
const refusal = (reader) =>
  within('the refusal', reader.opened.then(() => 'open', (error) => /(\d{3})/.exec(error.message)?.[1] ?? error.message));

test('WebSocket: a page of another origin gets 403, ours and apps get in', async (t) => {
  for (const origin of [OURS, 'http://localhost:3000', undefined]) {
    const headers = origin ? { origin } : {};
    const reader = closing(t, await WsReader.open(service().gateway, { query: { regions: 'mena' }, headers }));
    const posted = await service().publish();
    await reader.alert(posted.id);
  }
  for (const origin of [THEIRS, `${OURS}.evil.example`, 'http://www.news.example', `${OURS}:8443`, 'null', `https://${'a'.repeat(400)}`]) {
    const reader = new WsReader(service().gateway, { query: { regions: 'mena' }, headers: { origin } });
    assert.equal(await refusal(reader), '403', origin);
  }
  assert.match((await service().get('/metrics')).text, /tocsin_origins_refused_total\{over="websocket"\} 6/);
});

test('HTTP: the answer names the origin that may read it; others get 403 and no stream', async (t) => {
  const sse = closing(t, await SseReader.open(service().gateway, { query: { regions: 'mena' }, headers: { origin: OURS } }));
  assert.equal(sse.answer.headers['access-control-allow-origin'], OURS);
  assert.equal(sse.answer.headers.vary, 'Origin');
  for (const path of ['/v1/alerts?regions=mena', '/v1/events', '/v1/taxonomy', '/v1/devices/x']) {
    const refused = await http('GET', service().gateway + path, { headers: { origin: THEIRS } });
    assert.equal(refused.status, 403, path);
    assert.equal(refused.headers['access-control-allow-origin'], undefined);
  }
  const app = await http('GET', `${service().gateway}/v1/alerts?regions=mena`);
  assert.equal(app.status, 200);
  assert.equal(app.headers['access-control-allow-origin'], undefined);
  assert.equal(app.headers.vary, 'Origin', 'a cache must not hand this to a page');
  assert.match((await service().get('/metrics')).text, /tocsin_origins_refused_total\{over="http"\} 4/);
});

test('preflight: ours is told what it may send, others are refused', async () => {
  const ask = (path, origin, method, headers) =>
    http('OPTIONS', service().gateway + path, {
      headers: { origin, 'access-control-request-method': method, 'access-control-request-headers': headers },
    });
  const ticker = await ask('/v1/alerts', OURS, 'GET', 'authorization');
  assert.equal(ticker.status, 204);
  assert.equal(ticker.headers['access-control-allow-origin'], OURS);
  assert.equal(ticker.headers['access-control-allow-headers'], 'authorization');
  assert.match(ticker.headers['access-control-allow-methods'], /GET/);
  const device = await ask('/v1/devices/abc', OURS, 'PUT', 'authorization,content-type');
  assert.equal(device.status, 204);
  assert.match(device.headers['access-control-allow-methods'], /PUT/);
  assert.equal(device.headers['access-control-allow-headers'], 'authorization,content-type');
  const refused = await ask('/v1/alerts', THEIRS, 'GET', 'authorization');
  assert.equal(refused.status, 403);
  assert.equal(refused.headers['access-control-allow-methods'], undefined);
});

test('an origin that no browser could send is a fault of the configuration', async () => {
  for (const text of ['www.news.example', 'https://news.example/', '*']) {
    const result = await service().tocsin(['check-config', `--gateway.allowed_origins=${OURS},${text}`]);
    assert.equal(result.code, 2);
    assert.ok((result.stdout + result.stderr).includes(`gateway.allowed_origins: "${text}"`));
  }
});
