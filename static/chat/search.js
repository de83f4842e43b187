// What the search page does beyond HTML: the address follows what is asked, everything can be ticked, keys, times.

const byId = id => document.getElementById(id);
const root = document.documentElement;
const box = byId("search"), all = byId("all"), selected = byId("selected"), files = byId("file");

// --- as one types: htmx brings what is found; the address can be kept, shared and come back to

document.addEventListener("htmx:after:swap", event => {
  const { ctx } = event.detail;
  if (ctx.sourceElement === box && ctx.response?.status === 200) {
    const address = new URL(box.form.action);
    address.search = new URLSearchParams([...new FormData(box.form)].filter(([, value]) => value));
    history.replaceState(null, "", address);
    files.elements.next.value = address.pathname + address.search;
    for (const link of document.querySelectorAll(".list a"))
      link.href === address.href ? link.setAttribute("aria-current", "page") : link.removeAttribute("aria-current");
  }
  localTimes();
  tell();
});

if (box && !box.value) box.focus();

// --- ticking

const boxes = () => [...files.querySelectorAll("[name=conversation]")];
let last;

function tell() {
  if (!all) return;
  const there = boxes(), ticked = there.filter(each => each.checked).length;
  all.checked = ticked > 0 && ticked === there.length;
  all.indeterminate = ticked > 0 && ticked < there.length;
  selected.dataset.none ??= selected.textContent;
  selected.textContent = ticked ? selected.dataset.words.replace("{n}", ticked.toLocaleString(root.lang)) : selected.dataset.none;
}

all?.addEventListener("change", () => { for (const each of boxes()) each.checked = all.checked; tell() });

files?.addEventListener("click", event => {
  if (event.target.name !== "conversation") return;
  const there = boxes();
  if (event.shiftKey && last?.isConnected) {
    const [from, to] = [there.indexOf(last), there.indexOf(event.target)].sort((a, b) => a - b);
    for (const each of there.slice(from, to + 1)) each.checked = event.target.checked;
  }
  last = event.target;
  tell();
});

// A browser that comes back to the page ticks again what was ticked.
addEventListener("pageshow", tell);

files?.addEventListener("keydown", event => {
  if (event.key !== "Enter" || !event.target.matches("[popover] .in") || event.isComposing) return;
  event.preventDefault();
  event.target.closest("[popover]").querySelector(".main").click();
});

// --- keys

addEventListener("keydown", event => {
  if (event.isComposing || event.altKey || event.shiftKey) return;
  if (event.key.toLowerCase() === "k" && event.ctrlKey !== event.metaKey) {
    event.preventDefault();
    if (!document.querySelector("dialog[open]")) openSwitcher();
  } else if (event.key === "/" && !event.ctrlKey && !event.metaKey && !event.target.closest("input, textarea, select")) {
    event.preventDefault();
    box ? box.select() : location.assign("/search/");
  }
});

function openSwitcher() {
  byId("switcher").showModal();
  import("./switcher.js").then(({ open }) => open());
}

// --- times in the reader's own zone, as page.js writes them

const locale = navigator.languages.find(name => name.split("-")[0] === root.lang.split("-")[0]) ?? root.lang;
const written = options => new Intl.DateTimeFormat(locale, options);
const hour = { hour: "2-digit", minute: "2-digit" }, day = { day: "numeric", month: "short", ...hour };
const today = written(hour), thisYear = written(day), before = written({ year: "numeric", ...day });

function localTimes() {
  const now = new Date();
  for (const time of document.querySelectorAll("time:not([data-local])")) {
    const when = new Date(time.dateTime);
    const near = when.toDateString() === now.toDateString() ? today : when.getFullYear() === now.getFullYear() ? thisYear : before;
    time.textContent = near.format(when);
    time.dataset.local = "";
  }
}

localTimes();
