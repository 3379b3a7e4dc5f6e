// A box above every long table that keeps the rows with all of its words, and says how many are left.
"use strict";
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
