"""Tests of data sets whose place was told once: the name alone works everywhere, as the path would."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import download_server
import pytest
import toy_training
from download_server import IMAGES, Server
from npz_loader import BoxPlugin
from PIL import Image
from toys import ToyPlugin

import benchsuite
from benchsuite import BadParameter, Catalog, DataError, load_plugins
from benchsuite.api import training as api_training
from benchsuite.builtin.datasets import _http_files
from benchsuite.cli import main
from benchsuite.report import gallery
from benchsuite.storage.data_places import DataPlace, changing_places, config_file, known_places
from benchsuite.storage.run_folder import read_manifest
from benchsuite.training.job import TrainRequest, open_splits

CATALOG = load_plugins(entry_points=False, extra=[ToyPlugin(), BoxPlugin()])
HERE: Any = {"catalog": CATALOG, "progress": False}
NET: Any = {**HERE, "weights": "random", "device": "cpu"}


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Four pictures in two class folders, which are added as ``folder``."""
    for i in range(4):
        folder = tmp_path / "pictures" / "ab"[i % 2]
        folder.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20 + i, 30), (50 * i, 99, 0)).save(folder / f"{i}.png")
    benchsuite.add_data("folder", tmp_path / "pictures", **HERE)
    return tmp_path / "pictures"


def test_a_run_by_name_is_the_run_by_path(pictures: Path, tmp_path: Path) -> None:
    by_name, by_path = (
        benchsuite.evaluate("toy", data=data, results=tmp_path / str(i), **NET)
        for i, data in enumerate(("folder", f"folder:{pictures}"))
    )
    assert by_name.run_id == by_path.run_id
    manifests: list[Any] = [read_manifest(Path(run.path)) for run in (by_name, by_path)]
    for manifest in manifests:
        for key in ("created", "seconds", "images_per_second", "images_computed", "profile"):
            del manifest[key]
    assert manifests[0] == manifests[1]
    assert f"--data folder:{pictures} " in manifests[0]["command"]
    again = benchsuite.evaluate("toy", data="folder", results=tmp_path / "1", **NET)
    assert (again.row["cached"], again.run_id) == (True, by_path.run_id)


def test_members_of_an_ensemble_may_be_named_either_way(pictures: Path, tmp_path: Path) -> None:
    first = benchsuite.evaluate("toy", data=f"folder:{pictures}", **NET)
    made = benchsuite.evaluate([first.run_id, "toy"], "ensemble", data="folder", **NET)
    assert made[0].n == 4
    file = Path(first.path) / "manifest.json"  # as of a run before the place was told
    file.write_text(file.read_text().replace(f'"data": "folder:{pictures}"', '"data": "folder"'))
    assert benchsuite.evaluate([first.run_id, "toy"], "ensemble", data="folder", **NET)[0].n == 4


def test_a_sweep_a_check_and_a_prepared_file_take_the_name(pictures: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchsuite.runs.sweep.load_plugins", lambda: CATALOG)
    cells = {"architectures": "toy", "weights": "random", "data": "folder", "device": "cpu"}
    (run,) = benchsuite.sweep(cells, **HERE).runs
    assert run.n == 4
    assert benchsuite.check_data("folder", **HERE).record["data"] == f"folder:{pictures}"
    assert benchsuite.list_data().record["datasets"][0]["prepared"] == []
    made = benchsuite.prepare_data("folder", "box", **HERE)
    assert made.record["images"] == 4
    assert benchsuite.list_data().record["datasets"][0]["prepared"] == ["box"]
    Path(made.file).unlink()
    assert benchsuite.list_data().record["datasets"][0]["prepared"] == []


def test_pictures_of_a_report_are_found_by_name(pictures: Path) -> None:
    with pytest.raises(BadParameter, match="others in folder"):
        gallery.opened([], ["folder"], CATALOG)
    entry: Any = SimpleNamespace(data="d", images="x", manifest={"asked": {"data": "folder"}}, row={"limit": 1, "n": 2})
    (note,) = gallery.opened([[entry]], [], CATALOG)[1]
    assert note == "no pictures and class names of x: folder now holds other images"


def dots(tmp_path: Path, opened: list[tuple[str | None, str]]) -> Catalog:
    """The catalog of ``toy_training``, whose data set needs a path, which is known."""

    def opener(path: str | None, split: str) -> Any:
        opened.append((path, split))
        return toy_training.open_dots(path, split)

    catalog = toy_training.catalog()
    spec = dataclasses.replace(catalog.datasets["dots"], open=opener, path="required")
    with changing_places() as places:
        places["dots"] = DataPlace("dots", str(tmp_path), "dots", 21, "d")
    return dataclasses.replace(catalog, datasets={**catalog.datasets, "dots": spec})


def test_a_training_finds_the_images_and_notes_the_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[tuple[str | None, str]] = []
    catalog = dots(tmp_path, opened)
    recipe = next(r for r in catalog.architecture("tiny").recipes if r.name == "usual")
    open_splits(TrainRequest("tiny", "usual"), recipe, catalog)
    assert opened == [(str(tmp_path), "train"), (str(tmp_path), "test")]

    class Asked(Exception):
        pass

    def train(request: TrainRequest, *_: object) -> None:
        raise Asked(request.data)

    monkeypatch.setattr(api_training.running, "train", train)
    with pytest.raises(Asked, match=f"^dots:{tmp_path}$"):
        benchsuite.train("tiny", "usual", data="dots", catalog=catalog, progress=False)


def test_a_path_that_is_gone_is_said_by_every_command(pictures: Path) -> None:
    pictures.rename(pictures.with_name("moved"))
    for work in (
        lambda: benchsuite.evaluate("toy", data="folder", **NET),
        lambda: benchsuite.check_data("folder", **HERE),
        lambda: benchsuite.prepare_data("folder", "box", **HERE),
    ):
        with pytest.raises(DataError, match="`benchsuite data add folder PATH` says where it is now"):
            work()
    known = benchsuite.list_data()
    assert repr(known).splitlines()[0] == f"1 data set known in {config_file()}, 1 gone"
    assert f"{pictures} (gone)" in repr(known)
    added = benchsuite.add_data("folder", pictures.with_name("moved"), **HERE)
    assert added.before == str(pictures)
    assert benchsuite.evaluate("toy", data="folder", **NET).n == 4


def test_a_set_that_was_not_added_names_the_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["run", "resnet18", "--data", "imagenet-r"]) == 2
    assert "(`benchsuite data add imagenet-r PATH`, once, makes imagenet-r enough; get " in capsys.readouterr().err


def test_results_read_well(pictures: Path) -> None:
    added = benchsuite.add_data("folder", pictures, **HERE)
    assert repr(added).splitlines() == [
        f"folder is {pictures}: 4 test images",
        "use it with: benchsuite run ARCHITECTURE --data folder",
    ]
    known = benchsuite.list_data()
    assert known.table["name"].tolist() == ["folder"]
    assert repr(known).splitlines() == [
        f"1 data set known in {config_file()}",
        f"  name    path{' ' * (len(str(pictures)) - 4)}  test images  checked  prepared",
        f"  folder  {pictures}  4            never    no",
    ]
    benchsuite.check_data("folder", full=True, **HERE)
    today = known_places()["folder"].checked[:10]
    assert f"{today}, fine, all decoded  no" in repr(benchsuite.list_data())
    (pictures / "a" / "0.png").write_bytes(b"")
    benchsuite.check_data("folder", **HERE)
    assert f"{today}, FAILED  no" in repr(benchsuite.list_data())
    assert repr(benchsuite.remove_data("folder")) == f"folder is forgotten; its files stay in {pictures}"
    assert "benchsuite data add NAME PATH" in repr(benchsuite.list_data())


@pytest.mark.parametrize("width", [60, 130])
def test_the_list_fits_a_screen(
    pictures: Path, width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    assert main(["data", "list"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("1 data set known in ")
    assert [line for line in text.splitlines() if len(line) > width] == []
    assert str(pictures) in "".join(text.split()) or width < 130
    assert "never" in text


def test_part_of_a_set_is_said(tmp_path: Path) -> None:
    for wnid in ("n01440764", "n01443537"):
        (tmp_path / wnid).mkdir()
        Image.new("RGB", (30, 30)).save(tmp_path / wnid / f"{wnid}.JPEG")
    assert repr(benchsuite.add_data("imagenet", tmp_path, **HERE)).startswith(
        f"imagenet is {tmp_path}: 2 of 50,000 test images\n"
    )


def told(capsys: pytest.CaptureFixture[str], *words: str) -> Any:
    assert main(["data", *words, "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_the_commands_print_what_the_functions_return(pictures: Path, capsys: pytest.CaptureFixture[str]) -> None:
    benchsuite.remove_data("folder")
    added = told(capsys, "add", "folder", str(pictures))
    assert added == benchsuite.add_data("folder", pictures, **HERE).record
    assert (added["name"], added["path"], added["images"], added["checked"]) == ("folder", str(pictures), 4, None)
    assert told(capsys, "list") == benchsuite.list_data().record
    assert main(["data", "list"]) == 0
    first, *table = capsys.readouterr().out.splitlines()
    assert first == benchsuite.list_data().lines()[0]
    assert [line.split() for line in table if "folder" in line] == [["folder", str(pictures), "4", "never", "no"]]
    removed = told(capsys, "remove", "folder")
    assert {k: v for k, v in added.items() if k != "before"} == removed
    assert told(capsys, "list")["datasets"] == []
    assert main(["data", "add", "folder", str(pictures)]) == 0
    assert capsys.readouterr().out.startswith(f"folder is {pictures}: 4 test images\n")
    assert main(["data", "remove", "foldr"]) == 2
    assert "Unknown added data set 'foldr': did you mean 'folder'?" in capsys.readouterr().err


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    with download_server.serving(tmp_path / "server") as served:
        download_server.tiny_copies(served, monkeypatch)
        yield served


@pytest.mark.parametrize("name", IMAGES)
def test_a_download_is_added_and_made_once(
    server: Server, name: str, isolated: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = told(capsys, "download", name)
    folder = isolated / "cache" / "data" / name
    assert (made["downloaded"], made["path"], made["images"]) == (True, str(folder), IMAGES[name])
    assert known_places()[name].path == str(folder)
    assert [p.name for p in folder.parent.iterdir()] == [name]
    asked = len(server.asked)
    again = benchsuite.download_data(name, **HERE)
    assert (again.downloaded, len(server.asked)) == (False, asked)
    assert f"{folder}: {IMAGES[name]} of " in repr(again)
    assert "which were there already" in repr(again)


def test_a_download_goes_where_the_user_says(server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BENCHSUITE_DATA", str(tmp_path / "own"))
    assert benchsuite.download_data("mnist", **HERE).place.path == str(tmp_path / "own" / "mnist")
    monkeypatch.chdir(tmp_path)
    assert benchsuite.download_data("mnist", to="there", **HERE).place.path == str(tmp_path / "there")
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "note.txt").write_text("mine")
    with pytest.raises(
        DataError, match=r"Expected --to to be a new or empty folder, or one that holds mnist, got other"
    ):
        benchsuite.download_data("mnist", to="mine", **HERE)
    assert [p.name for p in (tmp_path / "mine").iterdir()] == ["note.txt"]
    assert known_places()["mnist"].path == str(tmp_path / "there")


def test_an_interrupted_download_goes_on_with_the_same_command(
    server: Server, isolated: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as before:
        before.setattr(_http_files, "_answer", interrupted)
        assert main(["data", "download", "svhn"]) == 130
    assert "bytes of the download" not in capsys.readouterr().err
    assert list((isolated / "cache" / "data").iterdir()) == []
    assert known_places() == {}
    write, written = _http_files._write, list[int]()

    def half(file: Any, block: bytes, path: Path) -> None:
        if written:
            raise KeyboardInterrupt
        written.append(len(block) // 2)
        write(file, block[: written[0]], path)
        raise KeyboardInterrupt

    with monkeypatch.context() as during:
        during.setattr(_http_files, "_write", half)
        assert main(["data", "download", "svhn"]) == 130
    part = isolated / "cache" / "data" / ".svhn.part"
    assert f"bytes of the download are kept in {part}: the same command goes on from there\n" in capsys.readouterr().err
    assert known_places() == {}
    server.ranges = True
    assert told(capsys, "download", "svhn")["images"] == IMAGES["svhn"]
    assert server.parts[-2:] == [f"bytes={written[0]}-", None]
    assert [p.name for p in part.parent.iterdir()] == ["svhn"]


def test_a_set_that_is_not_free_says_which_are(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["data", "download", "imagenet"]) == 2
    line = capsys.readouterr().err
    assert "one that may be had freely (" in line
    for name in IMAGES:
        assert name in line
    assert main(["data", "download", "cifar01"]) == 2
    assert "did you mean 'cifar10'?" in capsys.readouterr().err
