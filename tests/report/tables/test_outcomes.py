"""What ``run`` prints of made-up runs: the answer, the columns that differ, the nearest published figure."""

from __future__ import annotations

from finished_runs import result

from benchsuite.report.tables.outcomes import answer, outcome_lines, outcome_table

ONE, OTHER = result(), result(errors=9571, weights__label="IMAGENET1K_V2")


def lines(*rows: dict[str, object], explained: bool = False, every: bool = False) -> list[str]:
    return outcome_lines(rows, explained=explained, every=every)


def test_one_run_is_a_sentence_and_no_table() -> None:
    assert answer([ONE]) == "resnet50, weights IMAGENET1K_V1, 1crop on imagenet: top-1 error 23.870 [23.498, 24.246] %"
    assert outcome_table([ONE])[1] == []
    assert lines(ONE)[0].startswith("11935 wrong, of 50000 images; top-5 error ")


def test_several_runs_begin_with_the_fewest_and_the_most_errors_and_show_what_differs() -> None:
    ends = "19.142 % (IMAGENET1K_V2) to 23.870 % (IMAGENET1K_V1)"
    assert answer([ONE, OTHER]) == f"2 runs of resnet50, 50000 images of imagenet: top-1 error {ends}"
    headers, cells = outcome_table([ONE, OTHER])
    assert headers == ["weights", "protocol", "top-1 error %", "top-5 error %", "views"]
    assert [row[0] for row in cells] == ["IMAGENET1K_V1", "IMAGENET1K_V2"]
    part = result(errors=58, n=500, asked__limit=500)
    assert outcome_table([ONE, part])[0][:2] == ["protocol", "n"]


def test_the_nearest_published_figure_is_named_unless_a_table_or_a_meaning_has_it() -> None:
    begin = "published for resnet50 1crop: 23.870 % top-1 error ("
    (found,) = [line for line in lines(ONE) if line.startswith("published")]
    assert found.startswith(begin)
    assert found.endswith("), measured here 23.870 (+0.000)")
    (found,) = [line for line in lines({**ONE, "dataset": "digits"}) if line.startswith("published")]
    assert ", not comparable: other dataset (digits)" in found
    for more in ({"explained": True}, {"every": True}):
        assert not [line for line in lines(ONE, **more) if line.startswith("published")]


def test_a_run_that_trained_its_network_ends_with_two_commands() -> None:
    own = {**ONE, "weights": "trained here (digits-1)", "dataset": "digits"}
    assert lines(own, explained=True)[-3] == "To try next:"
    assert all(": benchsuite explain resnet50" in line for line in lines(own, explained=True)[-2:])
    assert "To try next:" not in lines(own) + lines(ONE, explained=True)
    assert "To try next:" not in lines({**own, "protocol": "ensemble"}, explained=True)


def test_what_is_left_out_is_named() -> None:
    grouped = {**ONE, "groups": [], "group_names": ["corruption", "severity"]}
    assert "speed, published figures, errors by corruption and severity: --all" in lines(grouped)
    assert not [line for line in lines(grouped, every=True) if "--all" in line]


def test_pixels_that_are_not_exact_are_said_of_one_run_and_of_several() -> None:
    lossy = {**ONE, "exact": False, "loader": "ffcv:lossy"}
    for rows in ([lossy], [lossy, {**lossy, "protocol": "10crop"}]):
        assert "imagenet (ffcv:lossy, not exact)" in answer(rows)
    assert "not exact" not in answer([ONE, OTHER])


def test_no_run_is_no_error() -> None:
    assert answer([]) == "0 runs"
    assert lines() == ["speed, published figures: --all"]
