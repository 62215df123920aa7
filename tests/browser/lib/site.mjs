// What stands between a reader's browser and the gateway: a site of another origin that embeds the
// client, and a proxy that spoils connections the way networks do.
import { createServer, request } from 'node:http';
import { connect } from 'node:net';
import { freePort } from '../../service/lib/processes.mjs';

async function listening(t, server) {
  const port = await freePort();
  await new Promise((resolve) => server.listen(port, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  return port;
}

/** A site whose every page is this text. Answers its origin. */
export async function siteOf(t, body) {
  const server = createServer((rq, answer) => {
    answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    answer.end(`<!doctype html><html lang="en"><title>A site</title>${body}</html>`);
  });
  return `http://localhost:${await listening(t, server)}`;
}

/** A proxy that passes HTTP on, event streams too. `webSockets` false: it knows no upgrades. */
export async function proxyTo(t, gateway, { webSockets = true } = {}) {
  const { hostname, port } = new URL(gateway);
  const proxy = { sockets: new Set(), frozen: false, upgrades: 0 };
  const server = createServer((rq, answer) => {
    const on = request({ hostname, port, path: rq.url, method: rq.method, headers: rq.headers }, (from) => {
      answer.writeHead(from.statusCode, from.headers);
      from.pipe(answer);
      from.on('close', () => answer.destroy());
    });
    on.on('error', () => answer.destroy());
    answer.on('close', () => on.destroy());
    rq.pipe(on);
  });
  server.on('upgrade', (rq, socket, head) => {
    proxy.upgrades++;
    if (!webSockets) {
      socket.end('HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n');
      return;
    }
    const on = connect(Number(port), hostname, () => {
      const lines = rq.rawHeaders.reduce((text, word, i) => text + word + (i % 2 ? '\r\n' : ': '), '');
      on.write(`${rq.method} ${rq.url} HTTP/1.1\r\n${lines}\r\n`);
      on.write(head);
    });
    for (const [a, b] of [[socket, on], [on, socket]]) {
      a.on('data', (bytes) => proxy.frozen || b.write(bytes));
      a.on('close', () => b.destroy());
      a.on('error', () => b.destroy());
    }
    proxy.sockets.add(socket);
    t.after(() => (socket.destroy(), on.destroy()));
  });
  proxy.origin = `http://127.0.0.1:${await listening(t, server)}`;
  return proxy;
}
