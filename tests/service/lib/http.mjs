// One HTTP request on one fresh connection: no pool that hides what a killed
// worker does to clients.
import { request as httpRequest } from 'node:http';
import { request as httpsRequest } from 'node:https';
import { connect } from 'node:net';
import { DEADLINE_MS, within } from './wait.mjs';

// The request function for a URL.
export const requestFor = (url) => (url.startsWith('https:') ? httpsRequest : httpRequest);

// `tls`: options of node:tls for https, e.g. {ca}.
export function http(method, url, { headers = {}, body, signal, tls = {} } = {}) {
  const payload =
    body === undefined || typeof body === 'string' || Buffer.isBuffer(body) ? body : JSON.stringify(body);
  return within(
    `${method} ${url}`,
    new Promise((resolve, reject) => {
      const rq = requestFor(url)(url, { method, headers, agent: false, signal, ...tls }, (answer) => {
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('error', reject);
        answer.on('end', () => {
          const bytes = Buffer.concat(parts);
          const text = bytes.toString('utf8');
          let json;
          try {
            json = JSON.parse(text);
          } catch {
            json = undefined;
          }
          resolve({ status: answer.statusCode, headers: answer.headers, bytes, text, json });
        });
      });
      rq.on('error', reject);
      if (payload !== undefined) rq.setHeader('content-length', Buffer.byteLength(payload));
      rq.end(payload);
    }),
    DEADLINE_MS + 60_000,
  );
}

// Raw bytes in, raw bytes out: collects what the server says until it closes
// the connection or `enough(textSoFar)` holds.
export function raw(port, text, { enough = () => false, keepOpen = false, host = '127.0.0.1', localAddress } = {}) {
  return within(
    `raw exchange: ${String(text).slice(0, 60)}`,
    new Promise((resolve, reject) => {
      const socket = connect({ port, host, localAddress }, () => socket.write(text));
      let seen = '';
      let settled = false;
      const settle = (closed) => {
        if (settled) return;
        settled = true;
        if (!keepOpen) socket.destroy();
        resolve({ text: seen, closed, socket });
      };
      socket.setEncoding('latin1');
      socket.on('data', (chunk) => {
        seen += chunk;
        if (enough(seen)) settle(false);
      });
      socket.on('end', () => settle(true));
      socket.on('close', () => settle(true));
      socket.on('error', (error) => (error.code === 'ECONNRESET' ? settle(true) : reject(error)));
    }),
  );
}

// What every error answer must look like (RFC 9457).
export function assertProblem(assert, answer, status, pointers) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers['content-type'], /^application\/problem\+json/);
  assert.equal(answer.json.status, status);
  assert.equal(typeof answer.json.title, 'string');
  assert.equal(typeof answer.json.detail, 'string');
  if (pointers) {
    const found = answer.json.errors.map((e) => e.pointer).sort();
    assert.deepEqual(found, [...pointers].sort(), answer.text);
    for (const fault of answer.json.errors) {
      assert.match(fault.code, /^[a-z0-9_]+$/);
      assert.ok(fault.detail.length > 0);
    }
  }
}
