from __future__ import annotations

import json
from pathlib import Path

import pytest

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import migrate
from tests.tradewind.cli.conftest import Cli
from tests.tradewind.report.reading import Page
from tests.tradewind.report.stored import LAST, store
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

pytestmark = pytest.mark.integration


@pytest.fixture
def shop(module_stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    """A shop's rows in the stack that the commands find."""
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(module_stack.config.data_dir))
    settings = Settings()
    migrate(settings)
    with open_client(settings) as client:
        if not client.query("SELECT 1 FROM orders LIMIT 1").result_rows:
            store(client, "mfr-69")


def _one_line(text: str) -> str:
    (line,) = text.splitlines()
    return line


def test_a_database_without_tables(
    cli: Cli, module_stack: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(module_stack.config.data_dir))
    monkeypatch.setenv("TRADEWIND_CLICKHOUSE_DATABASE", "default")
    result = cli("report", "--merchant", "m", "--out", str(tmp_path / "r.html"))
    assert result.exit_code == 1
    assert _one_line(result.stderr).endswith("the sink makes them when it starts: tradewind sink")


def test_it_writes_a_page(cli: Cli, shop: None, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("what was there before")
    result = cli("report", "--merchant", "mfr-69", "--out", str(out), "--days", "7", "--until", str(LAST.date()))
    assert result.exit_code == 0, result.output
    assert _one_line(result.stderr) == f"written: {out}"
    found = Page(out.read_text(encoding="utf-8"))
    assert found.texts[0] == "mfr-69: 25 March 2026 to 31 March 2026, 7 days"
    orders = cli(
        "query", "SELECT sum(orders) AS n FROM merchant_days WHERE merchant_id = 'mfr-69' AND day >= '2026-03-25'",
        "--format", "json",
    )  # fmt: skip
    assert f"Orders: {json.loads(orders.stdout)[0]['n']}, " in found.text
    assert list(tmp_path.iterdir()) == [out]


def test_a_period_without_anything_names_the_newest_day(cli: Cli, shop: None, tmp_path: Path) -> None:
    result = cli("report", "--merchant", "mfr-69", "--out", str(tmp_path / "r.html"), "--until", "2030-01-01")
    assert result.exit_code == 0
    assert "try --until 2026-03-31" in result.stderr


def test_an_unknown_merchant_gets_near_names_and_no_file(cli: Cli, shop: None, tmp_path: Path) -> None:
    near = cli("report", "--merchant", "mfr-96", "--out", str(tmp_path / "r.html"))
    assert near.exit_code == 2
    assert _one_line(near.stderr) == "error: no event of a merchant mfr-96 is stored; did you mean mfr-69?"
    far = cli("report", "--merchant", "[bold]\x1b[2Jzzz", "--out", str(tmp_path / "r.html"))
    assert far.exit_code == 2
    assert "\x1b" not in far.stderr
    assert "no merchant's name is near it" in far.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("out", ["", "missing/report.html", "folder", "file/report.html", "x" * 300])
def test_a_path_that_cannot_be_written_costs_no_query(
    cli: Cli, nothing_listens: None, tmp_path: Path, out: str
) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").write_text("")
    result = cli("report", "--merchant", "m", "--out", str(tmp_path / out))
    assert result.exit_code == 2
    assert _one_line(result.stderr).endswith("with --out")
    assert {path.name for path in tmp_path.iterdir()} == {"folder", "file"}


def test_clickhouse_that_is_away_leaves_the_old_report(cli: Cli, nothing_listens: None, tmp_path: Path) -> None:
    out = tmp_path / "report.html"
    out.write_text("of yesterday")
    result = cli("report", "--merchant", "m", "--out", str(out))
    assert result.exit_code == 3
    assert _one_line(result.stderr).startswith("error: no answer from ClickHouse; ")
    assert out.read_text() == "of yesterday"
    assert list(tmp_path.iterdir()) == [out]


@pytest.mark.parametrize("wrong", [("--days", "0"), ("--days", "400"), ("--until", "soon"), ("--until", "1900-01-01")])
def test_a_wrong_period_is_a_wrong_command_line(
    cli: Cli, nothing_listens: None, tmp_path: Path, wrong: tuple[str, str]
) -> None:
    result = cli("report", "--merchant", "m", "--out", str(tmp_path / "r.html"), *wrong)
    assert result.exit_code == 2
    assert list(tmp_path.iterdir()) == []
