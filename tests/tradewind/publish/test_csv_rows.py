"""CSV with a topic's fields: odd files, broken records, and the lines where they begin."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from schemas.topics import LISTINGS, ORDERS, Topic
from schemas.validation import validate
from tradewind.publish import Row, rows_csv

ENVELOPE = {"event_id": "00000000-0000-0000-0000-000000000001", "occurred_at": "2026-01-01T00:00:00Z"}


def read(content: bytes | str, topic: Topic = LISTINGS) -> list[Row]:
    raw = content.encode("utf-8") if isinstance(content, str) else content
    return list(rows_csv(io.BytesIO(raw), topic))


def data(content: bytes | str) -> list[dict[str, Any] | None]:
    return [row.data for row in read(content)]


def test_a_row_becomes_an_event() -> None:
    (row,) = read(
        "merchant_id,listing_id,title,attributes.material,attributes.size,price,currency,tags\n"
        "m-1,l-1,Wrench,steel,9/16 inch,11.49,USD,hand tool | sae\n"
    )
    assert row.data is not None
    datum = validate("ListingPublished", {**ENVELOPE, **row.data})
    assert isinstance(datum, dict)
    assert datum["attributes"] == {"material": "steel", "size": "9/16 inch"}
    assert datum["tags"] == ["hand tool", "sae"]
    assert str(datum["price"]) == "11.49"


def test_orders_can_be_read_as_well() -> None:
    (row,) = read("order_id,line,quantity,amount,kind\no-1,2,3,9.90,placed\n", ORDERS)
    assert row.data == {"order_id": "o-1", "line": "2", "quantity": "3", "amount": "9.90", "kind": "placed"}


def test_an_empty_cell_leaves_the_field_out() -> None:
    assert data("listing_id,brand,attributes.material\nl-1, ,\n") == [{"listing_id": "l-1"}]


def test_attributes_as_json_and_as_columns() -> None:
    content = 'listing_id,attributes,attributes.colour\nl-1,"{""colour"": ""red"", ""material"": ""wool""}",blue\n'
    assert data(content) == [{"listing_id": "l-1", "attributes": {"colour": "blue", "material": "wool"}}]


@pytest.mark.parametrize(
    ("column", "cell", "field"),
    [
        ("attributes", "{broken", "attributes"),
        ("attributes", "[1]", "attributes"),
        ("attributes", "wool", "attributes"),
        ("tags", "[broken", "tags"),
    ],
)
def test_broken_json_in_a_cell_is_a_problem(column: str, cell: str, field: str) -> None:
    (row,) = read(f"listing_id,{column}\nl-1,{cell}\n")
    assert row.data is None
    assert row.problems[0].field == field
    assert "JSON" in row.problems[0].expected


def test_a_list_as_json() -> None:
    assert data('tags\n"[""a|b"", ""c""]"\n') == [{"tags": ["a|b", "c"]}]


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_byte_order_mark_and_line_ends(ending: str) -> None:
    content = f"\ufefflisting_id,title{ending}l-1,Pan{ending}l-2,Pot{ending}"
    assert data(content) == [{"listing_id": "l-1", "title": "Pan"}, {"listing_id": "l-2", "title": "Pot"}]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_of_the_header_counts(delimiter: str) -> None:
    content = f"listing_id{delimiter}title\nl-1{delimiter}Pan\n"
    assert data(content) == [{"listing_id": "l-1", "title": "Pan"}]


def test_a_record_over_several_lines_is_named_by_its_first() -> None:
    rows = read('listing_id,description\nl-1,"one\ntwo\nthree"\nl-2,"a\nb"\n\nl-3,c\n')
    assert [(row.line, row.data and row.data["listing_id"]) for row in rows] == [
        (2, "l-1"),
        (5, "l-2"),
        (8, "l-3"),
    ]
    assert rows[0].data == {"listing_id": "l-1", "description": "one\ntwo\nthree"}


def test_an_open_quote_costs_its_own_line_only() -> None:
    lines = ["listing_id,title", 'l-1,"never closed', *(f"l-{n},Pan" for n in range(2, 50)), 'l-50,"Pot"']
    rows = read("\n".join(lines) + "\n")
    assert [row.line for row in rows if row.data is None] == [2]
    assert [row.data["listing_id"] for row in rows if row.data] == [f"l-{n}" for n in range(2, 51)]


def test_a_stray_quote_is_a_problem_with_the_way_to_mend_it() -> None:
    rows = read('listing_id,title\nl-1,"9/16" wrench"\nl-2,Pan\n')
    assert [row.line for row in rows if row.problems] == [2]
    assert '""' in rows[0].problems[0].mend
    assert rows[1].data == {"listing_id": "l-2", "title": "Pan"}


def test_too_few_and_too_many_cells() -> None:
    rows = read("listing_id,title,brand\nl-1,Pan\nl-2,Pan,Q,x\nl-3,Pan,Q,,\n")
    assert [row.data is None for row in rows] == [True, True, False]
    assert rows[0].problems[0].expected == "3 cells, as in the header"
    assert rows[0].problems[0].found == "2 cells"


def test_an_unknown_column_is_reported_once_with_the_known_ones() -> None:
    header, *rows = read("listing_id,colour,title\nl-1,red,Pan\nl-2,blue,Pot\n")
    assert header.line == 1
    assert header.data is None
    (problem,) = header.problems
    assert problem.field == "colour"
    assert "attributes.NAME" in problem.expected
    assert "listing_id" in problem.expected
    assert [row.data for row in rows] == [
        {"listing_id": "l-1", "title": "Pan"},
        {"listing_id": "l-2", "title": "Pot"},
    ]


def test_of_a_column_that_repeats_the_first_counts() -> None:
    header, row = read("listing_id,title,Title\nl-1,Pan,Pot\n")
    assert header.problems[0].field == "Title"
    assert row.data == {"listing_id": "l-1", "title": "Pan"}


def test_a_missing_column_is_left_to_validation() -> None:
    (row,) = read("merchant_id,listing_id\nm-1,l-1\n")
    assert row.data == {"merchant_id": "m-1", "listing_id": "l-1"}
    problems = validate("ListingPublished", {**ENVELOPE, **row.data})
    assert isinstance(problems, tuple)
    assert [problem.field for problem in problems] == ["title"]


@pytest.mark.parametrize("content", [b"", b"\n\n", b"\xef\xbb\xbf"])
def test_an_empty_file_is_a_problem(content: bytes) -> None:
    (row,) = read(content)
    assert row.problems[0].found == "an empty file"


def test_a_file_without_a_header_is_not_guessed_at() -> None:
    (row,) = read("l-1,Pan\nl-2,Pot\n")
    assert row.line == 1
    assert len(row.problems) == 2


def test_bytes_that_are_not_utf8_cost_their_record_only() -> None:
    rows = read(b'listing_id,title\nl-1,caf\xe9\nl-2,"a\ncaf\xe9"\nl-3,Pan\n')
    assert [(row.line, row.data is None) for row in rows] == [(2, True), (3, True), (5, False)]
    assert "0xe9" in rows[0].problems[0].found


def test_utf16_is_named() -> None:
    (row,) = read("listing_id,title\nl-1,Pan\n".encode("utf-16"))
    assert row.problems[0].found == "UTF-16"


def test_a_cell_that_is_too_long_is_a_problem() -> None:
    rows = read(f"listing_id,title\nl-1,{'x' * 200_000}\nl-2,Pan\n")
    assert [row.data is None for row in rows] == [True, False]


def test_progress_ends_at_the_size_of_the_file() -> None:
    content = b"listing_id,title\n" + b"l-1,Pan\n" * 50_000
    told: list[int] = []
    assert len(list(rows_csv(io.BytesIO(content), LISTINGS, on_progress=told.append))) == 50_000
    assert told == sorted(told)
    assert told[-1] == len(content)


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@given(st.lists(st.tuples(CELLS, CELLS), max_size=8), st.sampled_from([",", ";", "\t"]))
def test_what_the_csv_module_writes_is_read(written: list[tuple[str, str]], delimiter: str) -> None:
    assume(all(any(cell.strip() for cell in row) for row in written))  # a blank record is passed over
    target = io.StringIO(newline="")
    writer = csv.writer(target, delimiter=delimiter, quoting=csv.QUOTE_ALL)
    writer.writerow(["title", "description"])
    writer.writerows(written)
    expected = [
        {name: cell.strip() for name, cell in zip(("title", "description"), row, strict=True) if cell.strip()}
        for row in written
    ]
    assert data(target.getvalue()) == expected


@given(st.binary(max_size=300))
def test_any_bytes_give_rows_and_no_exception(content: bytes) -> None:
    for row in read(b"listing_id,title,attributes\n" + content):
        assert (row.data is None) == bool(row.problems)
        assert row.line >= 2


@given(st.text("ab,\n", max_size=60))
def test_a_good_row_after_any_lines_without_quotes_is_found(mess: str) -> None:
    rows = read(f"listing_id,title\n{mess}\nlast,Pan\n")
    assert rows[-1].data == {"listing_id": "last", "title": "Pan"}
    assert rows[-1].line == mess.count("\n") + 3


@given(st.text('ab,"\n', max_size=60))
def test_lines_are_named_in_order_whatever_the_quotes(mess: str) -> None:
    lines = [row.line for row in read(f"listing_id,title\n{mess}\n")]
    assert lines == sorted(set(lines))
