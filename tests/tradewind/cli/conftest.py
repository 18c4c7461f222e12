"""The command line in this process, and a local stack for each test module: the names of the topics are fixed."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from tradewind.cli.main import app
from tradewind.stack.local import LocalStack, StackConfig

Cli = Callable[..., Result]


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """No setting and no .env of the machine, and the logs as they were afterwards: commands set them up anew."""
    for name in [name for name in os.environ if name.startswith("TRADEWIND_")]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path_factory.mktemp("cwd"))
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:], root.level = handlers, level


@pytest.fixture
def cli() -> Cli:
    """Runs `tradewind` with the arguments, and fails the test where it ends in a traceback."""

    def run(*arguments: str, stdin: str | bytes | None = None) -> Result:
        result = CliRunner().invoke(app, list(arguments), input=stdin)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result

    return run


@pytest.fixture(scope="module")
def module_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A running local stack that no other test module uses."""
    with LocalStack(StackConfig(tmp_path_factory.mktemp("stack"))) as stack:
        yield stack


@pytest.fixture(scope="module")
def module_broker(module_stack: LocalStack, module_kafka: str | None) -> str:
    """Bootstrap servers of a broker that no other test module uses."""
    return module_kafka or module_stack.endpoints.bootstrap_servers


@pytest.fixture
def stack(module_stack: LocalStack, module_broker: str, monkeypatch: pytest.MonkeyPatch) -> LocalStack:
    """That stack, found by the commands through its data folder; with all topics."""
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(module_stack.config.data_dir))
    monkeypatch.setenv("TRADEWIND_BOOTSTRAP_SERVERS", module_broker)
    monkeypatch.setenv("TRADEWIND_PARTITIONS", "2")
    result = CliRunner().invoke(app, ["topics", "create"])
    assert result.exit_code == 0, result.output
    return module_stack


@pytest.fixture
def nothing_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    """All services at a port where nobody listens."""
    monkeypatch.setenv("TRADEWIND_BOOTSTRAP_SERVERS", "127.0.0.1:1")
    monkeypatch.setenv("TRADEWIND_CLICKHOUSE_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TRADEWIND_SCHEMA_REGISTRY_URL", "http://127.0.0.1:1")
    monkeypatch.setenv("TRADEWIND_CLICKHOUSE_PASSWORD", "hunter2-of-the-store")


@pytest.fixture
def tail(cli: Cli, stack: LocalStack) -> Callable[..., list[dict[str, Any]]]:
    """What a topic has, as `tail --json` tells it."""

    def read(topic: str, *more: str) -> list[dict[str, Any]]:
        result = cli("tail", topic, "--from-beginning", "--timeout", "1", "--json", *more)
        assert result.exit_code == 0, result.output
        return [json.loads(line) for line in result.stdout.splitlines()]

    return read
