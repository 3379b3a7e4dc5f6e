"""Tests of what ``--weights`` may name: options after commas, URLs, folders and models of the Hugging Face hub."""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file
from small_network import DATASET, OTHER, OWN, architecture, equal, trained

from benchsuite import BadParameter, Weights, WeightsError
from benchsuite.models.checkpoints.places import parse, rows
from benchsuite.models.weights import ChosenWeights, build, choose, load, notes

STATE = dict(trained().state_dict())


def chosen(text: str, *weights: Weights) -> ChosenWeights:
    return choose(architecture(*weights), DATASET, text, 0)


def line(text: str) -> str:
    with pytest.raises(WeightsError) as error:
        build(architecture(), chosen(text), 5)
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("text", "name", "options"),
    [
        ("x.pth", "x.pth", {}),
        ("x.pth,key=state_dict_ema", "x.pth", {"key": "state_dict_ema"}),
        ("x.pth,key=a.b+c,classes=1:1001", "x.pth", {"key": "a.b+c", "classes": "1:1001"}),
        ("https://a.org/x.pth?b=1,key=c", "https://a.org/x.pth?b=1", {"key": "c"}),
        ("a,b.pth", "a,b.pth", {}),
        ("a,b.pth,mean=1+2+3", "a,b.pth", {"mean": "1+2+3"}),
    ],
)
def test_options_stand_after_the_file(text: str, name: str, options: dict[str, str]) -> None:
    place = parse(text)
    assert (place.name, dict(place.options)) == (name, options)


def test_a_file_with_a_comma_in_its_name_is_a_file(tmp_path: Path) -> None:
    odd = tmp_path / "net,key=a.pth"
    torch.save(STATE, odd)
    assert parse(str(odd)).options == {}
    assert parse(f"{odd},key=b").options == {"key": "b"}


def test_wrong_options_are_one_line(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "x.pth")
    assert "Unknown option of --weights 'kye': did you mean 'key'?" in line(f"{tmp_path}/x.pth,kye=a")
    assert "key= of --weights to be given once, got twice" in line(f"{tmp_path}/x.pth,key=a,key=b")
    for text in ("5:5", "7:2", "a", "1:2:3"):
        assert "classes= of --weights to be START:STOP, or a text file" in line(f"{tmp_path}/x.pth,classes={text}")
    (tmp_path / "twice.txt").write_text("1 1")
    assert "listed once" in line(f"{tmp_path}/x.pth,classes={tmp_path}/twice.txt")


def test_options_of_a_name_are_refused() -> None:
    assert line("random,key=a") == "Expected key= of --weights to be for a file, got random"


def test_what_is_chosen_in_a_file_is_part_of_key_and_label(tmp_path: Path) -> None:
    more = {n: t + 1 if t.is_floating_point() else t for n, t in STATE.items()}
    torch.save({"state_dict": STATE, "state_dict_ema": more}, tmp_path / "x.pth")
    plain, first, second = (chosen(f"{tmp_path}/x.pth{o}") for o in ("", ",key=state_dict", ",key=state_dict_ema"))
    assert len({plain.key, first.key, second.key}) == 3
    assert second.label == "x.pth, key=state_dict_ema"
    assert equal(build(architecture(), first, 5), STATE)
    assert equal(build(architecture(), second, 5), more)
    said = line(f"{tmp_path}/x.pth")
    assert "different tensors in state_dict and state_dict_ema (net, weights x.pth)" in said
    assert f"chosen by --weights {tmp_path}/x.pth,key=state_dict_ema" in said
    assert notes(architecture(), second, load(architecture(), second, 5).reading)[0].startswith(
        "x.pth, key=state_dict_ema: taken from state_dict_ema; others are in state_dict"
    )


def test_the_same_rows_have_one_key_and_other_rows_another(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "x.pth")
    (tmp_path / "rows.txt").write_text("1\n2\n3\n")
    keys = [chosen(f"{tmp_path}/x.pth,classes={c}").key for c in ("1:4", f"{tmp_path}/rows.txt", "2:5")]
    assert keys[0] == keys[1] != keys[2]
    assert rows("1:4").indices == (1, 2, 3)


def test_a_file_whose_digest_is_that_of_declared_weights_gets_their_preprocessing(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "any-name.pth")
    digits = hashlib.sha256((tmp_path / "any-name.pth").read_bytes()).hexdigest()[:8]
    known = Weights("known", lambda: STATE, OTHER, 5, f"https://a.org/net-{digits}.pth")
    other = Weights("other", lambda: STATE, OTHER, 5, "https://a.org/net-00000000.pth")
    found = chosen(f"{tmp_path}/any-name.pth", other, known)
    assert found.preprocess == OTHER
    (said,) = notes(architecture(), found, load(architecture(), found, 5).reading)
    assert "preprocessing of any-name.pth: 36x36 pixels, crop 36, bicubic, BGR from 0 to 255, mean 0.1 0.2 0.3" in said
    assert said.endswith("from the declared weights known: it is their file")
    plain = chosen(f"{tmp_path}/any-name.pth", other)
    assert plain.preprocess == OWN
    assert "from the usual one of net" in notes(architecture(), plain, load(architecture(), plain, 5).reading)[0]


def with_option(num_classes: int, *, doubled: bool = True) -> Any:
    module = trained(num_classes)
    module.doubled = doubled
    return module


def test_a_network_has_options_of_its_own_for_files_unless_they_are_declared_weights(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "net.pth")
    digits = hashlib.sha256((tmp_path / "net.pth").read_bytes()).hexdigest()[:8]
    it = dataclasses.replace(architecture(), build=with_option, file_options=(("doubled", False),))
    known = dataclasses.replace(
        it, weights=(Weights("known", lambda: STATE, OTHER, 5, f"https://a.org/net-{digits}.pth"),)
    )
    cases = (it, "", False), (it, ",doubled=true", True), (known, "", True), (known, ",doubled=false", False)
    found = [choose(a, DATASET, f"{tmp_path}/net.pth{text}", 0) for a, text, _ in cases]
    for (a, _, wanted), one in zip(cases, found, strict=True):
        assert load(a, one, 5).module.doubled is wanted
        assert ("the network has doubled=" in notes(a, one, load(a, one, 5).reading)[0]) == bool(one.options)
    assert len({one.key for one in found[:2]}) == 2
    with pytest.raises(BadParameter, match="doubled to be true or false, got maybe"):
        choose(it, DATASET, f"{tmp_path}/net.pth,doubled=maybe", 0)
    assert build(it, choose(it, DATASET, "random", 0), 5).doubled is True


class Silent(SimpleHTTPRequestHandler):
    """Serves a folder and prints nothing."""

    def log_message(self, *args: Any) -> None: ...


@pytest.fixture
def server(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    """A server on this machine and the folder that it serves."""
    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Silent, directory=str(folder))) as running:
        thread = threading.Thread(target=running.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{running.server_address[1]}", folder
        running.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def _no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY"):
        monkeypatch.delenv(name, raising=False)


def test_a_url_is_downloaded_once(server: tuple[str, Path], isolated: Path, capsys: pytest.CaptureFixture[str]) -> None:
    address, folder = server
    torch.save({"state_dict": STATE}, folder / "net.pth")
    found = chosen(f"{address}/net.pth")
    assert equal(build(architecture(), found, 5), STATE)
    assert (found.label, found.key) == ("net.pth", hashlib.sha256((folder / "net.pth").read_bytes()).hexdigest())
    assert isolated in found.path.parents if found.path else False
    (folder / "net.pth").unlink()
    assert chosen(f"{address}/net.pth").key == found.key
    assert capsys.readouterr().out == ""


def test_two_urls_with_one_file_name_are_two_files(server: tuple[str, Path]) -> None:
    address, folder = server
    for i, name in enumerate(("a", "b")):
        (folder / name).mkdir()
        torch.save({n: t + i if t.is_floating_point() else t for n, t in STATE.items()}, folder / name / "net.pth")
    keys = {chosen(f"{address}/{name}/net.pth").key for name in ("a", "b")}
    assert len(keys) == 2


def test_a_url_with_a_digest_in_its_name_is_checked(server: tuple[str, Path]) -> None:
    address, folder = server
    torch.save(STATE, folder / "net-00000000.pth")
    assert "Cannot get http://127.0.0.1" in line(f"{address}/net-00000000.pth")
    digits = hashlib.sha256((folder / "net-00000000.pth").read_bytes()).hexdigest()[:8]
    (folder / "net-00000000.pth").rename(folder / f"net-{digits}.pth")
    assert equal(build(architecture(), chosen(f"{address}/net-{digits}.pth,key=."), 5), STATE)


def test_a_url_that_cannot_be_had_is_one_line(server: tuple[str, Path]) -> None:
    address, _ = server
    assert f"Cannot get {address}/none.pth: HTTP Error 404: File not found. Download it" in line(f"{address}/none.pth")
    assert "Cannot get http://127.0.0.1:9/net.pth: " in line("http://127.0.0.1:9/net.pth")
    assert "to be the URL of a file" in line(f"{address}/")


@pytest.fixture
def hub(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache of huggingface_hub, which may not ask anybody."""
    from huggingface_hub import constants

    cache = isolated / "hub" / "hub"
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(cache))
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    return cache


def snapshot(cache: Path, name: str) -> Path:
    """The folder of a model in the cache, in the layout of huggingface_hub."""
    root, commit = cache / f"models--{name.replace('/', '--')}", "0" * 40
    (root / "refs").mkdir(parents=True)
    (root / "refs" / "main").write_text(commit)
    folder = root / "snapshots" / commit
    folder.mkdir(parents=True)
    return folder


@pytest.mark.parametrize("file", ["model.safetensors", "pytorch_model.bin"])
def test_a_model_of_the_hub_is_read_from_its_cache(hub: Path, file: str) -> None:
    folder = snapshot(hub, "me/my-net")
    (save_file if file.endswith("safetensors") else torch.save)(STATE, folder / file)
    found = chosen("hf-hub:me/my-net")
    assert (found.label, found.key) == ("me/my-net", hashlib.sha256((folder / file).read_bytes()).hexdigest())
    assert equal(build(architecture(), found, 5), STATE)


def test_a_model_of_the_hub_in_parts_is_joined(hub: Path) -> None:
    folder, names = snapshot(hub, "me/my-net"), sorted(STATE)
    where = {"part-1.safetensors": names[:3], "part-2.safetensors": names[3:]}
    for file, keys in where.items():
        save_file({k: STATE[k] for k in keys}, folder / file)
    index = {"weight_map": {k: f for f, keys in where.items() for k in keys}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    assert equal(build(architecture(), chosen("hf-hub:me/my-net"), 5), STATE)
    (folder / "part-2.safetensors").unlink()
    assert "Cannot get part-2.safetensors of hf-hub:me/my-net: " in line("hf-hub:me/my-net")


def test_a_model_of_the_hub_that_cannot_be_had_is_one_line(hub: Path) -> None:
    assert line("hf-hub:me/other").startswith("Cannot get hf-hub:me/other: ")
    assert "Download its files and give their folder" in line("hf-hub:me/other")
    assert "--weights to be hf-hub:ORG/NAME, got hf-hub:other" in line("hf-hub:other")
