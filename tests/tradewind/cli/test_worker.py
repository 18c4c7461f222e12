"""`tradewind worker` and `tradewind up`: what is wrong with a file of policies is told before anything runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.tradewind.cli.conftest import Cli


@pytest.mark.parametrize("command", ["worker", "up"])
def test_policies_that_cannot_be_used_end_in_one_line(
    cli: Cli, nothing_listens: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, command: str
) -> None:
    file = tmp_path / "policies.json"
    file.write_text('{"m-1": "30 days"}')
    monkeypatch.setenv("TRADEWIND_POLICIES", str(file))
    result = cli(command)
    assert result.exit_code == 2
    (line,) = result.stderr.splitlines()
    assert f'{file}: ["m-1"] is a text' in line
