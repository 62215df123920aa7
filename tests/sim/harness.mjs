// A simulator of its own for one test file, and short calls to its control plane.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, beforeEach } from 'node:test';
import { http } from '../service/lib/http.mjs';
import { program, start, stop } from '../service/lib/processes.mjs';
import { TEST_TIMEOUT } from '../service/lib/wait.mjs';
import { ApnsSession, Credentials, FcmSession, grant } from './client.mjs';

export class Simulator {
  async start() {
    this.dir = mkdtempSync(join(tmpdir(), 'tocsin-sim-'));
    this.run = start(program('tocsin-sim'), ['--dir', this.dir], { label: 'sim' });
    this.address = JSON.parse(await this.run.out.find(() => true));
    this.credentials = new Credentials(this.dir);
  }

  async stop() {
    const status = await stop(this.run);
    rmSync(this.dir, { recursive: true });
    assert.equal(status.code, 0, this.run.stderr);
  }

  async post(path, body) {
    const answer = await http('POST', `${this.address.control}${path}`, { body });
    assert.equal(answer.status, 200, answer.text);
    return answer.json;
  }

  faults(body) {
    return this.post('/faults', body);
  }

  tokens(...lines) {
    return this.post('/tokens', lines.map((line) => JSON.stringify(line)).join('\n'));
  }

  async stats() {
    return (await http('GET', `${this.address.control}/stats`)).json;
  }

  async summary() {
    return (await http('GET', `${this.address.control}/ledger/summary`)).json;
  }

  async ledger(query = {}) {
    const answer = await http('GET', `${this.address.control}/ledger?${new URLSearchParams(query)}`);
    return answer.text.split('\n').filter(Boolean).map((line) => JSON.parse(line));
  }

  apns(t, options) {
    const session = new ApnsSession(this.address.apns, this.credentials, options);
    t.after(() => session.close());
    return session;
  }

  // An APNs session that is past its first push and so may use many streams.
  async apnsOpen(t, options) {
    const session = this.apns(t, options);
    assert.equal((await session.push('00')).status, 200);
    await session.ping();
    return session;
  }

  async bearer(options) {
    const answer = await grant(this.address.oauth, this.credentials, options);
    assert.equal(answer.status, 200, answer.body);
    return answer.json.access_token;
  }

  async fcm(t, options) {
    const session = new FcmSession(this.address.fcm, this.credentials, await this.bearer(), options);
    t.after(() => session.close());
    return session;
  }
}

// Started before the file's tests, reset before each of them.
export function sharedSimulator() {
  const sim = new Simulator();
  before(() => sim.start(), TEST_TIMEOUT);
  beforeEach(() => sim.post('/reset', {}));
  after(() => sim.stop(), TEST_TIMEOUT);
  return sim;
}
