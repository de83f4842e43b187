// Appearance, before the first paint: not deferred, so that no page flashes in the other theme. Then its switches.
(() => {
  const root = document.documentElement;
  const remembered = key => { try { return localStorage.getItem(key) ?? "" } catch { return "" } };
  const remember = (key, value) => { try { localStorage.setItem(key, value) } catch { /* a browser that keeps nothing */ } };

  const paint = theme => { if (["light", "dark"].includes(theme)) root.dataset.theme = theme; else delete root.dataset.theme };
  const fold = side => { root.dataset.side = side };

  // What its person has chosen comes with the page, and goes before what this browser remembers.
  const chosen = root.dataset.theme;
  if (chosen) remember("theme", chosen);

  root.dataset.script = "";
  paint(chosen || remembered("theme"));
  fold(remembered("side"));

  addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll("[type=radio][name=theme]")) {
      radio.checked = radio.value === (remembered("theme") || "auto");
      radio.addEventListener("change", () => { remember("theme", radio.value); paint(radio.value) });
    }
    for (const button of document.querySelectorAll("[data-fold]"))
      button.addEventListener("click", () => { remember("side", button.dataset.fold); fold(button.dataset.fold) });
  });
  addEventListener("storage", event => { if (event.key === "theme") paint(event.newValue) });
})();
