"""Tests of ``benchsuite list``: every kind as text and as JSON, and what could not be loaded."""

import argparse
import collections
import functools
import json
import re
import subprocess
import sys

import pytest
from toys import PREPROCESS, ToyPlugin

from benchsuite import Architecture, Family, Weights, hookimpl
from benchsuite.api.catalog.entries import BRIEF, first_sentence
from benchsuite.api.catalog.listing import MOST
from benchsuite.api.shown import columns
from benchsuite.cli import console
from benchsuite.cli import list as command
from benchsuite.errors import BadParameter, UnknownName
from benchsuite.explanation import ledger
from benchsuite.specs.catalog import Catalog, load_plugins


@pytest.fixture
def run(monkeypatch, capsys):
    """``run("published", "--json")``: the status, standard output and standard error, with the toys installed."""
    toys = functools.partial(load_plugins, entry_points=False, extra=[ToyPlugin()])

    def call(*words, load=toys):
        monkeypatch.setattr(command, "load_plugins", load)
        parser = argparse.ArgumentParser()
        parser.add_argument("--json", action="store_true")
        command.add_arguments(parser)
        status = command.run(parser.parse_args(words))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return call


@pytest.mark.parametrize("kind", command.KINDS)
def test_every_kind_can_be_listed_in_words_and_as_one_object(run, kind, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    status, text, err = run(kind)
    assert (status, err) == (0, "")
    status, out, _ = run(kind, "--json")
    found = json.loads(out)
    assert status == 0
    assert list(found) == [kind, "broken"]
    assert re.match(f"{len(found[kind])} ", text)
    assert len(text.splitlines()) <= 24
    assert "more by name" not in text or kind == "published"
    _, every, _ = run(kind, "--all")
    assert len(every.splitlines()) == 4 + len(found[kind])


def test_without_a_kind_everything_but_the_long_lists_is_shown(run):
    _, out, _ = run("--json")
    assert set(json.loads(out)) == {*BRIEF, "broken"}
    _, text, _ = run()
    assert "published figures" not in text
    assert " protocols, " in text
    assert len(text.splitlines()) <= 24
    every = run("--all")[1]
    assert "protocols (" in every
    assert "multiscale" in every


def test_the_objects_are_flat_and_say_who_owns_them(run):
    found = json.loads(run("--json")[1])
    toy = next(a for a in found["architectures"] if a["name"] == "toy")
    assert toy == {
        "name": "toy",
        "owner": "toys (extra 1)",
        "note": "",
        "weights": ["identity"],
        "channels": 3,
        "fixed_size": False,
    }
    protocol = next(p for p in found["protocols"] if p["name"] == "toy")
    assert protocol["parameters"]["flip"] == "auto"
    assert (protocol["combine"], protocol["source"]) == ("mean of probs", "None: a toy.")


def test_a_change_of_pixels_is_listed_with_its_own_parameters(run):
    found = {entry["name"]: entry for entry in json.loads(run("protocols", "--json")[1])["protocols"]}
    assert found["fgsm"]["parameters"] == {"eps": "8/255", "of": "1crop"}
    assert found["lowpass"]["parameters"]["rule"] == "le"
    assert found["lowpass"]["combine"] == "as the protocol in of"
    lines = {line.split()[0]: line for line in run("protocols")[1].splitlines() if line}
    assert lines["lowpass"].endswith("  The pictures without their high spatial frequencies")
    assert lines["highpass"].endswith("  The pictures without their low spatial frequencies")


def test_a_transform_is_listed_with_the_defaults_of_its_parameters(run):
    found = {entry["name"]: entry for entry in json.loads(run("transforms", "--json")[1])["transforms"]}
    assert found["redder"]["parameters"] == {"by": "2"}
    assert found["smooth"]["parameters"] == {"rho": "1"}
    assert "transforms" in run()[1]


def test_only_what_is_not_built_in_is_shown_with_its_owner(run):
    _, text, _ = run("protocols")
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert lines["toy"].endswith("[toys (extra 1)] Two corners")
    assert "[" not in lines["1crop"]


def test_weights_are_listed_with_their_network_and_sizes(run):
    found = json.loads(run("weights", "--json")[1])["weights"]
    mine = next(w for w in found if w["architecture"] == "toy")
    assert (mine["name"], mine["classes"], mine["resize"], mine["crop"]) == ("identity", 2, 5, 4)
    _, text, _ = run("weights", "--model", "toy")
    assert text.splitlines()[-1].split() == ["toy", "identity", "5/4", "by", "hand"]


def test_published_numbers_keep_their_printed_text(run):
    found = json.loads(run("published", "--json")[1])["published"]
    assert len(found) == len(ledger.load())
    v1 = next(r for r in found if r["id"] == "tv-v1-50-top1")
    assert (v1["value"], v1["error"], v1["metric"]) == ("76.130", 23.87, "top1_accuracy")
    assert next(r for r in found if r["id"] == "dn-fig3-resnet")["error"] is None


def test_published_numbers_by_network_keep_their_printed_digits(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    _, text, _ = run("published")
    assert ["densenet169", "4", "22.08", "to", "23.80"] in [line.split() for line in text.splitlines()]


def test_published_numbers_of_one_model_have_its_variants(run):
    found = json.loads(run("published", "--model", "resnet50", "--json")[1])["published"]
    assert {r["architecture"] for r in found} == {"resnet50", "resnet50.v1"}
    _, text, _ = run("published", "--model", "timm:resnet50.a1_in1k")
    assert text.startswith(f"{len(found)} published figures\n")
    assert "20.74 % top1 error" in text


def test_an_unverified_number_is_marked_and_a_missing_one_is_a_dash(run):
    _, text, _ = run("published", "--model", "lbcnn", "--all")
    lines = {line.split()[0]: line for line in text.splitlines() if line}
    assert " - % top1 accuracy" in lines["lbcnn-paper-mnist-lbc"]
    assert "(unverified)" in lines["lbcnn-paper-mnist-lbc"]
    assert "(unverified)" not in lines["lbcnn-gh-mnist"]


def test_an_unknown_model_suggests_the_nearest(run):
    with pytest.raises(UnknownName, match=r"Unknown model 'resnt50': did you mean 'resnet50'\?"):
        run("published", "--model", "resnt50")


def test_a_model_is_refused_for_kinds_that_have_none(run):
    with pytest.raises(BadParameter, match="Expected --model to be used with published or weights, got protocols"):
        run("protocols", "--model", "resnet50")


def test_broken_plugins_are_named_on_standard_error_and_the_rest_is_listed(run):
    catalog = Catalog(broken=(("sick (sick-plugin 1.0)", "ImportError: no\nmodule"),))
    status, out, err = run("--json", load=lambda: catalog)
    assert status == 0
    assert err == "Not loaded: sick (sick-plugin 1.0): ImportError: no module\n"
    assert json.loads(out)["broken"] == [{"plugin": "sick (sick-plugin 1.0)", "reason": "ImportError: no\nmodule"}]


def test_an_empty_list_is_one_line(run):
    assert run("loaders", load=Catalog)[1] == "0 loaders\n"


def test_an_unknown_kind_suggests_the_nearest(run):
    with pytest.raises(UnknownName, match=r"Unknown kind of list 'protocolls': did you mean 'protocols'\?"):
        run("protocolls")


def test_a_pattern_chooses_names_in_any_case_and_shows_each(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    found = json.loads(run("weights", "ResNet50*", "--json")[1])["weights"]
    assert {w["architecture"] for w in found} == {"resnet50"}
    _, text, _ = run("weights", "ResNet50*")
    assert text.splitlines()[0] == f"{len(found)} weights"
    assert text.splitlines()[-1] == f"{len(found) - MOST} more: benchsuite list weights 'ResNet50*' --all"
    assert json.loads(run("published", "he-t4-*", "--json")[1])["published"][0]["id"].startswith("he-t4-")
    with pytest.raises(UnknownName, match=r"Unknown name or pattern of protocols '12crop': did you mean '1"):
        run("protocols", "12crop")


class Library:
    """A family of two networks, of which the second has weights."""

    __name__ = "library"

    @hookimpl
    def benchsuite_architectures(self):
        def resolve(name):
            kept = [Weights("own", dict, PREPROCESS, 2, "by hand")] if name == "net2" else []
            return Architecture(f"lib:{name}", build=int, preprocess=PREPROCESS, weights=tuple(kept))

        return [Family("lib", resolve, lambda: ["net1", "net2", "other"])]


def test_a_pattern_with_the_prefix_of_a_family_lists_its_networks_with_their_weights(run):
    load = functools.partial(load_plugins, entry_points=False, extra=[ToyPlugin(), Library()])
    found = json.loads(run("architectures", "lib:net*", "--json", load=load)[1])["architectures"]
    assert [(a["name"], a["weights"]) for a in found] == [("lib:net1", []), ("lib:net2", ["own"])]
    _, text, _ = run("architectures", "lib:*", "--weights", load=load)
    assert text.splitlines()[0] == "1 architecture"
    assert text.splitlines()[-1].split() == ["lib:net2", "own"]
    with_weights = run("architectures", "--weights", "--all")[1]
    assert "toy " in with_weights
    assert "lbcnn " not in with_weights
    with pytest.raises(BadParameter, match="Expected --weights to be used with architectures, got protocols"):
        run("protocols", "--weights")


def test_a_long_list_is_grouped_and_each_group_says_how_many_it_has(run, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    entries = json.loads(run("weights", "--json")[1])["weights"]
    _, text, _ = run("weights")
    assert text.startswith(f"{len(entries)} weights, by architecture\n")
    numbers = {line.split()[0]: int(line.split()[1]) for line in text.split("\n\n")[1].splitlines()[2:]}
    assert numbers == collections.Counter(ledger.base(w["architecture"]) for w in entries)


def test_lists_of_unknown_width_are_whole_and_others_are_cut(run, monkeypatch):
    for words in ("protocols",), ("protocols", "--all"):
        assert max(map(len, run(*words)[1].splitlines())) > 160
    monkeypatch.setenv("COLUMNS", "70")
    assert max(map(len, run("protocols", "--all")[1].splitlines())) == 70


@pytest.mark.parametrize(
    ("note", "first"),
    [
        ("One. Two.", "One"),
        ("As He et al. say in their README. More.", "As He et al. say in their README"),
        ("See sec. 3.4 of it. More", "See sec. 3.4 of it"),
        ("fb.resnet.torch sums logits", "fb.resnet.torch sums logits"),
        ("", ""),
    ],
)
def test_a_list_shows_the_first_sentence_of_a_note(note, first):
    assert first_sentence(note) == first


def test_cells_are_aligned_and_cut_only_where_a_terminal_would_break_them(monkeypatch):
    cells = [("a", "long text"), ("bbb", "x")]
    assert columns(cells) == ["  a    long text", "  bbb  x"]
    assert columns([]) == []
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "12")
    assert columns(cells) == ["  a    long…", "  bbb  x"]


def test_json_refuses_what_is_no_json():
    with pytest.raises(ValueError, match="not JSON compliant"):
        console.print_json({"x": float("nan")})


def test_listing_imports_no_heavy_library():
    heavy = ("torch", "numpy", "pandas", "rich", "timm", "torchvision", "sklearn", "PIL", "pyarrow")
    code = (
        "import argparse, sys\n"
        "from benchsuite.cli import list as command\n"
        "command.run(argparse.Namespace(kind=None, pattern=None, model=None, weights=False, every=False, json=False))\n"
        f"print([m for m in {heavy!r} if m in sys.modules], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.splitlines()[-1] == "[]"
