from __future__ import annotations

import json
import threading
from collections import namedtuple
from pathlib import Path
from typing import Any

import pytest

from consumers.clickhouse.migrate import migrate
from tests.tradewind.cli.conftest import Cli
from tradewind import doctor
from tradewind.doctor import Finding, check_disk, check_model, check_policies, check_python, examine
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack

NAMES = ["python", "kafka", "topics", "schemas", "clickhouse", "migrations", "clock", "model", "policies", "disk"]


def _found(cli: Cli) -> tuple[int, dict[str, dict[str, Any]]]:
    result = cli("doctor", "--json")
    return result.exit_code, {each["check"]: each for each in json.loads(result.stdout)}


@pytest.mark.integration
def test_a_sound_stack(cli: Cli, stack: LocalStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    model = tmp_path / "model.gguf"
    model.write_bytes(b"GGUF")
    monkeypatch.setenv("TRADEWIND_MODEL", str(model))
    code, before = _found(cli)
    assert list(before) == NAMES
    assert code == 1
    assert before["migrations"]["state"] == "failed"
    assert "tradewind sink" in before["migrations"]["mend"]

    migrate(Settings())
    code, after = _found(cli)
    assert {name: each["state"] for name, each in after.items() if name != "disk"} == {
        name: "ok" for name in NAMES if name != "disk"
    }
    assert code == 0
    shown = cli("doctor")
    assert shown.exit_code == 0
    assert len([line for line in shown.stdout.splitlines() if line.startswith(("ok", "warning"))]) == len(NAMES)

    monkeypatch.setenv("TRADEWIND_PARTITIONS", "5")
    code, other = _found(cli)
    assert (code, other["topics"]["state"]) == (1, "failed")
    assert "TRADEWIND_PARTITIONS" in other["topics"]["mend"]


@pytest.mark.integration
def test_a_wrong_password_is_told_without_it(cli: Cli, stack: LocalStack, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRADEWIND_CLICKHOUSE_PASSWORD", "hunter2")
    code, found = _found(cli)
    assert code == 1
    assert "516" in found["clickhouse"]["detail"]
    assert "TRADEWIND_CLICKHOUSE_PASSWORD" in found["clickhouse"]["mend"]
    assert "hunter2" not in json.dumps(found)


@pytest.mark.integration
def test_services_that_are_away(cli: Cli, nothing_listens: None) -> None:
    code, found = _found(cli)
    assert code == 3
    failed = {name for name, each in found.items() if each["state"] == "failed"}
    assert failed >= {"kafka", "schemas", "clickhouse"}
    assert all(found[name]["mend"] for name in failed)
    assert {found[name]["state"] for name in ("topics", "migrations", "clock")} == {"warning"}
    shown = cli("doctor")
    assert shown.exit_code == 3
    assert shown.stderr == ""
    assert "hunter2" not in shown.output


def test_a_check_that_hangs_or_breaks_hides_no_other() -> None:
    release = threading.Event()

    def hangs(_: Settings) -> list[Finding]:
        release.wait(20)
        return []

    def breaks(_: Settings) -> list[Finding]:
        raise ZeroDivisionError("by zero")

    checks = {"hangs": hangs, "breaks": breaks, "python": check_python}
    try:
        found = examine(Settings(), checks, timeout_s=0.2)
    finally:
        release.set()
    assert [(each.name, each.state) for each in found] == [("hangs", "failed"), ("breaks", "failed"), ("python", "ok")]
    assert found[0].unreachable
    assert "ZeroDivisionError: by zero" in found[1].detail


def test_python_that_is_too_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor.sys, "version_info", (3, 9, 1, "final", 0))
    (found,) = check_python(Settings())
    assert (found.state, found.detail) == ("failed", "3.9.1, expected 3.10 to 3.13")


@pytest.mark.parametrize(("free", "state"), [(2**27, "failed"), (2**30, "warning"), (2**34, "ok")])
def test_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, free: int, state: str) -> None:
    usage = namedtuple("usage", "total used free")
    asked: list[Path] = []

    def disk_usage(folder: Path) -> object:
        asked.append(folder)
        return usage(0, 0, free)

    monkeypatch.setattr(doctor.shutil, "disk_usage", disk_usage)
    (found,) = check_disk(Settings(data_dir=tmp_path / "not" / "yet"))
    assert found.state == state
    assert asked == [tmp_path]


@pytest.mark.parametrize(("skew", "state"), [(0.1, "ok"), (-3.0, "warning"), (90.0, "failed"), (None, "warning")])
def test_clock(skew: float | None, state: str) -> None:
    assert doctor._clock(skew).state == state


def test_policies(tmp_path: Path) -> None:
    file = tmp_path / "policies.json"
    assert [each.state for each in check_policies(Settings())] == ["ok"]
    file.write_text('{"*": {"returns": "Within 14 days."}}')
    (found,) = check_policies(Settings(policies=file))
    assert (found.state, found.detail) == ("ok", f"{file}: 1 for all merchants, others for 0 of them")
    file.write_text('{"*": {"returns": 14}}')
    (found,) = check_policies(Settings(policies=file))
    assert (found.state, found.mend) == ("failed", "write its text, or take it out")
    assert found.detail == f'{file}: ["*"]["returns"] is a number'


def test_model_that_is_missing_names_the_setting(tmp_path: Path) -> None:
    (found,) = check_model(Settings(model=str(tmp_path / "none.gguf")))
    assert found.state == "failed"
    assert "TRADEWIND_MODEL" in found.mend
