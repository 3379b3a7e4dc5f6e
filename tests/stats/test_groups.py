"""Tests of errors by groups: against plain loops over images, and the published way to relate them to AlexNet's."""

from __future__ import annotations

from fractions import Fraction

from hypothesis import given
from hypothesis import strategies as st

from benchsuite.stats.groups import GroupCount, relative_error, tally, together

Image = tuple[str, str, int]
IMAGES = st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from("123"), st.integers(0, 7)), max_size=60)


@given(IMAGES)
def test_each_image_counts_once_in_the_group_of_its_values(images: list[Image]) -> None:
    counts = tally([[c for c, _, _ in images], [s for _, s, _ in images]], [rank for *_, rank in images])
    for count in counts:
        own = [rank for c, s, rank in images if (c, s) == count.values]
        assert (count.n, count.top1_errors, count.top5_errors) == (
            len(own),
            sum(rank > 0 for rank in own),
            sum(rank > 4 for rank in own),
        )
    assert sum(count.n for count in counts) == len(images)
    assert len({count.values for count in counts}) == len(counts)


@given(IMAGES)
def test_counts_added_up_over_a_name_are_those_of_the_other_name_alone(images: list[Image]) -> None:
    corruptions, severities, ranks = ([image[i] for image in images] for i in range(3))
    both = tally([corruptions, severities], ranks)
    for place, alone in ((0, corruptions), (1, severities)):
        assert list(together(both, [place]).values()) == tally([alone], ranks)
    (whole,) = together(both, []).values() if images else [GroupCount((), 0, 0, 0)]
    assert whole == GroupCount((), len(images), sum(r > 0 for r in ranks), sum(r > 4 for r in ranks))


def test_the_relative_error_is_a_mean_of_ratios_of_means() -> None:
    counts = [
        GroupCount(("fog", "1"), 10, 2, 0),
        GroupCount(("fog", "2"), 20, 10, 0),  # mean error (0.2 + 0.5) / 2 = 0.35
        GroupCount(("snow", "1"), 10, 1, 0),
        GroupCount(("snow", "2"), 10, 3, 0),  # mean error 0.2
        GroupCount(("other", "1"), 10, 10, 10),
    ]
    errors = {"fog": Fraction("0.7"), "snow": Fraction("0.8")}
    assert relative_error(counts, 0, errors, 2) == (Fraction(1, 2) * (Fraction(1, 2) + Fraction(1, 4)), ())


def test_a_value_that_lacks_a_cell_is_named_and_there_is_no_number() -> None:
    counts = [GroupCount(("fog", str(s)), 10, 5, 0) for s in (1, 2)] + [GroupCount(("snow", "1"), 10, 5, 0)]
    errors = {"fog": Fraction(1, 2), "snow": Fraction(1, 2), "frost": Fraction(1, 2)}
    assert relative_error(counts, 0, errors, 2) == (None, ("snow", "frost"))
