// The draft calls of the newsroom API with one key.
import assert from 'node:assert/strict';
import { http } from './http.mjs';
import { alertBody } from './service.mjs';
import { until } from './wait.mjs';

export const ENDED = ['sent', 'cancelled', 'expired', 'failed'];

export class Desk {
  constructor(service, key = service.key) {
    this.service = service;
    this.key = key;
  }

  call(method, path, body, headers = {}) {
    return http(method, `${this.service.newsroom}/v1/drafts${path}`, {
      headers: { authorization: `Bearer ${this.key}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...headers },
      body,
    });
  }

  async expect(status, method, path, body, headers) {
    const answer = await this.call(method, path, body, headers);
    assert.equal(answer.status, status, `${method} ${path}: ${answer.text}`);
    return answer.json;
  }

  create(overrides, headers) {
    return this.expect(201, 'POST', '', alertBody(overrides), headers);
  }

  get(id) {
    return this.expect(200, 'GET', `/${id}`);
  }

  put(draft, body) {
    return this.call('PUT', `/${draft.id}`, body, { 'if-match': `"${draft.version}"` });
  }

  // verb: send, approve, reject, cancel
  move(verb, draft, extra = {}) {
    return this.call('POST', `/${draft.id}:${verb}`, { version: draft.version, ...extra });
  }

  async send(draft, extra) {
    const answer = await this.move('send', draft, extra);
    assert.equal(answer.status, 202, answer.text);
    return answer.json;
  }

  // The token of a preview of the draft, as a person's key needs it.
  async confirm(draft) {
    const answer = await http('POST', `${this.service.newsroom}/v1/alerts:preview`, {
      headers: { authorization: `Bearer ${this.key}`, 'content-type': 'application/json' }, body: draft.alert,
    });
    assert.equal(answer.status, 200, answer.text);
    return answer.json.confirm_token;
  }

  waitFor(id, ...states) {
    return until(`draft ${id} to be ${states}`, async () => {
      const draft = await this.get(id);
      if (states.includes(draft.state)) return draft;
      if (ENDED.includes(draft.state)) throw new Error(`draft ${id} is ${draft.state}: ${draft.reason}`);
      return false;
    });
  }
}

// Ids in the log, oldest first, each as often as it is there.
export async function logged(service) {
  const ids = [];
  let before = '';
  for (;;) {
    const { json } = await service.get(`/v1/alerts?limit=100${before}`);
    ids.unshift(...json.alerts.map((a) => a.id).reverse());
    if (!json.next) return ids;
    before = `&before=${json.next}`;
  }
}

export const inMs = (ms) => new Date(Date.now() + ms).toISOString();
