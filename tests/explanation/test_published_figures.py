"""Published figures of one model: what may be concluded from them, and no more."""

from __future__ import annotations

import dataclasses
import itertools
import json
from decimal import Decimal
from typing import Any

import pytest

from benchsuite import UnknownName, load_plugins
from benchsuite.explanation import ledger
from benchsuite.explanation.ledger import Published
from benchsuite.explanation.published_figures import (
    FACTORS,
    TESTING,
    PublishedFigure,
    answer,
    attributes,
    difference,
    explain,
    flat,
)

CATALOG = load_plugins(entry_points=False)
ROWS = {row.id: row for row in ledger.load()}
HE1, HE10, HE10_T3 = "he-gh-1c-resnet-50-top1", "he-gh-10c-resnet-50-top1", "he-t3-10c-resnet-50-top1"
HE_MS, FB1, FB10 = "he-t4-ms-resnet-50-top1", "fb-1crop-50-top1", "fb-10crop-50-top1"


@pytest.fixture(scope="module")
def resnet50() -> dict[str, PublishedFigure]:
    return {line.row.id: line for line in explain("resnet50", CATALOG)}


def names(found: Any) -> list[str]:
    return [factor.name for factor in found]


def test_every_figure_of_the_model_is_there_once(resnet50: dict[str, PublishedFigure]) -> None:
    wanted = {r.id for r in ledger.load() if ledger.base(r.architecture) == "resnet50" and r.k == 1 and r.value}
    assert set(resnet50) == wanted
    assert {line.row.architecture for line in resnet50.values()} == {"resnet50", "resnet50.v1"}
    assert sum(line.nearest is None for line in resnet50.values()) == 1


def test_he_et_al_print_one_model_under_three_protocols(resnet50: dict[str, PublishedFigure]) -> None:
    first, ten, table, scales = (resnet50[name] for name in (HE1, HE10, HE10_T3, HE_MS))
    assert first.nearest is None
    assert ten.nearest is not None
    assert (ten.nearest.before, ten.nearest.verdict, ten.nearest.change) == (HE1, "one factor", Decimal("-1.8"))
    assert [str(f) for f in ten.nearest.factors] == ["protocol: 1crop -> 10crop"]
    assert ten.nearest.unexplained == 0
    assert table.nearest is not None
    assert (table.nearest.before, table.nearest.verdict) == (HE10, "same")
    assert scales.nearest is not None
    assert (scales.nearest.before, scales.nearest.change) == (HE10_T3, Decimal("-2.11"))
    assert scales.nearest.verdict == "one stated factor"
    assert names(scales.nearest.factors) == ["protocol"]
    assert names(scales.nearest.open) == ["merge space", "mirror images"]
    assert scales.nearest.unexplained == Decimal("-2.11")


def test_fb_resnet_torch_is_confounded_with_he_et_al_and_all_factors_are_named(
    resnet50: dict[str, PublishedFigure],
) -> None:
    found = resnet50[FB10].across
    assert found is not None
    assert (found.before, found.verdict, found.change) == (HE10, "confounded", Decimal("-0.66"))
    assert found.unexplained == found.change
    said = {f.name: (f.before, f.after) for f in found.factors}
    assert set(said) == {"weights", "variant", "recipe", "merge space", "evaluation code"}
    assert said["merge space"] == ("probabilities", "logits")
    assert said["variant"][0].startswith("v1 (stride in first 1x1")
    assert said["variant"][1].startswith("v1.5 (stride in 3x3)")
    own = resnet50[FB10].nearest
    assert own is not None
    assert (own.before, own.verdict, names(own.factors)) == (FB1, "one factor", ["protocol"])
    first = resnet50[FB1].across or resnet50[FB1].nearest
    assert first is not None
    assert (first.before, first.verdict) == (HE1, "confounded")
    assert "merge space" not in names(first.factors)  # one crop is merged with nothing


def test_a_quoted_figure_is_the_figure_it_quotes(resnet50: dict[str, PublishedFigure]) -> None:
    found = resnet50["wrn-t8-resnet-50-top1"].nearest
    assert found is not None
    assert (found.before, found.verdict, found.change) == (FB1, "same", 0)


def test_the_same_file_tested_by_another_library_differs_in_its_code_alone(
    resnet50: dict[str, PublishedFigure],
) -> None:
    found = difference(ROWS["timm-resnet50.tv_in1k-224-top1"], ROWS["tv-v1-50-top1"])
    assert names(found.factors) == ["evaluation code"]
    assert found.change == Decimal("0.026")
    assert found.verdict == "one stated factor"
    assert names(found.open) == ["rounding"]


def test_new_weights_of_torchvision_come_with_another_size(resnet50: dict[str, PublishedFigure]) -> None:
    found = difference(ROWS["tv-v1-50-top1"], ROWS["tv-v2-50-top1"])
    assert found.verdict == "confounded"
    assert names(found.factors) == ["weights", "recipe", "resize"]
    assert found.change == Decimal("-4.728")


def test_one_file_of_timm_at_two_sizes_can_be_taken_apart(resnet50: dict[str, PublishedFigure]) -> None:
    found = difference(ROWS["timm-resnet50.a1_in1k-224-top1"], ROWS["timm-resnet50.a1_in1k-288-top1"])
    assert [str(f) for f in found.factors] == ["resize: 235 -> 288", "crop size: 224 -> 288"]
    line = next(r for r in resnet50.values() if r.nearest and names(r.nearest.factors) == ["resize", "crop size"])
    assert line.ladder is not None
    assert f"--from {line.nearest.before if line.nearest else ''} --to {line.row.id}" in line.ladder
    assert line.ladder.startswith("benchsuite explain resnet50 --data imagenet:PATH --weights ")


def test_a_ladder_is_offered_only_where_nothing_but_the_test_differs(resnet50: dict[str, PublishedFigure]) -> None:
    for line in resnet50.values():
        tests = line.nearest is not None and set(names(line.nearest.factors)) <= set(TESTING) != set()
        assert (line.ladder is not None) == bool(tests and line.nearest and line.nearest.factors)
        assert line.command is not None


def test_two_ways_of_counting_one_run_differ_in_the_accounting_alone() -> None:
    lines = {line.row.id: line for line in explain("pnn", CATALOG)}
    found = lines["klachko-pair-reported"].nearest
    assert found is not None
    assert (found.before, found.verdict) == ("klachko-pair-actual", "one factor")
    assert [f.name for f in found.factors] == ["accounting"]
    assert found.change == Decimal("-4.62")


def test_the_dispute_over_pnn_is_confounded() -> None:
    found = difference(ROWS["klachko-3"], ROWS["pnn-upd-1"])
    assert found.verdict == "confounded"
    assert {"weights", "variant", "recipe"} <= set(names(found.factors))


@pytest.mark.parametrize("model", ["resnet50", "resnet101", "resnet34", "resnet110", "pnn", "lbcnn"])
@pytest.mark.parametrize("k", [1, 5])
def test_no_single_cause_is_claimed_where_more_than_one_thing_differs(model: str, k: int) -> None:
    try:
        lines = explain(model, CATALOG, k=k)
    except UnknownName:
        assert (model, k) in {("resnet110", 5), ("pnn", 5), ("lbcnn", 5)}
        return
    seen = set()
    for line in lines:
        for found in (line.nearest, line.across):
            if found is None:
                continue
            before = ROWS[found.before]
            assert before.error is not None
            assert line.row.error is not None
            assert found.change == line.row.error - before.error
            own, theirs = attributes(before), attributes(line.row)
            differ = {name for name in FACTORS if own[name] and theirs[name] and own[name] != theirs[name]}
            if own["weights"] == theirs["weights"] and before.weights:
                differ -= {"variant", "recipe"}
            assert differ == set(names(found.factors)) | (differ & set(names(found.open)))
            if found.verdict in ("one factor", "one stated factor"):
                assert len(differ - set(names(found.open))) == 1
            assert (found.unexplained == 0) == (found.verdict in ("one factor", "same") or found.change == 0)
            assert (found.verdict == "confounded") == (len(found.factors) > 1)
        if line.nearest is not None:
            assert line.nearest.before in seen
        seen.add(line.row.id)


def test_the_nearest_figure_is_the_one_with_the_fewest_differences_of_all_that_were_reached() -> None:
    """A tree of Prim's: cutting it anywhere, no shorter edge joins the two parts."""
    lines = explain("resnet50", CATALOG)
    parents = {line.row.id: line.nearest for line in lines}

    def root_side(name: str, cut: str) -> bool:
        while name != cut and parents[name] is not None:
            name = parents[name].before  # type: ignore[union-attr]
        return name != cut

    def size(a: Published, b: Published) -> tuple[int, int, Decimal]:
        found = difference(a, b)
        return len(found.factors) + len(found.open), len(found.open), abs(found.change)

    for line in lines[1:]:
        assert line.nearest is not None
        inside = [x.row for x in lines if not root_side(x.row.id, line.row.id)]
        outside = [x.row for x in lines if root_side(x.row.id, line.row.id)]
        assert size(ROWS[line.nearest.before], line.row) == min(size(a, b) for a in outside for b in inside)


def test_the_answer_is_one_network_under_each_protocol_without_reprints(resnet50: dict[str, PublishedFigure]) -> None:
    found = answer(tuple(resnet50.values()), CATALOG)
    assert [step.row.id for step in found.chain] == [HE1, HE10_T3, HE_MS]
    assert [step.before and step.before.id for step in found.chain] == [None, HE1, HE10_T3]
    assert [claim.id for claim in found.claims] == ["he-one-network", "fb-training-50"]
    assert found.ladder is not None
    assert f"--from {HE1} --to {HE_MS}" in found.ladder
    whole = answer(tuple(resnet50.values()), CATALOG, None)
    assert set(found.steps) < set(whole.steps)
    assert FB10 in {step.row.id for step in whole.others}


def test_a_claim_changes_no_verdict(resnet50: dict[str, PublishedFigure]) -> None:
    found = resnet50[HE_MS].nearest
    assert found is not None
    assert found.claim is not None
    assert (found.claim.author, found.verdict, found.unexplained) == ("K. He", "one stated factor", Decimal("-2.11"))
    same = difference(ROWS["he-t3-10c-resnet-101-top1"], ROWS["he-t4-ms-resnet-101-top1"])
    assert (same.claim, same.verdict) == (None, found.verdict)


@pytest.mark.parametrize("claim", ledger.claims(), ids=lambda claim: claim.id)
def test_a_claim_has_a_source_and_is_about_figures_that_differ_in_its_causes(claim: ledger.Claim) -> None:
    rows = [ROWS[name] for name in claim.rows]
    assert len(rows) > 1
    assert len({row.k for row in rows}) == 1
    assert claim.author
    assert claim.source
    for before, after in itertools.pairwise(rows):
        found = difference(before, after)
        assert found.claim == claim
        assert set(claim.causes) <= {factor.name for factor in (*found.factors, *found.open)}


def changed(row: Published, **fields: str) -> Published:
    return dataclasses.replace(row, **fields)


@pytest.mark.parametrize(
    ("fields", "verdict"),
    [
        ({}, "same"),
        ({"value": "22.85"}, "same"),  # as the paper, with one digit more
        ({"value": "22.84"}, "nothing stated"),
        ({"value": "23.0"}, "nothing stated"),
        ({"crop": "200"}, "one factor"),
        ({"crop": "200", "accounting": "exact"}, "one stated factor"),
        ({"crop": "200", "run": "somebody else"}, "confounded"),
    ],
)
def test_what_two_figures_allow_to_be_said(fields: dict[str, str], verdict: str) -> None:
    row = ROWS[HE10]
    assert difference(row, changed(row, id="other", **fields)).verdict == verdict


def test_the_digits_printed_bound_what_a_change_can_be() -> None:
    """24.7 lies between 24.65 and 24.75, 22.85 between 22.845 and 22.855."""
    assert difference(ROWS[HE1], ROWS[HE10_T3]).rounding == Decimal("0.055")


def test_an_unknown_model_is_refused_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match="did you mean 'resnet56'"):
        explain("resnet5", CATALOG)


def test_variants_and_families_of_a_model_are_one_model(resnet50: dict[str, PublishedFigure]) -> None:
    for name in ("resnet50.v1", "timm:resnet50.a1_in1k"):
        assert [line.row.id for line in explain(name, CATALOG)] == list(resnet50)


def test_flat_data_is_json(resnet50: dict[str, PublishedFigure]) -> None:
    data = json.loads(json.dumps(flat(tuple(resnet50.values())), allow_nan=False))
    by_id = {row["id"]: row for row in data}
    assert by_id[HE_MS]["nearest"]["change"] == -2.11
    assert by_id[HE_MS]["nearest"]["open"][0] == {
        "name": "merge space",
        "before": "probabilities",
        "after": "not stated",
    }
    assert by_id[HE1]["nearest"] is None
    assert by_id[HE1]["error"] == 24.7
