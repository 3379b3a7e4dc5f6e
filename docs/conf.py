"""The site: Sphinx reads the Markdown files where they lie, so that links are the same here and in a checkout.

``sphinx-build -c docs . build/site`` in the root of the repository; then open ``build/site/index.html``.
Pages hold no directives: what is where in the navigation is ``NAVIGATION``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sphinx.addnodes import pending_xref

ROOT = Path(__file__).resolve().parent.parent

TUTORIAL = ("docs/tutorial", "docs/api")
STORIES = ("docs/one-network-three-figures", "docs/smoothed-accuracy", "docs/high-frequencies")
GUIDES = ("docs/why-does-my-number-differ", "docs/reproduce", *STORIES, "docs/data", "docs/weights", "docs/training")
REFERENCE = (
    *(f"docs/reference/{name}" for name in ("commands", "protocols", "recipes", "ledger", "hooks")),
    "docs/families",
)
EXPLANATION = ("docs/exactness", "results/README", "results/performance")
OTHERS = {f"docs/{page.stem}" for page in ROOT.glob("docs/*.md")} - {*TUTORIAL, *GUIDES, *REFERENCE, *EXPLANATION}
NAVIGATION = {
    "README": {
        "Tutorial": TUTORIAL,
        "Guides": (*GUIDES, *sorted(OTHERS), "CONTRIBUTING"),
        "Reference": (*REFERENCE, "CHANGELOG"),
        "Explanation": EXPLANATION,
    },
    "results/README": {"": tuple(sorted(f"results/{p.parent.name}/README" for p in ROOT.glob("results/*/README.md")))},
}
"""For each page that others are below: captions, and the pages under each in order. Any other page is a guide."""

project = "benchsuite"
author = copyright = "The benchsuite authors"
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/**.md", "results/**.md"]
exclude_patterns = [".*", "build", "dist", "*.egg-info", "tests", "examples"]
highlight_language = "none"
myst_heading_anchors = 4

html_theme = "furo"
html_title = "benchsuite"
html_theme_options = {"navigation_with_keys": True}
html_static_path = ["site/static"]
html_extra_path = ["site/root"]
html_css_files = ["site.css"]
html_js_files = ["site.js"]
html_use_index = False
html_copy_source = False
html_show_sphinx = False
html_show_search_summary = False  # it is fetched, which a browser refuses for pages on disk
html_permalinks_icon = "#"


def setup(app: Any) -> None:
    """Adds the navigation, and shows links to folders, which are no pages, as text."""
    app.connect("source-read", _with_navigation)
    app.connect("doctree-read", _folders_as_text)


def _with_navigation(app: Any, page: str, source: list[str]) -> None:
    """Adds the tables of contents of a page to its end; they are shown beside the page."""
    for caption, pages in NAVIGATION.get(page, {}).items():
        options = [":hidden:", *([f":caption: {caption}"] if caption else [])]
        source[0] += "\n\n" + "\n".join(["```{toctree}", *options, "", *(f"/{name}" for name in pages), "```", ""])


def _folders_as_text(app: Any, page: Any) -> None:
    """Replaces each link to a folder of the repository by its text."""
    here = Path(page["source"]).parent
    for link in [*page.findall(pending_xref)]:
        if (here / link["reftarget"]).is_dir():
            link.replace_self(link.children)
