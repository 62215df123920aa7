// Readers that never read, handshakes that never end and garbage, beside good readers.
import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { once } from 'node:events';
import { WsReader } from './readers.mjs';
import { residentKiB } from './processes.mjs';
import { account } from './cluster.mjs';
import { until } from './wait.mjs';

const MIB = 1 << 20;
// The formula of the README, "Memory of a gateway": what the settings allow beside an empty gateway.
const READER_BYTES = 2048;
const HANDSHAKE_BYTES = 8192;
export const boundBytes = (emptyBytes, { ringBytes, readers, frameBytes, handshakes }) =>
  emptyBytes + ringBytes + readers * (READER_BYTES + frameBytes) + handshakes * HANDSHAKE_BYTES + 8 * MIB;

const RING_BYTES = MIB;
const FRAME_BYTES = 8192; // of the alerts sent here, with headers
const BODY = 'x'.repeat(2000);
export const abuseConfig = (count) => ({
  'gateway.per_ip_max': 0,
  'gateway.accept_rate': 0,
  'gateway.ring_bytes': RING_BYTES,
  'gateway.ring_entries': 64,
  'gateway.handshakes_max': Math.max(16, Math.min(4096, count)),
  // Good readers may be slow to be let in when all come at once, not to be taken for silent.
  'gateway.handshake_timeout_s': 60,
});

const upgrade = (port) =>
  `GET /v1/stream?regions=mena HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n` +
  `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`;

async function socketThat(port, text) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect').catch(() => {});
  socket.write(text);
  return socket;
}

async function many(count, open) {
  const all = [];
  for (let i = 0; i < count; i += 50) {
    all.push(...(await Promise.all(Array.from({ length: Math.min(50, count - i) }, open))));
  }
  return all;
}

// Upgraded, and then paused for ever.
async function stuck(port) {
  const socket = await socketThat(port, upgrade(port));
  await once(socket, 'data');
  socket.pause();
  return socket;
}

// Connects, sends garbage as frames, and again when it is thrown out, until stopped.
function garbage(port, counter) {
  const state = { stopped: false };
  const again = async () => {
    while (!state.stopped) {
      const socket = await socketThat(port, upgrade(port));
      socket.resume();
      socket.write(randomBytes(2048));
      counter.garbage++;
      await Promise.race([once(socket, 'close'), state.stop]);
      socket.destroy();
    }
  };
  state.stop = new Promise((resolve) => (state.end = resolve));
  state.running = again();
  return state;
}

// Keeps what is accounted, as thousands of them have no room for the rest.
class GoodReader extends WsReader {
  take(text) {
    const { type, id, revision, reason, recovered, replay } = JSON.parse(text);
    this.inbox.push({ type, id, revision, reason, recovered, replay });
  }
}

// `count` good, stuck and half-open each; `floods` that send garbage. Answers the account.
export async function abuse(service, { count, floods, alerts }) {
  const port = service.gatewayPort;
  const [worker] = await service.workers('gateway');
  const emptyBytes = residentKiB(worker.pid) * 1024;
  const counter = { garbage: 0 };
  const sockets = [];
  let good = [];
  let peakBytes = 0;
  const flood = [];
  try {
    good = await many(count, () => GoodReader.open(service.gateway, { query: { regions: 'mena' } }));
    sockets.push(...(await many(count, () => stuck(port))));
    sockets.push(...(await many(count, () => socketThat(port, 'GET /v1/stream?regions=mena HTTP/1.1\r\nHost: x\r\n'))));
    for (let i = 0; i < floods; i++) flood.push(garbage(port, counter));
    const accepted = [];
    for (let i = 0; i < alerts; i++) {
      accepted.push(await service.publish({
        audience: { regions: ['mena'], platforms: ['stream'] },
        content: Object.fromEntries(['en', 'ar', 'es'].map((edition) => [edition, { headline: `Number ${i}`, body: BODY }])),
      }));
      peakBytes = Math.max(peakBytes, residentKiB(worker.pid) * 1024);
      const last = accepted.at(-1);
      await until('all good readers to have it', () => good.every((r) => r.messages.at(-1).id === last.id || r.ids.at(-1) === last.id));
    }
    const result = { missed: 0, dup: 0, reordered: 0, unknown: 0 };
    for (const reader of good) {
      for (const [what, list] of Object.entries(account(reader.messages, accepted))) result[what] += list.length;
    }
    const bound = boundBytes(emptyBytes, {
      ringBytes: RING_BYTES, readers: 2 * count + floods, frameBytes: FRAME_BYTES,
      handshakes: service.settings['gateway.handshakes_max'],
    });
    return { ...result, garbage: counter.garbage, emptyBytes, peakBytes, boundBytes: bound, pid: worker.pid };
  } finally {
    for (const state of flood) {
      state.stopped = true;
      state.end();
    }
    await Promise.all(flood.map((state) => state.running));
    for (const socket of sockets) socket.destroy();
    await Promise.all(good.map((reader) => reader.close()));
  }
}
