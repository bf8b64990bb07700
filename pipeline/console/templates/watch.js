// Looks now and then whether the errand is done, and then shows what came of it.
"use strict";
const place = document.getElementById("errand");
async function look() {
  try {
    const answer = await fetch(location.href, { credentials: "same-origin", redirect: "error" });
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    const now = page.getElementById("errand");
    if (!answer.ok || !now || now.dataset.done === "yes") {
      location.reload();
      return;
    }
    place.querySelector(".progress").replaceChildren(...now.querySelector(".progress").childNodes);
  } catch (error) {
    // The console may be starting anew: look again.
  }
  setTimeout(look, 2000);
}
if (place && place.dataset.done === "no") setTimeout(look, 300);
