"use strict";
for (const reader of document.querySelectorAll(".reader")) {
  const figure = reader.closest("figure");
  const rows = [...figure.querySelectorAll("tr[data-x]")];
  const heads = [...figure.querySelectorAll("thead th")].map((head) => head.textContent);
  const range = reader.querySelector("input");
  const output = reader.querySelector("output");
  const svg = figure.querySelector(".plot svg");
  const cursor = svg.querySelector(".cursor");
  reader.hidden = false;
  const show = () => {
    const row = rows[range.value];
    const told = [...row.cells].map((cell, index) =>
      index ? `${heads[index]} ${cell.textContent || "–"}` : cell.textContent);
    output.textContent = told.join(" · ");
    range.setAttribute("aria-valuetext", told.join(", "));
    cursor.setAttribute("x1", row.dataset.x + "%");
    cursor.setAttribute("x2", row.dataset.x + "%");
    figure.classList.add("read");
  };
  const places = rows.map((row) => Number(row.dataset.x));
  const follow = (event) => {
    const box = svg.getBoundingClientRect();
    const place = (event.clientX - box.left) / box.width * 100;
    let nearest = 0;
    places.forEach((other, index) => {
      if (Math.abs(other - place) < Math.abs(places[nearest] - place)) nearest = index;
    });
    range.value = nearest;
    show();
  };
  range.addEventListener("input", show);
  range.addEventListener("focus", show);
  svg.addEventListener("pointermove", follow);
  svg.addEventListener("pointerdown", follow);
}
