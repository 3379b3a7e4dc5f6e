"""Tests of the warnings of the JPEG decoder: most damaged files are found, no sound one is reported."""

from __future__ import annotations

import hashlib
import importlib.util
import io
import random
import sys
from pathlib import Path

import copies
import numpy as np
import pytest
from PIL import Image

from benchsuite import DataError, Sample, decode, load_plugins
from benchsuite.doctor import findings
from benchsuite.doctor.check import CheckRequest, CheckResult, checkup
from benchsuite.doctor.jpeg_warnings import available, jpeg_warning
from benchsuite.progress import Progress

needs_library = pytest.mark.skipif(not available(), reason="pip install 'benchsuite[jpeg]'")


def photo(seed: int, mode: str = "RGB", **options: object) -> bytes:
    """A smooth picture with some noise, as a JPEG of 200 x 150 pixels."""
    chance = np.random.default_rng(seed)
    smooth = np.add.outer(np.arange(150), np.arange(200))[..., None] * chance.uniform(0.2, 0.6, 3)
    pixels = (smooth + chance.normal(0, 12, (150, 200, 3))).clip(0, 255).astype(np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).convert(mode).save(buffer, "JPEG", **options)  # type: ignore[arg-type]
    return buffer.getvalue()


def overwritten(content: bytes, chance: random.Random) -> bytes:
    """The file with 40 random bytes somewhere in its compressed data."""
    start = content.index(b"\xff\xda") + 14
    at = chance.randrange(start, len(content) - 42)
    return content[:at] + chance.randbytes(40) + content[at + 40 :]


@needs_library
def test_most_of_sixty_overwritten_files_are_found(tmp_path: Path) -> None:
    refused, found = shares([photo(n, quality=95) for n in range(60)], tmp_path)
    assert refused + found >= 50, (refused, found)
    assert found > 2 * refused, "Pillow alone would miss most"


@needs_library
def test_more_than_half_of_the_overwritten_real_files_are_found_and_no_sound_one(
    imagenet500: Path, tmp_path: Path
) -> None:
    files = sorted(imagenet500.rglob("*.JPEG"))[:120]
    assert [jpeg_warning(Sample(f.stem, 0, str(f))) for f in files] == [""] * 120
    refused, found = shares([f.read_bytes() for f in files[:60]], tmp_path)
    assert refused + found >= 33, (refused, found)


def shares(contents: list[bytes], folder: Path) -> tuple[int, int]:
    """How many of the files, after 40 bytes of each are overwritten, are refused by the decoder, or have a warning."""
    chance, found, refused = random.Random(1), 0, 0
    for n, content in enumerate(contents):
        path = folder / f"{n}.jpg"
        path.write_bytes(overwritten(content, chance))
        try:
            decode(path)
        except DataError:
            refused += 1
        else:
            found += bool(jpeg_warning(Sample(str(n), 0, str(path))))
    return refused, found


@needs_library
@pytest.mark.parametrize("mode", ["RGB", "L", "CMYK"])
@pytest.mark.parametrize("options", [{}, {"progressive": True}, {"quality": 30, "subsampling": 2}, {"optimize": True}])
def test_sound_files_of_every_kind_have_no_warning(tmp_path: Path, mode: str, options: dict[str, object]) -> None:
    for seed in range(3):
        (tmp_path / "x.jpg").write_bytes(photo(seed, mode, **options))
        assert jpeg_warning(Sample("x", 0, str(tmp_path / "x.jpg"))) == ""


def check(root: Path, *, full: bool = True) -> CheckResult:
    return checkup(CheckRequest(f"folder:{root}", full=full), load_plugins(), Progress())


@pytest.fixture
def rotten(tmp_path: Path) -> Path:
    """Two classes of two photos; one file is damaged, and decodes with a warning."""
    for n, name in enumerate(("a", "b")):
        (tmp_path / name).mkdir()
        for i in range(2):
            (tmp_path / name / f"{i}.jpg").write_bytes(photo(2 * n + i))
    content = photo(0)
    at = content.index(b"\xff\xda") + 1000
    (tmp_path / "a" / "0.jpg").write_bytes(content[:at] + bytes(range(40)) + content[at + 40 :])
    return tmp_path


@needs_library
def test_full_counts_and_shows_the_warnings_as_a_note(rotten: Path) -> None:
    quick = check(rotten, full=False)
    assert quick.exit_status == 0
    assert not [f for f in quick.findings if "warning" in f.text]
    found = check(rotten)
    assert found.exit_status == 0, "sound files may have warnings too"
    (finding,) = (f for f in found.findings if "warning" in f.text)
    assert finding.level == "note"
    assert finding.text.startswith("1 image decoded with a warning")
    assert finding.examples[0].startswith("a/0.jpg: Corrupt JPEG data")
    (rotten / "a" / "0.jpg").write_bytes(photo(0))
    assert "no warning from 4 JPEG files" in [f.text for f in check(rotten).findings]


def test_without_the_library_it_says_what_to_install(rotten: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "simplejpeg", None)
    (finding,) = (f for f in check(rotten).findings if "warning" in f.text)
    assert (finding.level, finding.text) == ("skipped", "the warnings of the JPEG decoder were not counted")
    assert "pip install 'benchsuite[jpeg]'" in finding.advice


def test_the_official_tar_is_compared_with_its_published_md5(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = copies.LAYOUTS["official"](tmp_path / "root", copies.made_up(4))
    tar = next(root.rglob("ILSVRC2012_img_val.tar"))
    request = CheckRequest(f"imagenet:{tar}", full=True)

    def archive() -> list[tuple[str, str]]:
        found = checkup(request, load_plugins(), Progress()).findings
        return [(f.level, f.text) for f in found if f.check == "archive"]

    own = hashlib.md5(tar.read_bytes()).hexdigest()
    published = "29b22e2961454d5413ddabcf34fc5622"
    assert archive() == [("failed", f"{tar.name} has the MD5 {own}, but was published with {published}")]
    monkeypatch.setitem(findings.PUBLISHED_MD5, tar.name, own)
    assert archive() == [("ok", f"{tar.name} has the published MD5")]


def test_the_published_md5_is_that_of_torchvision() -> None:
    spec = importlib.util.find_spec("torchvision")
    assert spec is not None
    assert spec.submodule_search_locations is not None
    source = Path(spec.submodule_search_locations[0], "datasets", "imagenet.py").read_text()
    for name, digest in findings.PUBLISHED_MD5.items():
        assert f'("{name}", "{digest}")' in source
