"""Tests of the ledger: every published row exists, is parsed, and has a source."""

import csv
import importlib.resources
from collections import defaultdict
from decimal import Decimal

import pytest

from benchsuite import Architecture, load_plugins
from benchsuite.explanation import ledger
from benchsuite.specs.catalog import NAME
from benchsuite.specs.parameters import bind_architecture

ROWS = ledger.load()


def figures(architecture, protocol, metric="top1_error", **wanted):
    found = [r for r in ROWS if (r.architecture, r.protocol, r.metric) == (architecture, protocol, metric)]
    return [r.value for r in found if all(getattr(r, k) == v for k, v in wanted.items())]


def test_no_row_was_lost():
    # The collection that the ledger was made from has 270 lines: a header and 269 figures. Others came later.
    assert len([r for r in ROWS if r.dataset not in ("fashion-mnist", "digits")]) == 270 - 1


def test_the_file_is_plain_utf8_with_unix_line_ends_and_one_width():
    data = (importlib.resources.files("benchsuite.explanation") / "published.csv").read_bytes()
    assert b"\r" not in data
    lines = list(csv.reader(data.decode("utf-8").splitlines()))
    assert {len(line) for line in lines} == {len(ledger.Published.__dataclass_fields__)}
    assert lines[0] == list(ledger.Published.__dataclass_fields__)


def test_ids_are_unique_and_can_be_typed():
    assert len({r.id for r in ROWS}) == len(ROWS)
    assert [r.id for r in ROWS if not set(r.id) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_.()")] == []


def test_every_row_parses():
    for row in ROWS:
        assert row.model, row
        assert row.k in (1, 5), row
        assert row.status in ("verified", "unverified"), row
        assert row.dataset in {*ledger.SIZES, ""}, row
        assert row.split in ("val", "test", "test/val"), row
        assert row.protocol in ("1crop", "10crop", "multiscale", "ensemble", ""), row
        assert row.error is None or 0 < row.error < 100, row
        assert row.short_side is None or row.short_side >= 32, row
        assert row.crop == "" or int(row.crop) >= 32, row
        assert all(int(scale) >= 224 for scale in row.scales.split("+") if scale), row
        assert row.year == "" or 2012 <= int(row.year) <= 2030, row
        assert row.architecture == "" or NAME.fullmatch(row.architecture.rpartition(":")[2]), row


@pytest.mark.parametrize(
    ("source", "digits"),
    [
        ("torchvision models/resnet.py weights metadata (_metrics)", 3),
        ("He et al. 2015, Table 3", 2),
        ("He et al. 2015, Table 4 (protocol sec 3.4)", 2),
        ("akamaster/pytorch_resnet_cifar10 README.md", 2),
        ("Huang et al. 2017, Table 3", 2),
    ],
)
def test_trailing_zeros_are_kept_as_printed(source, digits):
    """Each of these tables prints all of its figures with as many decimals: 7.40 is known ten times as well as 7.4."""
    printed = [r for r in ROWS if r.source == source and r.value]
    assert {ledger.printed_digits(Decimal(r.value)) for r in printed} == {digits}
    assert any(r.value.endswith("0") for r in printed)
    assert {ledger.rounding(r.error) for r in printed} == {Decimal(5).scaleb(-digits - 1)}


def test_every_claim_leads_to_its_author():
    repositories = {row.id: row.url.rpartition("/")[2] for row in ROWS}
    for claim in ledger.claims():
        assert claim.url.rpartition("/")[2] in {repositories[name] for name in claim.rows}, claim


def test_every_row_says_where_it_comes_from():
    for row in ROWS:
        assert row.source, row
        assert row.url.startswith("https://") or row.notes, row


def test_what_no_original_confirms_is_unverified_and_nothing_else_is():
    by_notes = {r.id for r in ROWS if "unverified" in " ".join((r.notes, r.source, r.accounting, r.recipe, r.run))}
    assert by_notes == {r.id for r in ROWS if r.status == "unverified"}
    assert len(by_notes) == 11
    assert {r.status for r in ROWS if not r.value} == {"unverified"}


def test_the_rows_of_one_measurement_agree_on_everything_but_the_figure():
    groups = defaultdict(list)
    for row in ROWS:
        groups[row.measurement].append(row)
    same = ("model", "architecture", "dataset", "split", "protocol", "resize", "crop", "weights", "run", "source")
    for name, rows in groups.items():
        assert len({tuple(getattr(r, f) for f in same) for r in rows}) == 1, name
        assert len({r.k for r in rows}) == len(rows), name


def test_resnet50_has_the_three_numbers_of_the_dispute():
    # He et al.: the repository's table for one crop, Table 3 of the paper for ten crops, Table 4 for five scales.
    assert figures("resnet50.v1", "1crop") == ["24.7"]
    assert figures("resnet50.v1", "10crop", source="He et al. 2015, Table 3") == ["22.85"]
    assert figures("resnet50.v1", "multiscale") == ["20.74"]


def test_spot_figures():
    assert figures("resnet50", "1crop", "top1_accuracy", weights="IMAGENET1K_V1") == ["76.130"]
    assert figures("resnet50", "1crop", "top1_accuracy", weights="IMAGENET1K_V2") == ["80.858"]
    assert figures("resnet50", "1crop", weights="timm.a1_in1k", crop="224") == ["19.618"]
    assert figures("resnet50", "1crop", weights="timm.a1_in1k", crop="288") == ["18.760"]
    assert figures("resnet20", "1crop") == ["8.75", "8.27"]
    assert figures("pnn", "1crop", "top1_accuracy", model="noiseresnet18") == ["90.53", "85.91"]


def test_an_accuracy_becomes_its_error_exactly():
    row = next(r for r in ROWS if r.id == "tv-v1-50-top1")
    assert (row.metric, row.value, row.error) == ("top1_accuracy", "76.130", Decimal("23.870"))


def test_a_row_without_a_figure_has_no_error():
    row = next(r for r in ROWS if r.id == "dn-fig3-resnet")
    assert row.error is None


@pytest.mark.parametrize(
    ("name", "model"),
    [
        ("resnet50", "resnet50"),
        ("resnet50.v1", "resnet50"),
        ("timm:resnet50.a1_in1k", "resnet50"),
        ("torchvision:wide_resnet50_2", "wide_resnet50_2"),
        ("resnet20", "resnet20"),
        ("pnn:nfilters=8,level=0.1", "pnn"),
        ("hub:owner/repository:net", "net"),
        ("./net.py:build:depth=5", "build"),
    ],
)
def test_the_model_behind_a_name(name, model):
    assert ledger.base(name) == model


def pnn(options):
    """A run of the network with these options on all images of CIFAR-10, as ``run --json`` has it."""
    sizes = {"resize": [32], "crop": [32], "interpolation": ["bilinear"]}
    row = {"weights": "trained here (mine)", "protocol": "1crop", "dataset": "cifar10", "n": 10_000, **sizes}
    return {"architecture": f"pnn:{options}" if options else "pnn", **row}


def test_a_network_with_options_is_compared_with_the_figures_of_its_model_and_said_to_have_them():
    """Options that the source of a figure states are no difference; those it does not state, or lacks, are."""
    rows = {row.id: row for row in ledger.matching("pnn:nfilters=8", "1crop")}
    assert {*rows.values()} == {*ledger.matching("pnn", "1crop")}
    assert all("with nfilters=8" in " ".join(ledger.differences(row, pnn("nfilters=8"))) for row in rows.values())
    assert ledger.differences(rows["klachko-5"], pnn("nfilters=128")) == ["other weights"]
    several = ledger.differences(rows["klachko-6"], pnn("level=0.1,nfilters=128,nmasks=64"))
    assert several == ["other weights", "with level=0.1", "without first_filter_size=3, mix_maps=true"]
    assert ledger.differences(rows["pnn-reddit"], pnn("nmasks=64")) == ["other weights", "with nmasks=64"]
    assert all(ledger.differences(row, pnn("")) == ["other weights"] for row in rows.values())


def test_options_and_parameters_of_the_protocol_are_named_together():
    (row,) = (row for row in ROWS if row.id == "klachko-5")
    found = ledger.differences(row, {**pnn("nfilters=8"), "protocol": "1crop:flip=true"})
    assert found == ["other weights", "with nfilters=8, flip=true", "without nfilters=128"]


def test_figures_are_of_models_without_options():
    rows = {row.id: row for row in ROWS}
    assert ledger.is_of(rows["klachko-5"], "pnn")
    assert not ledger.is_of(rows["klachko-5"], "pnn:nfilters=128")
    assert not ledger.is_of(rows["klachko-1"], "pnn"), "it is of no model"


def test_the_options_behind_figures_are_those_of_their_recipes():
    catalog = load_plugins(entry_points=False)
    recipes = {
        r.name: (a.name, r.options)
        for a in catalog.architectures.values()
        if isinstance(a, Architecture)
        for r in a.recipes
    }
    for known in ledger.trained().values():
        name, options = recipes[known.recipe]
        bound = bind_architecture(name, catalog.architecture, options).name
        assert bound == (f"{name}:{known.options}" if known.options else name), known.id


def test_matching_finds_the_variants_of_a_model():
    found = ledger.matching("resnet50", "multiscale")
    assert [(r.architecture, r.value) for r in found] == [("resnet50.v1", "20.74"), ("resnet50.v1", "5.25")]
    assert ledger.matching("resnet50.v1", "multiscale") == found
    assert ledger.matching("timm:resnet50.a1_in1k", "multiscale:flip=false") == found


def test_matching_puts_top1_first_and_keeps_to_the_protocol():
    found = ledger.matching("resnet50", "10crop:merge=logit")
    assert [r.k for r in found] == sorted(r.k for r in found)
    assert {r.protocol for r in found} == {"10crop"}
    assert {r.run for r in found} == {"He et al. (MSRA) original", "FAIR fb.resnet.torch"}
    assert ledger.matching("resnet50", "fullconv") == ()


def test_matching_does_not_mix_networks_of_similar_names():
    assert {r.dataset for r in ledger.matching("resnet20", "1crop")} == {"cifar10"}
    assert not {r.id for r in ledger.matching("resnet50", "1crop")} & {
        r.id for r in ledger.matching("resnet152", "1crop")
    }
    assert {r.model for r in ledger.matching("torchvision:wide_resnet50_2", "1crop")} == {
        "Wide ResNet-50-2",
        "WRN-50-2-bottleneck",
        "wide_resnet50_2.tv_in1k",
    }


def test_networks_and_weights_have_the_names_that_the_plugins_declare():
    catalog = load_plugins(entry_points=False)
    planned = {"pnn", "lbcnn"}
    for row in ROWS:
        if row.architecture and ":" not in row.architecture and row.architecture not in planned:
            declared = {w.name for w in catalog.architecture(row.architecture).weights}
            recipe = catalog.datasets[row.dataset].recipe
            trained = {f"trained here ({recipe.name})"} if recipe else set()
            assert row.weights in declared | trained | {""}, row


def test_matching_can_be_kept_to_a_dataset():
    assert ledger.matching("lbcnn", "1crop", "mnist")[0].value == "99.5"
    assert ledger.matching("lbcnn", "1crop", "imagenet") == ()


def test_matching_leaves_out_rows_without_a_figure():
    assert all(r.value for r in ledger.matching("lbcnn", "1crop"))
    assert any(not r.value for r in ROWS if r.architecture == "lbcnn")


def test_an_unknown_model_has_no_rows():
    assert ledger.matching("no-such-net", "1crop") == ()
    assert ledger.matching("", "1crop") == ()


def test_every_method_belongs_to_a_run_of_the_ledger_and_names_a_source():
    runs = {row.run for row in ROWS}
    for known in ledger.methods():
        assert known.source, known
        assert known.code, known
        assert known.run in runs or any(run.startswith(known.run[:-1]) for run in runs if known.run.endswith("*")), (
            known
        )
        assert known.protocol in ("", "1crop", "10crop", "multiscale"), known
        assert known.merge in ("", "prob", "logit"), known
        assert known.rounding in ("", "round", "ceil", "floor"), known
        assert known.flip in ("", "true", "false"), known
        assert known.quotes in runs | {""}, known


def by_id(name):
    return next(row for row in ROWS if row.id == name)


@pytest.mark.parametrize(
    ("name", "code", "merge", "rounding"),
    [
        ("he-gh-10c-resnet-50-top1", "KaimingHe/deep-residual-networks", "prob", ""),
        ("he-t4-ms-resnet-50-top1", "KaimingHe/deep-residual-networks", "", ""),
        ("fb-10crop-50-top1", "fb.resnet.torch", "logit", "ceil"),
        ("fb-1crop-50-top1", "fb.resnet.torch", "", "ceil"),
        ("tv-v1-50-top1", "torchvision", "", "round"),
        ("timm-resnet50.a1_in1k-288-top1", "timm", "", ""),
        ("hfc-fig2-count", "seed", "", ""),
    ],
)
def test_how_a_source_tests_is_known_from_its_run_and_protocol(name, code, merge, rounding):
    found = ledger.method(by_id(name))
    assert (found.merge, found.rounding) == (merge, rounding)
    assert found.code == code or (code == "seed" and found.code in (by_id(name).run, by_id(name).source))


def test_every_quoted_resnet_figure_is_in_the_ledger():
    quoting = [row for row in ROWS if ledger.method(row).quotes and row.architecture]
    assert len(quoting) == 6
    for row in quoting:
        origin = ledger.quoted(row)
        assert origin.run == ledger.method(row).quotes, row
        assert (origin.error, origin.k, origin.dataset) == (row.error, row.k, row.dataset)
    assert ledger.quoted(by_id("fb-1crop-50-top1")) is None


def test_two_names_of_one_variant_are_one():
    assert ledger.variant(by_id("fb-1crop-34-top1")) == ledger.variant(by_id("he-t3-10c-resnet-34b-top1"))
    assert ledger.variant(by_id("tv-v1-50-top1")) == ledger.variant(by_id("timm-resnet50.a1_in1k-288-top1")) == "v1.5"
    assert ledger.variant(by_id("fb-1crop-50-top1")) != ledger.variant(by_id("fb-1crop-101-top1"))
    known = ledger._table("variants.csv")
    assert {line["text"] for line in known} <= {row.variant for row in ROWS}
    assert all(line["source"] for line in known)


@pytest.mark.parametrize(("text", "digits"), [("24.7", 1), ("22.85", 2), ("18.760", 3), ("90", 0), ("0.5E+2", 0)])
def test_the_digits_of_a_figure_are_those_that_were_printed(text, digits):
    assert ledger.printed_digits(Decimal(text)) == digits
