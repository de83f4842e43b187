// Windows that are loaded when they are wanted: the quick switcher, and where a conversation is filed.

const byId = id => document.getElementById(id);
const DELAY = 60;   // ms without a keystroke

async function fetched(address, options) {
  const answer = await fetch(address, { headers: { "HX-Request": "true" }, ...options });
  return answer.ok && !answer.redirected ? answer.text() : null;
}

// --- the switcher

const dialog = byId("switcher"), list = byId("switched"), field = dialog.querySelector("input");
let asked = 0, timer;

// It is shown before this is loaded, so that what is typed at once is not lost.
export function open() {
  timer = undefined;
  return look();
}

field.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(look, DELAY) });
field.addEventListener("keydown", choose);
list.addEventListener("pointermove", event => { const option = event.target.closest("[role=option]"); if (option) activate(option) });
dialog.addEventListener("click", event => { if (event.target === dialog) dialog.close() });
dialog.addEventListener("close", () => { field.value = "" });

async function look() {
  const mine = ++asked, wanted = field.value;
  clearTimeout(timer);
  const html = await fetched(`/switch/?${new URLSearchParams({ q: wanted })}`);
  if (mine !== asked) return;
  if (html === null) return location.assign("/search/");
  list.innerHTML = html;
  list.dataset.for = wanted;
  activate(options()[0]);
}

const options = () => [...list.querySelectorAll("[role=option]")];
const active = () => list.querySelector("[aria-selected=true]");

function activate(option) {
  active()?.setAttribute("aria-selected", "false");
  option?.setAttribute("aria-selected", "true");
  option?.scrollIntoView({ block: "nearest" });
  option ? field.setAttribute("aria-activedescendant", option.id) : field.removeAttribute("aria-activedescendant");
}

async function choose(event) {
  if (event.isComposing || event.keyCode === 229) return;
  const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (step) {
    event.preventDefault();
    const all = options();
    activate(all.at((all.indexOf(active()) + step) % all.length));
  } else if (event.key === "Enter") {
    event.preventDefault();
    if (list.dataset.for !== field.value) await look();
    active()?.click();
  }
}

// --- folder and tags

export async function file(address) {
  const html = await fetched(address);
  if (html === null) return location.assign(address);
  const filing = document.createElement("dialog");
  filing.className = "window";
  filing.id = "filing";
  filing.setAttribute("aria-labelledby", "filing-head");
  filing.innerHTML = html;
  document.body.append(filing);
  filing.addEventListener("close", () => filing.remove());
  filing.addEventListener("click", event => { if (event.target === filing || event.target.closest("[data-act=shut]")) filing.close() });
  filing.addEventListener("submit", async event => {
    event.preventDefault();
    const answer = await fetch(address, { method: "POST", headers: { "HX-Request": "true" }, body: new FormData(event.target) });
    if (answer.status === 422) filing.innerHTML = await answer.text();
    else answer.ok && !answer.redirected ? filing.close() : location.assign(address);
  });
  filing.showModal();
}
