"""Tests of the words and tables about reproduced figures: the verdict comes with what it rests on."""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from pathlib import Path

import pytest
from made_up_figures import figure

from benchsuite.explanation import ledger
from benchsuite.explanation.reproduce.run import Measured, Outcome
from benchsuite.explanation.reproduce.verdict import Judgement, judge, judge_training, verdict
from benchsuite.report.tables.fitted import wrapped
from benchsuite.report.tables.reproductions import answer, choices_table, details, narrow, notes, sheet, why
from benchsuite.stats.metrics import Count


def measured(wrong: int, n: int, judgement: Judgement, of: int = 1000, what: str = "1crop") -> Measured:
    names = ("run-1", "results/runs/run-1", "colours", "even", "imagenet")
    return Measured(what, *names, Fraction(wrong, n), n, of, judgement)


def outcome(
    printed: str, *counts: tuple[int, int], ties: int = 0, reasons: tuple[str, ...] = (), name: str = "a"
) -> Outcome:
    """A figure of 1000 images, measured with these (errors, images), one for each protocol."""
    ones = [
        measured(wrong, n, judge(Decimal(printed), Count(wrong, n), 1000, ties), what=f"protocol-{place}")
        for place, (wrong, n) in enumerate(counts)
    ]
    found = verdict([one.judgement for one in ones], reasons)
    return Outcome(figure(name, printed), found, tuple(ones), reasons)


@pytest.mark.parametrize(
    ("found", "words"),
    [
        (outcome("12.3", (123, 1000)), "within rounding"),
        (
            outcome("12.3", (125, 1000), ties=2),
            "within rounding if near ties go the other way, which gives 12.30 to 12.70 %",
        ),
        (
            outcome("12.3", (125, 1000)),
            "off by +0.20 points, 2 images; all images were measured, so this is no chance",
        ),
        (
            outcome("12.3", (10, 100)),
            "the printed figure lies in the 95 % interval [5.20, 17.20]",
        ),  # by scipy: 52 to 172 of 1000
        (
            outcome("12.3", (125, 1000), (123, 1000)),
            "within rounding; with protocol-1, a choice that the source leaves open",
        ),
        (outcome("12.3", (125, 1000), reasons=("other weights",)), "other weights"),
    ],
)
def test_a_verdict_says_what_it_rests_on(found: Outcome, words: str) -> None:
    assert why(found) == words
    assert details(found)[0] == f"why: {words}"


def test_a_part_that_is_too_far_off_comes_with_its_probability_and_the_range_of_the_choices() -> None:
    found = outcome("50.0", (10, 100), (12, 100))
    text = why(found)
    assert text.startswith("off by -40.00 points; p = ")
    assert text.endswith("no open choice of the same views gives the figure: 10.00 to 12.00 %")


def test_another_training_has_an_interval_too() -> None:
    judgement = judge_training(Decimal("12.3"), Fraction(13, 100), 100)
    found = Outcome(figure("a", "12.3"), "reproduced", (measured(13, 100, judgement, of=100),), ())
    assert why(found) == "the printed figure lies in the 95 % interval [7.76, 20.98]"


def test_the_answer_counts_verdicts_and_figures_that_were_not_measured() -> None:
    missing = Outcome(figure("c", "1.0"), "not comparable", (), ("the images",))
    every = [outcome("12.3", (123, 1000)), outcome("12.3", (99, 1000), name="b"), missing]
    assert answer(every, "net") == "net, 3 published figures: 1 reproduced, 1 not reproduced, 1 not measured"
    assert answer(every[:1], "a") == "reproduced: a, printed 12.3 %, measured 12.30 % on 1000 images"
    assert answer([missing], "c") == "not comparable: c, printed 1.0 %, not measured"
    assert [row[0] for row in narrow(every)[1]] == ["b", "a"], "what was not reproduced comes first"
    assert notes(every)[-1] == "c: missing: the images"
    table = sheet(every, "net")
    assert {len(row) for row in table.rows} == {len(table.columns)}
    assert [row[1].text for row in table.rows] == ["reproduced", "not reproduced", "not measured"]


def test_figures_that_lack_the_same_share_a_line() -> None:
    every = [
        Outcome(figure(f"f{i}", "1.0"), "not comparable", (), ("images", *("weights",) * (i > 4))) for i in range(6)
    ]
    assert notes(every) == ["f0, f1, f2, f3 and 2 more: missing: images", "f5: missing: weights"]


def test_only_several_combinations_are_a_table() -> None:
    assert choices_table(outcome("12.3", (123, 1000))) == ([], [])
    headers, rows = choices_table(outcome("12.3", (125, 1000), (123, 1000)))
    assert headers == ["measured as", "measured %", "off", "agrees"]
    assert rows == [["protocol-0", "12.50", "+0.20", "no"], ["protocol-1", "12.30", "+0.00", "yes"]]


def test_the_example_of_the_docs_is_what_is_printed() -> None:
    """The public ResNet-20 errs on 1897 of the 10,000 test images of CIFAR-10 as JPEG files."""
    page = (Path(__file__).resolve().parents[3] / "docs" / "reproduce.md").read_text(encoding="utf-8")
    row = next(row for row in ledger.load() if row.id == "aka-20")
    counted = judge(Decimal("8.27"), Count(1897, 10_000), 10_000)
    run = "resnet20-1crop-cifar10_jpeg-cabe533da40d"
    one = Measured(
        "1crop", run, "", "resnet20", "akamaster", "cifar10-jpeg", Fraction(1897, 10_000), 10_000, 10_000, counted
    )
    reason = "other dataset (cifar10-jpeg): needed is the published cifar10 (benchsuite show cifar10)"
    found = Outcome(row, "not comparable", (one,), (reason,))
    lines = [part for line in (answer([found], "aka-20"), *details(found)) for part in wrapped(line, 80)]
    assert "\n".join(["```", *lines, "```"]) in page
