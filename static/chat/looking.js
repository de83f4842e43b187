// A page that shows what is happening: looks again every two seconds, unless nobody sees it.
const look = () => { if (!document.hidden) document.querySelector("[hx-trigger=look]")?.dispatchEvent(new Event("look")) };
setInterval(look, 2000);
document.addEventListener("visibilitychange", look);
