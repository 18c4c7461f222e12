"""`tradewind model reviewed`: the lines that it writes, and what it leaves out."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from schemas.events import Decision
from tests.consumers.clickhouse.test_reviewed import drafted, reviewed
from tests.consumers.clickhouse.test_views import store
from tests.consumers.harness import World, world_on
from tests.support.stack import ClickHouseEndpoint
from tests.tradewind.cli.conftest import Cli

pytestmark = pytest.mark.integration


@pytest.fixture
def reviews(
    broker: str, database: ClickHouseEndpoint, unique_name: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[World]:
    with world_on(broker, database, unique_name) as world:
        store(world, "answers_drafted", [drafted(1), drafted(2), drafted(3), drafted(4, draft="")])
        reviewed_ = [
            reviewed(1, 1, Decision.APPROVE),
            reviewed(2, 2, Decision.EDIT, "Mail anna.schmidt@example.com."),
            reviewed(3, 3, Decision.REJECT),
            reviewed(4, 4, Decision.APPROVE),
        ]
        store(world, "answers_reviewed", reviewed_)
        for name in ("clickhouse_url", "clickhouse_username", "clickhouse_database"):
            monkeypatch.setenv(f"TRADEWIND_{name.upper()}", getattr(world.settings, name))
        monkeypatch.setenv("TRADEWIND_CLICKHOUSE_PASSWORD", world.settings.clickhouse_password.get_secret_value())
        yield world


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def test_approved_and_edited_answers_become_lines(cli: Cli, reviews: World, tmp_path: Path) -> None:
    file = tmp_path / "reviewed.jsonl"
    file.write_text("from before\n")
    result = cli("model", "reviewed", "--out", str(file))
    assert result.exit_code == 0, result.output
    assert "1 approve, 1 edit" in result.stderr
    first, second = lines(file)
    assert first == {
        "question": "Question 1?",
        "evidence": ["material: copper", "Free returns."],
        "answer": "Draft 1.",
        "decision": "approve",
        "merchant_id": "m-1",
        "reviewed_at": "2026-03-01T09:31:15.123Z",
        "draft_event_id": "00000000-0000-0000-0000-000000000001",
    }
    assert (second["decision"], second["answer"]) == ("edit", "Mail [email].")
    assert list(tmp_path.iterdir()) == [file]


def test_rejected_ones_on_demand_and_only_the_late(cli: Cli, reviews: World, tmp_path: Path) -> None:
    file = tmp_path / "reviewed.jsonl"
    result = cli("model", "reviewed", "--out", str(file), "--rejected", "--since", "2026-03-01T09:32:30Z")
    assert result.exit_code == 0, result.output
    assert [(line["decision"], line["answer"]) for line in lines(file)] == [("reject", None)]
    assert cli("model", "reviewed", "--out", str(file), "--merchant", "nobody").exit_code == 0
    assert lines(file) == []


def test_what_is_wrong_is_told(cli: Cli, nothing_listens: None, tmp_path: Path) -> None:
    file = tmp_path / "reviewed.jsonl"
    since = cli("model", "reviewed", "--out", str(file), "--since", "yesterday")
    assert (since.exit_code, "2026-03-01" in since.stderr) == (2, True)
    folder = cli("model", "reviewed", "--out", str(tmp_path / "none" / "reviewed.jsonl"))
    assert (folder.exit_code, "--out" in folder.stderr) == (2, True)
    away = cli("model", "reviewed", "--out", str(file))
    assert away.exit_code == 3
    assert not list(tmp_path.iterdir())
