"use strict";
for (const reader of document.querySelectorAll(".reader")) {
  const figure = reader.closest("figure");
  const rows = [...figure.querySelectorAll("tr[data-x]")];
  const heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent);
  const places = rows.map((row) => Number(row.dataset.x));
  const tip = figure.querySelector(".tip");
  const cursor = figure.querySelector(".cursor");
  let at = 0;
  const line = (text, style) => {
    const made = document.createElement("div");
    made.textContent = text;
    made.className = style;
    return made;
  };
  const show = (index) => {
    at = Math.min(Math.max(index, 0), rows.length - 1);
    const [when, ...values] = [...rows[at].cells].map((cell) => cell.textContent || "n/a");
    const texts = values.map((value, place) => `${heads[place + 1]} ${value}`);
    tip.replaceChildren(line(when, "when"), ...texts.map((text) => line(text, "")));
    tip.hidden = false;
    reader.setAttribute("aria-valuenow", at + 1);
    reader.setAttribute("aria-valuetext", [when, ...texts].join(", "));
    cursor.setAttribute("x1", places[at] + "%");
    cursor.setAttribute("x2", places[at] + "%");
    figure.classList.add("read");
    const place = reader.offsetLeft + reader.offsetWidth * places[at] / 100;
    const right = place + 12 + tip.offsetWidth <= tip.offsetParent.clientWidth;
    tip.style.left = Math.max(0, right ? place + 12 : place - 12 - tip.offsetWidth) + "px";
  };
  const hide = () => {
    tip.hidden = true;
    figure.classList.remove("read");
  };
  const follow = (event) => {
    const box = reader.getBoundingClientRect();
    const place = (event.clientX - box.left) / box.width * 100;
    const far = places.map((other) => Math.abs(other - place));
    show(far.indexOf(Math.min(...far)));
  };
  const keys = {
    ArrowRight: () => at + 1, ArrowUp: () => at + 1, ArrowLeft: () => at - 1,
    ArrowDown: () => at - 1, Home: () => 0, End: () => rows.length - 1,
    PageUp: () => at + 10, PageDown: () => at - 10,
  };
  reader.hidden = false;
  reader.addEventListener("focus", () => show(at));
  reader.addEventListener("blur", hide);
  reader.addEventListener("pointermove", follow);
  reader.addEventListener("pointerdown", follow);
  reader.addEventListener("pointerleave", () => {
    if (document.activeElement !== reader) hide();
  });
  reader.addEventListener("keydown", (event) => {
    if (event.key === "Escape") hide();
    if (!(event.key in keys)) return;
    event.preventDefault();
    show(keys[event.key]());
  });
}
