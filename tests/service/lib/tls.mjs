// A private authority, certificates of it, and a service with TLS ports.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { freePort, run } from './processes.mjs';
import { Service } from './service.mjs';
import { within } from './wait.mjs';

const KINDS = {
  ec: ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1'],
  rsa: ['-newkey', 'rsa:2048'],
};

export class Authority {
  static async create() {
    const authority = new Authority();
    authority.dir = mkdtempSync(join(tmpdir(), 'tocsin-tls-'));
    authority.caFile = join(authority.dir, 'ca.pem');
    await authority.openssl([
      'req', '-x509', '-nodes', ...KINDS.ec, '-subj', '/CN=Tocsin test authority', '-days', '30',
      '-keyout', join(authority.dir, 'ca.key'), '-out', authority.caFile,
    ]);
    authority.ca = readFileSync(authority.caFile);
    return authority;
  }

  async openssl(args) {
    const result = await run('openssl', args, { label: 'openssl' });
    assert.equal(result.code, 0, result.stderr);
  }

  // A certificate for 127.0.0.1 whose common name is `name`.
  async issue(name, kind = 'ec') {
    const files = { cert: join(this.dir, `${name}.pem`), key: join(this.dir, `${name}.key`) };
    await this.openssl([
      'req', '-x509', '-nodes', ...KINDS[kind], '-subj', `/CN=${name}`, '-days', '30',
      '-CA', this.caFile, '-CAkey', join(this.dir, 'ca.key'),
      '-addext', 'subjectAltName=IP:127.0.0.1,DNS:localhost',
      '-addext', 'basicConstraints=critical,CA:FALSE',
      '-keyout', files.key, '-out', files.cert,
    ]);
    return files;
  }

  remove() {
    rmSync(this.dir, { recursive: true, force: true });
  }
}

// Replaces a file at once, as tools that renew certificates do.
export function replaceFile(path, bytes) {
  writeFileSync(`${path}.new`, bytes);
  renameSync(`${path}.new`, path);
}

// A service with all its TLS ports, whose certificate lies in `files`.
export async function startTls(authority, files, options = {}) {
  const ports = [await freePort(), await freePort(), await freePort()];
  const service = await Service.start({
    ...options,
    config: {
      'gateway.tls_listen': `127.0.0.1:${ports[0]}`,
      'gateway.tls_http_listen': `127.0.0.1:${ports[1]}`,
      'gateway.tls_cert_file': files.cert,
      'gateway.tls_key_file': files.key,
      'newsroom.tls_listen': `127.0.0.1:${ports[2]}`,
      'newsroom.tls_cert_file': files.cert,
      'newsroom.tls_key_file': files.key,
      ...options.config,
    },
  });
  const [wss, https, newsroom] = ports;
  service.tlsPorts = { wss, https, newsroom };
  service.secure = {
    ws: `https://127.0.0.1:${wss}`,
    http: `https://127.0.0.1:${https}`,
    newsroom: `https://127.0.0.1:${newsroom}`,
    options: { ca: authority.ca },
  };
  return service;
}

// One handshake: what came out of it; with `talk`, after an answer to that text was read (by then
// tickets of TLS 1.3 are there).
export function handshake(port, options, talk) {
  return within(
    `a TLS handshake with port ${port}`,
    new Promise((resolve, reject) => {
      const socket = tlsConnect({ port, host: '127.0.0.1', ...options });
      let session;
      const done = () => {
        const peer = socket.getPeerCertificate();
        const result = {
          protocol: socket.getProtocol(),
          name: peer.subject?.CN,
          curve: peer.asn1Curve,
          bits: peer.bits,
          reused: socket.isSessionReused(),
          session,
        };
        socket.destroy();
        resolve(result);
      };
      socket.on('session', (ticket) => (session = ticket));
      socket.on('secureConnect', () => (talk ? socket.write(talk) : done()));
      socket.on('data', done);
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed')));
    }),
  );
}
