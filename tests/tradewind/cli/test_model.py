from __future__ import annotations

import json
from pathlib import Path

import pytest

from model.provenance import DEFAULT
from tests.tradewind.cli.conftest import Cli


@pytest.mark.parametrize("arguments", [("info",), ("generate", "Hello")])
def test_a_wrong_path_names_the_setting_in_one_line(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    monkeypatch.setenv("TRADEWIND_MODEL", str(tmp_path / "none.gguf"))
    result = cli("model", *arguments)
    assert result.exit_code == 3
    (line,) = result.stderr.splitlines()
    assert "TRADEWIND_MODEL" in line
    assert "none.gguf" in line


def test_a_file_that_is_no_model(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = tmp_path / "some.gguf"
    path.write_bytes(b"not a model")
    monkeypatch.setenv("TRADEWIND_MODEL", str(path))
    result = cli("model", "info")
    assert result.exit_code == 3
    assert len(result.stderr.splitlines()) == 1


def test_an_empty_prompt(cli: Cli) -> None:
    assert cli("model", "generate", "-", stdin=" \n").exit_code == 2


def test_fetch_does_nothing_where_the_file_is_damaged(
    cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / DEFAULT.filename).write_bytes(b"half of it")
    monkeypatch.setenv("TRADEWIND_MODEL_CACHE_DIR", str(tmp_path))
    result = cli("model", "fetch")
    assert result.exit_code == 3
    assert "SHA-256" in result.stderr


@pytest.mark.model
def test_info_of_the_default(cli: Cli) -> None:
    result = cli("model", "info", "--json")
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert (found["sha256"], found["from"], found["layers"]) == (DEFAULT.sha256, "the default", 30)


@pytest.mark.model
def test_generate_prints_the_text_alone_on_standard_output(cli: Cli) -> None:
    result = cli("model", "generate", "-", "--max-tokens", "4", stdin="Say hello.")
    assert result.exit_code == 0, result.output
    assert 0 < len(result.stdout.strip()) < 80
    (timings,) = result.stderr.splitlines()
    assert "4 written in" in timings
