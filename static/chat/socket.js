// The page's one socket: opened, kept, and opened again. Knows nothing of what is said through it.

const FIRST_WAIT = 500, LONGEST_WAIT = 30_000;   // ms
const OPENING = 10_000;      // a line that has not opened by then never will
const STEADY = 5_000;        // open for so long, the next loss is a new one
const RESTART = 4012;        // the server comes back in a moment
const MOMENT = 20_000;
const SIGNED_OUT = 4401;
const FINAL = new Set([SIGNED_OUT, 4403, 4404]);

export class PageSocket {
  #socket; #retry; #giveUp; #openedAt = 0; #restartedAt = -Infinity; #tries = 0; #over = false;

  // opened(again) · received(message) · lost() · signedOut() · refused(): never open again
  constructor(path, page) {
    this.url = `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${path}`;
    this.page = page;
    this.everOpen = false;
    addEventListener("online", () => this.#hurry());
    addEventListener("pageshow", event => event.persisted && this.#hurry());
    document.addEventListener("visibilitychange", () => document.hidden || this.#hurry());
    // No network: what looks open may never say anything again.
    addEventListener("offline", () => this.#lost(0));
    this.#open();
  }

  send(message) {
    if (this.isOpen) this.#socket.send(JSON.stringify(message));
  }

  get isOpen() { return this.#socket?.readyState === WebSocket.OPEN }

  close() { this.#over = true; this.#drop() }

  #open() {
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const socket = this.#socket = new WebSocket(this.url);
    this.#giveUp = setTimeout(() => this.#lost(0), OPENING);
    socket.onopen = () => this.#opened();
    socket.onmessage = event => this.page.received(JSON.parse(event.data));
    socket.onclose = event => this.#lost(event.code);
  }

  #opened() {
    clearTimeout(this.#giveUp);
    this.#openedAt = performance.now();
    const again = this.everOpen;
    this.everOpen = true;
    this.page.opened(again);
  }

  #drop() {
    clearTimeout(this.#giveUp);
    if (!this.#socket) return;
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = undefined;
  }

  #lost(code) {
    if (this.#over || this.#retry) return;
    const steady = this.isOpen || (this.#openedAt && performance.now() - this.#openedAt > STEADY);
    if (steady || code === RESTART) this.#tries = 0;
    this.#openedAt = 0;
    this.#drop();
    if (FINAL.has(code)) {
      this.#over = true;
      code === SIGNED_OUT ? this.page.signedOut() : this.page.refused();
      return;
    }
    if (code === RESTART) this.#restartedAt = performance.now();
    this.page.lost(this.#tries);
    this.#retry = setTimeout(() => this.#open(), this.#wait());
  }

  // Equal waits would bring all pages back in the same moment.
  #wait() {
    if (performance.now() - this.#restartedAt < MOMENT) return 100 + 600 * Math.random();
    const wait = Math.min(FIRST_WAIT * 2 ** this.#tries++, LONGEST_WAIT);
    return wait * (0.5 + Math.random() / 2);
  }

  #hurry() {
    if (!this.#retry || this.#over) return;
    this.#tries = 0;
    this.#open();
  }
}
