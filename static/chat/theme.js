// Appearance, before the first paint: not deferred, so that no page flashes in the other theme. Then its switches.
(() => {
  const root = document.documentElement;
  const remembered = key => { try { return localStorage.getItem(key) ?? "" } catch { return "" } };
  const remember = (key, value) => { try { localStorage.setItem(key, value) } catch { /* a browser that keeps nothing */ } };

  const paint = theme => { if (["light", "dark"].includes(theme)) root.dataset.theme = theme; else delete root.dataset.theme };
  const fold = side => { root.dataset.side = side };

  root.dataset.script = "";
  paint(remembered("theme"));
  fold(remembered("side"));

  addEventListener("DOMContentLoaded", () => {
    for (const radio of document.querySelectorAll("[name=theme]")) {
      radio.checked = radio.value === (remembered("theme") || "auto");
      radio.addEventListener("change", () => { remember("theme", radio.value); paint(radio.value) });
    }
    for (const button of document.querySelectorAll("[data-fold]"))
      button.addEventListener("click", () => { remember("side", button.dataset.fold); fold(button.dataset.fold) });
  });
  addEventListener("storage", event => { if (event.key === "theme") paint(event.newValue) });
})();
