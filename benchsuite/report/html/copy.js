"use strict";
// Buttons that copy a table as Markdown and a plot as PNG; where the clipboard is not allowed, they save a file.
const copying = (() => {
  const SCALE = 2;
  const MARGIN = 16;
  const LOOK = ["fill", "stroke", "stroke-width", "stroke-dasharray", "stroke-linejoin", "opacity", "paint-order"];
  const FONT = ["font-family", "font-size", "font-weight", "font-variant-numeric"];
  const SVG = "http://www.w3.org/2000/svg";

  const escaped = (text) =>
    text
      .replaceAll("−", "-")
      .replaceAll("\u2011", "-")
      .replace(/\s+/g, " ")
      .trim()
      .replace(/[\\|`*<>&~]|_(?!\w)|(?<!\w)_|\](?=[(\[])/g, "\\$&");

  // The remarks, then a table with its numbers aligned to the right.
  function markdown(remarks, heads, numeric, rows) {
    const line = (texts) => `| ${texts.map(escaped).join(" | ")} |`;
    const ruler = `|${numeric.map((n) => (n ? " ---: " : " --- ")).join("|")}|`;
    return [...remarks.map(escaped), [line(heads), ruler, ...rows.map(line)].join("\n")].join("\n\n");
  }

  function save(blob, name) {
    const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(blob), download: name });
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 10000);
  }

  // A button; make() returns what is copied, or a promise of it.
  function button(words, name, type, make) {
    const node = Object.assign(document.createElement("button"), { type: "button", className: "copy", textContent: words });
    node.setAttribute("aria-live", "polite");
    node.addEventListener("click", async () => {
      const made = Promise.resolve(make()).then((data) => new Blob([data], { type }));
      try {
        await navigator.clipboard.write([new ClipboardItem({ [type]: made })]);
        node.textContent = "Copied";
      } catch {
        save(await made, name);
        node.textContent = "Saved";
      }
      setTimeout(() => (node.textContent = words), 2000);
    });
    return node;
  }

  // The plot with its captions above it, in its present colours.
  async function png(figure) {
    const [drawn] = [...figure.querySelectorAll("svg")].filter((svg) => svg.getClientRects().length);
    const { width, height } = drawn.viewBox.baseVal;
    const copy = drawn.cloneNode(true);
    const nodes = copy.querySelectorAll("*");
    drawn.querySelectorAll("*").forEach((node, at) => {
      const style = getComputedStyle(node);
      for (const name of node.tagName === "text" ? [...LOOK, ...FONT] : LOOK) nodes[at].setAttribute(name, style.getPropertyValue(name));
    });
    const page = getComputedStyle(document.body);
    const captions = captions_of(figure).flatMap(([words, bold]) => wrapped(words, width, bold).map((part) => [part, bold]));
    const top = 20 * captions.length + 8;
    const whole = document.createElementNS(SVG, "svg");
    const sizes = [width + 2 * MARGIN, height + top + 2 * MARGIN];
    whole.setAttribute("viewBox", `${-MARGIN} ${-MARGIN - top} ${sizes.join(" ")}`);
    whole.setAttribute("width", SCALE * sizes[0]);
    whole.setAttribute("height", SCALE * sizes[1]);
    captions.forEach(([words, bold], at) => {
      const text = document.createElementNS(SVG, "text");
      const look = { y: 20 * at - top + 4, fill: page.color, "font-family": page.fontFamily, "font-size": 14, "font-weight": bold ? 600 : 400 };
      for (const [name, value] of Object.entries(look)) text.setAttribute(name, value);
      text.textContent = words;
      whole.append(text);
    });
    copy.setAttribute("overflow", "visible");
    copy.setAttribute("width", width);
    copy.setAttribute("height", height);
    whole.append(copy);
    const image = new Image();
    image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(whole))}`;
    await image.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: image.width, height: image.height });
    const context = canvas.getContext("2d");
    context.fillStyle = page.backgroundColor;
    context.fillRect(0, 0, canvas.width, canvas.height);
    context.drawImage(image, 0, 0);
    return new Promise((done) => canvas.toBlob(done, "image/png"));
  }

  // The question and the title; a question that several plots share stands above all of them.
  function captions_of(figure) {
    const question = figure.querySelector(".question") ?? figure.parentElement.previousElementSibling;
    const title = figure.querySelector(".title");
    return [[question?.matches(".question") && question.textContent, true], [title.textContent, false]].filter(([words]) => words);
  }

  function wrapped(words, width, bold) {
    const context = document.createElement("canvas").getContext("2d");
    context.font = `${bold ? 600 : 400} 14px ${getComputedStyle(document.body).fontFamily}`;
    const lines = [];
    for (const word of words.split(" ")) {
      const longer = lines.length ? `${lines.at(-1)} ${word}` : word;
      if (lines.length && context.measureText(longer).width <= width) lines[lines.length - 1] = longer;
      else lines.push(word);
    }
    return lines;
  }

  return { button, markdown, png };
})();
