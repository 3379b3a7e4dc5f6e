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

  // A cell is its text, or [text, number, id that it links to, classes of the mark before it].
  const text = (cell) => (Array.isArray(cell) ? cell[0] : cell);
  const number = (cell) => {
    const known = Array.isArray(cell) && cell[1] !== null ? cell[1] : parseFloat(text(cell).replace("−", "-"));
    return Number.isNaN(known) ? null : known;
  };
  const read = (td) => [td.textContent, td.dataset.v === undefined ? null : Number(td.dataset.v)];

  function sheet(section) {
    const table = section.querySelector("table");
    const area = section.querySelector(".scroll");
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
          const [, , link, mark] = Array.isArray(cell) ? cell : [];
          const content = numeric[column] ? [text(cell)] : breakable(text(cell));
          const words = link ? [make("a", { href: `#${link}` }, ...content)] : content;
          return make("td", { className: numeric[column] ? "n" : "" }, ...(mark ? [make("span", { className: mark })] : []), ...words);
        }),
      );
      return nodes[row];
    };
    const titles = heads.map((head) => head.textContent);
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
    const hint = make("span", { className: "hint" }, "more columns: scroll →");
    const copy = copying.button("Copy as Markdown", `${section.id}.md`, "text/plain", markdown);
    const found = rows.length > 5 ? [make("label", {}, filter), status, next, all] : [];
    const tools = make("div", { className: "tools" }, ...found, hint, copy);
    const count = (n) => n.toLocaleString("en");

    function matching() {
      const wanted = filter.value.toLowerCase().split(/\s+/).filter(Boolean);
      return wanted.length ? order.filter((row) => wanted.every((word) => words_of(row).includes(word))) : order;
    }

    // All rows that match the filter, in the order in which they are sorted.
    function markdown() {
      const remarks = [...section.querySelectorAll(".remark")].map((remark) => remark.textContent);
      return copying.markdown(remarks, titles, numeric, matching().map((row) => rows[row].map(text)));
    }

    function show() {
      const matches = matching();
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
    area.before(tools);
    show();
    const cut = () => (hint.hidden = area.scrollLeft + area.clientWidth > area.scrollWidth - 2);
    area.addEventListener("scroll", cut, { passive: true });
    new ResizeObserver(cut).observe(area);
    new ResizeObserver(cut).observe(table);
  }

  // Marks the section in view in the navigation.
  function navigation() {
    const nav = document.querySelector("nav");
    const links = [...nav.querySelectorAll("a")];
    const targets = links.map((link) => document.querySelector(link.hash));
    let marked = -1;

    function current() {
      const tops = targets.map((target) => target.getBoundingClientRect().top);
      const page = document.documentElement;
      if (page.scrollTop > 0 && page.scrollTop + innerHeight > page.scrollHeight - 2) {
        // At the end of the page, short sections cannot reach its top: the one that was asked for, or the last.
        const asked = links.findIndex((link) => link.hash === location.hash);
        return asked >= 0 && tops[asked] >= 0 ? asked : links.length - 1;
      }
      return Math.max(0, tops.findLastIndex((top) => top <= innerHeight / 4));
    }
    function mark() {
      const at = current();
      if (at === marked) return;
      links[marked]?.removeAttribute("aria-current");
      links[at].setAttribute("aria-current", "true");
      marked = at;
      nav.scrollTo(links[at].offsetLeft - nav.clientWidth / 3, links[at].offsetTop - nav.clientHeight / 2);
    }
    window.addEventListener("scroll", mark, { passive: true });
    window.addEventListener("resize", mark);
    window.addEventListener("hashchange", mark);
    mark();
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
    for (const details of document.querySelectorAll("details:not([open])")) {
      details.open = true;
      opened.push(details);
    }
  });
  window.addEventListener("afterprint", () => opened.splice(0).forEach((details) => (details.open = false)));
  window.addEventListener("hashchange", follow);

  theme();
  for (const section of document.querySelectorAll(".sheet")) sheet(section);
  for (const figure of document.querySelectorAll("figure[data-name]")) {
    const button = copying.button("Copy as PNG", `${figure.dataset.name}.png`, "image/png", () => copying.png(figure));
    figure.querySelector("figcaption").append(button);
  }
  follow();
  navigation();
})();
