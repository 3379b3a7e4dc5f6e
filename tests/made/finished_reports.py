"""Reports of made-up runs: small ones, one with a ladder to a published figure, one with names meant to break it."""

from __future__ import annotations

import dataclasses
import json
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
from finished_runs import saved, scores
from finished_trainings import correct, learned
from frequency_analyses import analysed
from toy_evaluation import CATALOG

from benchsuite.evaluation.question import RunRequest
from benchsuite.progress import Progress
from benchsuite.report.content import Report, read
from benchsuite.report.frequency.pictures import DrawnTriple
from benchsuite.report.frequency.pictures import picture as drawn_picture
from benchsuite.report.gallery import Picture, opened, pictures, thumbnail
from benchsuite.report.html.page import page
from benchsuite.report.plots.figures import every_pair
from benchsuite.report.sources import sources
from benchsuite.runs.run import run

NASTY = (
    "<script>window.broken=1</script>",
    "</script><img src=x onerror=window.broken=1>",
    "=cmd|'/c calc'!A1",
    "\"quoted\" & 'single' <!-- ]]> --",
    r"back\slash_and $x^2$ 100% #1 {z} ~ | ` [a](b)",
    "שלום עולם",
    "\u202egnp.evil\u202c",
    "👩‍👩‍👧 emoji 🏴󠁧󠁢󠁷󠁬󠁳󠁿",
    "nul\x00 bell\x07 lone\udcff",
    "a" * 300,
    "two\nlines\u2028three",
)
"""Names of images, classes and models that could break a page or a table."""

VOID = {"meta", "img", "br", "wbr", "link", "input", "hr"}


class Page(HTMLParser):
    """Parses a page: its elements with attributes, their texts, and ``faults`` such as unclosed elements."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[tuple[str, str]] = []
        self.open: list[str] = []
        self.faults: list[str] = []
        self.feed(text)
        self.close()
        self.faults += [f"unclosed {name}" for name in self.open]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {key: value or "" for key, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"stray </{tag}>")

    def handle_data(self, data: str) -> None:
        self.texts.append((self.open[-1] if self.open else "", data))

    def named(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of that name."""
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        """All text that a reader can see, without scripts and styles."""
        return "".join(data for tag, data in self.texts if tag not in ("script", "style"))


def two_runs(results: Path, n: int = 200, **changes: Any) -> Report:
    """One network under 1crop and 10crop, on n images of 10 classes."""
    saved(results, "resnet50-1crop-x-aaa", scores(n, 10, 1))
    saved(results, "resnet50-10crop-x-bbb", scores(n, 10, 2, noise=0.7), protocol__label="10crop", **changes)
    return read(sources(results, ()))


def ladder_file(results: Path, *names: str, **changes: Any) -> Path:
    """Writes a ladder of these runs as ``explain --json`` does, with one factor per step."""
    rungs = []
    for number, name in enumerate(names):
        counts = json.loads((results / "runs" / name / "manifest.json").read_text())["counts"]
        factors = [{"name": f"factor {number}", "before": "a", "after": "b"}] if number else []
        rungs.append({"run_id": name, "factors": factors, "top1_errors": counts["top1_errors"]})
    path = results / "ladder.json"
    path.write_text(json.dumps({"rungs": rungs, **changes}))
    return path


def nasty(results: Path) -> Report:
    """Two runs whose images, weights, protocols and classes have the names ``NASTY``, and a ladder between them."""
    n = 10 * len(NASTY)
    ids = [f"{NASTY[i % len(NASTY)]} {i}".replace("\udcff", "?") for i in range(n)]
    labels = np.arange(n) % 10
    weights = {"label": NASTY[1], "digest": "d", "file": ""}
    saved(results, "resnet50-1crop-x-aaa", scores(n, 10, 1), ids=ids, labels=labels, weights=weights)
    more = {"weights": weights, "protocol__label": NASTY[0], "protocol__note": NASTY[1]}
    saved(results, "resnet50-10crop-x-bbb", scores(n, 10, 2), ids=ids, labels=labels, **more)
    names = ("resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb")
    factors = [{"name": NASTY[1], "before": NASTY[3], "after": NASTY[4]}]
    path = ladder_file(results, *names, because=list(NASTY[:9]))
    data = json.loads(path.read_text())
    data["rungs"][1]["factors"] = factors
    path.write_text(json.dumps(data))
    made = read(sources(results, (*names, str(path))))
    classes = tuple(NASTY[i % len(NASTY)] for i in range(10))
    return dataclasses.replace(made, classes={made.entries[0].data: classes})


def written(path: Path, report: Report, **options: Any) -> Path:
    """Writes the report as a page; returns its path."""
    text = page(report, **{"title": "benchsuite report", "pictures": {}, **options})
    path.write_text(text, encoding="utf-8")
    return path


VIEW = {
    **{"resize": 256, "flip": False, "dense": False, "nominal": 0, "spatial": "mean", "interpolation": "bilinear"},
    **{"crop": {"size": 224, "position": [0.25, 0.75], "shift": [0, 0], "rounding": "round"}, "antialias": True},
}


def toy_report(results: Path, *protocols: str, limit: int | None = None) -> Report:
    """A report of real runs of the toy network on the toy images."""
    request = RunRequest(
        ("toy",), protocols or ("1crop", "10crop"), data="toy", device="cpu", limit=limit, results=results
    )
    run(request, CATALOG, Progress())
    return read(sources(results, ()))


def pictures_of(results: Path) -> tuple[Report, dict[str, list[Picture]]]:
    """A report of three toy runs with its pictures."""
    report = toy_report(results, "1crop", "10crop", "fullconv")
    splits, notes = opened(list(report.groups()), (), CATALOG)
    assert notes == []
    named = dataclasses.replace(report, classes={data: split.classes for data, split in splits.items()})
    return named, pictures(every_pair(named), splits)[0]


NETWORKS = ("pnn:level=0.1,nfilters=8", "pnn:level=0.2,nfilters=8", "lbcnn:depth=5,filters=64,full=128", "resnet20")
"""Networks of trainings: two that differ in one option, one with options that tell it from nothing, one without any."""


def everything(results: Path) -> tuple[Report, dict[str, list[Picture]]]:
    """A report with a ladder, a frequency section, comparisons, trainings with long names, and its pictures."""
    analysed(results)
    first, last = "resnet50-1crop-x-aaa", "resnet50-10crop-x-bbb"
    saved(results, last, scores(60, 10, 2, noise=0.7), protocol__label="10crop", views=[VIEW] * 10)
    saved(results, "resnet18-tta-x-ccc", scores(60, 10, 3), protocol__label="tta", architecture__name="resnet18")
    means = {"crops": 1.5, "size": -0.5}
    shares = [{"factor": name, "mean": mean, "least": -2.0, "most": 3.0} for name, mean in means.items()]
    ladder = ladder_file(results, first, last, shapley=shares, orders=2)
    for number, network in enumerate(NETWORKS):
        recipe = {"name": "pnn-dispute-adam-0.5-150-frozen-none@mini", "seed": number, "source": "a page"}
        recipe |= {"accounting": "smoothed-best", "expected": "top-1 accuracy ~93 % after 80 epochs"}
        sizes = {"name": network, "parameters": 11_173_962, "frozen": 0, "masks": 46_080}
        name = f"{network.partition(':')[0]}-x-cifar10_jpeg-0123456789a{number}"
        more = {"heldout": range(20, 8, -1), "watched": {"lowpass": range(12)}}
        learned(results, name, correct(12, 60, number), architecture=sizes, recipe=recipe, **more)
    names = [folder.name for kind in ("runs", "training") for folder in sorted((results / kind).iterdir())]
    report = read(sources(results, (*names, str(ladder))))
    small = drawn_picture(np.full((32, 32, 3), 0.5))
    (content,) = report.frequencies
    assert content.analysis is not None
    triples = tuple(DrawnTriple(triple, small, small, small) for triple in content.analysis.triples[:3])
    picture = thumbnail(np.full((32, 32, 3), 128, dtype=np.uint8))
    shown = {pair.name: [Picture(image, picture) for image in pair.changed[:4]] for pair in every_pair(report)}
    return dataclasses.replace(report, frequencies=(dataclasses.replace(content, pictures=triples),)), shown
