from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.tradewind.cli.conftest import Cli
from tradewind.settings import STACK_FILE, Settings


def _rows(cli: Cli) -> dict[str, dict[str, Any]]:
    result = cli("config", "--json")
    assert result.exit_code == 0, result.output
    return {row["variable"]: row for row in json.loads(result.stdout)}


def test_every_setting_is_shown_with_its_description(cli: Cli) -> None:
    rows = _rows(cli)
    assert list(rows) == [f"TRADEWIND_{name.upper()}" for name in Settings.model_fields]
    assert all(set(row) == {"variable", "value", "from", "description"} for row in rows.values())
    assert all(row["description"] for row in rows.values())


def test_origins(cli: Cli, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    import os

    secrets, data = tmp_path / "secrets", tmp_path / "data"
    secrets.mkdir()
    data.mkdir()
    (secrets / "tradewind_kafka_password").write_text("hunter2-in-a-file")
    stack = {"pid": os.getpid(), "bootstrap_servers": "stack:1", "clickhouse_url": "http://stack:2"}
    (data / STACK_FILE).write_text(json.dumps(stack))
    Path(".env").write_text(
        f"TRADEWIND_DATA_DIR={data}\nTRADEWIND_PARTITIONS=3\nTRADEWIND_LOG_LEVEL=error\n"
        "TRADEWIND_CLICKHOUSE_PASSWORD=hunter2-in-dotenv\n"
    )
    monkeypatch.setenv("TRADEWIND_PARTITIONS", "5")
    monkeypatch.setenv("TRADEWIND_CLICKHOUSE_URL", "http://env:3")
    monkeypatch.setenv("TRADEWIND_SECRETS_DIR", str(secrets))
    rows = _rows(cli)
    assert {name: (rows[f"TRADEWIND_{name}"]["value"], rows[f"TRADEWIND_{name}"]["from"]) for name in SHOWN} == {
        "PARTITIONS": (5, "environment"),
        "LOG_LEVEL": ("error", ".env"),
        "KAFKA_PASSWORD": ("********", "secret file"),
        "BOOTSTRAP_SERVERS": ("stack:1", "local stack"),
        "CLICKHOUSE_URL": ("http://env:3", "environment"),
        "MODEL_SLOTS": (Settings.model_fields["model_slots"].default, "default"),
    }


SHOWN = ("PARTITIONS", "LOG_LEVEL", "KAFKA_PASSWORD", "BOOTSTRAP_SERVERS", "CLICKHOUSE_URL", "MODEL_SLOTS")


@pytest.mark.parametrize("arguments", [(), ("--json",), ("--env",)])
def test_no_secret_is_printed(cli: Cli, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    secret = [name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation)]
    assert len(secret) >= 3
    for name in secret:
        monkeypatch.setenv(f"TRADEWIND_{name.upper()}", "hunter2")
    monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", "https://ann:hunter2@registry.example")
    result = cli("config", *arguments)
    assert result.exit_code == 0
    assert "hunter2" not in result.output


def test_the_env_template_changes_nothing_and_names_everything(cli: Cli) -> None:
    template = cli("config", "--env").stdout
    Path(".env").write_text(template)
    assert Settings() == Settings(_env_file=None)  # type: ignore[call-arg]
    open_lines = [line[1:] for line in template.splitlines() if line.startswith("#TRADEWIND_")]
    assert [line.partition("=")[0] for line in open_lines] == [f"TRADEWIND_{n.upper()}" for n in Settings.model_fields]
    Path(".env").write_text("\n".join(line for line in open_lines if not line.endswith("=")))
    assert Settings() == Settings(_env_file=None)  # type: ignore[call-arg]


def test_a_wrong_setting_is_told_by_its_variable(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_PARTITIONS", "many")
    result = cli("config")
    assert result.exit_code == 2
    assert "TRADEWIND_PARTITIONS" in result.stderr
