// A sender for tests of the simulator: signs tokens, posts over node's http2, and speaks raw
// HTTP/2 frames where node's client is too polite (too many streams, padding, GOAWAY).
import { createPrivateKey, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect as connectH2 } from 'node:http2';
import { join } from 'node:path';
import { connect as connectTls } from 'node:tls';

const encode = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
export const nowS = () => Math.floor(Date.now() / 1000);

// A compact JWS; `der` leaves an ECDSA signature in its ASN.1 form.
export function jws(header, claims, key, { der = false } = {}) {
  const text = `${encode(header)}.${encode(claims)}`;
  const dsaEncoding = der ? 'der' : 'ieee-p1363';
  return `${text}.${sign('sha256', text, { key, dsaEncoding }).toString('base64url')}`;
}

export class Credentials {
  constructor(dir) {
    this.ca = readFileSync(join(dir, 'ca.pem'));
    this.apnsKey = createPrivateKey(readFileSync(join(dir, 'apns_key.p8')));
    this.account = JSON.parse(readFileSync(join(dir, 'fcm_service_account.json'), 'utf8'));
    this.accountKey = createPrivateKey(this.account.private_key);
  }

  apnsToken({ header = {}, claims = {}, key = this.apnsKey, der = false } = {}) {
    return jws({ alg: 'ES256', kid: 'ABC123DEFG', ...header },
      { iss: 'TEAM123456', iat: nowS(), ...claims }, key, { der });
  }

  assertion({ header = {}, claims = {}, key = this.accountKey } = {}) {
    return jws({ alg: 'RS256', typ: 'JWT', ...header }, {
      iss: this.account.client_email,
      scope: 'https://www.googleapis.com/auth/firebase.messaging',
      aud: this.account.token_uri,
      iat: nowS(),
      exp: nowS() + 3600,
      ...claims,
    }, key);
  }
}

// One HTTP/2 connection. `goaways` and `settings` list what the server sent on its own.
export class Session {
  constructor(url, options = {}) {
    this.h2 = connectH2(url, options);
    this.goaways = [];
    this.settings = [];
    this.closed = new Promise((resolve) => this.h2.once('close', resolve));
    this.error = null;
    this.h2.on('error', (error) => (this.error = error));
    this.h2.on('goaway', (code, last, data) =>
      this.goaways.push({ code, last, text: data ? Buffer.from(data).toString() : '' }));
    this.h2.on('remoteSettings', (settings) => this.settings.push(settings));
    this.ready = new Promise((resolve, reject) => {
      this.h2.once('remoteSettings', resolve);
      this.h2.once('error', reject);
      this.h2.once('close', () => reject(new Error('closed before SETTINGS')));
    });
    this.ready.catch(() => {});
  }

  get streams() {
    return this.settings.at(-1)?.maxConcurrentStreams;
  }

  // Resolves to {status, headers, body, json}; {rst} or {lost} when there was no whole answer.
  request(headers, body) {
    return new Promise((resolve) => {
      let stream;
      try {
        stream = this.h2.request({ ':method': 'POST', ...headers }, { endStream: body === undefined });
      } catch (error) {
        resolve({ lost: error.code });
        return;
      }
      const answer = { status: undefined, headers: {}, chunks: [], endedByHeaders: false };
      stream.on('response', (h, flags) => {
        answer.status = h[':status'];
        answer.headers = h;
        answer.endedByHeaders = (flags & 1) === 1;
      });
      stream.on('data', (part) => answer.chunks.push(part));
      stream.on('error', (error) => (answer.error = error));
      stream.on('close', () => {
        answer.body = Buffer.concat(answer.chunks).toString();
        try {
          answer.json = JSON.parse(answer.body);
        } catch {
          answer.json = undefined;
        }
        answer.rst = stream.rstCode;
        if (answer.status === undefined && !answer.rst) answer.lost = answer.error?.code ?? 'closed';
        resolve(answer);
      });
      if (body !== undefined) stream.end(body);
    });
  }

  ping() {
    return new Promise((resolve, reject) => this.h2.ping((error) => (error ? reject(error) : resolve(true))));
  }

  close() {
    this.h2.destroy();
  }
}

export class ApnsSession extends Session {
  constructor(url, credentials, options = {}) {
    super(url, { ca: credentials.ca, ...options });
    this.token = credentials.apnsToken();
  }

  // `change` overrides headers; undefined removes one.
  push(device = 'aabbcc', change = {}, payload = { aps: { alert: 'hi' }, alert_id: 'a-1' }) {
    const headers = {
      ':path': `/3/device/${device}`,
      authorization: `bearer ${this.token}`,
      'apns-topic': 'com.example.tocsin',
      'apns-push-type': 'alert',
      ...change,
    };
    for (const name of Object.keys(headers)) if (headers[name] === undefined) delete headers[name];
    return this.request(headers, typeof payload === 'string' || Buffer.isBuffer(payload) ? payload : JSON.stringify(payload));
  }
}

export class FcmSession extends Session {
  constructor(url, credentials, bearer, options = {}) {
    super(url, { ca: credentials.ca, ...options });
    this.bearer = bearer;
  }

  send(message, { change = {}, extra = {}, body } = {}) {
    const headers = {
      ':path': '/v1/projects/tocsin-sim/messages:send',
      authorization: `Bearer ${this.bearer}`,
      'content-type': 'application/json',
      ...change,
    };
    for (const name of Object.keys(headers)) if (headers[name] === undefined) delete headers[name];
    return this.request(headers, body ?? JSON.stringify({ message, ...extra }));
  }
}

export async function grant(url, credentials, { assertion = credentials.assertion(), form, path = '/token' } = {}) {
  const session = new Session(url, { ca: credentials.ca });
  const type = 'urn:ietf:params:oauth:grant-type:jwt-bearer';
  const answer = await session.request(
    { ':path': path, 'content-type': 'application/x-www-form-urlencoded' },
    form ?? new URLSearchParams({ grant_type: type, assertion }).toString(),
  );
  session.close();
  return answer;
}

const FRAME = { DATA: 0, HEADERS: 1, RST_STREAM: 3, SETTINGS: 4, PING: 6, GOAWAY: 7, WINDOW_UPDATE: 8 };
export { FRAME };

// Literal header fields without indexing or Huffman (RFC 7541 section 6.2.2).
function block(headers) {
  const text = (s) => Buffer.concat([length(Buffer.byteLength(s)), Buffer.from(s)]);
  const length = (n) => {
    if (n < 127) return Buffer.from([n]);
    const rest = [];
    for (n -= 127; n >= 128; n >>= 7) rest.push((n & 127) | 128);
    return Buffer.from([127, ...rest, n]);
  };
  return Buffer.concat(Object.entries(headers).flatMap(([k, v]) => [Buffer.from([0]), text(k), text(v)]));
}

// Frames by hand: obeys nothing.
export class RawH2 {
  constructor(url, ca) {
    const { hostname, port } = new URL(url);
    this.frames = [];
    this.rest = Buffer.alloc(0);
    this.socket = connectTls({ host: hostname, port, ca, ALPNProtocols: ['h2'], servername: 'localhost' });
    this.opened = new Promise((resolve, reject) => {
      this.socket.once('secureConnect', resolve);
      this.socket.once('error', reject);
    });
    this.socket.on('error', () => {});
    this.socket.on('data', (bytes) => this.take(bytes));
  }

  async open() {
    await this.opened;
    this.socket.write('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n');
    this.write(FRAME.SETTINGS, 0, 0);
  }

  take(bytes) {
    this.rest = Buffer.concat([this.rest, bytes]);
    while (this.rest.length >= 9 && this.rest.length >= 9 + this.rest.readUIntBE(0, 3)) {
      const size = this.rest.readUIntBE(0, 3);
      this.frames.push({
        type: this.rest[3],
        flags: this.rest[4],
        stream: this.rest.readUInt32BE(5),
        payload: this.rest.subarray(9, 9 + size),
      });
      this.rest = this.rest.subarray(9 + size);
    }
  }

  of(type, stream) {
    return this.frames.filter((f) => f.type === type && (stream === undefined || f.stream === stream));
  }

  write(type, flags, stream, payload = Buffer.alloc(0)) {
    const head = Buffer.alloc(9);
    head.writeUIntBE(payload.length, 0, 3);
    head[3] = type;
    head[4] = flags;
    head.writeUInt32BE(stream, 5);
    this.socket.write(Buffer.concat([head, payload]));
  }

  acknowledge() {
    this.write(FRAME.SETTINGS, 1, 0);
  }

  // Flags: 4 = END_HEADERS, 5 = END_STREAM too.
  headers(stream, fields, flags = 4) {
    this.write(FRAME.HEADERS, flags, stream,
      block({ ':method': 'POST', ':scheme': 'https', ':authority': 'localhost', ...fields }));
  }

  // A whole request that any listener answers somehow.
  get(stream) {
    this.headers(stream, { ':method': 'GET', ':path': '/' }, 5);
  }

  // Value of a setting in the newest SETTINGS frame that has it.
  setting(id) {
    let value;
    for (const frame of this.of(FRAME.SETTINGS)) {
      for (let at = 0; at + 6 <= frame.payload.length; at += 6) {
        if (frame.payload.readUInt16BE(at) === id) value = frame.payload.readUInt32BE(at + 2);
      }
    }
    return value;
  }

  close() {
    this.socket.destroy();
  }
}
