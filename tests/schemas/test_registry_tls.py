"""The schema registry over HTTPS: certificates are checked, ours is shown where it is asked for, failures are told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from schemas.registry import ConfluentRegistry, Login, RegistryError, RegistryUnavailable
from schemas.topics import ORDERS
from tests.support.certificates import Authority
from tests.tradewind.cli.registries import read_only


@dataclass(frozen=True, slots=True)
class Registries:
    """Three of them, and their authority."""

    authority: Authority
    plain: str
    asks_clients: str
    elsewhere: str


@pytest.fixture(scope="module")
def registries(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registries]:
    authority = Authority.new(tmp_path_factory.mktemp("authority"))
    with (
        read_only(None, authority.server_context("127.0.0.1")) as plain,
        read_only(None, authority.server_context("127.0.0.1", asks_clients=True)) as asks_clients,
        read_only(None, authority.server_context("registry.example")) as elsewhere,
    ):
        yield Registries(authority, plain, asks_clients, elsewhere)


def test_a_registry_of_our_authority_answers(registries: Registries) -> None:
    login = Login(ca=registries.authority.certificate)
    assert ConfluentRegistry(registries.plain, login).id_of(ORDERS) > 0


def test_a_registry_that_asks_for_our_certificate_gets_it(registries: Registries) -> None:
    certificate, key = registries.authority.client("worker")
    login = Login(ca=registries.authority.certificate, certificate=certificate, key=key)
    assert ConfluentRegistry(registries.asks_clients, login).id_of(ORDERS) > 0


def test_without_a_certificate_it_does_not_answer(registries: Registries) -> None:
    login = Login(ca=registries.authority.certificate)
    with pytest.raises(RegistryUnavailable, match=r"no answer from the schema registry .*SCHEMA_REGISTRY_CERTIFICATE"):
        ConfluentRegistry(registries.asks_clients, login).id_of(ORDERS)


def test_a_certificate_of_another_authority_is_not_trusted(registries: Registries, tmp_path: Path) -> None:
    for login in (Login(), Login(ca=Authority.new(tmp_path).certificate)):
        with pytest.raises(RegistryUnavailable, match=r"is not to be trusted; check TRADEWIND_SCHEMA_REGISTRY_CA"):
            ConfluentRegistry(registries.plain, login).id_of(ORDERS)


def test_a_certificate_for_another_host_is_not_trusted(registries: Registries) -> None:
    login = Login(ca=registries.authority.certificate)
    with pytest.raises(RegistryUnavailable, match=r"for the host of TRADEWIND_SCHEMA_REGISTRY_URL"):
        ConfluentRegistry(registries.elsewhere, login).id_of(ORDERS)


def test_a_file_that_is_not_there_is_told_with_the_settings(tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"check TRADEWIND_SCHEMA_REGISTRY_CA, TRADEWIND_SCHEMA_REGISTRY_CERT"):
        ConfluentRegistry("https://127.0.0.1:1", Login(ca=tmp_path / "nowhere.pem"))


def test_a_password_in_the_url_is_in_no_error() -> None:
    registry = ConfluentRegistry("http://ann:hunter2@127.0.0.1:1", timeout_s=0.5)
    with pytest.raises(RegistryUnavailable) as raised:
        registry.by_id(1)
    assert "hunter2" not in str(raised.value)
    assert "http://127.0.0.1:1" in str(raised.value)


def test_a_login_does_not_show_its_password() -> None:
    assert "hunter2" not in repr(Login("ann", "hunter2"))
