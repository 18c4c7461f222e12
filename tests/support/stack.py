"""Fixtures that give tests a real local stack: one for the whole session, started when first asked for (0.4 s).

Tests share it, so each takes names of its own: `unique_name` for topics and groups, `database` for tables.
Registered once, as a plugin: `pytest_plugins = ["tests.support.stack"]` in the root conftest.py.

The broker is the embedded one. With `pytest --kafka` it is Apache Kafka itself, and only tests that talk to it are run.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Generator, Iterator
from dataclasses import dataclass, field, replace
from typing import Any

import clickhouse_connect
import pytest

from tests.kafka.cluster import ClusterConfig, KafkaCluster, KafkaMissing
from tests.kafka.jars import pinned_version
from tradewind.stack.local import LocalStack, StackConfig

#: Who asks for one of these talks to Apache Kafka under `--kafka`.
_KAFKA_FIXTURES = {"apache_kafka", "broker", "module_kafka", "guarded_kafka"}
#: Who has one of these marks starts Apache Kafka by itself, in every run that it is part of.
_KAFKA_MARKS = ("kafka", "slow_kafka")
#: Folders whose files take minutes: begun last, one of them would keep one process busy when all the others are done.
_LONGEST = {"integration", "hostile", "kafka"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--kafka`."""
    help_text = "run the tests that talk to a broker on Apache Kafka, and no others"
    parser.addoption("--kafka", action="store_true", help=help_text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """The longest files come first, and with `--kafka` what does not talk to it is left out."""
    items.sort(key=lambda item: not _LONGEST.intersection(item.path.parts))
    if not config.getoption("--kafka"):
        return
    chosen = [item for item in items if talks_to_kafka(item)]
    config.hook.pytest_deselected(items=[item for item in items if not talks_to_kafka(item)])
    items[:] = chosen


def talks_to_kafka(item: pytest.Item) -> bool:
    """Whether a test needs Apache Kafka under `--kafka`."""
    asked = _KAFKA_FIXTURES.intersection(getattr(item, "fixturenames", ()))
    return bool(asked) or any(item.get_closest_marker(mark) for mark in _KAFKA_MARKS)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """With `--kafka`, says how many tests talked to it; no others were run."""
    if config.getoption("--kafka"):
        passed = len(terminalreporter.stats.get("passed", ()))
        terminalreporter.write_line(f"{passed} tests passed that talk to Apache Kafka {pinned_version()}")


@dataclass(frozen=True, slots=True)
class ClickHouseEndpoint:
    """Where ClickHouse is; `dsn` is for `clickhouse_connect.get_client(dsn=...)`."""

    host: str
    port: int
    user: str
    password: str = field(repr=False)
    database: str

    @property
    def url(self) -> str:
        """The HTTP address, without the account."""
        return f"http://{self.host}:{self.port}"

    @property
    def dsn(self) -> str:
        """The address with the account and the database."""
        return f"http://{self.user}:{self.password}@{self.host}:{self.port}/{self.database}"


@pytest.fixture(scope="session")
def local_stack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalStack]:
    """A started stack with an empty data folder."""
    config = StackConfig(tmp_path_factory.mktemp("stack"), clickhouse_password=uuid.uuid4().hex)
    with LocalStack(config) as stack:
        yield stack


@pytest.fixture(scope="session")
def embedded_broker(local_stack: LocalStack) -> str:
    """The bootstrap servers of a real broker."""
    return local_stack.endpoints.bootstrap_servers


class NoKafka(pytest.skip.Exception):
    """Skips a test, because Apache Kafka can't be had."""


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> Generator[None, Any, Any]:
    """Lets all tests that miss Apache Kafka say so from one place, which makes one line of the summary."""
    report = yield
    if call.excinfo is not None and isinstance(call.excinfo.value, NoKafka):
        report.longrepr = (__file__, None, f"Skipped: {call.excinfo.value}")
    return report


def start_kafka(config: ClusterConfig) -> KafkaCluster:
    """A cluster to be entered; skips the test where Apache Kafka can't be had."""
    try:
        return KafkaCluster(config)
    except KafkaMissing as why:
        raise NoKafka(str(why)) from None


@pytest.fixture(scope="session")
def apache_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[KafkaCluster]:
    """Apache Kafka itself, one broker, in plain text."""
    with start_kafka(ClusterConfig(tmp_path_factory.mktemp("kafka"))) as cluster:
        yield cluster


@pytest.fixture(scope="session")
def broker(request: pytest.FixtureRequest) -> str:
    """The bootstrap servers of a real broker, of whichever kind this run is about."""
    if request.config.getoption("--kafka"):
        cluster: KafkaCluster = request.getfixturevalue("apache_kafka")
        return cluster.bootstrap_servers
    embedded: str = request.getfixturevalue("embedded_broker")
    return embedded


@pytest.fixture(scope="module")
def module_kafka(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str | None]:
    """Bootstrap servers of an Apache Kafka for one module, whose topics have fixed names; None without `--kafka`."""
    if not request.config.getoption("--kafka"):
        yield None
        return
    with start_kafka(ClusterConfig(tmp_path_factory.mktemp("kafka"))) as cluster:
        yield cluster.bootstrap_servers


@pytest.fixture(scope="session")
def clickhouse(local_stack: LocalStack) -> ClickHouseEndpoint:
    """A real ClickHouse, with the stack's own database."""
    endpoints = local_stack.endpoints
    host, _, port = endpoints.clickhouse_url.removeprefix("http://").rpartition(":")
    account = (endpoints.clickhouse_user, endpoints.clickhouse_password, endpoints.clickhouse_database)
    return ClickHouseEndpoint(host, int(port), *account)


@pytest.fixture
def database(clickhouse: ClickHouseEndpoint, unique_name: Callable[[str], str]) -> Iterator[ClickHouseEndpoint]:
    """A ClickHouse database for one test, empty at first and dropped at the end."""
    fresh = replace(clickhouse, database=unique_name("test"))
    with clickhouse_connect.get_client(dsn=clickhouse.dsn) as client:
        client.command(f"CREATE DATABASE {fresh.database}")
        yield fresh
        client.command(f"DROP DATABASE {fresh.database}")


@pytest.fixture
def unique_name() -> Callable[[str], str]:
    """Makes names that no other test has, such as `unique_name("orders")`."""
    return lambda prefix: f"{prefix}_{uuid.uuid4().hex[:12]}"
