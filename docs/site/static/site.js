// What the theme leaves out: a filter for long tables, and what the keyboard and screen readers need.
"use strict";

// A box above every long table that keeps the rows with all of its words, and says how many are left.
document.addEventListener("DOMContentLoaded", () => {
  for (const table of document.querySelectorAll("article table.docutils")) {
    const rows = [...table.tBodies[0].rows];
    if (rows.length <= 20) continue;
    const texts = rows.map((row) => row.textContent.toLowerCase());
    const box = document.createElement("input");
    box.type = "search";
    box.placeholder = "Only rows with these words";
    box.setAttribute("aria-label", "Only rows with these words");
    const left = document.createElement("output");
    const bar = document.createElement("div");
    bar.className = "filter";
    bar.append(box, left);
    const show = () => {
      const words = box.value.toLowerCase().split(/\s+/).filter(Boolean);
      let n = 0;
      rows.forEach((row, i) => {
        row.hidden = !words.every((word) => texts[i].includes(word));
        n += row.hidden ? 0 : 1;
      });
      left.textContent = n === rows.length ? `${n} rows` : `${n} of ${rows.length} rows`;
    };
    box.addEventListener("input", show);
    (table.closest(".table-wrapper") || table).before(bar);
    show();
  }
});

// What scrolls sideways can be reached by the keyboard; the captions of the navigation have a level.
const reachable = () => {
  for (const box of document.querySelectorAll("article pre, article .table-wrapper")) {
    if (box.scrollWidth > box.clientWidth) box.tabIndex = 0;
    else box.removeAttribute("tabindex");
  }
};
document.addEventListener("DOMContentLoaded", () => {
  for (const caption of document.querySelectorAll("[role=heading]:not([aria-level])")) caption.setAttribute("aria-level", "2");
  reachable();
});
window.addEventListener("resize", reachable);
