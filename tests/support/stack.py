"""Fixtures that give tests a real local stack: one for the whole session, started when first asked for (0.4 s).

Tests share it, so each takes names of its own: `unique_name` for topics and groups, `database` for tables.
Registered once, as a plugin: `pytest_plugins = ["tests.support.stack"]` in the root conftest.py.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace

import clickhouse_connect
import pytest

from tradewind.stack.local import LocalStack, StackConfig


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
