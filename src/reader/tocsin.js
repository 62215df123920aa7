/* Tocsin for web pages: alerts as they happen, each once, over WebSocket or, where that is blocked,
 * server-sent events. No dependencies; works as a classic script (window.Tocsin) and, through
 * tocsin.mjs, as a module. The README of Tocsin, "Alerts on your site", says what it does and how
 * to do the same in another language. */
(() => {
  'use strict';
  if (globalThis.Tocsin) return;

  const KNOWN_MAX = 2000; // alerts remembered to tell repeats
  const CONNECT_MS = 10_000; // from the attempt to the welcome
  const STEADY_MS = 10_000; // a connection that lived so long ends the back-off
  const BACKOFF_FIRST_MS = 1000;
  const BACKOFF_MAX_MS = 60_000;
  const STORE_MS = 1000; // the position is written at most this often
  const RECEIPT_GAP_MS = 250; // 4 frames a second; a gateway allows 10
  const RECEIPTS_MAX = 200; // waiting; more are not worth telling
  const HIDDEN_MS = 30_000; // a hidden page gives its event stream up after that

  const script = globalThis.document?.currentScript;
  const KINDS = new Set(['alert', 'update', 'cancel']);

  const place = (position) => {
    const [, epoch, seq] = /^(.*):(\d+)$/.exec(position ?? '') ?? [];
    return { epoch, seq: Number(seq) };
  };

  // Is position `a` later than `b`? Of another epoch counts as later: it came later.
  const isLater = (a, b) => {
    const [x, y] = [place(a), place(b)];
    return x.epoch !== y.epoch || x.seq > y.seq;
  };

  class Tocsin {
    /* Where the script came from: the gateway, unless options.url names it. */
    static home = script?.src ? new URL('.', script.src).href : undefined;

    #options;
    #base;
    #listeners = new Map();
    #known = new Map(); // id → newest revision
    #link = null; // {transport, close(), send(message)?}
    #turn = 0; // what an earlier connection still says is not listened to
    #timer = 0;
    #heard = 0;
    #patience = CONNECT_MS;
    #greeted = 0; // when the welcome came; 0 = not yet
    #misses = 0; // attempts in a row without a welcome
    #attempt = 0; // for the back-off
    #preferred;
    #proven = false; // a WebSocket has worked from here
    #error = null; // what the server said before it closed
    #bye = null;
    #renewing = false;
    #tokenRefused = 0;
    #snapshot = null; // ids of a replay under way
    #wantsHistory;
    #receipts = [];
    #receiptTimer = 0;
    #storeTimer = 0;
    #hiddenTimer = 0;
    #running = false;
    #undo = [];

    /* options: url, filter {regions, sections, editions, tags, min_urgency, test}, history (how
     * many past alerts to begin with), token (() => text or promise), receipts (true: tell the
     * newsroom what was received), transports, storage (false: forget the position). */
    constructor(options = {}) {
      this.#options = { transports: ['websocket', 'sse'], history: 0, receipts: false, ...options };
      this.#base = new URL(options.url ?? Tocsin.home ?? '/', globalThis.location?.href).href.replace(/\/*$/, '/');
      this.filter = { ...options.filter };
      this.#preferred = this.#options.transports[0];
      this.#wantsHistory = this.#options.history > 0;
      this.position = this.#load();
      this.lastVisit = this.position; // where this browser stood when the page was opened
      this.status = { state: 'idle', transport: null };
    }

    /* Events: alert, update, cancel (the alert); reset ({reason, ids}: some may have been missed,
     * and only these are still valid); status ({state, transport, retry_ms, code, detail}).
     * Returns a function that takes the listener off again. */
    on(type, listener) {
      if (!this.#listeners.has(type)) this.#listeners.set(type, new Set());
      this.#listeners.get(type).add(listener);
      return () => this.#listeners.get(type).delete(listener);
    }

    start() {
      if (this.#running) return this;
      this.#running = true;
      const listen = (target, type, act) => {
        target?.addEventListener(type, act);
        this.#undo.push(() => target?.removeEventListener(type, act));
      };
      listen(globalThis, 'online', () => this.#again());
      listen(globalThis, 'offline', () => this.#lost({ offline: true }));
      listen(globalThis, 'pageshow', (event) => event.persisted && this.#again());
      // An open connection would keep the page out of the browser's back/forward cache.
      listen(globalThis, 'pagehide', () => (this.#store(), this.#drop()));
      listen(globalThis.document, 'visibilitychange', () => this.#onVisibility());
      const watch = setInterval(() => this.#watch(), 2000);
      this.#undo.push(() => clearInterval(watch));
      this.#connect();
      return this;
    }

    stop(why = {}) {
      this.#running = false;
      for (const undo of this.#undo.splice(0)) undo();
      this.#store();
      this.#drop();
      this.#tell('stopped', why);
    }

    /* Do not wait for the back-off: the reader asked. */
    retry() {
      this.#again();
    }

    /* Follow something else from now on. With options.history its past comes first. */
    setFilter(filter) {
      this.filter = { ...filter };
      this.#wantsHistory = this.#options.history > 0;
      if (!this.#wantsHistory && this.#greeted && this.#link?.send) this.#link.send({ type: 'filter', filter });
      else if (this.#running) this.#again();
    }

    /* The reader opened this alert: counted where receipts are on. */
    opened(alert) {
      this.#receipt('open', alert);
    }

    // --- connecting ---

    #again() {
      if (!this.#running) return;
      this.#attempt = 0;
      this.#drop();
      this.#connect();
    }

    #drop() {
      this.#turn++;
      clearTimeout(this.#timer);
      this.#link?.close();
      this.#link = null;
      this.#greeted = 0;
      this.#snapshot = this.#error = this.#bye = null;
      this.#renewing = false;
      this.#receipts = []; // counted per connection: those of the last one are gone with it
    }

    async #connect() {
      const turn = ++this.#turn;
      this.#patience = CONNECT_MS;
      this.#heard = Date.now();
      this.#link = { close() {} };
      this.#tell('connecting');
      try {
        const token = await this.#token();
        if (turn !== this.#turn) return;
        if (this.#wantsHistory) await this.#loadHistory(turn, token);
        if (turn !== this.#turn) return;
        const transport = this.#choose();
        if (transport === 'websocket') this.#openSocket(turn, token);
        else await this.#openEvents(turn, token);
      } catch (error) {
        if (turn === this.#turn) this.#lost(error?.status ? error : {});
      }
    }

    // A WebSocket that never got through may be blocked on the way: then the other one has a try.
    #choose() {
      const { transports } = this.#options;
      const enough = this.#misses >= (this.#proven ? 6 : 2) && this.#misses % 2 === 0;
      return enough ? (transports.find((name) => name !== this.#preferred) ?? this.#preferred) : this.#preferred;
    }

    #query(extra) {
      const query = new URLSearchParams();
      for (const [name, value] of Object.entries({ ...this.filter, ...extra })) {
        const text = Array.isArray(value) ? value.join(',') : String(value ?? '');
        if (text) query.set(name, text);
      }
      return query;
    }

    #openSocket(turn, token) {
      const url = new URL('v1/stream', this.#base);
      url.protocol = url.protocol.replace('http', 'ws');
      // In the URL the hello is implied; a token is not for the logs that URLs end up in.
      if (!token) url.search = this.#query({ position: this.position });
      const socket = new WebSocket(url, 'tocsin.v1');
      const send = (message) => socket.readyState === 1 && socket.send(JSON.stringify(message));
      this.#link = { transport: 'websocket', send, close: () => socket.close() };
      socket.onopen = () => {
        if (url.search === '') send({ type: 'hello', filter: this.filter, position: this.position ?? undefined, token });
      };
      socket.onmessage = (event) => turn === this.#turn && this.#take(JSON.parse(event.data));
      socket.onclose = (event) => turn === this.#turn && this.#lost({ code: event.code });
    }

    async #get(path, query, token, signal) {
      const url = new URL(path, this.#base);
      url.search = query;
      const headers = token ? { authorization: `Bearer ${token}` } : {};
      const answer = await fetch(url, { headers, signal, cache: 'no-store', credentials: 'omit' });
      if (answer.ok) return answer;
      const problem = await answer.json().catch(() => ({}));
      throw {
        status: answer.status,
        after_ms: Number(answer.headers.get('retry-after')) * 1000 || null,
        error: { code: problem.errors?.[0]?.code, detail: problem.errors?.[0]?.detail ?? problem.detail },
      };
    }

    async #loadHistory(turn, token) {
      const control = new AbortController();
      this.#link = { close: () => control.abort() };
      const answer = await this.#get('v1/alerts', this.#query({ limit: this.#options.history }), token, control.signal);
      const { alerts, position } = await answer.json();
      if (turn !== this.#turn) return;
      this.#wantsHistory = false;
      this.#known.clear();
      this.#emit('reset', { reason: 'history', ids: alerts.map((alert) => alert.id) });
      for (const alert of alerts.reverse()) this.#deliver({ ...alert, replay: true });
      this.#keep(position, true);
    }

    // Not EventSource: it hides the status of a refusal and cannot send a token.
    async #openEvents(turn, token) {
      const control = new AbortController();
      this.#link = { transport: 'sse', close: () => control.abort() };
      const answer = await this.#get('v1/events', this.#query({ position: this.position }), token, control.signal);
      const reader = answer.body.getReader();
      const decoder = new TextDecoder();
      let text = '';
      for (;;) {
        const { value, done } = await reader.read();
        if (turn !== this.#turn) return;
        if (done) throw {};
        const events = (text + decoder.decode(value, { stream: true })).split('\n\n');
        text = events.pop();
        for (const event of events) {
          const data = /^data: ?(.*)$/m.exec(event)?.[1];
          if (data && turn === this.#turn) this.#take(JSON.parse(data));
        }
      }
    }

    // --- what comes ---

    #take(message) {
      this.#heard = Date.now();
      if (KINDS.has(message.type)) {
        this.#deliver(message);
        if (!message.replay) this.#keep(message.position);
      } else if (message.type === 'welcome') {
        this.#welcome(message);
      } else if (message.type === 'ping') {
        this.#endSnapshot();
        this.#keep(message.position);
      } else if (message.type === 'status') {
        this.#tell(message.live ? 'live' : 'delayed');
      } else if (message.type === 'auth') {
        this.#renew();
      } else if (message.type === 'error') {
        this.#error = message;
      } else if (message.type === 'bye') {
        this.#bye = message;
      }
    }

    #welcome(message) {
      this.#greeted = Date.now();
      this.#misses = this.#tokenRefused = 0;
      this.#preferred = this.#link.transport;
      this.#proven ||= this.#link.transport === 'websocket';
      this.#patience = message.heartbeat_s * 2000 + 5000;
      if (message.reason === 'fresh') this.#keep(message.position, true);
      if (!message.recovered) this.#snapshot = { reason: message.reason, ids: [] };
      this.#tell(message.live ? 'live' : 'delayed');
    }

    #deliver(message) {
      const { id, revision, type } = message;
      this.#snapshot?.ids.push(id);
      if (revision <= (this.#known.get(id) ?? 0)) return;
      this.#known.delete(id);
      this.#known.set(id, revision);
      if (this.#known.size > KNOWN_MAX) this.#known.delete(this.#known.keys().next().value);
      this.#emit(type, message);
      if (!message.replay) this.#receipt('ack', message);
    }

    // The position was lost: all that is still valid has come.
    #endSnapshot() {
      const snapshot = this.#snapshot;
      this.#snapshot = null;
      if (snapshot) this.#emit('reset', snapshot);
    }

    // A hint that the token ends soon, or the answer to ours.
    async #renew() {
      const turn = this.#turn;
      const isAnswer = this.#renewing;
      this.#renewing = false;
      const token = isAnswer ? null : await this.#token().catch(() => null);
      if (!token || turn !== this.#turn || !this.#link?.send) return;
      this.#renewing = true;
      this.#link.send({ type: 'auth', token });
    }

    async #token() {
      return this.#options.token?.();
    }

    // --- when it ends ---

    // `why` may have: offline; code (WebSocket); status, after_ms, error (HTTP).
    #lost(why) {
      if (!this.#running) return;
      const error = this.#error ?? why.error ?? {};
      const bye = this.#bye;
      const code = this.#codeOf(why);
      const steady = this.#greeted && Date.now() - this.#greeted >= STEADY_MS;
      if (this.#link?.transport && !this.#greeted && !why.offline) this.#misses++;
      this.#drop();
      this.#attempt = steady ? 0 : this.#attempt;
      if (why.offline || globalThis.navigator?.onLine === false) {
        this.#tell('offline'); // and try again now and then: browsers are at times wrong about it
        this.#timer = setTimeout(() => this.#connect(), BACKOFF_MAX_MS);
      } else if (this.#isFinal(code, error)) {
        this.stop({ code, reason: error.code, detail: error.detail, errors: error.errors });
      } else {
        const after = bye?.after_ms ?? (why.after_ms ? why.after_ms * (1 + Math.random() / 2) : this.#backoff());
        this.#tell('waiting', { retry_ms: Math.round(after), code, reason: bye?.reason ?? error.code });
        this.#timer = setTimeout(() => this.#connect(), after);
      }
    }

    // An `error` comes before a 40xx close. Event streams have no close code, and some proxies make
    // up their own.
    #codeOf({ code, status }) {
      if (!this.#error || code >= 4000) return code ?? status ?? null;
      return String(this.#error.code).startsWith('token') ? 4001 : 4000;
    }

    // 40xx and most of HTTP's 4xx: the same again would be refused again. 4003 (no hello in time) is
    // a computer that slept; a token is worth another when its source can give one.
    #isFinal(code, { code: word = '' }) {
      if ((code === 4001 || code === 401) && this.#options.token && word !== 'token_scope') return ++this.#tokenRefused > 1;
      if (code >= 4000 && code < 4100) return code !== 4003;
      return code >= 400 && code < 500 && code !== 408 && code !== 429;
    }

    // Doubling, and anywhere between the half and the whole: readers cut off together come back apart.
    #backoff() {
      const whole = Math.min(BACKOFF_MAX_MS, BACKOFF_FIRST_MS * 2 ** this.#attempt++);
      return whole * (0.5 + Math.random() / 2);
    }

    // Silence: a phone that changed its network, a computer that slept. Nobody closes those.
    #watch() {
      if (this.#link && Date.now() - this.#heard > this.#patience) this.#lost({});
    }

    #onVisibility() {
      clearTimeout(this.#hiddenTimer);
      if (globalThis.document.hidden) {
        this.#store();
        // Browsers allow six streams to a host over HTTP/1.1, all tabs together.
        const rest = () => this.#link?.transport === 'sse' && (this.#drop(), this.#tell('paused'));
        this.#hiddenTimer = setTimeout(rest, HIDDEN_MS);
      } else {
        this.#watch();
        if (['waiting', 'paused', 'offline'].includes(this.status.state)) this.#again();
      }
    }

    // --- position, receipts, telling ---

    get #storageKey() {
      return `tocsin:position:${this.#base}`;
    }

    #load() {
      try {
        return this.#options.storage === false ? null : globalThis.localStorage.getItem(this.#storageKey);
      } catch {
        return null; // no storage here, or not allowed
      }
    }

    #keep(position, anew = false) {
      if (!position || (!anew && !isLater(position, this.position))) return;
      this.position = position;
      this.#storeTimer ||= setTimeout(() => this.#store(), STORE_MS);
    }

    // All tabs share it; the one that is ahead wins.
    #store() {
      clearTimeout(this.#storeTimer);
      this.#storeTimer = 0;
      if (this.#options.storage === false || !this.position || !isLater(this.position, this.#load())) return;
      try {
        globalThis.localStorage.setItem(this.#storageKey, this.position);
      } catch {
        // Full or forbidden: the page works, it only begins anew the next time.
      }
    }

    #receipt(type, { id, revision }) {
      if (!this.#options.receipts || !this.#link?.send || this.#receipts.length >= RECEIPTS_MAX) return;
      if (type === 'open') return void this.#link.send({ type, id, revision }); // the page is about to go
      this.#receipts.push({ type, id, revision });
      this.#receiptTimer ||= setInterval(() => {
        const next = this.#receipts.shift();
        if (next) this.#link?.send?.(next);
        if (this.#receipts.length > 0) return;
        clearInterval(this.#receiptTimer);
        this.#receiptTimer = 0;
      }, RECEIPT_GAP_MS);
    }

    #tell(state, more = {}) {
      this.status = { state, transport: this.#link?.transport ?? null, ...more };
      this.#emit('status', this.status);
    }

    #emit(type, value) {
      for (const listener of this.#listeners.get(type) ?? []) {
        try {
          listener(value);
        } catch (error) {
          console.error('tocsin: a listener failed', error); // and the next alert still comes
        }
      }
    }
  }

  globalThis.Tocsin = Tocsin;
})();
