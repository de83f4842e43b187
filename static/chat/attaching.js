// Files of the next message: sent up as soon as they are chosen, pasted or dropped, and shown as chips until they go.
// Loaded when the first one comes, or one is opened.
import { attached, box, drafts, filesDraft, forecast, form, say } from "./composer.js";

const { address, most, bytes } = attached.dataset;
const chips = document.getElementById("chips"), blind = document.getElementById("blind");
const models = document.getElementById("models");
const template = id => document.getElementById(id).content.firstElementChild.cloneNode(true);
const queue = [];
let sending = null;

export function take(files) {
  for (const file of files) {
    if (chips.querySelectorAll("li:not(.bad)").length >= most) return fail(file.name, say("fileTooMany", { most: Number(most) }));
    if (file.size > bytes) { fail(file.name, say("fileTooLarge", { name: file.name, most: Math.floor(bytes / 2 ** 20) })); continue }
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
  if (!sending && "waits" in form.dataset) go();
}

function send(file, chip) {
  const request = sending = new XMLHttpRequest(), data = new FormData();
  const progress = chip.querySelector("progress");
  data.append("file", file, file.name || "image.png");
  request.open("POST", address);
  request.setRequestHeader("X-CSRFToken", form.elements.csrfmiddlewaretoken.value);
  request.setRequestHeader("HX-Request", "true");
  request.upload.onprogress = event => { if (event.lengthComputable) progress.value = event.loaded / event.total };
  request.upload.onload = () => progress.removeAttribute("value");   // it is being read over there
  request.onloadend = () => {
    sending = null;
    if (!chip.isConnected) return discard(request), next();
    if ([201, 422].includes(request.status) && !request.responseURL.includes("/sign-in/")) {
      chip.outerHTML = request.response.trim();
      if (request.status === 422) stay();
    } else {
      chip.replaceWith(failed(file.name, say("fileUnsent", { name: file.name })));
      if (request.responseURL.includes("/sign-in/")) document.getElementById("notice").replaceChildren(template("say-signed-out"));
      stay();
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
  const body = new URLSearchParams({ csrfmiddlewaretoken: form.elements.csrfmiddlewaretoken.value });
  fetch(`${address}${id}/remove/`, { method: "POST", body });
}

const named = (chip, name) => chip.querySelector("button").setAttribute("aria-label", chip.querySelector("button").getAttribute("aria-label").replace("{name}", name));

function failed(name, sentence) {
  const chip = template("failed");
  chip.querySelector("span").textContent = sentence;
  named(chip, name);
  return chip;
}

function fail(name, sentence) {
  chips.append(failed(name, sentence));
  stay();
}

// What was to be sent waits for the reader to see that a file is missing.
function stay() {
  if (!("waits" in form.dataset)) return;
  delete form.dataset.waits;
  box.dispatchEvent(new Event("input"));
}

function go() {
  stay();
  form.requestSubmit();
}

export function unattach(button) {
  const chip = button.closest("li"), id = chip.querySelector("[name=file]")?.value;
  const beside = (chip.nextElementSibling ?? chip.previousElementSibling)?.querySelector("button") ?? box;
  if (chip.contains(document.activeElement)) beside.focus();   // whoever types on already is not drawn away
  chip.remove();
  if (chip.hasAttribute("aria-busy")) sending?.abort();
  else if (id) remove(id);
}

// What a draft names and is still there.
export async function restore(ids) {
  const answer = await fetch(`${address}waiting/?${ids.map(id => `file=${id}`).join("&")}`);
  if (answer.ok && !answer.redirected) chips.insertAdjacentHTML("beforeend", (await answer.text()).trim());
  if (!chips.children.length) drafts.write(filesDraft(), "");
}

// The files of a message that is being edited: as they are, but each can be taken away.
export function keep(article, rewrite) {
  const list = document.createElement("ul");
  list.className = "chips";
  for (const link of article.querySelectorAll(".card > .chips [data-file]")) {
    const chip = link.closest("li").cloneNode(true), name = link.querySelector("b, img");
    const field = Object.assign(document.createElement("input"), { type: "hidden", name: "file", value: link.dataset.file });
    chip.append(field, template("uploading").querySelector("button"));
    chip.className = "";
    named(chip, name.alt ?? name.textContent);
    list.append(chip);
  }
  rewrite.append(Object.assign(document.createElement("input"), { type: "hidden", name: "files", value: "yes" }));
  rewrite.elements.text.before(list);
}

// --- whether the chosen models see

function look() {
  const model = models.querySelector(".opt:not([data-sees]) > [name=model]:checked");
  const told = model && chips.querySelector("[data-kind=image]");
  blind.hidden = !told;
  if (!told) return;
  blind.innerHTML = document.getElementById("blind-words").innerHTML;
  blind.firstChild.textContent = blind.firstChild.textContent.replace("{model}", model.dataset.name);
}

new MutationObserver(() => {
  drafts.write(filesDraft(), [...chips.querySelectorAll("[name=file]")].map(file => file.value).join(" "));
  look();
  forecast();
}).observe(chips, { childList: true });
models.addEventListener("change", () => setTimeout(look));

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
