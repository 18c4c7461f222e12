from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.stack.clickhouse.sql import first_word, output_format, quote, split_insert


@pytest.mark.parametrize(
    ("text", "statement", "data_format", "data"),
    [
        (b"INSERT INTO t FORMAT CSV\n1,2\n", "INSERT INTO t ", "CSV", b"1,2\n"),
        (b"insert into t format CSV 1,2", "insert into t ", "CSV", b"1,2"),
        (b"INSERT INTO t FORMAT Avro\r\nObj\x01\xff", "INSERT INTO t ", "Avro", b"Obj\x01\xff"),
        # one line break only: the next one is data
        (b"INSERT INTO t FORMAT Native\n\n", "INSERT INTO t ", "Native", b"\n"),
        (b"INSERT INTO d.t (a, `b c`) FORMAT TSV\n", "INSERT INTO d.t (a, `b c`) ", "TSV", b""),
        (b"INSERT INTO t VALUES (1), (2)", "INSERT INTO t ", "Values", b" (1), (2)"),
        (
            b"INSERT INTO t (x) SETTINGS a=1, b='FORMAT CSV' FORMAT JSONEachRow {}",
            "INSERT INTO t (x) SETTINGS a=1, b='FORMAT CSV' ",
            "JSONEachRow",
            b"{}",
        ),
        (
            b"/* FORMAT x */ INSERT -- y\n INTO TABLE t FORMAT CSV\n1",
            "/* FORMAT x */ INSERT -- y\n INTO TABLE t ",
            "CSV",
            b"1",
        ),
        (b"INSERT INTO FUNCTION file('a.csv') FORMAT CSV\n1", "INSERT INTO FUNCTION file('a.csv') ", "CSV", b"1"),
        (b"INSERT INTO format FORMAT CSV\n1", "INSERT INTO format ", "CSV", b"1"),
        (b"INSERT INTO d.values VALUES (1)", "INSERT INTO d.values ", "Values", b" (1)"),
    ],
)
def test_an_insert_is_split_from_its_data(text: bytes, statement: str, data_format: str, data: bytes) -> None:
    insert = split_insert(text)
    assert insert is not None
    assert (insert.statement, insert.format, text[insert.data_start :]) == (statement, data_format, data)


@pytest.mark.parametrize(
    "text",
    [
        b"SELECT 1 FORMAT CSV",
        b"INSERT INTO t SELECT 1 FORMAT CSV",
        b"INSERT INTO t (a) WITH 1 AS x SELECT x",
        b"INSERT INTO t FROM INFILE 'f.csv' FORMAT CSV",
        b"INSERT INTO t",
        b"INSERT INTO t FORMAT",
        b"",
        b"-- INSERT INTO t FORMAT CSV\nSELECT 1",
        b"\x00\xff",
    ],
)
def test_what_brings_no_data_is_no_insert(text: bytes) -> None:
    assert split_insert(text) is None


@given(st.binary(), st.sampled_from([b"Avro", b"Native", b"CSV", b"RowBinary"]))
def test_the_data_is_found_whatever_it_is(data: bytes, data_format: bytes) -> None:
    text = b"INSERT INTO t FORMAT " + data_format + b"\n" + data
    insert = split_insert(text)
    assert insert is not None
    assert text[insert.data_start :] == data


@given(st.text(st.characters(exclude_categories=("Cs",))), st.binary())
def test_no_literal_hides_or_fakes_a_format(literal: str, data: bytes) -> None:
    text = f"INSERT INTO t SETTINGS s={quote(literal)} FORMAT CSV\n".encode() + data
    insert = split_insert(text)
    assert insert is not None
    assert insert.statement == f"INSERT INTO t SETTINGS s={quote(literal)} "
    assert text[insert.data_start :] == data


@given(st.binary())
def test_any_bytes_can_be_looked_at(text: bytes) -> None:
    split_insert(text)
    split_insert(b"INSERT INTO " + text)
    output_format(text)
    first_word(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"SELECT 1", None),
        (b"SELECT 1 FORMAT JSON", "JSON"),
        (b"select 1 format JSONEachRow;", "JSONEachRow"),
        (b"SELECT 1\n FORMAT Native", "Native"),
        (b"SELECT 1 FORMAT CSV SETTINGS max_threads=1", "CSV"),
        (b"SELECT 'x FORMAT CSV'", None),
        (b"SELECT 1 -- FORMAT CSV", None),
        (b"SELECT (SELECT 1 FORMAT CSV)", None),
        (b"SELECT format, x FROM t", None),
        (b"SELECT format x FROM t", None),
        (b"SHOW TABLES FORMAT Pretty", "Pretty"),
    ],
)
def test_the_output_format_is_that_of_the_last_clause(text: bytes, expected: str | None) -> None:
    assert output_format(text) == expected


@pytest.mark.parametrize(
    ("text", "word"),
    [(b"  select 1", "SELECT"), (b"/* a */ -- b\n((SELECT 1))", "SELECT"), (b"", ""), (b"'x'", ""), (b"-- x", "")],
)
def test_the_first_word_stands_past_comments_and_brackets(text: bytes, word: str) -> None:
    assert first_word(text) == word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"INSERT INTO t (a, settings) FORMAT CSV\n1", "INSERT INTO t (a, settings)  FROM INFILE '/f'  FORMAT CSV"),
        (b"INSERT INTO t SETTINGS a=1 FORMAT CSV\n1", "INSERT INTO t  FROM INFILE '/f' SETTINGS a=1  FORMAT CSV"),
        (
            "INSERT INTO `ä` SETTINGS a=1 VALUES".encode(),
            "INSERT INTO `ä`  FROM INFILE '/f' SETTINGS a=1  FORMAT Values",
        ),
        (b"INSERT INTO settings VALUES (1)", "INSERT INTO settings  FROM INFILE '/f'  FORMAT Values"),
    ],
)
def test_the_file_is_named_before_the_settings(text: bytes, expected: str) -> None:
    insert = split_insert(text)
    assert insert is not None
    assert insert.from_file("/f") == expected
