from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from model.tasks.copy_format import CopyText, parse, write

LINE = st.text(st.characters(whitelist_categories=("L", "N")), min_size=1, max_size=30)


@given(LINE, st.lists(LINE, max_size=3), LINE)
def test_what_is_written_is_read_again(description: str, highlights: list[str], short: str) -> None:
    assert parse(write(description, highlights, short)) == CopyText(description, tuple(highlights), short)


def test_a_text_without_marks_is_a_description() -> None:
    assert parse("A mug.\nIt holds 350 ml.") == CopyText("A mug. It holds 350 ml.")


def test_what_comes_after_the_parts_is_dropped() -> None:
    assert parse("A mug.\n- blue\n= A blue mug.\nCall me!\n= Again") == CopyText("A mug.", ("blue",), "A blue mug.")


@given(st.text())
def test_anything_can_be_read(text: str) -> None:
    found = parse(text)
    parts = (found.description, *found.highlights, found.short_line)
    assert all(len(part.splitlines()) <= 1 and part == part.strip() for part in parts)
    assert all(found.highlights)
