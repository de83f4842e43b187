// The pages beside the chat: what the server could not do is said where its answer would stand, and long tables are filtered.

// --- forms that htmx sends

function say(ctx, name) {
  const target = typeof ctx.target === "string" ? document.querySelector(ctx.target) : ctx.target;
  target?.replaceChildren(document.getElementById(`say-${name}`).content.cloneNode(true));
}

const on = (name, act) => document.addEventListener(`htmx:${name}`, event => act(event.detail.ctx, event));

on("before:response", (ctx, event) => {
  // Views never redirect what htmx asks: this is the way to the sign-in page.
  if (ctx.response.raw.redirected) { event.preventDefault(); say(ctx, "signed-out") }
});
on("response:error", ctx => {
  const { status } = ctx.response;
  if (![409, 422].includes(status)) say(ctx, status === 403 ? "stale" : status === 404 ? "missing" : "broken");
});
on("error", ctx => { if (ctx?.request) say(ctx, "unreachable") });

// --- a table with a search field: rows that do not hold all its words are hidden, and stay ticked or not

for (const field of document.querySelectorAll("[data-filters]")) {
  const rows = [...document.getElementById(field.dataset.filters).tBodies[0].rows];
  const texts = rows.map(row => row.cells[0].textContent.toLowerCase());
  const count = document.getElementById(field.dataset.counts);
  const filter = () => {
    const words = field.value.toLowerCase().split(/\s+/);
    let shown = 0;
    rows.forEach((row, i) => { row.hidden = !words.every(word => texts[i].includes(word)); shown += !row.hidden });
    count.textContent = field.value.trim() ? count.dataset.words.replace("{n}", shown.toLocaleString(document.documentElement.lang)) : "";
  };
  field.addEventListener("input", filter);
  field.addEventListener("keydown", event => { if (event.key === "Enter") event.preventDefault() });   // it stands in a form
  if (field.value) filter();   // that the browser has kept
}

// --- what is to be printed

for (const button of document.querySelectorAll("[data-prints]")) button.addEventListener("click", () => print());
