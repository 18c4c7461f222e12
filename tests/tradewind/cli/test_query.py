from __future__ import annotations

import csv
import io
import json

import pytest

from tests.tradewind.cli.conftest import Cli
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration
SQL = "SELECT number AS n, concat('row [b]', toString(number)) AS t, NULL AS z FROM numbers(2)"


@pytest.fixture
def query(cli: Cli, module_stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> Cli:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(module_stack.config.data_dir))
    return lambda *arguments, **more: cli("query", *arguments, **more)


def test_table(query: Cli) -> None:
    result = query(SQL)
    assert result.exit_code == 0, result.output
    header, _, *rows = [line.split() for line in result.stdout.splitlines()]
    assert header == ["n", "t", "z"]
    assert rows == [["0", "row", "[b]0", "-"], ["1", "row", "[b]1", "-"]]


def test_a_value_cannot_steer_the_terminal_and_is_not_cut_in_a_pipe(query: Cli) -> None:
    result = query("SELECT concat(char(27), '[2J', repeat('x', 300)) AS v")
    assert "\x1b" not in result.stdout
    assert "x" * 300 in result.stdout


def test_formats_for_scripts(query: Cli) -> None:
    assert json.loads(query(SQL, "--format", "json").stdout) == [
        {"n": 0, "t": "row [b]0", "z": None},
        {"n": 1, "t": "row [b]1", "z": None},
    ]
    assert json.loads(query(f"{SQL} WHERE n > 5", "--format", "json").stdout) == []
    rows = list(csv.reader(io.StringIO(query(SQL, "--format", "csv").stdout)))
    assert rows == [["n", "t", "z"], ["0", "row [b]0", r"\N"], ["1", "row [b]1", r"\N"]]
    assert query(SQL, "--format", "tsv").stdout.splitlines()[1] == "0\trow [b]0\t\\N"


def test_parameters_and_standard_input(query: Cli) -> None:
    result = query(
        "-", "--param", "who=m=1; DROP", "--param", "n=41", "--format", "json",
        stdin="SELECT {who:String} AS who, {n:UInt8} + 1 AS n;\n",
    )  # fmt: skip
    assert json.loads(result.stdout) == [{"who": "m=1; DROP", "n": 42}]
    wrong = query("SELECT 1", "--param", "nonsense")
    assert wrong.exit_code == 2
    assert "NAME=VALUE" in wrong.stderr
    assert query("-", stdin="  ;\n").exit_code == 2


def test_only_write_lets_it_change_things(query: Cli) -> None:
    create = "CREATE TABLE written (x Int8) ENGINE = MergeTree ORDER BY x"
    refused = query(create)
    assert refused.exit_code == 1
    assert refused.stderr.startswith("error: ClickHouse 164 READONLY: ")
    assert query("SELECT 1 SETTINGS readonly = 0").exit_code == 1
    assert query(create, "--write").exit_code == 0
    assert query("INSERT INTO written VALUES (1), (2)").exit_code == 1
    assert query("INSERT INTO written VALUES (1), (2)", "--write").exit_code == 0
    assert json.loads(query("SELECT sum(x) AS s FROM written", "--write", "--format", "json").stdout) == [{"s": 3}]
    assert query("DROP TABLE written", "--write", "--format", "csv").exit_code == 0


@pytest.mark.parametrize("output", ["table", "json"])
def test_an_error_is_one_line_with_code_and_name(query: Cli, output: str) -> None:
    for sql, begins in (
        ("SELEC 1", "error: ClickHouse 62 SYNTAX_ERROR: Syntax error: failed at position 1"),
        ("SELECT * FROM nowhere", "error: ClickHouse 60 UNKNOWN_TABLE: "),
    ):
        result = query(sql, "--format", output)
        assert result.exit_code == 1
        (line,) = result.stderr.splitlines()
        assert line.startswith(begins)
        assert "http" not in line


def test_a_wrong_password_is_a_wrong_setting_and_is_not_shown(query: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CLICKHOUSE_PASSWORD", "hunter2")
    result = query("SELECT 1")
    assert result.exit_code == 2
    assert "TRADEWIND_CLICKHOUSE_PASSWORD" in result.stderr
    assert "hunter2" not in result.output


def test_clickhouse_that_is_away(cli: Cli, nothing_listens: None, monkeypatch: pytest.MonkeyPatch) -> None:
    result = cli("query", "SELECT 1")
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert line.startswith("error: no answer from ClickHouse at http://127.0.0.1:1")
    assert "hunter2" not in result.output
