"""Secrets come from files or the environment, and go to whom they are for: never into an output, a log, a metric, an
error or a command line.

Each secret here is a word that stands nowhere else, and whatever is said is searched for all of them: by commands that
succeed and that fail, at the most talkative level, and by our processes.
"""

from __future__ import annotations

import os
import traceback
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from pydantic import SecretStr
from typer.testing import CliRunner

from consumers.clickhouse.migrate import migrate
from streams import topics
from tests.consumers.harness import until
from tests.support.certificates import Authority
from tests.tradewind.cli.registries import read_only
from tradewind.assembly import settings_for
from tradewind.cli.main import app
from tradewind.processes import sink_child, worker_child
from tradewind.settings import Settings
from tradewind.stack.children import NEVER
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.supervisor import StartFailed, Supervisor

pytestmark = pytest.mark.integration

SECRETS = sorted(name for name, field in Settings.model_fields.items() if "SecretStr" in str(field.annotation))
NOWHERE = {
    "bootstrap_servers": "127.0.0.1:1",
    "clickhouse_url": "http://127.0.0.1:1",
    "schema_registry_url": "http://127.0.0.1:1",
    "model_url": "http://127.0.0.1:1/v1",
    "model": "a-model",
}
COMMANDS = [
    "config",
    "config --json",
    "config --env",
    "doctor",
    "doctor --json",
    "status",
    "topics list",
    "topics create",
    "topics access sink",
    "topics access sink --apply",
    "schemas check",
    "schemas push",
    "db check",
    "db migrate",
    "db access",
    "db settle",
    "query SELECT",
    "query SELECT+1",
    "tail orders --timeout 0.2",
    "publish orders orders.jsonl",
    "deadletters ls",
    "deadletters replay --all --yes",
    "model reviewed --out reviewed.jsonl",
    "report --merchant m --out r.html",
    "keys create --merchant m --read",
    "keys list",
    "keys audit",
    "worker --agents enrich",
    "worker --agents insights",
    "sink --from-beginning --table orders --dry-run",
    "sink",
]


def marked(name: str) -> str:
    """The secret of that setting."""
    return f"hunter2-{name.replace('_', '-')}"


@pytest.fixture(scope="module")
def stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    config = StackConfig(tmp_path_factory.mktemp("stack"), clickhouse_password=marked("clickhouse_password"))
    with LocalStack(config) as started:
        yield started


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in [name for name in os.environ if name.startswith("TRADEWIND_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)
    Path("orders.jsonl").write_text("{}\n")


def given(monkeypatch: pytest.MonkeyPatch, values: dict[str, str]) -> None:
    """These settings, and every secret, in the environment."""
    for name, value in {**{name: marked(name) for name in SECRETS}, "log_level": "debug", **values}.items():
        monkeypatch.setenv(f"TRADEWIND_{name.upper()}", value)


def said(command: str) -> str:
    """All that a command says, and the traceback where it has one."""
    words = [word.replace("+", " ") for word in command.split()]
    result = CliRunner().invoke(app, words)
    unforeseen = result.exception is not None and not isinstance(result.exception, SystemExit)
    trace = "".join(traceback.format_exception(result.exception)) if unforeseen else ""
    return f"{result.output}{result.stderr}{trace}"


def assert_silent(text: str) -> None:
    assert [word for word in ("hunter2", "aHVudGVyM") if word in text] == []  # in base64 as well, as HTTP Basic has it


def test_there_are_secrets() -> None:
    assert {"clickhouse_password", "kafka_password", "model_api_key", "schema_registry_password"} <= set(SECRETS)


def test_what_is_searched_for_would_be_found() -> None:
    with pytest.raises(AssertionError):
        assert_silent(f"the password {marked('kafka_password')} is wrong")


@pytest.mark.parametrize("command", COMMANDS)
def test_nothing_is_said_of_them_while_nobody_answers(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    given(monkeypatch, {**NOWHERE, "kafka_security_protocol": "SASL_SSL", "kafka_username": "ann"})
    assert_silent(said(command))


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in ("sink", "worker --agents insights")])
@pytest.mark.parametrize("password", ["right", "wrong"])
def test_nothing_is_said_of_them_on_a_stack(
    monkeypatch: pytest.MonkeyPatch, stack: LocalStack, command: str, password: str
) -> None:
    endpoints = stack.endpoints
    word = marked("clickhouse_password") if password == "right" else "hunter2-wrong"
    given(
        monkeypatch,
        {
            "bootstrap_servers": endpoints.bootstrap_servers,
            "schema_registry_url": endpoints.schema_registry_url.replace("://", "://ann:hunter2-in-the-url@"),
            "clickhouse_url": endpoints.clickhouse_url,
            "clickhouse_username": endpoints.clickhouse_user,
            "clickhouse_database": endpoints.clickhouse_database,
            "clickhouse_password": word,
            "partitions": "2",
            "model_url": "http://127.0.0.1:1/v1",
            "model": "a-model",
        },
    )
    assert_silent(said(command))


def test_nothing_is_said_of_them_over_tls_that_fails(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with read_only(None, Authority.new(tmp_path).server_context("127.0.0.1")) as url:
        for name in ("clickhouse_url", "schema_registry_url", "model_url"):
            more = {name: url + ("/v1" if name == "model_url" else "")}
            given(monkeypatch, {**NOWHERE, **more, "schema_registry_username": "ann"})
            for command in ("doctor", "schemas check", "db check", "worker --agents enrich"):
                assert_silent(said(command))


def test_a_setting_that_does_not_parse_is_not_quoted(monkeypatch: pytest.MonkeyPatch) -> None:
    given(monkeypatch, {"partitions": "hunter2-in-the-wrong-place", "model_url": "http://ann:hunter2@host/v1"})
    assert_silent(said("config"))


def test_a_settings_object_does_not_show_them() -> None:
    settings = Settings(**{name: marked(name) for name in SECRETS})
    assert all(isinstance(getattr(settings, name), SecretStr) for name in SECRETS)
    assert_silent(f"{settings!r} {settings} {settings.model_dump()} {settings.model_dump_json()}")


def test_they_come_from_files(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    for name in SECRETS:
        (folder / f"tradewind_{name}").write_text(marked(name) + "\n")
    monkeypatch.setenv("TRADEWIND_SECRETS_DIR", str(folder))
    settings = Settings()
    assert {name: getattr(settings, name).get_secret_value() for name in SECRETS} == {
        name: marked(name) for name in SECRETS
    }
    assert_silent(said("config"))


@contextmanager
def command_lines(pids: Callable[[], dict[str, int]]) -> Iterator[list[str]]:
    """The command lines of these processes and of all that they started."""
    lines: list[str] = []
    yield lines
    family = set(pids().values())
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (int(entry.name) in family or _parent(entry) in family):
            lines.append((entry / "cmdline").read_bytes().replace(b"\0", b" ").decode())


def _parent(entry: Path) -> int:
    try:
        return int((entry / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def test_no_process_has_them_on_its_command_line_in_its_log_or_its_metrics(
    stack: LocalStack, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = {name: marked(name) for name in SECRETS}
    settings = settings_for(Settings(data_dir=tmp_path, log_level="debug", partitions=2, **secret), stack.endpoints)
    topics.create(settings)
    migrate(settings)
    specs = [
        sink_child(settings, tmp_path / "logs"),
        replace(worker_child(settings.model_copy(update=NOWHERE), tmp_path / "logs"), restart=NEVER),
    ]
    with Supervisor() as supervisor:
        supervisor.start(specs[0])
        port = specs[0].env["TRADEWIND_METRICS_PORT"]
        with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics") as answer:
            metrics = answer.read().decode()
        assert "tradewind_sink_ready 1.0" in metrics
        with command_lines(lambda: {**supervisor.pids(), **stack.pids()}) as lines:
            pass
        with pytest.raises(StartFailed) as raised:
            supervisor.start(specs[1])  # one that ends with an error
    assert len(lines) >= 4
    logs = [path.read_text() for folder in (tmp_path / "logs", stack.log_dir) for path in folder.glob("*.log")]
    assert len(logs) >= 5
    for text in (metrics, *lines, *logs, str(raised.value), *map(repr, specs)):
        assert_silent(text)


def test_the_endpoints_of_a_stack_are_for_their_owner_alone(stack: LocalStack) -> None:
    until(lambda: (stack.config.data_dir / "stack.json").exists(), "the file")
    assert (stack.config.data_dir / "stack.json").stat().st_mode & 0o077 == 0
    assert_silent(repr(stack.endpoints) + repr(stack.config))
