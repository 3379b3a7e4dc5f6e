"use strict";
(() => {
  // Rows that are laid out at once: sorting and filtering begin at the top again, so that they stay quick.
  const FIRST = 100;
  const MORE = 400;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const make = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };

  // Long names may be broken after the marks that join their parts.
  const breakable = (words) => words.split(/(?<=[:,/])(?=\w)/).flatMap((part, at) => (at ? [make("wbr"), part] : [part]));

  // A cell is its text, or [text, number, place it leads to].
  const text = (cell) => (Array.isArray(cell) ? cell[0] : cell);
  const number = (cell) => {
    const known = Array.isArray(cell) && cell[1] !== null ? cell[1] : parseFloat(text(cell).replace("−", "-"));
    return Number.isNaN(known) ? null : known;
  };
  const read = (td) => [td.textContent, td.dataset.v === undefined ? null : Number(td.dataset.v)];

  function sheet(section) {
    const table = section.querySelector("table");
    const body = table.tBodies[0];
    const heads = [...table.tHead.rows[0].cells];
    const numeric = heads.map((head) => head.classList.contains("n"));
    const more = section.querySelector("script");
    const nodes = [...body.rows];
    const rows = nodes.map((node) => [...node.cells].map(read)).concat(more ? JSON.parse(more.textContent) : []);
    const words = [];
    const keys = [];
    let order = rows.map((_, row) => row);
    let shown = FIRST;
    let sorted = -1;
    let down = false;

    const node = (row) => {
      nodes[row] ??= make(
        "tr",
        {},
        ...rows[row].map((cell, column) => {
          const link = Array.isArray(cell) && cell[2];
          const content = numeric[column] ? [text(cell)] : breakable(text(cell));
          return make("td", { className: numeric[column] ? "n" : "" }, ...(link ? [make("a", { href: `#${link}` }, ...content)] : content));
        }),
      );
      return nodes[row];
    };
    const words_of = (row) => (words[row] ??= rows[row].map(text).join("\n").toLowerCase());

    // Numbers as they are; texts as their places in the alphabet, so that they are compared once.
    const keys_of = (column) => {
      if (keys[column]) return keys[column];
      if (numeric[column]) return (keys[column] = rows.map((row) => number(row[column])));
      const texts = [...new Set(rows.map((row) => text(row[column])))].sort(collator.compare);
      const places = new Map(texts.map((value, place) => [value, place]));
      return (keys[column] = rows.map((row) => places.get(text(row[column]))));
    };

    const filter = make("input", { type: "search", autocomplete: "off", spellcheck: false });
    filter.setAttribute("aria-label", `Filter ${table.getAttribute("aria-label")}`);
    filter.placeholder = "Filter rows";
    const status = make("output");
    const next = make("button", { type: "button" });
    const all = make("button", { type: "button" });
    const tools = make("div", { className: "tools" }, make("label", {}, filter), status, next, all);
    const count = (n) => n.toLocaleString("en");

    function show() {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      const found = wanted.length ? order.filter((row) => wanted.every((word) => words_of(row).includes(word))) : order;
      const here = Math.min(shown, found.length);
      body.replaceChildren(...found.slice(0, here).map(node));
      if (!found.length) body.append(make("tr", {}, make("td", { colSpan: heads.length }, "No row holds these words.")));
      const part = found.length < rows.length ? `${count(found.length)} of ${count(rows.length)} rows` : `${count(rows.length)} rows`;
      status.value = here < found.length ? `${part}, the first ${count(here)} shown` : part;
      next.hidden = all.hidden = here >= found.length;
      tools.classList.toggle("whole", here === rows.length);
      next.textContent = `Show ${count(Math.min(MORE, found.length - here))} more`;
      all.textContent = `Show all ${count(found.length)}`;
    }

    function sort(column) {
      down = sorted === column ? !down : false;
      sorted = column;
      const key = keys_of(column);
      const sign = down ? -1 : 1;
      order = rows.map((_, row) => row);
      order.sort((a, b) => {
        if (key[a] === null || key[b] === null) return (key[a] === null) - (key[b] === null) || a - b;
        return sign * (key[a] - key[b]) || a - b;
      });
      shown = FIRST;
      heads.forEach((head, at) => head.setAttribute("aria-sort", at !== column ? "none" : down ? "descending" : "ascending"));
      show();
    }

    heads.forEach((head, column) => {
      const button = make("button", { type: "button" }, head.textContent);
      button.addEventListener("click", () => sort(column));
      head.replaceChildren(button);
      head.setAttribute("aria-sort", "none");
    });
    filter.addEventListener("input", () => {
      shown = FIRST;
      show();
    });
    next.addEventListener("click", () => {
      shown += MORE;
      show();
    });
    all.addEventListener("click", () => {
      shown = Infinity;
      show();
    });
    if (rows.length > 5) section.querySelector(".scroll").before(tools);
    show();
  }

  function theme() {
    const names = ["auto", "light", "dark"];
    const button = document.getElementById("theme");
    let name = "auto";
    try {
      name = localStorage.getItem("benchsuite-theme") ?? "auto";
    } catch {
      // A page from disk may have no storage: the choice then lasts as long as the page.
    }
    const apply = () => {
      document.documentElement.dataset.theme = name;
      button.textContent = `Theme: ${name}`;
    };
    button.addEventListener("click", () => {
      name = names[(names.indexOf(name) + 1) % names.length];
      try {
        localStorage.setItem("benchsuite-theme", name);
      } catch {
        // As above.
      }
      apply();
    });
    apply();
    button.hidden = false;
  }

  // A link to what lies in closed details opens them.
  function follow() {
    const target = location.hash && document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (!target) return;
    for (let at = target; at; at = at.parentElement) if (at.tagName === "DETAILS") at.open = true;
    target.scrollIntoView();
  }

  const opened = [];
  window.addEventListener("beforeprint", () => {
    for (const details of document.querySelectorAll("details.prints:not([open])")) {
      details.open = true;
      opened.push(details);
    }
  });
  window.addEventListener("afterprint", () => opened.splice(0).forEach((details) => (details.open = false)));
  window.addEventListener("hashchange", follow);

  theme();
  for (const section of document.querySelectorAll(".sheet")) sheet(section);
  follow();
})();
