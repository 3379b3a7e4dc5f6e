"""Tests of results pages: the text between marks is made again, everything else stays unchanged."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchsuite import DataError, StorageError
from benchsuite.report.results_pages import END, RenderedTable, pages_in, parts, regenerate

PAGE = f"""# Title

Prose <!-- table inside a line --> stays.

<!-- table runs . "two words" -->
old
{END}
Between.
<!-- table  other -->
{END}

```
<!-- table example -->
```
1. In a list:

   ```
   <!-- table example -->
   {END}
   ```
Last line."""


def made(folder: Path, words: list[str]) -> RenderedTable:
    return RenderedTable(f"{folder.name}: {words}", (("plot.svg", "<svg/>"),) if words[0] == "other" else ())


def test_tables_are_made_again_and_prose_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE)
    page = regenerate(path, made)
    name = tmp_path.name
    assert page.files[0] == (
        path,
        PAGE.replace("old\n", f"\n{name}: ['runs', '.', 'two words']\n\n").replace(
            f"other -->\n{END}", f"other -->\n\n{name}: ['other']\n\n{END}"
        ),
    )
    assert (page.tables, page.faults) == (2, ())
    assert page.changed == (path, tmp_path / "plot.svg")
    assert page.write() == (path, tmp_path / "plot.svg")
    assert (tmp_path / "plot.svg").read_text() == "<svg/>"
    assert regenerate(path, made).changed == ()


def test_a_table_that_cannot_be_made_stays_and_is_told(tmp_path: Path) -> None:
    path = tmp_path / "page.md"
    path.write_text(PAGE)

    def refused(folder: Path, words: list[str]) -> RenderedTable:
        raise DataError(f"no {words[0]}")

    page = regenerate(path, refused)
    assert page.faults == ("no runs", "no other")
    assert page.changed == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<!-- table a -->\n", "the end of the page"),
        (f"{END}\n", "line 1"),
        (f"<!-- table a -->\n<!-- table b -->\n{END}\n", "line 2"),
        (f"<!-- table a -->\n{END}\n{END}\n", "line 3"),
        (f'<!-- table a "b -->\n{END}\n', "quoted as in a shell"),
    ],
)
def test_marks_that_do_not_pair_are_one_line_with_their_place(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "page.md"
    path.write_text(text)
    with pytest.raises(DataError, match=said) as caught:
        regenerate(path, made)
    assert "page.md" in str(caught.value)
    assert "\n" not in str(caught.value)


@given(st.lists(st.sampled_from(["prose", "", "# head", "| a |", "<!-- note -->"]), max_size=8), st.booleans())
def test_a_page_without_a_table_is_its_parts_put_together(lines: list[str], ends: bool) -> None:
    text = "\n".join(lines) + ("\n" if ends else "")
    assert [words for words, _ in parts(text, "p")] == [None]
    assert "\n".join(line for _, found in parts(text, "p") for line in found) == "\n".join(text.splitlines())


def test_pages_are_those_of_the_folder_and_of_its_folders(tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=r"\*\.md"):
        pages_in(tmp_path)
    for name in ("README.md", "a/README.md", "a/runs/x/README.md", "b/c.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("")
    assert pages_in(tmp_path) == [tmp_path / "README.md", tmp_path / "a" / "README.md"]
