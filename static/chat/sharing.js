// Copies the link that was just made.
const link = document.getElementById("link"), button = document.getElementById("copy-link");

button?.addEventListener("click", async () => {
  link.select();
  // Over plain http in a LAN there is no navigator.clipboard.
  const copied = await navigator.clipboard?.writeText(link.value).then(() => true, () => false) ?? document.execCommand("copy");
  if (copied) button.querySelector("span").textContent = button.dataset.done;
});
link?.addEventListener("focus", () => link.select());
