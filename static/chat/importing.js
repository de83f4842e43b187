// Sends a file to import in parts: as large as it is, over a line as bad as it is. Without this, the form sends it whole.
const form = document.getElementById("import"), notice = document.getElementById("import-notice"), bar = form.querySelector("progress");
const token = form.elements.csrfmiddlewaretoken.value;
const LONGEST_WAIT = 15_000;

const post = (address, body) => fetch(address, { method: "POST", body, redirect: "manual", headers: { "X-CSRFToken": token, "HX-Request": "true" } });
const pause = ms => new Promise(done => setTimeout(done, ms));
const stay = event => event.preventDefault();   // leaving would leave half a file

function say(text) {
  const said = document.createElement("p");
  said.className = "note bad";
  said.setAttribute("role", "alert");
  said.textContent = text;
  notice.replaceChildren(said);
}

// A refusal brings its sentence.
const sentenceOf = async answer => new DOMParser().parseFromString(await answer.text(), "text/html").body.textContent.trim();

async function send(file) {
  const answer = await post(form.action, new URLSearchParams({ name: file.name, size: file.size }));
  if (answer.status !== 201) return say(answer.status === 422 ? await sentenceOf(answer) : form.dataset.failed);
  const { address, part } = await answer.json();
  for (let sent = 0, tries = 0; sent < file.size;) {
    const reply = await post(`${address}part/?from=${sent}`, file.slice(sent, sent + part)).catch(() => null);
    if (reply?.status === 200 || reply?.status === 409) {
      const { received, status } = await reply.json();
      if (status === "stopped") break;
      [sent, tries] = [received, 0];
      bar.value = sent / file.size;
    } else if (reply && reply.status < 500) {
      return say(form.dataset.failed);
    } else {
      notice.textContent = form.dataset.retrying;
      await pause(Math.min(500 * 2 ** tries++, LONGEST_WAIT));
      notice.textContent = "";
    }
  }
  removeEventListener("beforeunload", stay);
  location.assign(address);
}

form.addEventListener("submit", async event => {
  event.preventDefault();
  const [file] = form.elements.file.files;
  if (!file) return;
  const button = form.querySelector("button");
  button.disabled = true;
  bar.hidden = false;
  notice.replaceChildren();
  addEventListener("beforeunload", stay);
  await send(file).catch(() => say(form.dataset.failed));
  removeEventListener("beforeunload", stay);
  button.disabled = false;
  bar.hidden = true;
});
