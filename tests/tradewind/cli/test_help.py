from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest
import typer

from tests.tradewind.cli.conftest import Cli
from tradewind.cli.main import app


def _commands(command: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    inner = getattr(command, "commands", None)
    if inner is None:
        return [path]
    return [leaf for name, child in inner.items() for leaf in _commands(child, (*path, name))]


OURS = {
    "report",
    *("publish", "tail", "query", "config", "doctor", "topics create", "topics list", "schemas show", "schemas check"),
    *("db check", "db migrate", "db settle", "db access"),
    *("schemas push", "deadletters ls", "deadletters show", "deadletters replay"),
    *("keys create", "keys list", "keys revoke", "keys audit"),
    *("edge send", "edge status", "edge refused", "edge receive"),
    *("model info", "model generate", "model bench", "model fetch", "model reviewed"),
}
ALL = _commands(typer.main.get_command(app))


def test_all_commands_are_there() -> None:
    assert {" ".join(path) for path in ALL} >= OURS


@pytest.mark.parametrize("path", [path for path in ALL if " ".join(path) in OURS], ids=" ".join)
def test_help_of_each_command_has_an_example(cli: Cli, path: tuple[str, ...]) -> None:
    result = cli(*path, "--help")
    assert result.exit_code == 0
    assert f"Try it: tradewind {' '.join(path)}" in " ".join(result.stdout.replace("│", " ").split())


def test_help_imports_nothing_heavy() -> None:
    script = (
        "import sys, tradewind.cli.main\n"
        "heavy = {'torch', 'faust', 'chdb', 'clickhouse_connect', 'confluent_kafka', 'numpy', 'fastavro', 'aiohttp'}\n"
        "print(sorted(heavy & set(sys.modules)))"
    )
    found = subprocess.run((sys.executable, "-c", script), capture_output=True, text=True, check=True, env=_path())
    assert found.stdout.strip() == "[]"


def _path() -> dict[str, str]:
    from pathlib import Path

    return {"PYTHONPATH": str(Path(__file__).parents[3]), "PATH": "/usr/bin:/bin"}
