// The panel with the details of a reply, and its replay: loaded when somebody asks for it first.
import { GrowingDocument } from "./document.js";

const panel = document.getElementById("panel");
const narrow = matchMedia("(width < 50rem)");
let opener = null, replay = null, address = location.pathname;

const load = () => htmx.ajax("GET", address, { source: panel, target: panel, swap: "innerHTML" });

export async function open(link) {
  address = link.pathname;
  await Promise.all([styles(), load()]);
  if (!panel.querySelector("#details-head")) return;   // what went wrong is said beside the composer
  if (panel.open) panel.close();
  opener = link;
  narrow.matches ? panel.showModal() : panel.show();
  panel.scrollTop = 0;
  begin();
}

// As the server sent it, open, with a page of its own.
export function adopt() {
  if (narrow.matches) { panel.close(); panel.showModal() }
  begin();
}

// Of a reply that was still arriving there is more to tell now.
document.addEventListener("settled", ({ detail: messages }) => {
  if (panel.open && messages.some(id => address === `/messages/${id}/details/`)) load().then(begin);
});

function begin() {
  replay?.pause();
  const place = panel.querySelector("#replay");
  replay = place && new Replay(place, panel.querySelector(".chart .now"));
}

function styles() {
  if ([...document.styleSheets].some(sheet => sheet.href?.endsWith(panel.dataset.styles))) return;
  return new Promise(loaded => {
    const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: panel.dataset.styles });
    link.onload = link.onerror = loaded;
    document.head.append(link);
  });
}

panel.addEventListener("click", event => {
  if (event.target.closest("[data-act=close-details]") && !event.ctrlKey && !event.metaKey) { event.preventDefault(); panel.close() }
});
panel.addEventListener("keydown", event => {
  if (event.key === "Escape" && !panel.matches(":modal")) { event.stopPropagation(); panel.close() }
});
panel.addEventListener("close", () => {
  replay?.pause();
  if (opener?.isConnected) opener.focus({ preventScroll: true });
  opener = null;
});

// --- the replay: frames at their moments, as they were sent or faster

const LONGEST_STEP = 250;    // ms between two drawings; after a longer one nobody was looking
const CALM_STEP = 1000;      // ms between two drawings where motion is not wanted

class Replay {
  #frames = null; #next = 0; #at = 0; #drawn = -Infinity; #ticking = 0; #last = 0;

  constructor(place, now) {
    this.place = place;
    this.now = now;
    this.button = place.querySelector("[data-replay=play]");
    this.range = place.querySelector("[type=range]");
    this.stage = place.querySelector(".stage");
    this.parts = Object.fromEntries([...this.stage.querySelectorAll("[data-part]")].map(part => [part.dataset.part, part]));
    this.button.addEventListener("click", () => this.#ticking ? this.pause() : this.play());
    this.range.addEventListener("input", async () => { await this.#load(); this.#to(this.range.value * 1000) });
    this.#load();
  }

  get #total() { return this.#frames.at(-1)?.[0] ?? 0 }
  get #times() { return Number(this.place.querySelector("[name=replay-speed]:checked").value) }

  async play() {
    await this.#load();
    if (this.#at >= this.#total) this.#to(0);
    this.#last = performance.now();
    this.#ticking = requestAnimationFrame(() => this.#tick());
    this.#label(true);
  }

  pause() {
    cancelAnimationFrame(this.#ticking);
    this.#ticking = 0;
    this.#label(false);
  }

  async #load() {
    this.loading ??= fetch(this.place.dataset.address).then(answer => answer.json()).then(({ frames }) => {
      this.#frames = frames;
      this.range.max = this.#total / 1000;
      this.#tell();
    });
    await this.loading;
  }

  #tick() {
    if (!this.place.isConnected) return;
    const now = performance.now(), passed = Math.min(now - this.#last, LONGEST_STEP);
    this.#last = now;
    this.#at = Math.min(this.#at + passed * this.#times, this.#total);
    const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (!calm || now - this.#drawn >= CALM_STEP || this.#at >= this.#total) { this.#drawn = now; this.#show() }
    if (this.#at >= this.#total) this.pause();
    else this.#ticking = requestAnimationFrame(() => this.#tick());
  }

  #to(ms) {
    this.#at = ms;
    if (ms < (this.#frames[this.#next - 1]?.[0] ?? 0)) this.#rewind();
    this.#show();
  }

  #rewind() {
    this.#next = 0;
    this.documents = null;
  }

  // All frames of a part at once: what it looked like in between nobody sees.
  #show() {
    if (!this.documents) {
      for (const part of Object.values(this.parts)) part.replaceChildren();
      this.documents = Object.fromEntries(Object.entries(this.parts).map(([name, part]) => [name, new GrowingDocument(part)]));
    }
    const due = {};
    for (; this.#next < this.#frames.length && this.#frames[this.#next][0] <= this.#at; this.#next++) {
      const [, part, operations] = this.#frames[this.#next];
      (due[part] ??= []).push(...operations);
    }
    for (const [part, operations] of Object.entries(due)) this.documents[part].apply(operations);
    for (const part of Object.values(this.parts)) part.classList.toggle("growing", this.#at < this.#total);
    if (Object.keys(due).length) this.stage.scrollTop = this.stage.scrollHeight;
    this.#tell();
  }

  #tell() {
    const seconds = this.#at / 1000, total = this.#total / 1000;
    this.range.value = seconds;
    const words = { at: seconds, total };
    this.range.setAttribute("aria-valuetext", this.place.dataset.position.replace(/\{(\w+)\}/g, (_, name) =>
      words[name].toLocaleString(document.documentElement.lang, { maximumFractionDigits: 1 })));
    const x = `${Math.min(100 * this.#at / (this.now.closest("svg").dataset.total * 1000), 100)}%`;
    this.now.setAttribute("x1", x);
    this.now.setAttribute("x2", x);
    this.now.setAttribute("visibility", this.#at ? "visible" : "hidden");
  }

  #label(playing) {
    this.button.setAttribute("aria-label", playing ? this.button.dataset.pause : this.button.dataset.play);
    this.button.querySelector("use").setAttribute("href", playing ? "#i-pause" : "#i-play");
  }
}
