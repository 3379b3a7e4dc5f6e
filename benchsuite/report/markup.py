"""Makes text safe for the HTML page: the names of files, classes and models come from others."""

from __future__ import annotations

import html
import json
import re
import unicodedata
from typing import Any

FORMAT = "\u200c\u200d\ufe0f"
"""Zero-width joiners and the emoji variation selector: not printable by themselves, but parts of real names."""


def escaped(text: object) -> str:
    """The text escaped for the content and the attributes of HTML and SVG."""
    return html.escape(printable(str(text)))


def breakable(text: str) -> str:
    """The text escaped, with ``<wbr>`` after ``:``, ``,`` and ``/``, so that long names can wrap there."""
    return re.sub(r"[:,/](?=\w)", r"\g<0><wbr>", escaped(text))


def printable(text: str) -> str:
    """The text with U+FFFD in place of control characters, lone surrogates and overrides of the text direction.

    They are replaced, not removed, so that a name with such characters never looks like one without them.
    """
    return "".join(c if c.isprintable() or c in " \n\t" or _belongs(c) else "\ufffd" for c in text)


def _belongs(c: str) -> bool:
    """Whether a character that is not printable is allowed: a space of any width, a joiner, a tag of a flag emoji."""
    return c in FORMAT or unicodedata.category(c) == "Zs" or "\U000e0020" <= c <= "\U000e007f"


def embedded(value: Any) -> str:
    """JSON that is safe in a ``<script>``: ``<``, ``>``, ``&`` and JavaScript's line separators are escaped.

    Raises ``ValueError`` for NaN and infinity.
    """
    text = json.dumps(_printable(value), ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    for c in "<>&\u2028\u2029":
        text = text.replace(c, f"\\u{ord(c):04x}")
    return text


def _printable(value: Any) -> Any:
    if isinstance(value, str):
        return printable(value)
    return [_printable(v) for v in value] if isinstance(value, list | tuple) else value


def tag(name: str, content: str = "", **attributes: str) -> str:
    """An HTML element. ``content`` is markup; attributes are escaped, empty ones are left out. ``cls`` is ``class``."""
    words = "".join(f' {"class" if k == "cls" else k}="{escaped(v)}"' for k, v in attributes.items() if v)
    return f"<{name}{words}>{content}</{name}>"


def indented(value: Any, room: int = 110, depth: int = 0) -> str:
    """JSON with indentation; a value that fits into ``room`` characters is on one line."""
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
