"""A plot as a self-contained SVG file for Markdown pages: no external font, style or script."""

from __future__ import annotations

from benchsuite.report.plots import svg
from benchsuite.report.plots.matplotlib_files import LINE, QUIET, TONES
from benchsuite.report.plots.shapes import Figure, Points

COLOURS = ("#0072b2", "#d55e00", "#008a64", "#b5578c", "#8f6b00", "#4a4f58")
"""The colours of series and lines."""

WIDE = 900
MARGIN = 12

STYLE = f"""
text {{ font: 12px system-ui, sans-serif; fill: {TONES["plain"]} }}
text {{ paint-order: stroke; stroke: #fff; stroke-width: 3px }}
.name, .label {{ fill: {QUIET} }}
.label {{ font-size: 11px }}
.grid {{ stroke: {LINE} }}
.zero {{ stroke: {QUIET} }}
.link {{ stroke: {TONES["open"]}; stroke-dasharray: 2 3 }}
.whisker {{ stroke: {TONES["plain"]}; fill: none; stroke-width: 1.25 }}
.course {{ fill: none; stroke-width: 1.5; stroke-linejoin: round }}
""" + "".join(
    [f".t-{tone} {{ fill: {colour} }}\n" for tone, colour in TONES.items()]
    + [f".mark.s{i} {{ fill: {c} }} .course.s{i} {{ stroke: {c} }}\n" for i, c in enumerate(COLOURS)]
)

JOINED = f"""
.level {{ stroke: {TONES["plain"]}; stroke-dasharray: 6 4 }}
.join {{ fill: none; stroke-width: 1.5; opacity: 0.55 }}
""" + "".join(f".join.s{i} {{ stroke: {c} }}\n" for i, c in enumerate(COLOURS))
"""What only plots of points need."""


def drawing(figure: Figure) -> str:
    """The plot on a white background. The same plot always gives the same text."""
    inner = svg.draw(figure, WIDE)
    high = float(inner.partition('viewBox="0 0 ')[2].partition('"')[0].split()[1])
    box = f"{-MARGIN} {-MARGIN} {WIDE + 2 * MARGIN} {high + 2 * MARGIN:g}"
    size = f'width="{WIDE + 2 * MARGIN}" height="{high + 2 * MARGIN:g}"'
    back = f'<rect x="{-MARGIN}" y="{-MARGIN}" {size} fill="#fff"/>'
    style = STYLE + JOINED if isinstance(figure, Points) else STYLE
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="{box}" {size}>\n'
        f"<style>{style}</style>\n{back}\n{inner}\n</svg>\n"
    )
