"""Variables that begin like a setting and are none."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

from tradewind.cli.main import app
from tradewind.misspelt import misspelt, told


def test_the_nearest_setting_is_named() -> None:
    found = misspelt(["TRADEWIND_KAFKA_PASWORD", "TRADEWIND_MODEL", "tradewind_partition", "PATH"])
    assert found == {
        "TRADEWIND_KAFKA_PASWORD": "TRADEWIND_KAFKA_PASSWORD",
        "TRADEWIND_PARTITION": "TRADEWIND_PARTITIONS",
    }
    assert told("TRADEWIND_PARTITION", "TRADEWIND_PARTITIONS").endswith("did you mean TRADEWIND_PARTITIONS?")


def test_what_is_like_nothing_is_told_all_the_same() -> None:
    assert misspelt(["TRADEWIND_XYZZY"]) == {"TRADEWIND_XYZZY": None}
    assert told("TRADEWIND_XYZZY", None).endswith("tradewind config lists them")


@pytest.mark.parametrize("where", ["environment", ".env"])
def test_a_command_warns_and_goes_on(where: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    if where == ".env":
        (tmp_path / ".env").write_text("TRADEWIND_KAFKA_PASWORD=hush\n", encoding="utf-8")
    else:
        monkeypatch.setenv("TRADEWIND_KAFKA_PASWORD", "hush")
    done = CliRunner().invoke(app, ["config", "--json"])
    assert done.exit_code == 0
    assert "TRADEWIND_KAFKA_PASWORD is no setting" in done.stderr
    assert "TRADEWIND_KAFKA_PASSWORD?" in done.stderr
    assert "hush" not in done.stderr
