"""One guarded Apache Kafka for the tests of this folder that need one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from streams import topics
from tests.kafka.cluster import KafkaCluster
from tests.kafka.guarded import ADMIN, guarded
from tests.support.certificates import Authority
from tests.support.stack import start_kafka
from tradewind.settings import Settings

PARTITIONS = 2


@dataclass(frozen=True, slots=True)
class Guarded:
    """A cluster that asks who is there, its topics made, and what its clients need to get in."""

    cluster: KafkaCluster
    authority: Authority
    passwords: dict[str, str]
    folder: Path

    def settings(self, user: str = ADMIN, **more: Any) -> Settings:
        """Settings of a user who comes in by SASL_SSL; `more` of them comes first."""
        return Settings(
            **{
                "bootstrap_servers": self.cluster.bootstrap_servers,
                "kafka_security_protocol": "SASL_SSL",
                "kafka_username": user,
                "kafka_password": self.passwords.get(user, "nobody's"),
                "kafka_ssl_ca": self.authority.certificate,
                "kafka_session_timeout_ms": 6000,
                "partitions": PARTITIONS,
                "data_dir": self.folder / "data",
                **more,
            }
        )

    def with_certificate(self, user: str = ADMIN, **more: Any) -> Settings:
        """Settings of a user who comes in by a certificate of its own."""
        certificate, key = self.authority.client(user)
        own = {"kafka_ssl_certificate": certificate, "kafka_ssl_key": key}
        place = {"bootstrap_servers": self.cluster.servers("CERTIFICATES"), "kafka_security_protocol": "SSL"}
        return self.settings(user, kafka_password=None, **{**own, **place, **more})

    def with_password_only(self, user: str = ADMIN, **more: Any) -> Settings:
        """Settings of a user who comes in by SASL_PLAINTEXT."""
        place = {"bootstrap_servers": self.cluster.servers("PASSWORDS"), "kafka_security_protocol": "SASL_PLAINTEXT"}
        return self.settings(user, **{"kafka_ssl_ca": None, **place, **more})


@pytest.fixture(scope="session")
def guarded_kafka(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    """Apache Kafka that lets in only whom it knows, and lets them do only what an ACL allows."""
    folder = tmp_path_factory.mktemp("guarded")
    authority = Authority.new(folder / "authority")
    passwords = {ADMIN: "hunter2-of-the-admin", **{user: f"hunter2-of-{user}" for user in _users()}}
    with start_kafka(guarded(folder / "kafka", authority, passwords)) as cluster:
        world = Guarded(cluster, authority, passwords, folder)
        topics.create(world.settings())
        yield world


def _users() -> list[str]:
    from streams.access import ROLES

    return [*(role.name for role in ROLES), "half", "blind"]


@pytest.fixture(autouse=True)
def _no_setting_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRADEWIND_")]:
        monkeypatch.delenv(name)
