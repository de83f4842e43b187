// Files of the next message, or of one that is asked anew: sent up as soon as they are chosen, pasted or dropped, and
// shown as chips until they go. Loaded when the first one comes, or one is opened.
import { attached, drafts, filesDraft, forecast, form as composer, say } from "./composer.js";

const { address, most, bytes } = attached.dataset;
const models = document.getElementById("models");
const template = id => document.getElementById(id).content.firstElementChild.cloneNode(true);
const chipsOf = form => form.querySelector(".chips");
const queue = [];
let sending = null;   // what is on its way, and its chip

export function take(files, form = composer) {
  const chips = chipsOf(form);
  for (const file of files) {
    if (chips.querySelectorAll("li:not(.bad)").length >= most) { fail(chips, file.name, say("fileTooMany", { most: Number(most) })); break }
    if (file.size > bytes) { fail(chips, file.name, say("fileTooLarge", { name: file.name, most: Math.floor(bytes / 2 ** 20) })); continue }
    const chip = template("uploading");
    chip.querySelector("b").textContent = file.name;
    named(chip, file.name);
    chips.append(chip);
    queue.push({ file, chip });
  }
  next();
}

// One after the other, so that they stand in their order, and the first is soon there.
function next() {
  while (!sending && queue.length) {
    const { file, chip } = queue.shift();
    if (chip.isConnected) send(file, chip);
  }
  for (const form of document.querySelectorAll("form[data-waits]")) if (!form.querySelector(".chips [aria-busy]")) go(form);
}

function send(file, chip) {
  const request = new XMLHttpRequest(), data = new FormData(), form = chip.closest("form");
  const progress = chip.querySelector("progress");
  sending = { request, chip };
  data.append("file", file, file.name || "image.png");
  request.open("POST", address);
  request.setRequestHeader("X-CSRFToken", composer.elements.csrfmiddlewaretoken.value);
  request.setRequestHeader("HX-Request", "true");
  request.upload.onprogress = event => { if (event.lengthComputable) progress.value = event.loaded / event.total };
  request.upload.onload = () => progress.removeAttribute("value");   // it is being read over there
  request.onloadend = () => {
    sending = null;
    if (!chip.isConnected) return discard(request), next();
    if ([201, 422].includes(request.status) && !request.responseURL.includes("/sign-in/")) {
      chip.outerHTML = request.response.trim();
      if (request.status === 422) stay(form);
    } else {
      chip.replaceWith(failed(file.name, say("fileUnsent", { name: file.name })));
      if (request.responseURL.includes("/sign-in/")) document.getElementById("notice").replaceChildren(template("say-signed-out"));
      stay(form);
    }
    next();
  };
  request.send(data);
}

// What came too late, since its chip was taken away.
function discard(request) {
  const [, id] = request.status === 201 ? request.response.match(/value="([0-9a-f-]+)"/) ?? [] : [];
  if (id) remove(id);
}

function remove(id) {
  const body = new URLSearchParams({ csrfmiddlewaretoken: composer.elements.csrfmiddlewaretoken.value });
  fetch(`${address}${id}/remove/`, { method: "POST", body });
}

const named = (chip, name) => chip.querySelector("button").setAttribute("aria-label", chip.querySelector("button").getAttribute("aria-label").replace("{name}", name));

function failed(name, sentence) {
  const chip = template("failed");
  chip.querySelector("span").textContent = sentence;
  named(chip, name);
  return chip;
}

function fail(chips, name, sentence) {
  chips.append(failed(name, sentence));
  stay(chips.closest("form"));
}

// What was to be sent waits for the reader to see that a file is missing.
function stay(form) {
  if (!("waits" in form.dataset)) return;
  delete form.dataset.waits;
  form.querySelector(".room").textContent = "";
  form.elements.text.dispatchEvent(new Event("input"));
}

function go(form) {
  stay(form);
  form.requestSubmit();
}

export function unattach(button) {
  const chip = button.closest("li"), form = chip.closest("form");
  const beside = (chip.nextElementSibling ?? chip.previousElementSibling)?.querySelector("button") ?? form.elements.text;
  if (chip.contains(document.activeElement)) beside.focus();   // whoever types on already is not drawn away
  drop(chip);
}

// What is in a message already stays there: the server removes only what waits to be sent.
function drop(chip) {
  const id = chip.querySelector("[name=file]")?.value;
  chip.remove();
  if (sending?.chip === chip) sending.request.abort();
  else if (id && !("sent" in chip.dataset)) remove(id);
}

// What a draft names and is still there.
export async function restore(ids, chips = chipsOf(composer), name = filesDraft) {
  const answer = await fetch(`${address}waiting/?${ids.map(id => `file=${id}`).join("&")}`);
  if (answer.ok && !answer.redirected) chips.insertAdjacentHTML("beforeend", (await answer.text()).trim());
  if (!chips.querySelector("li:not([data-sent])")) drafts.write(name(), "");
}

// --- of a message that is being edited: its files as they are, but each can be taken away, and others can come

const kept = new WeakSet();

export function keep(rewrite) {
  const article = rewrite.closest("article"), chips = chipsOf(rewrite);
  if (kept.has(rewrite) || !article) return;
  kept.add(rewrite);
  for (const link of article.querySelectorAll(".card > .chips [data-file]")) {
    const chip = link.closest("li").cloneNode(true), name = link.querySelector("b, img");
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "file", value: link.dataset.file });
    chip.append(field, template("uploading").querySelector("button"));
    chip.className = "";
    chip.dataset.sent = "";
    named(chip, name.alt ?? name.textContent);
    chips.append(chip);
  }
  rewrite.append(Object.assign(document.createElement("input"), { type: "hidden", name: "files", value: "yes" }));
  rewrite.addEventListener("htmx:config:request", event => {
    if (!chips.querySelector("[aria-busy]")) return;
    event.preventDefault();
    rewrite.dataset.waits = "";
    rewrite.querySelector(".room").textContent = say("wait");
  });
  const name = () => `edit:${article.id.slice("message-".length)}:files`, ids = drafts.read(name());
  follow(rewrite, name);
  if (ids) restore(ids.split(" "), chips, name);
}

// It will not be asked: what came for it alone goes.
export function forget(rewrite) {
  for (const chip of [...chipsOf(rewrite).children]) drop(chip);
}

// --- what follows from the chips of a form: its draft, whether it needs words, whether the chosen models see

function follow(form, draft) {
  const chips = chipsOf(form), text = form.elements.text;
  const changed = () => {
    drafts.write(draft(), [...chips.querySelectorAll("li:not([data-sent]) [name=file]")].map(file => file.value).join(" "));
    if (form === composer) forecast();
    else text.required = !chips.querySelector("li:not(.bad)");
    look(form);
  };
  new MutationObserver(changed).observe(chips, { childList: true });
  models.addEventListener("change", () => setTimeout(look, 0, form));
  if (form !== composer) changed();
}

function look(form) {
  const blind = form.querySelector(".blind");
  const model = models.querySelector(".opt:not([data-sees]) > [name=model]:checked");
  const told = model && chipsOf(form).querySelector("[data-kind=image]");
  blind.hidden = !told;
  if (!told) return;
  blind.innerHTML = document.getElementById("blind-words").innerHTML;
  blind.firstChild.textContent = blind.firstChild.textContent.replace("{model}", model.dataset.name);
}

follow(composer, filesDraft);

// --- looking at one

const pane = document.getElementById("file-window");

export async function open(link) {
  const answer = await fetch(link.href, { headers: { "HX-Request": "true" } }).catch(() => null);
  if (!answer?.ok || answer.redirected) return location.assign(link.href);
  pane.innerHTML = await answer.text();
  pane.showModal();
}

pane.addEventListener("close", () => pane.replaceChildren());
pane.addEventListener("click", event => { if (event.target === pane) pane.close() });
