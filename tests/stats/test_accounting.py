"""Tests of accountings, compared with what whole programs print at the end of a training."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import accounting as replay

from benchsuite import UnknownName
from benchsuite.stats import batch_averaging
from benchsuite.stats.accounting import (
    BEST,
    BEST_LATE,
    CATALOGUE,
    LAST,
    LOWEST,
    Accounting,
    accounting,
    find,
    printed_accuracy,
)

RUNS = st.tuples(st.integers(12, 20), st.integers(1, 25)).flatmap(
    lambda shape: st.lists(
        st.lists(st.integers(0, 1), min_size=shape[1], max_size=shape[1]), min_size=shape[0], max_size=shape[0]
    )
)


def number(name: str, passes: list[list[int]], batch_size: int) -> float:
    return float(100 * printed_accuracy(find(name), np.array(passes, dtype=bool), batch_size)[1])


@given(RUNS, st.integers(1, 30))
@settings(deadline=None)
def test_every_accounting_prints_what_its_program_prints(passes: list[list[int]], batch_size: int) -> None:
    exact, best = replay.akamaster(passes, batch_size)
    batch_means, lowest = replay.lbcnn(passes, batch_size)
    nominal, nominal_best = replay.klachko(passes, batch_size)
    cut, cut_best = replay.klachko(passes, batch_size, integers=True)
    full, full_best = replay.pnn(passes, batch_size, smoothing=False)
    smoothed, smoothed_best = replay.pnn(passes, batch_size)
    restarted, restarted_best = replay.pnn(passes, batch_size, working_reset=True)
    words, words_best = replay.readme(passes, batch_size)
    expected = {
        "exact": exact[-1],
        "exact-best": best,
        "exact-best-after-10": max(exact[11:]),
        "batch-mean": batch_means[-1],
        "batch-mean-lowest": lowest,
        "nominal": nominal[-1],
        "nominal-best-after-10": nominal_best,
        "truncated": cut[-1],
        "truncated-best-after-10": cut_best,
        "full-batches": full[-1],
        "full-batches-best": full_best,
        "smoothed": smoothed[-1],
        "smoothed-best": smoothed_best,
        "smoothed-best-after-10": max(smoothed[11:]),
        "smoothed-reset": restarted[-1],
        "smoothed-reset-best": restarted_best,
        "two-batches": words[-1],
        "two-batches-best": words_best,
        "padded-8": float(replay.padded(passes[-1], 8)),
        "padded-64": float(replay.padded(passes[-1], 64)),
    }
    assert {name: number(name, passes, batch_size) for name in expected} == pytest.approx(expected, abs=1e-9)
    assert set(CATALOGUE) - set(expected) == {"exact-best-heldout"}


def test_the_epoch_that_is_printed_is_counted_from_0_and_the_first_of_equals() -> None:
    right = [3, 9, 1, 9, 1, 0, 0, 0, 0, 0, 0, 2, 5, 5, 4]
    correct = np.arange(10)[None, :] < np.array(right)[:, None]
    assert printed_accuracy(find("exact"), correct, 10) == (14, Fraction(4, 10))
    assert printed_accuracy(find("exact-best"), correct, 10) == (1, Fraction(9, 10))
    assert printed_accuracy(find("exact-best-after-10"), correct, 10) == (12, Fraction(5, 10))
    assert printed_accuracy(accounting(batch_averaging.EXACT, LOWEST), correct, 10) == (5, 0)


def test_lbcnn_keeps_the_worst_epoch_as_its_best() -> None:
    correct = np.arange(10)[None, :] < np.array([8, 3, 9])[:, None]
    assert printed_accuracy(find("batch-mean-lowest"), correct, 5) == (1, Fraction(3, 10))


def test_the_best_epoch_on_held_out_images_knows_nothing_of_the_test() -> None:
    correct = np.arange(10)[None, :] < np.array([9, 8, 5])[:, None]
    assert printed_accuracy(find("exact-best-heldout"), correct, 5, np.array([7, 3, 3])) == (1, Fraction(8, 10))
    assert not find("exact-best-heldout").applies(3, heldout=False)
    assert find("exact-best-heldout").applies(3, heldout=True)


@pytest.mark.parametrize(
    ("name", "epochs"), [("exact", 1), ("exact-best", 2), ("nominal-best-after-10", 12), ("batch-mean-lowest", 2)]
)
def test_an_accounting_applies_from_so_many_epochs_on(name: str, epochs: int) -> None:
    assert find(name).applies(epochs, heldout=False)
    assert not find(name).applies(epochs - 1, heldout=False)


def test_the_catalogue_is_named_described_and_sourced() -> None:
    for name, found in CATALOGUE.items():
        assert name == found.name
        assert found.note
        assert found.source
        assert "\n" not in found.note + found.source
        assert name.startswith(found.tally.name)
        assert (found.choice is LAST) == (name == found.tally.name)
    assert next(iter(CATALOGUE)) == "exact"
    assert {found.choice for found in CATALOGUE.values()} >= {LAST, BEST, BEST_LATE, LOWEST}


def test_the_accountings_of_the_published_recipes_are_there() -> None:
    names = ("smoothed-best", "nominal-best-after-10", "truncated-best-after-10", "batch-mean", "exact-best", "exact")
    assert [isinstance(find(name), Accounting) for name in names] == [True] * 6


def test_any_number_of_processes_can_be_asked_for() -> None:
    assert find("padded-48").tally.name == "padded-48"
    # 48 = 9 x 5 + 3: the first image counts ten times, the last one nine times.
    assert number("padded-48", [[1, 0, 0, 0, 1]], 1) == pytest.approx(100 * (10 + 9) / 48)


@pytest.mark.parametrize("name", ["padded-0", "padded-", "padded-x", "padded--8", "smothed", ""])
def test_an_unknown_name_is_refused_with_the_nearest(name: str) -> None:
    with pytest.raises(UnknownName, match=r"Unknown accounting .*(did you mean|known: )"):
        find(name)
