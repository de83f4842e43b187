// Applies the operations of one choice to its DOM: the browser's half of chat/document.py, where the wire is described.
// The container holds one <div class="block"> for each block, as the server renders a saved message. A frame touches only
// what differs, so that selection, focus and what the reader has opened survive.
//
//   grows = new GrowingDocument(container)
//   grows.apply(operations)     false if it cannot: the first frame must say what the whole is (watch again)

const VOID = new Set(["BR", "HR", "INPUT"]);
const READERS_OWN = new Set(["aria-pressed", "data-wrap", "open"]);   // set by the reader, never by the server
const template = document.createElement("template");

const parse = html => { template.innerHTML = html; return template.content };

export class GrowingDocument {
  constructor(container) {
    this.container = container;
    this.html = "";            // of the last block, without its trailing closing tags
    this.parsed = true;        // whether the last block's DOM shows this.html
    this.begun = false;
  }

  get blocks() { return this.container.children }

  apply(operations) {
    this.begun ||= operations.some(operation => operation?.whole);
    if (!this.begun) return false;
    for (const operation of operations) this.#one(operation);
    this.#show();
    return true;
  }

  #one(operation) {
    if (typeof operation === "string") this.#append(operation);
    else if (typeof operation === "number") { this.html = this.html.slice(0, -operation); this.parsed = false }
    else if (operation === null) this.#begin();
    else if ("whole" in operation) this.#whole(operation.whole);
    else if ("replace" in operation) sync(this.blocks[operation.replace[0]], parse(operation.replace[1]));
    else if ("drop" in operation) this.#drop(operation.drop);
  }

  #begin() {
    this.#show();
    const block = document.createElement("div");
    block.className = "block";
    this.container.append(block);
    this.html = "";
  }

  #append(html) {
    const plain = this.parsed && this.html && !html.includes("<");
    this.html += html;
    if (plain) appendText(this.blocks[this.blocks.length - 1], html.includes("&") ? parse(html).textContent : html);
    else this.parsed = false;
  }

  #show() {
    if (!this.parsed) sync(this.blocks[this.blocks.length - 1], parse(this.html));
    this.parsed = true;
  }

  #drop(count) {
    while (this.blocks.length > count) this.blocks[this.blocks.length - 1].remove();
    this.html = "";
    this.parsed = true;
  }

  #whole(blocks) {
    this.#drop(blocks.length);
    blocks.forEach((html, i) => {
      if (i < this.blocks.length) sync(this.blocks[i], parse(html));
      else { this.#begin(); this.#append(html) }
    });
    this.#show();
    this.html = blocks.at(-1) ?? "";
  }
}

// The text goes where the parser would put it: into the innermost element that is still open.
function appendText(block, text) {
  let open = block;
  while (open.lastChild?.nodeType === Node.ELEMENT_NODE && !VOID.has(open.lastChild.tagName)) open = open.lastChild;
  if (open.lastChild?.nodeType === Node.TEXT_NODE) open.lastChild.appendData(text);
  else open.append(text);
}

// Make the children of `have` those of `want`.
function sync(have, want) {
  let node = have.firstChild;
  for (const wanted of [...want.childNodes]) {
    const next = node?.nextSibling;
    if (!node) have.append(wanted);
    else if (!node.isEqualNode(wanted)) become(node, wanted);
    node = next;
  }
  while (node) { const next = node.nextSibling; node.remove(); node = next }
}

function become(node, wanted) {
  if (node.nodeName !== wanted.nodeName) node.replaceWith(wanted);
  else if (node.nodeType === Node.TEXT_NODE) retext(node, wanted.data);
  else { attributes(node, wanted); sync(node, wanted) }
}

// Only what differs is replaced: a selection in what stays, stays.
function retext(node, data) {
  let same = 0;
  while (same < node.length && node.data[same] === data[same]) same++;
  node.replaceData(same, node.length - same, data.slice(same));
}

function attributes(node, wanted) {
  for (const { name } of [...node.attributes])
    if (!wanted.hasAttribute(name) && !READERS_OWN.has(name)) node.removeAttribute(name);
  for (const { name, value } of wanted.attributes) if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}
