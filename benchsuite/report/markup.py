"""Text that is safe in a page: names of files, classes and models are written by others."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import Any

FORMAT = "\u200c\u200d\ufe0f"
"""Joiners and the emoji selector: they are no letters, but names are made of them."""


def escaped(text: object) -> str:
    """The text with everything spelt out that HTML or SVG would read, in content and in attributes."""
    return html.escape(printable(str(text)))


def breakable(text: str) -> str:
    """The text escaped, with places where a long name may be broken: after the marks that join its parts."""
    return re.sub(r"[:,/](?=\w)", r"\g<0><wbr>", escaped(text))


def printable(text: str) -> str:
    """The text without what no page can hold: control characters, lone surrogates and overrides of the direction.

    Each becomes the replacement character, so that two names that look alike are never made of different ones.
    """
    return "".join(c if c.isprintable() or c in " \n\t" or _belongs(c) else "\ufffd" for c in text)


def _belongs(c: str) -> bool:
    """Spaces of any width, joiners, and the tags that flags are made of."""
    return c in FORMAT or unicodedata.category(c) == "Zs" or "\U000e0020" <= c <= "\U000e007f"


def embedded(value: Any) -> str:
    """JSON that can stand in a ``<script>``: no ``<``, ``>`` or ``&`` is left, nor a line end that JavaScript knows."""
    text = json.dumps(_printable(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    return [_printable(v) for v in value] if isinstance(value, list | tuple) else value


def tag(name: str, content: str = "", **attributes: str) -> str:
    """An element. ``content`` is markup already, values of attributes are text; ``cls`` stands for ``class``."""
    words = "".join(f' {"class" if k == "cls" else k}="{escaped(v)}"' for k, v in attributes.items() if v)
    return f"<{name}{words}>{content}</{name}>"


def indented(value: Any, room: int = 110, depth: int = 0) -> str:
    """JSON as people read it: what fits on a line stands on one."""
    text = json.dumps(value, ensure_ascii=False)
    if len(text) + depth <= room or not isinstance(value, dict | list) or not value:
        return text
    pad = " " * (depth + 2)
    if isinstance(value, dict):
        lines = [f"{json.dumps(k, ensure_ascii=False)}: {indented(v, room, depth + 2)}" for k, v in value.items()]
        return "{\n" + ",\n".join(pad + line for line in lines) + "\n" + " " * depth + "}"
    return "[\n" + ",\n".join(pad + indented(v, room, depth + 2) for v in value) + "\n" + " " * depth + "]"


def size_words(size: int) -> str:
    """``312 kB``, ``1.4 MB``."""
    return f"{size / 1e6:.1f} MB" if size >= 1e6 else f"{max(1, round(size / 1e3))} kB"
