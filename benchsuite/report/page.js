"use strict";
(() => {
  // Rows that are shown first. Sorting and filtering return to this number, so that they stay fast.
  const FIRST = 100;
  const MORE = 400;
  const collator = new Intl.Collator("en", { numeric: true, sensitivity: "base" });

  const make = (name, properties = {}, ...children) => {
    const node = Object.assign(document.createElement(name), properties);
    node.append(...children);
    return node;
  };

  // Long names may wrap after colons, commas and slashes.
  const breakable = (words) => words.split(/(?<=[:,/])(?=\w)/).flatMap((part, at) => (at ? [make("wbr"), part] : [part]));

  // A cell is its text, or [text, number, id that it links to].
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

    // The sort keys of a column: numbers unchanged, texts as their alphabetical ranks, so that texts are compared only once.
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
      const matches = wanted.length ? order.filter((row) => wanted.every((word) => words_of(row).includes(word))) : order;
      const visible = Math.min(shown, matches.length);
      body.replaceChildren(...matches.slice(0, visible).map(node));
      if (!matches.length) body.append(make("tr", {}, make("td", { colSpan: heads.length }, "No row holds these words.")));
      const part = matches.length < rows.length ? `${count(matches.length)} of ${count(rows.length)} rows` : `${count(rows.length)} rows`;
      status.value = visible < matches.length ? `${part}, the first ${count(visible)} shown` : part;
      next.hidden = all.hidden = visible >= matches.length;
      tools.classList.toggle("whole", visible === rows.length);
      next.textContent = `Show ${count(Math.min(MORE, matches.length - visible))} more`;
      all.textContent = `Show all ${count(matches.length)}`;
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
      // A page opened from disk may have no storage; then the choice lasts until the page is closed.
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
        // No storage, as above.
      }
      apply();
    });
    apply();
    button.hidden = false;
  }

  // A link to an element inside closed <details> opens them.
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
