// The composer: Enter sends, nothing typed is ever lost. Answers morph the form (its key, its address, Send or Stop),
// so the nodes stay; the text is the reader's, and only a confirmed send takes it away.

const SAVE_AFTER = 300;        // ms without a keystroke
const FORECAST_AFTER = 600;    // ms without a keystroke
const TELL_AFTER = 0.9;        // of the limit
const SECOND_CLICK = 1000;     // ms in which a click on what was Stop does not become a Send

export const form = document.getElementById("composer");
export const box = document.getElementById("message");
export const attached = document.getElementById("attached");   // the files to send; no answer morphs it
const room = document.getElementById("room");

export let sending = false;
let sent = null, stoppedAt = -Infinity;

// --- drafts: per person, since a browser may be shared

const place = name => `draft:${form.dataset.person}:${name}`;

export const drafts = {
  read(name) { try { return localStorage.getItem(place(name)) ?? "" } catch { return "" } },
  write(name, text) {
    try { text ? localStorage.setItem(place(name), text) : localStorage.removeItem(place(name)) } catch { /* full, or forbidden */ }
  },
};

// Keeps what is typed into a box under a name that may change.
export function keepDraft(textarea, name) {
  let timer;
  const save = () => { clearTimeout(timer); if (textarea.isConnected) drafts.write(name(), textarea.value) };
  textarea.addEventListener("input", () => { clearTimeout(timer); timer = setTimeout(save, SAVE_AFTER) });
  addEventListener("pagehide", save);
  document.addEventListener("visibilitychange", save);
  return save;
}

// What is set for a conversation before it begins goes with its first message, and is kept until then.
export const setupToBe = () => new URLSearchParams(drafts.read("setup"));

const conversation = () => form.dataset.conversation || "new";
export const filesDraft = () => `${conversation()}:files`;
const saveDraft = keepDraft(box, conversation);

// --- sending

// While an input method composes, Enter chooses a candidate. Safari says so by the key code only.
export const isComposing = event => event.isComposing || event.keyCode === 229;

export function sendsOn(event) {
  if (event.key !== "Enter" || event.shiftKey || event.altKey || isComposing(event)) return false;
  return (event.ctrlKey || event.metaKey) === (form.dataset.sendKey !== "enter");
}

box.addEventListener("keydown", event => {
  if (!sendsOn(event)) return;
  event.preventDefault();
  if (hasSomething() && !sending) form.requestSubmit();
});

const filesToSend = () => [...attached.querySelectorAll("[name=file]")].map(file => file.value);
const hasSomething = () => box.value.trim() || attached.querySelector("li:not(.bad)");

form.addEventListener("click", event => {
  if (event.target.closest(".stop")) stoppedAt = event.timeStamp;
  else if (!event.target.closest("button, a")) box.focus();
});

form.addEventListener("htmx:config:request", event => {
  if (event.target !== form) return;
  const { ctx } = event.detail;
  if (sending || (ctx.sourceEvent.submitter && ctx.sourceEvent.timeStamp - stoppedAt < SECOND_CLICK)) return event.preventDefault();
  if (!hasSomething()) { box.focus(); return event.preventDefault() }
  if (attached.querySelector("[aria-busy]")) {
    form.dataset.waits = "";
    room.textContent = document.getElementById("words").dataset.wait;
    return event.preventDefault();
  }
  saveDraft();
  for (const [name, value] of form.dataset.conversation ? [] : setupToBe()) ctx.request.body.append(name, value);
  sending = true;
  sent = { text: ctx.request.body.get("text"), files: filesToSend(), draft: conversation() };
});

form.addEventListener("htmx:after:request", event => {
  if (event.target === form && event.detail.ctx.response.status === 200) confirmed();
});

form.addEventListener("htmx:finally:request", event => { if (event.target === form) sending = false });

// It is saved over there. What was typed meanwhile stays.
function confirmed() {
  sending = false;
  drafts.write(sent.draft, "");
  if (sent.draft === "new") drafts.write("setup", "");
  drafts.write(`${sent.draft}:files`, "");
  for (const id of sent.files) attached.querySelector(`[value="${id}"]`)?.closest("li").remove();
  for (const failed of attached.querySelectorAll(".bad")) failed.remove();
  box.value = box.value.startsWith(sent.text) ? box.value.slice(sent.text.length) : box.value;
  changed();
  forecast();
}

// --- how much fits

function changed() {
  const limit = Number(form.dataset.limit);
  const length = box.value.length > TELL_AFTER * limit ? [...box.value].length : 0;   // as the server counts
  room.classList.toggle("over", length > limit);
  const words = length > limit ? "tooLong" : length > TELL_AFTER * limit ? "nearly" : "";
  room.textContent = words && say(words, { n: length, limit, over: length - limit });
  box.setCustomValidity(length > limit ? room.textContent : "");
  if (!CSS.supports("field-sizing", "content")) grow(box);
}

export const say = (words, figures) => document.getElementById("words").dataset[words].replace(/\{(\w+)\}/g, (_, name) =>
  figures[name].toLocaleString(document.documentElement.lang));

// For browsers without field-sizing.
export function grow(textarea) {
  textarea.style.height = "auto";
  textarea.style.height = `${textarea.scrollHeight}px`;
}

box.addEventListener("input", () => { changed(); forecast() });

export function write(text) {
  box.value = text;
  changed();
  saveDraft();
  box.focus();
}

// --- what it would cost

const cost = document.getElementById("cost");
let due, asked;

export function forecast() {
  clearTimeout(due);
  asked?.abort();
  if (!hasSomething()) return void (cost.textContent = "");
  due = setTimeout(async () => {
    asked = new AbortController();
    const body = new FormData(form);
    body.delete("key");
    body.append("conversation", form.dataset.conversation);
    try {
      const answer = await fetch(form.dataset.forecast, { method: "POST", body, signal: asked.signal });
      if (answer.ok && !answer.redirected) cost.textContent = await answer.text();
    } catch { /* typed on, or the server is away */ }
  }, FORECAST_AFTER);
}

// --- a temporary conversation is gone when one leaves it

addEventListener("pagehide", () => {
  if (!("temporary" in form.dataset)) return;
  const token = new FormData();
  token.append("csrfmiddlewaretoken", form.elements.csrfmiddlewaretoken.value);
  navigator.sendBeacon(`/c/${form.dataset.conversation}/leave/`, token);
});

if (!box.value) box.value = drafts.read(conversation());
changed();
