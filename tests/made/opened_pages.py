"""Pages opened from disk in a headless browser without a network; what they log, ask for and lack is recorded."""

from __future__ import annotations

import importlib.resources
import shutil
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)

FAULTS = """async (rules) => {
  const contrast = "color-contrast", seen = new Set(), looks = [];
  for (const element of document.body.querySelectorAll("*")) {
    const text = [...element.childNodes].some((node) => node.nodeType === Node.TEXT_NODE && node.data.trim());
    if (!text && !element.matches("input, select, textarea")) continue;
    const { color, fontSize, fontWeight, textShadow, visibility } = getComputedStyle(element);
    const look = [color, fontSize, fontWeight, textShadow, visibility, element.matches(":disabled, [aria-disabled]")];
    for (let box = element; box; box = box.parentElement) {
      const { backgroundColor, backgroundImage, opacity, filter, position, display } = getComputedStyle(box);
      const layer = [backgroundColor, backgroundImage, opacity, filter, position, display === "none"].join();
      if (layer !== look.at(-1)) look.push(layer);
    }
    if (!seen.has(look.join("|"))) looks.push(element);
    seen.add(look.join("|"));
  }
  const found = [], options = { resultTypes: ["violations"], preload: false };
  const run = async (where, more) => found.push(...(await axe.run(where, { ...options, ...more })).violations);
  const rest = rules.filter((rule) => rule !== contrast);
  if (!rules.length) await run(document, { rules: { [contrast]: { enabled: false } } });
  if (rest.length) await run(document, { runOnly: { type: "rule", values: rest } });
  if (looks.length && (!rules.length || rules.includes(contrast)))
    await run({ include: looks }, { runOnly: { type: "rule", values: [contrast] } });
  return found.filter(({ impact }) => impact === "serious" || impact === "critical")
    .flatMap(({ id, nodes }) => nodes.map(({ target, failureSummary }) => `${id} ${target}: ${failureSummary}`));
}"""
"""The contrast takes most of the time. It follows from the colours, the size and what lies behind: one element is asked
of each of these looks of the page."""


class Opened:
    """A page opened from disk; its console messages, requests and failed requests are recorded."""

    def __init__(self, browser: Any, path: Path, **options: Any) -> None:
        self.said: list[str] = []
        self.asked: list[str] = []
        self.failed: list[str] = []
        self.tab = browser.new_page(**{"viewport": {"width": 1400, "height": 900}, "offline": True, **options})
        self.tab.on("console", lambda message: self.said.append(message.text))
        self.tab.on("pageerror", lambda error: self.said.append(str(error)))
        self.tab.on("request", lambda request: self.asked.append(request.url))
        self.tab.on("requestfailed", lambda request: self.failed.append(request.url))
        self.url = path.as_uri()
        self.tab.goto(self.url)

    def column(self, sheet: str, number: int) -> list[str]:
        """The texts of a column of a table, from the top."""
        found: list[str] = self.tab.locator(f"#{sheet} tbody td:nth-child({number})").all_inner_texts()
        return found

    def wide(self) -> int:
        """The width of the page in pixels, with what can be reached by scrolling sideways."""
        width: int = self.tab.evaluate("document.documentElement.scrollWidth")
        return width

    def open_details(self) -> None:
        """Opens every ``<details>``."""
        self.tab.evaluate("document.querySelectorAll('details').forEach((d) => (d.open = true))")

    def faults(self, *rules: str) -> list[str]:
        """What axe-core finds that is serious or critical, by these rules or by all."""
        axe = pytest.importorskip("axe_playwright_python", reason="axe-playwright-python is not installed")
        script = (importlib.resources.files(axe) / "axe.min.js").read_text(encoding="utf-8")
        self.tab.evaluate(f"() => {{ {script} }}")
        found: list[str] = self.tab.evaluate(FAULTS, list(rules))
        return found

    def quiet(self, *, alone: bool = True) -> None:
        """Asserts that nothing was logged, no request failed, and nothing but files was asked for. Closes the page.

        ``alone``: nothing but the page itself was asked for.
        """
        assert self.said == []
        assert self.failed == []
        asked = [url for url in self.asked if not url.startswith("data:")]
        assert [url for url in asked if (url != self.url if alone else not url.startswith("file:"))] == []
        self.tab.close()
