// A page that shows what is happening: looks again every two seconds, unless nobody sees it.
const shown = document.querySelector("[hx-trigger=look]");
const look = () => { if (!document.hidden) shown.dispatchEvent(new Event("look")) };
setInterval(look, 2000);
document.addEventListener("visibilitychange", look);
