// The three kinds of app on the public listener. Each keeps the raw bytes of
// what it got beside the parsed form.
import WebSocket from 'ws';
import { http, requestFor } from './http.mjs';
import { Inbox, within } from './wait.mjs';

const isAlert = (m) => m.type === 'alert' || m.type === 'update' || m.type === 'cancel';

// What they have in common: an inbox of messages, and the alerts among them.
class Reader {
  constructor(what) {
    this.inbox = new Inbox(what);
    this.raw = [];
  }

  get messages() {
    return this.inbox.items;
  }

  get alerts() {
    return this.messages.filter(isAlert);
  }

  get ids() {
    return this.alerts.map((m) => m.id);
  }

  // Where this reader stands: what it would resume from.
  get position() {
    return this.messages.map((m) => m.position).filter(Boolean).pop();
  }

  next(type, from = 0) {
    return this.inbox.find((m) => m.type === type, from);
  }

  alert(id) {
    return this.inbox.find((m) => isAlert(m) && m.id === id);
  }

  welcome() {
    return this.next('welcome');
  }

  take(text) {
    this.raw.push(text);
    this.inbox.push(JSON.parse(text));
  }
}

export class WsReader extends Reader {
  // `query` given: filter and position in the URL. `hello` given: the first frame.
  constructor(base, { query, hello, protocols = [], headers, autoPong = true, answer = true, tls = {} } = {}) {
    const search = query === undefined ? '' : `?${new URLSearchParams(query)}`;
    super(`WebSocket ${search || JSON.stringify(hello)}`);
    this.pings = [];
    this.socket = new WebSocket(`${base.replace(/^http/, 'ws')}/v1/stream${search}`, protocols, {
      headers,
      autoPong,
      perMessageDeflate: false,
      agent: undefined,
      ...tls,
    });
    this.socket.on('ping', (data) => this.pings.push(Buffer.from(data)));
    this.socket.on('message', (data, isBinary) => {
      if (isBinary) throw new Error('binary frame');
      const bytes = Buffer.from(data);
      const text = bytes.toString('utf8');
      if (!Buffer.from(text, 'utf8').equals(bytes)) throw new Error('frame is not UTF-8');
      this.take(text);
      const message = this.messages.at(-1);
      if (message.type === 'ping' && answer && this.socket.readyState === WebSocket.OPEN) {
        this.socket.send('{"type":"pong"}');
      }
    });
    this.opened = new Promise((resolve, reject) => {
      this.socket.on('open', () => {
        if (hello !== undefined) this.send(hello);
        resolve(this);
      });
      this.socket.on('error', reject);
    });
    this.opened.catch(() => {});
    this.closed = new Promise((resolve) => {
      this.socket.on('close', (code, reason) => {
        this.inbox.end({ code, reason: reason.toString() });
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  static async open(base, options) {
    const reader = new this(base, options);
    await within('the WebSocket to open', reader.opened);
    if (options?.query !== undefined || options?.hello !== undefined) await reader.welcome();
    return reader;
  }

  send(message) {
    this.socket.send(typeof message === 'string' ? message : JSON.stringify(message));
  }

  // The close frame the server sent.
  end() {
    return within(`${this.inbox.what} to be closed by the server`, this.closed);
  }

  async close() {
    this.socket.terminate();
    await this.closed;
  }
}

export class SseReader extends Reader {
  constructor(base, { query = {}, lastEventId, headers = {}, tls = {} } = {}) {
    super(`SSE ${JSON.stringify(query)}`);
    this.events = [];
    this.retry = null;
    this.lastEventId = lastEventId;
    const all = { accept: 'text/event-stream', ...headers };
    if (lastEventId !== undefined) all['last-event-id'] = lastEventId;
    this.opened = new Promise((resolve, reject) => {
      const url = `${base}/v1/events?${new URLSearchParams(query)}`;
      this.rq = requestFor(url)(url, { headers: all, agent: false, ...tls }, (answer) => {
        this.answer = answer;
        if (answer.statusCode === 200) {
          this.follow(answer);
          resolve(this);
          return;
        }
        const parts = [];
        answer.on('data', (part) => parts.push(part));
        answer.on('end', () => {
          const error = new Error(`status ${answer.statusCode}: ${Buffer.concat(parts)}`);
          error.status = answer.statusCode;
          reject(error);
        });
      });
      this.rq.on('error', (error) => {
        this.inbox.end(error.message);
        reject(error);
      });
      this.rq.end();
    });
    this.opened.catch(() => {});
  }

  static async open(base, options) {
    const reader = new SseReader(base, options);
    await within('the event stream to open', reader.opened);
    await reader.welcome();
    return reader;
  }

  // The EventSource parsing rules (WHATWG HTML, section 9.2), as far as used.
  follow(answer) {
    let rest = '';
    let event = { name: 'message', data: [] };
    answer.setEncoding('utf8');
    answer.on('data', (chunk) => {
      const lines = (rest + chunk).split('\n');
      rest = lines.pop();
      for (const line of lines) {
        if (line === '') {
          this.dispatch(event);
          event = { name: 'message', data: [] };
          continue;
        }
        if (line.startsWith(':')) continue;
        const colon = line.indexOf(':');
        const field = colon < 0 ? line : line.slice(0, colon);
        const value = colon < 0 ? '' : line.slice(colon + 1).replace(/^ /, '');
        if (field === 'event') event.name = value;
        if (field === 'data') event.data.push(value);
        if (field === 'id') event.id = value;
        if (field === 'retry') this.retry = Number(value);
      }
    });
    const end = () => this.inbox.end('closed');
    answer.on('end', end);
    answer.on('error', end);
    answer.on('close', end);
  }

  dispatch(event) {
    if (event.id !== undefined) this.lastEventId = event.id;
    if (event.data.length === 0) return;
    const text = event.data.join('\n');
    this.events.push({ name: event.name, id: event.id, text });
    this.raw.push(text);
    this.inbox.push({ type: event.name, ...JSON.parse(text) });
  }

  get position() {
    return this.lastEventId ?? super.position;
  }

  async close() {
    this.rq.destroy();
  }
}

// Long-poll: `poll()` once, or `follow()` until closed.
export class PollReader extends Reader {
  constructor(base, { query = {}, position, tls = {} } = {}) {
    super(`long-poll ${JSON.stringify(query)}`);
    this.base = base;
    this.tls = tls;
    this.query = query;
    this.cursor = position;
    this.answers = [];
    this.stopped = new AbortController();
  }

  static async open(base, options) {
    const reader = new PollReader(base, options);
    if (reader.cursor === undefined) {
      const first = await WsReader.open(base, { query: { regions: 'all' } });
      reader.cursor = first.position;
      await first.close();
    }
    return reader;
  }

  get position() {
    return this.cursor;
  }

  async poll(wait = 25) {
    const query = new URLSearchParams({ ...this.query, after: this.cursor, wait });
    const answer = await http('GET', `${this.base}/v1/alerts?${query}`, {
      signal: this.stopped.signal,
      tls: this.tls,
    });
    if (answer.status !== 200) throw new Error(`status ${answer.status}: ${answer.text}`);
    this.answers.push(answer);
    this.cursor = answer.json.position;
    this.raw.push(answer.text);
    for (const alert of answer.json.alerts) this.inbox.push(alert);
    return answer.json;
  }

  follow() {
    this.running = (async () => {
      while (!this.stopped.signal.aborted) {
        try {
          await this.poll();
        } catch (error) {
          if (this.stopped.signal.aborted) return;
          await new Promise((resolve) => setTimeout(resolve, 50));
        }
      }
    })();
    return this;
  }

  async close() {
    this.stopped.abort();
    await this.running;
  }
}

// A WebSocket reader that does what an app does: when the connection goes, it
// comes back with its position. `messages` is everything over all connections.
export class ResumingReader extends Reader {
  constructor(open, what) {
    super(what);
    this.open = open;
    this.connections = 0;
    this.welcomes = [];
    this.closing = false;
    this.running = this.loop();
  }

  static ws(base, query, options = {}) {
    return new ResumingReader(
      (position) => WsReader.open(base, { ...options, query: position ? { ...query, position } : query }),
      `resuming WebSocket ${JSON.stringify(query)}`,
    );
  }

  static sse(base, query, options = {}) {
    return new ResumingReader(
      (lastEventId) => SseReader.open(base, { ...options, query, lastEventId }),
      `resuming SSE ${JSON.stringify(query)}`,
    );
  }

  async ready() {
    await this.inbox.find((m) => m.type === 'welcome');
    return this;
  }

  async loop() {
    let position;
    while (!this.closing) {
      try {
        this.current = await this.open(position);
      } catch {
        await new Promise((resolve) => setTimeout(resolve, 50));
        continue;
      }
      this.connections++;
      const forward = () => {
        while (this.taken < this.current.messages.length) {
          const message = this.current.messages[this.taken++];
          if (message.type === 'welcome') this.welcomes.push(message);
          this.inbox.push(message);
        }
        position = this.current.position ?? position;
      };
      this.taken = 0;
      this.current.inbox.waiting.add(forward);
      forward();
      while (!this.current.inbox.ended && !this.closing) {
        await new Promise((resolve) => setTimeout(resolve, 10));
      }
      forward();
    }
  }

  async close() {
    this.closing = true;
    await this.running;
    await this.current?.close();
  }
}
