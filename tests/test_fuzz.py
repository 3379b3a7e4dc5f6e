"""Tests of damaged JPEG and PNG files: evaluated as Pillow decodes them, or errors by name; no hang, no traceback."""

from __future__ import annotations

import io
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image

from benchsuite import DataError, load_plugins
from benchsuite.evaluation.question import RunRequest
from benchsuite.evaluator import OpenNetwork, Settings, evaluate
from benchsuite.runs.plan import plan
from benchsuite.storage.logit_cache import ChunkStore

CATALOG = load_plugins(entry_points=False)
KINDS = {
    "baseline.jpg": {"quality": 60},
    "progressive.jpg": {"progressive": True, "quality": 85, "subsampling": 0},
    "grey.jpg": {"quality": 30},
    "cmyk.jpg": {"quality": 50},
    "colour.png": {},
    "palette.png": {},
    "alpha.png": {},
    "deep.png": {},
}
MODES = {"grey.jpg": "L", "cmyk.jpg": "CMYK", "palette.png": "P", "alpha.png": "RGBA", "deep.png": "I;16"}


def whole(name: str) -> bytes:
    """A small image file of that kind."""
    pixels = np.random.default_rng(3).integers(0, 256, (23, 31, 3), dtype=np.uint8)
    image = Image.fromarray(np.asarray(Image.fromarray(pixels).resize((62, 46))))
    buffer = io.BytesIO()
    mode = MODES.get(name, "RGB")
    made = Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30)) if mode == "I;16" else image.convert(mode)
    made.save(buffer, "JPEG" if name.endswith("jpg") else "PNG", **KINDS[name])
    return buffer.getvalue()


FILES = {name: whole(name) for name in KINDS}


@st.composite
def damaged(draw: st.DrawFn) -> tuple[str, bytes]:
    """An image file that was cut short, had bits flipped, or a piece lost, doubled or overwritten."""
    name = draw(st.sampled_from(sorted(FILES)))
    content = bytearray(FILES[name])
    for _ in range(draw(st.integers(1, 4))):
        where = draw(st.integers(0, max(0, len(content) - 1)))
        length = draw(st.integers(1, 40))
        what = draw(st.sampled_from(("flip", "cut", "lose", "double", "zero")))
        if what == "flip" and content:
            content[where] ^= 1 << draw(st.integers(0, 7))
        elif what == "cut":
            del content[where:]
        elif what == "lose":
            del content[where : where + length]
        elif what == "double":
            content[where:where] = content[where : where + length]
        else:
            content[where : where + length] = bytes(min(length, len(content) - where))
    return name, bytes(content)


def refusal(call: Any) -> str | None:
    """The error message of a call, one line; None if it succeeds."""
    try:
        call()
    except DataError as error:
        return str(error)
    return None


def evaluated(folder: Path) -> dict[str, Any]:
    """The columns of a run over a folder, with a predict function of one line."""

    def predict(pixels: Any, flips: Any, view: Any) -> tuple[Any, int]:
        return pixels.reshape(len(pixels), -1)[:, :2].astype(np.float32), 1

    (asked,) = plan(
        RunRequest(("resnet20",), ("1crop:resize=16,crop=16",), data=f"folder:{folder}", weights="random"), CATALOG
    )
    store = ChunkStore(folder.parent / "store")
    (answer,) = evaluate([asked], lambda m, v: OpenNetwork(predict, v, store, ""), Settings(8, 0), lambda _: None)
    return answer.columns


@settings(max_examples=300)
@given(damaged())
@example(("colour.png", b""))
@example(("baseline.jpg", b"\xff\xd8\xff"))
@example(("colour.png", b"\x89PNG\r\n\x1a\n"))
def test_a_damaged_file_is_evaluated_as_pillow_shows_it_or_refused_by_name(file: tuple[str, bytes]) -> None:
    name, content = file
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch, "images")
        for label, data in (("bad", content), ("good", FILES["baseline.jpg"])):
            (folder / label).mkdir(parents=True)
            (folder / label / name).write_bytes(data)
        columns: dict[str, Any] = {}
        said = refusal(lambda: columns.update(evaluated(folder)))
        if said is None:
            assert columns["id"] == [f"bad/{name}", f"good/{name}"]
            with Image.open(io.BytesIO(content)) as image:
                assert image.convert("RGB").size, "Pillow reads it too"
        else:
            assert str(folder / "bad" / name) in said
            assert "\n" not in said
            assert not list(Path(scratch).rglob("*.logits")), "nothing is kept of a chunk with a broken image"


@pytest.mark.parametrize("name", sorted(FILES))
def test_every_truncation_of_a_file_is_refused_or_evaluated(name: str, tmp_path: Path) -> None:
    from benchsuite import decode

    content, path = FILES[name], tmp_path / name
    refused = 0
    for length in range(0, len(content), max(1, len(content) // 120)):
        path.write_bytes(content[:length])
        said = refusal(lambda: decode(path))
        refused += said is not None
        assert said is None or (str(path) in said and "\n" not in said)
    assert refused > 60
    path.write_bytes(content)
    assert (refusal(lambda: decode(path)) is None) is (name != "deep.png")


def test_a_file_that_is_deleted_or_changed_under_a_run_is_refused_by_name(tmp_path: Path) -> None:
    for name in "ab":
        (tmp_path / "images" / name).mkdir(parents=True)
        (tmp_path / "images" / name / "0.png").write_bytes(FILES["colour.png"])
    path = tmp_path / "images" / "a" / "0.png"
    request = RunRequest(
        ("resnet20",), ("1crop:resize=16,crop=16",), data=f"folder:{tmp_path / 'images'}", weights="random"
    )
    for change, said in (
        (path.unlink, "no file"),
        (lambda: path.write_bytes(FILES["palette.png"]), "changed since"),
        (lambda: path.write_bytes(FILES["colour.png"]), "changed since"),
    ):
        path.write_bytes(FILES["colour.png"])
        (question,) = plan(request, CATALOG)
        change()
        with pytest.raises(DataError, match=said) as raised:
            question.split.read(question.samples[0])
        assert str(path) in str(raised.value)
    (question,) = plan(request, CATALOG)
    assert question.split.read(question.samples[0]).size == (62, 46)
