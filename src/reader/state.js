/* Whether what is shown is up to date, told as it is: the lamp at the top, and a notice with the
 * reason as soon as it is not. */

const NOTED = new Set(['delayed', 'waiting', 'offline', 'stopped']);
const NAMES = { websocket: 'WebSocket', sse: 'SSE' };

export class StateView {
  constructor(language) {
    this.language = language;
    this.state = document.querySelector('#state');
    this.text = document.querySelector('#state-text');
    this.notice = document.querySelector('#notice');
    this.noticeText = document.querySelector('#notice-text');
    this.retry = document.querySelector('#retry');
    this.heardText = document.querySelector('#heard');
    this.status = { state: 'connecting' };
    this.heard = null;
    this.retryAt = 0;
  }

  show(status) {
    // The first attempt that follows a break is still the break to the reader.
    const wasBroken = NOTED.has(this.status.state) && status.state === 'connecting';
    this.status = wasBroken ? { ...this.status, transport: null } : status;
    this.retryAt = Date.now() + (status.retry_ms ?? 0);
    if (status.state === 'live') this.hear();
    this.render();
  }

  hear() {
    this.heard = new Date();
  }

  render() {
    const { state, transport } = this.status;
    const text = this.language.text(state === 'idle' ? 'connecting' : state);
    this.state.dataset.state = state;
    this.state.title = NAMES[transport] ? this.language.text('by', { transport: NAMES[transport] }) : '';
    if (this.text.textContent !== text) this.text.textContent = text;
    this.notice.hidden = !NOTED.has(state);
    this.retry.hidden = state !== 'waiting' && state !== 'offline';
    if (!this.notice.hidden) this.noticeText.textContent = this.#note(state);
    const by = NAMES[transport] ? ` ${this.language.text('by', { transport: NAMES[transport] })}` : '';
    this.heardText.textContent = this.heard ? `${this.language.text('heard', { time: this.#time() })}${by}` : '';
  }

  #time() {
    return this.heard ? this.language.time(this.heard, { timeStyle: 'medium' }) : '–';
  }

  #note(state) {
    const seconds = Math.max(0, Math.ceil((this.retryAt - Date.now()) / 1000));
    const detail = this.status.detail ?? this.status.code ?? '';
    return this.language.text(`${state}Note`, { seconds, time: this.#time(), detail });
  }
}
