// What the chat page does beyond HTML: it follows what arrives, keeps itself up to date, and answers keys and clicks.
import { GrowingDocument } from "./document.js";
import { PageSocket } from "./socket.js";
import { box, drafts, filesDraft, form, grow, isComposing, keepDraft, sending, setupToBe, write } from "./composer.js";

const root = document.documentElement;
const byId = id => document.getElementById(id);
const thread = byId("thread"), list = byId("list"), notice = byId("notice"), net = byId("net"), words = byId("words").dataset;

// --- the socket: frames, lines, ends, changes

const SLOW_OPENING = 2_000;   // ms after which the page may have missed something before its socket opened
const AWAY_AFTER = 1_000;     // ms before a lost line is mentioned
const AFTER_FIRST_WORD = 250; // ms after a send; the list is not worth keeping the reply waiting

const growing = new WeakMap();   // container → its GrowingDocument
const watched = new Set();       // completions that the server tells this page about
const ended = new Set();         // those of them of which it has told the end
let awayTimer;

const socket = new PageSocket("/socket/", {
  opened(again) {
    connection("open");
    if (notice.dataset.said === "unreachable") notice.replaceChildren();
    watched.clear();
    ended.clear();
    if (again || performance.now() > SLOW_OPENING) { refreshThread(); refreshList() }
    watch();
  },
  received(message) { heard[message.type]?.(message) },
  lost(tries) {
    connection("away");
    awayTimer ??= setTimeout(() => tellAway(words.reconnecting), AWAY_AFTER);
    if (tries > 0) lookForSession();
  },
  signedOut: () => sessionEnded(),
  refused() { connection("away"); awayIs(words.disconnected) },
});

function connection(state) {
  root.dataset.connection = state;
  if (state === "open") awayIs("");
}

function awayIs(sentence) {
  clearTimeout(awayTimer);
  awayTimer = undefined;
  tellAway(sentence);
}

function tellAway(sentence) {
  net.textContent = sentence;
  // Whether it still arrives nobody here knows.
  if (sentence) for (const state of thread.querySelectorAll("[data-status=queued] .facts .with, [data-status=live] .facts .with")) {
    state.textContent = words.unheard;
    state.className = "unheard";
  }
}

const heard = {
  frame({ completion, message, part, ops, ack }) {
    const container = byId(`message-${message}`)?.querySelector(`[data-part=${part}]`);
    if (container) {
      if (!growing.has(container)) growing.set(container, new GrowingDocument(container));
      growing.get(container).apply(ops);
      if (!container.lang && !judged.has(container)) markLanguage(container);
      toEnd.hidden = following || left() < NEAR;
    } else watch();
    if (ack !== undefined) socket.send({ type: "ack", number: ack });
  },
  line({ message, html, status }) {
    const article = byId(`message-${message}`);
    if (!article) return;
    article.querySelector(".facts").innerHTML = html;
    if (status) article.dataset.status = status;
  },
  settled({ completion, messages }) {
    ended.add(String(completion));
    for (const id of messages) if (byId(`message-${id}`)) refreshMessage(id);
    document.dispatchEvent(new CustomEvent("settled", { detail: messages }));
    // A choice that never sent anything is removed at settling.
    const gone = [...thread.querySelectorAll(`[data-completion="${completion}"]`)].some(article => !messages.includes(idOf(article)));
    if (gone) refreshThread();
  },
  gone({ completion }) { ended.add(String(completion)); refreshThread() },
  list() { refreshList() },
  // `leaf`: the reply that was asked for. Our own requests bring it themselves, before or after this hint.
  changed(message) {
    if (ours.size) return void postponed.push(message);
    if (message.leaf && byId(`message-${message.leaf}`)) return;
    if (message.conversation === form.dataset.conversation) refreshThread();
    refreshList();
  },
};

const inSight = () => document.elementFromPoint(innerWidth / 2, innerHeight / 2)?.closest("article") ?? thread.querySelector("article");
const idOf = article => Number(article.id.slice("message-".length));

// One watch for each completion whose article is on the page, however many choices it has.
function watch() {
  const wanted = new Set([...thread.querySelectorAll("[data-status=queued], [data-status=live]")].map(article => article.dataset.completion));
  for (const id of watched.difference(wanted)) {
    watched.delete(id);
    if (!ended.delete(id)) socket.send({ type: "unwatch", completion: Number(id) });
  }
  if (!socket.isOpen) return;
  for (const id of wanted.difference(watched)) {
    watched.add(id);
    socket.send({ type: "watch", completion: Number(id) });
  }
}

// As chat/templatetags/page.py tells it of saved text; early, so that lines do not move when the reply settles.
const HAN = /[\u3400-\u9fff\uf900-\ufaff]/g, KANA = /[\u3040-\u30ff]/g, WORDS = /[\p{L}--[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]]+/gv;
const judged = new WeakSet();   // containers whose language is known, or will not be known before the end
function markLanguage(container) {
  const text = container.textContent;
  if (text.length > 300) judged.add(container);
  const count = pattern => text.match(pattern)?.length ?? 0;
  if (count(HAN) + count(KANA) > count(WORDS)) container.lang = count(KANA) > count(HAN) / 10 ? "ja" : "zh";
}

// --- up to date: fetched by htmx, morphed in; what did not change is not touched

const fetching = new Map();    // address → whether it is wanted once more
const ours = new Set();        // requests of ours that change the thread and are under way
const postponed = [];          // hints that wait for their answers
let changes = 0;               // of the thread, begun or done: an answer asked for before one of them is out of date

async function bring(target, address, swap, facts) {
  if (fetching.has(address)) return fetching.set(address, true);
  do {
    fetching.set(address, false);
    await htmx.ajax("GET", address, { source: target, target, swap, ...facts?.() });
  } while (fetching.get(address) && target.isConnected);
  fetching.delete(address);
}

// The end of the thread that is remembered; a page that shows something else keeps to the message that is in sight.
function refreshThread({ end = false } = {}) {
  const { conversation, aside } = form.dataset;
  if (!conversation) return;
  const at = end || !(byId("later") || aside !== undefined) ? null : inSight();
  return bring(thread, `/c/${conversation}/thread/${at ? `?at=${idOf(at)}` : ""}`, "innerMorph", () => ({ askedAt: changes }));
}
const refreshMessage = id => bring(byId(`message-${id}`), `/messages/${id}/?leaf=${form.elements.parent.value}`, "outerMorph");
const refreshList = () => bring(list, "/list/", "innerMorph");

// A container that grows belongs to its frames: a morph would take back what has come since it was saved.
htmx.registerExtension("growing", {
  htmx_before_morph_node: (_, { oldNode, newNode }) =>
    oldNode.id !== "attached" && !newNode.hasAttribute?.("data-kept") && !(growing.has(oldNode) && newNode.classList.contains("growing")),
  // The key of a send that is under way stays, so that a repetition of it is known as one.
  htmx_before_morph_attr: element => !(sending && element.name === "key"),
});

const isRefresh = ctx => ctx.askedAt !== undefined;
const targetOf = ctx => typeof ctx.target === "string" ? document.querySelector(ctx.target) : ctx.target;
const changesThread = ctx => !isRefresh(ctx) && ctx.swap !== "none" && thread.contains(targetOf(ctx));
const on = (name, act) => document.addEventListener(`htmx:${name}`, event => act(event.detail.ctx, event));

// As much of the list comes back as is loaded.
on("config:request", ctx => { ctx.request.headers["X-Listed"] = list.querySelectorAll(".entry[id]").length });

on("before:request", ctx => {
  if (!changesThread(ctx)) return;
  changes++;
  if (ctx.request.method === "POST") ours.add(ctx);
});

on("before:swap", (ctx, event) => {
  if (isRefresh(ctx) && ctx.askedAt !== changes) { event.preventDefault(); fetching.set(ctx.request.action, true); return }
  if (changesThread(ctx)) changes++;
  for (const { type, swapSpec, fragment } of event.detail.tasks) {
    if (type !== "main") continue;
    // What an earlier look has already brought is not shown twice.
    if (swapSpec.style === "beforeend") for (const { id } of fragment.querySelectorAll("article, .lineup")) byId(id)?.remove();
    if (targetOf(ctx) === thread && swapSpec.style === "innerMorph") keepAbove(fragment);
  }
  // What was sent from the middle of a thread stands at its end, before which the rest is fetched anew.
  ctx.fromMiddle = changesThread(ctx) && ctx.sourceElement === form && byId("later");
  if (ctx.fromMiddle) thread.replaceChildren();
  if (changesThread(ctx)) ctx.hold = held(ctx);
});

// A thread comes in stretches. What precedes a message never changes: what the reader has loaded above stays.
function keepAbove(fragment) {
  const above = [];
  let node = byId(fragment.querySelector("article")?.id)?.closest("#thread > *");
  while ((node = node?.previousElementSibling)) above.unshift(node);
  if (!above.some(node => node.matches("article"))) return;
  fragment.querySelector("#earlier")?.remove();
  fragment.prepend(...above.map(node => node.cloneNode(false)));
  for (const stub of [...fragment.children].slice(0, above.length)) stub.dataset.kept = "";
}

// What stays in its place on the screen, and who has the focus, while the thread changes above it or in it.
function held({ sourceElement, request }) {
  if (sourceElement.closest("#earlier")) return following ? null : inPlace(thread.querySelector("article"));
  const [, shown] = request.action.match(/^\/messages\/(\d+)\/show\/$/) ?? [];
  const old = sourceElement.closest("article");
  if (!shown || !old) return;
  leave();
  return inPlace(old, `message-${shown}`, sourceElement.dataset.way);
}

function inPlace(old, id = old?.id, way) {
  const top = old?.getBoundingClientRect().top;
  return () => {
    const now = byId(id);
    if (!now) return;
    scrollBy({ top: now.getBoundingClientRect().top - top, behavior: "instant" });
    if (way) (now.querySelector(`.branch [data-way=${way}]:enabled`) ?? now.querySelector(".branch button:enabled"))?.focus({ preventScroll: true });
  };
}

on("after:swap", ctx => {
  const done = ctx.response?.status === 200;
  ctx.hold?.();
  if (done && ctx.sourceElement === form) {
    follow();
    setTimeout(refreshList, AFTER_FIRST_WORD);
    // Of answers side by side, the one that is gone on with stays.
    if (ctx.fromMiddle || thread.querySelector(".lineup:not(:last-child)")) refreshThread({ end: true });
  }
  // What was refused because of it can be done now.
  if (done && ctx.target?.matches?.("article") && ctx.target.dataset.status !== "live") notice.querySelector(".refusal")?.remove();
  if (done && ctx.request.method === "POST" && changesThread(ctx)) notice.replaceChildren();
  const address = ctx.hx?.pushurl;
  if (address && address !== location.pathname + location.search) history.pushState(null, "", address);
  markCurrent();
  localTimes();
  watch();
});

on("finally:request", ctx => {
  if (ours.delete(ctx) && !ours.size) postponed.splice(0).forEach(heard.changed);
  if (ctx.sourceElement.matches(".stop") && !socket.isOpen) refreshThread();
});

addEventListener("popstate", () => {
  if (location.pathname !== (form.dataset.conversation ? `/c/${form.dataset.conversation}/` : "/")) location.reload();
});

function markCurrent() {
  for (const link of list.querySelectorAll("a"))
    link.pathname === location.pathname ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
}

// --- what cannot be done is said beside the composer

function say(name) {
  notice.replaceChildren(byId(`say-${name}`).content.cloneNode(true));
  notice.dataset.said = name;
}

on("before:response", (ctx, event) => {
  // Views never redirect what htmx asks: this is the way to the sign-in page.
  if (ctx.response.raw.redirected) { event.preventDefault(); sessionEnded() }
});

on("response:error", ctx => {
  const { status } = ctx.response;
  if ([409, 422, 503].includes(status)) return;   // they bring their own sentence
  if (ctx.request.method === "POST") say(status === 403 ? "stale" : status === 404 ? "missing" : "broken");
  else if (status === 404 && isRefresh(ctx)) say("missing");
  else if (status === 404) refreshThread();
});

on("error", ctx => { if (ctx?.request?.method === "POST") say("unreachable") });

function sessionEnded() {
  socket.close();
  connection("away");
  awayIs("");
  say("signed-out");
  notice.querySelector("a").search = `?next=${encodeURIComponent(location.pathname)}`;
}

// A socket that is refused for want of a session closes like one that broke.
async function lookForSession() {
  const answer = await fetch("/list/", { redirect: "manual" }).catch(() => null);
  if (answer?.type === "opaqueredirect") sessionEnded();
}

// --- following the end, while the reader is there

const NEAR = 24;   // px from the end that still are the end

const toEnd = byId("to-end");
let following = false, lastY = scrollY;

const left = () => root.scrollHeight - innerHeight - scrollY;
const leave = () => { following = false };

function follow() {
  following = true;
  toEnd.hidden = true;
  scrollTo({ top: root.scrollHeight, behavior: "instant" });
  lastY = scrollY;
}

// After layout and before paint: text, an ending, a taller composer, whatever grows.
const growth = new ResizeObserver(() => { if (following) follow() });
growth.observe(thread);
growth.observe(document.querySelector(".compose"));

new IntersectionObserver(entries => {
  if (!entries.at(-1).isIntersecting || byId("welcome")) return;
  following = true;
  toEnd.hidden = true;
}, { rootMargin: `0px 0px ${NEAR}px` }).observe(byId("end"));

// What grows never moves the page upwards: the reader does, and shall not be pulled back by the next word.
addEventListener("scroll", () => {
  if (scrollY < lastY && left() > 2) leave();
  if (scrollY > lastY && left() < NEAR) following = true;
  lastY = scrollY;
}, { passive: true });
// A frame that comes before the first scroll event would end the scrolling that these begin.
addEventListener("wheel", event => { if (event.deltaY < 0) leave() }, { passive: true });
addEventListener("touchmove", leave, { passive: true });
addEventListener("keydown", event => { if (["PageUp", "Home", "ArrowUp"].includes(event.key) && event.target === document.body) leave() });
// What one opens is to stay where it is.
thread.addEventListener("click", event => { if (event.target.closest("summary")) leave() });

toEnd.addEventListener("click", () => {
  const calm = matchMedia("(prefers-reduced-motion: reduce)").matches;
  following = true;
  toEnd.hidden = true;
  scrollTo({ top: root.scrollHeight, behavior: calm ? "instant" : "smooth" });
});

// --- copying

async function copy(text, button) {
  if (!await toClipboard(text)) return;
  button.classList.add("done");
  byId("announcement").textContent = words.copied;
  const icon = button.querySelector("use"), before = icon?.getAttribute("href");
  if (before === "#i-check") return;
  icon?.setAttribute("href", "#i-check");
  setTimeout(() => { button.classList.remove("done"); icon?.setAttribute("href", before) }, 1500);
}

async function toClipboard(text) {
  try {
    // Given the promise at once, since Safari allows it only within the click.
    const blob = Promise.resolve(text).then(text => new Blob([text], { type: "text/plain" }));
    await navigator.clipboard.write([new ClipboardItem({ "text/plain": blob })]);
    return true;
  } catch {
    return copyOldWay(await text);
  }
}

// Over plain http in a LAN there is no navigator.clipboard.
function copyOldWay(text) {
  const area = document.createElement("textarea");
  area.value = text;
  area.className = "vh";
  const before = document.activeElement;
  (document.querySelector("dialog[open]") ?? document.body).append(area);
  area.select();
  const done = document.execCommand("copy");
  area.remove();
  before?.focus({ preventScroll: true });
  return done;
}

const textOf = async address => {
  const answer = await fetch(address);
  if (!answer.ok || answer.redirected) throw new Error(`${address}: ${answer.status}`);
  return answer.text();
};
const sourceOf = id => textOf(`/messages/${id}/source/`);
const linkTo = id => `${location.origin}/c/${form.dataset.conversation}/?at=${id}#message-${id}`;

// --- editing in place

// crypto.randomUUID is missing over plain http.
function uuid() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  bytes[6] = bytes[6] & 0x0f | 0x40;
  bytes[8] = bytes[8] & 0x3f | 0x80;
  const hex = [...bytes].map(byte => byte.toString(16).padStart(2, "0")).join("");
  return hex.replace(/^(.{8})(.{4})(.{4})(.{4})/, "$1-$2-$3-$4-");
}

async function edit(article) {
  if (!article || "editing" in article.dataset) return;
  const id = idOf(article), name = `edit:${id}`;
  const rewrite = byId("rewrite").content.firstElementChild.cloneNode(true);
  const text = rewrite.elements.text;
  rewrite.setAttribute("action", `/messages/${id}/edit/`);
  rewrite.setAttribute("hx-post", `/messages/${id}/edit/`);
  rewrite.elements.key.value = uuid();
  const before = drafts.read(name) || await sourceOf(id).catch(() => null);
  if (before === null) return say("unreachable");
  if ("editing" in article.dataset) return;   // by a second click, meanwhile
  text.value = before;
  leave();
  article.dataset.editing = "";
  article.append(rewrite);
  if (article.querySelector(".card > .chips") || drafts.read(`${name}:files`)) {
    text.required = false;
    attaching().then(files => files.keep(rewrite));
  }
  htmx.process(rewrite);
  const stop = () => {
    for (const each of [name, `${name}:files`]) drafts.write(each, "");
    rewrite.remove();
    delete article.dataset.editing;
  };
  const cancel = () => {
    if (rewrite.querySelector(".chips > li")) attaching().then(files => files.forget(rewrite));
    stop();
    article.querySelector("[data-act=edit]")?.focus();
  };
  keepDraft(text, () => name);
  rewrite.addEventListener("keydown", event => {
    if (event.key === "Escape" && !isComposing(event)) { event.stopPropagation(); cancel() }
    if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) rewrite.requestSubmit();
  });
  rewrite.querySelector("[data-act=cancel]").addEventListener("click", cancel);
  rewrite.addEventListener("htmx:after:request", ({ detail: { ctx } }) => { if (ctx.response.status === 200) { stop(); notice.replaceChildren() } });
  if (!CSS.supports("field-sizing", "content")) { grow(text); text.addEventListener("input", () => grow(text)) }
  text.focus();
  text.setSelectionRange(text.value.length, text.value.length);
}

// --- renaming and deleting

const menu = byId("entry-menu");

function openMenu(button) {
  Object.assign(menu.dataset, { conversation: button.dataset.conversation, title: button.dataset.title, opener: button.closest(".entry")?.id ?? "title" });
  Object.assign(menu.dataset, { pinned: "pinned" in button.dataset ? "yes" : "", archived: "archived" in button.dataset ? "yes" : "" });
  byId("file").elements.conversation.value = button.dataset.conversation;
  menu.querySelector("form").setAttribute("action", `/c/${button.dataset.conversation}/delete/`);
  for (const link of menu.querySelectorAll("[data-place]")) link.href = `/c/${button.dataset.conversation}/${link.dataset.place}`;
}

menu.addEventListener("click", event => { if (event.target.closest("a, [form=file]")) menu.hidePopover() });

function rename({ conversation, title, opener }) {
  const home = byId(opener === "title" || !opener ? "title" : opener);
  const shown = [...home.children];
  const field = byId("renaming").content.firstElementChild.cloneNode(true);
  field.elements.title.value = title;
  home.replaceChildren(field);
  field.elements.title.select();
  const stop = () => { if (field.isConnected) home.replaceChildren(...shown) };
  field.addEventListener("keydown", event => { if (event.key === "Escape") { event.stopPropagation(); stop() } });
  field.addEventListener("focusout", event => { if (!field.contains(event.relatedTarget)) setTimeout(stop, 200) });
  field.addEventListener("submit", event => {
    event.preventDefault();
    const name = field.elements.title.value.trim();
    stop();
    if (!name || name === title) return;
    htmx.ajax("POST", `/c/${conversation}/rename/`, { source: menu, target: list, swap: "innerMorph", values: { title: name } })
      .then(() => { if (conversation === form.dataset.conversation) document.title = `${byId("title").querySelector("h1").textContent} · ${words.site}` });
  });
}

menu.querySelector("form").addEventListener("submit", event => {
  event.preventDefault();
  menu.hidePopover();
  htmx.ajax("POST", `/c/${menu.dataset.conversation}/delete/`, { source: menu, target: list, swap: "innerMorph" });
});

// --- the system prompt and the parameters of a conversation

const setup = byId("setup");

async function openSetup(link, event) {
  event.preventDefault();
  menu.hidePopover();
  const { value } = models.querySelector("[name=persona]:checked") ?? {};
  const address = link.dataset.place ? link.href : `${link.href}?persona=${value ?? ""}`;
  await htmx.ajax("GET", address, { source: setup, target: setup, swap: "innerHTML" });
  const fields = setup.querySelector("form")?.elements;
  if (!fields) return;
  if (!link.dataset.place) for (const [name, value] of setupToBe()) if (fields[name]) fields[name].value = value;
  setup.showModal();
}

setup.addEventListener("submit", ({ target }) => { if (target.method === "dialog") keepSetup(new URLSearchParams(new FormData(target))) });

function keepSetup(fields) {
  drafts.write("setup", String(fields));
  markSetup();
}

const markSetup = () => document.documentElement.toggleAttribute("data-setup", setupToBe().size > 0);
markSetup();
form.addEventListener("htmx:finally:request", markSetup);

setup.addEventListener("htmx:after:request", ({ detail: { ctx } }) => { if (ctx.request.method === "POST" && ctx.response.status === 204) setup.close() });

// --- clicks: by what they are to do

const messageMenu = byId("message-menu"), againMenu = byId("again-menu");

// Beside what opened it, with the focus in it.
async function openBeside(menu, link, filled) {
  menu.dataset.message = idOf(link.closest("article"));
  await filled;
  menu.showPopover({ source: link });
  menu.querySelector("button")?.focus();
}

// What a menu's button is to copy; its outcome is shown where the menu was opened.
function copyFrom(menu, text) {
  const opener = byId(`message-${menu.dataset.message}`)?.querySelector("[data-act=more]");
  menu.hidePopover();
  copy(text, opener ?? menu);
}

async function fork(id) {
  messageMenu.hidePopover();
  await htmx.ajax("POST", `/messages/${id}/fork/`, { source: messageMenu, target: notice, swap: "none", values: { key: uuid() } });
}

againMenu.addEventListener("submit", () => againMenu.hidePopover());

const acts = {
  more: link => openBeside(messageMenu, link),
  again: link => openBeside(againMenu, link, htmx.ajax("GET", link.pathname, { source: link, target: againMenu, swap: "innerHTML" })),
  "copy-plain": () => copyFrom(messageMenu, textOf(`/messages/${messageMenu.dataset.message}/plain/`)),
  "copy-link": () => copyFrom(messageMenu, Promise.resolve(linkTo(messageMenu.dataset.message))),
  fork: () => fork(messageMenu.dataset.message),
  details: link => import("./details.js").then(panel => panel.open(link)),
  "copy-beside": button => copy(Promise.resolve(button.previousElementSibling.textContent), button),
  copy: button => copy(sourceOf(idOf(button.closest("article"))), button),
  edit: button => edit(button.dataset.message ? byId(`message-${button.dataset.message}`) : button.closest("article")),
  attach: choose,
  unattach: button => attaching().then(files => files.unattach(button)),
  "open-file": link => attaching().then(files => files.open(link)),
  ask: button => write(`${button.textContent.trim()} `),
  menu: openMenu,
  setup: openSetup,
  shut: () => setup.close(),
  rename: button => rename(button.dataset),
  "rename-entry"() { menu.hidePopover(); rename(menu.dataset) },
  filing: link => import("./switcher.js").then(({ file }) => file(link.href)),
};
const actsInText = {
  "copy-code": button => copy(button.closest("figure").querySelector("code").textContent, button),
  wrap(button) {
    const on = button.closest("figure").toggleAttribute("data-wrap");
    button.setAttribute("aria-pressed", String(on));
  },
  footnote(button) {
    const notes = button.closest("[data-part]").querySelectorAll(".footnotes > ol > li");
    const note = notes[Number(button.textContent) - 1];
    if (!note) return;
    note.tabIndex = -1;
    note.focus({ preventScroll: true });
    note.scrollIntoView({ block: "center" });
  },
};

document.addEventListener("click", event => {
  const button = event.target.closest?.("[data-act]");
  if (button?.matches("a") && acts[button.dataset.act]) {
    if (event.ctrlKey || event.metaKey || event.shiftKey) return;
    event.preventDefault();
  }
  if (button) (button.closest("[hx-ignore]") ? actsInText : acts)[button.dataset.act]?.(button, event);
});

// --- the model picker

const models = byId("models"), filter = byId("model-filter"), picker = document.querySelector(".picker");

models.addEventListener("toggle", event => {
  picker.setAttribute("aria-expanded", String(event.newState === "open"));
  if (event.newState !== "open") return;
  if (!filter) models.querySelector(":checked")?.focus();
});
const options = () => [...models.querySelectorAll("[name=model]")];
const several = byId("several");

models.addEventListener("change", event => {
  if (event.target.name === "persona") takePersona(event.target);
  if (event.target === several) askSeveral(several.checked);
  const chosen = options().filter(option => option.checked);
  if (!chosen.length && event.target.name === "model") chosen.push(Object.assign(event.target, { checked: true }));
  const n = models.querySelector("[name=n]:checked").value;
  const name = chosen[0]?.dataset.name ?? "";
  byId("model-name").textContent = name + (chosen.length > 1 ? ` +${chosen.length - 1}` : "") + (n > 1 ? ` ×${n}` : "") + models.querySelector("[name=streamed]:checked").dataset.mark + capMark(chosen[0]);
});

function capMark(model) {
  const cap = byId("cap")?.value.trim();
  return cap ? ` · ≤ ${/^[\d.,]/.test(cap) ? model?.dataset.currency ?? "" : ""}${cap}` : "";
}

function takePersona({ value, dataset: { model, name } }) {
  const { conversation } = form.dataset;
  const option = model && models.querySelector(`[name=model][value="${model}"]`);
  if (option) { for (const other of options()) other.checked = other === option }
  byId("persona-name").textContent = name ? `${name} ·` : "";
  if (conversation) htmx.ajax("POST", `/c/${conversation}/persona/`, { source: models, swap: "none", values: { persona: value } });
  else keepSetup("");
}

function askSeveral(yes) {
  const first = options().find(option => option.checked);
  for (const option of options()) option.type = yes ? "checkbox" : "radio";
  if (first) first.checked = true;
}

// By arrow keys one looks at several; a pointer or Enter has chosen.
models.addEventListener("click", event => {
  const chosen = event.target.closest(".opt")?.querySelector("[type=radio]:is([name=model], [name=persona])");
  if (chosen && event.detail > 0 && event.target !== chosen) setTimeout(() => models.hidePopover());
});
models.addEventListener("keydown", event => {
  if (event.key === "Enter" && !isComposing(event)) {
    event.preventDefault();
    if (event.target === filter) models.querySelector(".opt:not([hidden]) input")?.click();
    models.hidePopover();
  } else if (event.key === "ArrowDown" && event.target === filter) {
    event.preventDefault();
    models.querySelector(".opt:not([hidden]) input")?.focus();
  }
});
filter?.addEventListener("input", () => {
  const wanted = filter.value.trim().toLowerCase();
  for (const option of models.querySelectorAll("fieldset:not(.answers) .opt")) option.hidden = !option.querySelector("span").title.toLowerCase().includes(wanted);
  for (const group of models.querySelectorAll("fieldset:not(.answers)")) group.hidden = !group.querySelector(".opt:not([hidden])");
  byId("no-model").hidden = Boolean(models.querySelector("fieldset .opt:not([hidden])"));
});

// --- files: what sends them is loaded when the first one comes

const attaching = () => import("./attaching.js");
const formOf = element => element.closest?.(".rewrite") ?? form;   // whose they are

async function take(files, into) {
  const module = await attaching();
  if (into !== form) module.keep(into);
  module.take(files, into);
}

function choose(button) {
  const input = Object.assign(document.createElement("input"), { type: "file", multiple: true });
  input.addEventListener("change", () => { take([...input.files], button.form); button.form.elements.text.focus() });
  input.click();
}

// What is copied from a document comes as text and as a picture of it: then it is text. A file may come with its name.
document.addEventListener("paste", event => {
  const { files } = event.clipboardData, text = event.clipboardData.getData("text/plain");
  if (!files.length || (text && text !== files[0].name) || document.querySelector("dialog[open]")) return;
  event.preventDefault();
  take([...files], formOf(event.target));
});

const carriesFiles = event => event.dataTransfer?.types.includes("Files");
let over = 0;   // elements that the files are dragged over, one within the other
function dragged(by) {
  over = by ? Math.max(over + by, 0) : 0;
  document.body.classList.toggle("dropping", over > 0);
}
addEventListener("dragenter", event => { if (carriesFiles(event)) dragged(1) });
addEventListener("dragleave", event => { if (carriesFiles(event)) dragged(-1) });
addEventListener("dragover", event => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  const aimed = document.querySelector("form.aimed"), at = formOf(event.target);
  if (aimed !== at) { aimed?.classList.remove("aimed"); at.classList.add("aimed") }
});
addEventListener("drop", event => {
  if (!carriesFiles(event)) return;
  event.preventDefault();
  dragged(0);
  take([...event.dataTransfer.files], formOf(event.target));
});

const waiting = drafts.read(filesDraft());
if (waiting) attaching().then(({ restore }) => restore(waiting.split(" ")));

// --- keys

const lastQuestion = () => [...thread.querySelectorAll("[data-role=user]")].at(-1);

box.addEventListener("keydown", event => {
  if (event.key === "ArrowUp" && !box.value && !isComposing(event)) { event.preventDefault(); edit(lastQuestion()) }
});

// What needs a window of its own is loaded when it is wanted.
addEventListener("keydown", event => {
  if (event.key.toLowerCase() !== "k" || event.ctrlKey === event.metaKey || event.altKey || event.shiftKey) return;
  event.preventDefault();
  if (!document.querySelector("dialog[open]")) openSwitcher();
});

addEventListener("keydown", event => {
  if (isComposing(event) || event.ctrlKey || event.metaKey || event.altKey) return;
  if (document.querySelector("dialog:modal, :popover-open")) return;
  if (event.key === "Escape") return form.querySelector(".stop")?.click();
  if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
  if (event.key === "?") { event.preventDefault(); byId("keys").showModal() }
  else if (event.key === "n" && location.pathname !== "/") { event.preventDefault(); document.querySelector(".new").click() }
  else if (event.key === "/") { event.preventDefault(); toSearch() }
  // Who just types, types a message.
  else if (event.key.length === 1 && event.key !== " " && event.target === document.body) box.focus();
});

function openSwitcher() {
  byId("switcher").showModal();
  import("./switcher.js").then(({ open }) => open());
}

function toSearch() {
  const field = byId("search");
  field.checkVisibility() ? field.focus() : location.assign(field.form.action);
}

// --- times in the reader's own zone

// The browser's own way of writing the page's language: "en" alone would be American.
const locale = navigator.languages.find(name => name.split("-")[0] === root.lang.split("-")[0]) ?? root.lang;

const written = options => new Intl.DateTimeFormat(locale, options);   // made once: each takes longer than a thousand uses
const hour = { hour: "2-digit", minute: "2-digit" }, day = { day: "numeric", month: "short", ...hour };
const today = written(hour), thisYear = written(day), before = written({ year: "numeric", ...day });
const exactly = written({ dateStyle: "full", timeStyle: "medium" });

function localTimes() {
  const now = new Date();
  for (const time of document.querySelectorAll("time:not([data-local])")) {
    const when = new Date(time.dateTime);
    const near = when.toDateString() === now.toDateString() ? today : when.getFullYear() === now.getFullYear() ? thisYear : before;
    time.textContent = near.format(when);
    time.title = exactly.format(when);
    time.dataset.local = "";
  }
}

localTimes();
markCurrent();
if (byId("panel").open) import("./details.js").then(panel => panel.adopt());

// A link to a message that is not on the page leads to the stretch of the thread where it stands.
const linked = () => location.hash.startsWith("#message-") && byId(location.hash.slice(1));
function toLinked() {
  const [, id] = location.hash.match(/^#message-(\d+)$/) ?? [];
  if (id && !linked() && !location.search.includes(`at=${id}`)) location.replace(`?at=${id}${location.hash}`);
}
addEventListener("hashchange", toLinked);
toLinked();

if (thread.querySelector("article") && !linked()) follow();
