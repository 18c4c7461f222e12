"""ClickHouse over HTTPS: the embedded server behind real TLS, with passwords and certificates, and what is refused."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from clickhouse_connect.driver.exceptions import ClickHouseError
from typer.testing import CliRunner

from consumers.clickhouse.client import open_client
from consumers.clickhouse.migrate import check, migrate
from consumers.clickhouse.refused import refusal
from streams import topics
from tests.support.certificates import Authority
from tests.support.wire_tap import Tap
from tradewind.cli.main import app
from tradewind.settings import Settings
from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import NEVER, ProcessSpec, Supervisor

pytestmark = pytest.mark.integration

HOST = "127.0.0.1"
USER = "sink"
PASSWORD = "hunter2-of-the-store"
DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True)
class Store:
    """A ClickHouse that speaks HTTPS, another that asks for certificates, and one with another host's certificate."""

    authority: Authority
    url: str
    asks_clients: str
    elsewhere: str

    def settings(self, **more: Any) -> Settings:
        """Settings with all that is right, but for what is given."""
        return Settings(
            **{
                "clickhouse_url": self.url,
                "clickhouse_username": USER,
                "clickhouse_password": PASSWORD,
                "clickhouse_ca": self.authority.certificate,
                "metrics_port": -1,
                **more,
            }
        )

    def with_certificate(self, common_name: str = USER, **more: Any) -> Settings:
        """Settings for the one that asks."""
        certificate, key = self.authority.client(common_name)
        own = {"clickhouse_certificate": certificate, "clickhouse_key": key}
        return self.settings(**{"clickhouse_url": self.asks_clients, **own, **more})


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Store]:
    folder = tmp_path_factory.mktemp("store")
    authority = Authority.new(folder / "authority")
    with Supervisor() as supervisor:
        urls = []
        for name, host, more in (
            ("plain", HOST, ()),
            ("asks", HOST, ("--client-ca", str(authority.certificate))),
            ("elsewhere", "store.example", ()),
        ):
            port = choose_port(0, HOST)
            certificate, key = authority.server(host)
            tls = ("--certificate", str(certificate), "--key", str(key), *more)
            supervisor.start(_spec(folder, name, port, tls))
            urls.append(f"https://{HOST}:{port}")
        yield Store(authority, *urls)


def _spec(folder: Path, name: str, port: int, tls: tuple[str, ...]) -> ProcessSpec:
    log = folder / f"{name}.log"
    module = (sys.executable, "-m", "tradewind.stack.clickhouse")
    return ProcessSpec(
        name=name,
        argv=(*module, "--path", str(folder / name), "--port", str(port), "--user", USER, *tls),
        env={PASSWORD_VARIABLE: PASSWORD},
        log=log,
        ready=lambda: None if log.exists() and "listens on" in log.read_text() else "its port",
        ready_timeout_s=DEADLINE_S,
        restart=NEVER,
    )


@pytest.fixture(autouse=True)
def _no_setting_of_this_machine(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("TRADEWIND_")]:
        monkeypatch.delenv(name)


def answer(settings: Settings) -> object:
    with open_client(settings, database="default") as client:
        return client.command("SELECT 1")


def test_a_password_over_https(store: Store) -> None:
    settings = store.settings()
    assert answer(settings) == 1
    assert migrate(settings)
    assert check(settings) == []


def test_a_certificate_and_a_password(store: Store) -> None:
    assert answer(store.with_certificate()) == 1


def test_a_certificate_instead_of_a_password(store: Store) -> None:
    assert answer(store.with_certificate(clickhouse_password="")) == 1


def test_an_https_address_on_any_port_never_shows_the_password_on_the_wire(store: Store) -> None:
    """clickhouse-connect takes an address on another port than 443 and 8443 for plain HTTP, whatever it begins with."""
    with Tap(store.url.rpartition(":")[2]) as tap:
        assert answer(store.settings(clickhouse_url=f"https://{HOST}:{tap.port}")) == 1
    assert tap.heard.startswith(b"\x16\x03")  # a TLS handshake
    assert b"HTTP" not in tap.heard
    assert b"Basic" not in tap.heard


@pytest.mark.parametrize(
    ("flaw", "said"),
    [
        ("password", "check TRADEWIND_CLICKHOUSE_USERNAME and TRADEWIND_CLICKHOUSE_PASSWORD"),
        ("user", "check TRADEWIND_CLICKHOUSE_USERNAME and TRADEWIND_CLICKHOUSE_PASSWORD"),
        ("another's certificate", "or TRADEWIND_CLICKHOUSE_CERTIFICATE"),
        ("authority", "check TRADEWIND_CLICKHOUSE_CA"),
        ("the system's authorities", "check TRADEWIND_CLICKHOUSE_CA"),
        ("host", "ClickHouse's certificate is for another host; check TRADEWIND_CLICKHOUSE_URL"),
        ("no file", "check TRADEWIND_CLICKHOUSE_CA"),
    ],
)
def test_who_does_not_get_in_is_told_what_to_change(store: Store, tmp_path: Path, flaw: str, said: str) -> None:
    settings = {
        "password": lambda: store.settings(clickhouse_password="hunter2-wrong"),
        "user": lambda: store.settings(clickhouse_username="mallory"),
        "another's certificate": lambda: store.with_certificate("mallory", clickhouse_password=""),
        "authority": lambda: store.settings(clickhouse_ca=Authority.new(tmp_path).certificate),
        "the system's authorities": lambda: store.settings(clickhouse_ca=None),
        "host": lambda: store.settings(clickhouse_url=store.elsewhere),
        "no file": lambda: store.settings(clickhouse_ca=tmp_path / "nowhere.pem"),
    }[flaw]()
    with pytest.raises(ClickHouseError) as raised:
        answer(settings)
    why = refusal(raised.value)
    assert why is not None
    assert said in why
    assert "\n" not in why
    assert "hunter2" not in why


@pytest.mark.parametrize("flaw", ["none of ours", "of another authority"])
def test_a_certificate_that_is_asked_for_is_a_must(store: Store, tmp_path: Path, flaw: str) -> None:
    certificate, key = Authority.new(tmp_path).client(USER)
    other = {"clickhouse_certificate": certificate, "clickhouse_key": key}
    with pytest.raises(ClickHouseError):
        answer(store.settings(clickhouse_url=store.asks_clients, **({} if flaw == "none of ours" else other)))


@pytest.fixture
def broker_with_topics(tmp_path: Path) -> Iterator[str]:
    """A broker of its own with all topics, which the sink asks for first."""
    with LocalStack(StackConfig(tmp_path / "stack")) as stack:
        servers = stack.endpoints.bootstrap_servers
        topics.create(Settings(bootstrap_servers=servers))
        yield servers


@pytest.mark.parametrize(
    "command", ["db check", "db migrate", "sink", "query 'SELECT 1'", "status", "report --merchant m --out r.html"]
)
def test_a_command_that_distrusts_the_server_ends_with_the_line(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, broker_with_topics: str, command: str
) -> None:
    settings = store.settings(clickhouse_ca=Authority.new(tmp_path).certificate, bootstrap_servers=broker_with_topics)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.chdir(tmp_path)
    words = ["query", "SELECT 1"] if command.startswith("query") else command.split()
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 3, result.output
    assert "ClickHouse's certificate is not to be trusted" in result.stderr
    assert result.stderr.strip().endswith("check TRADEWIND_CLICKHOUSE_CA")
    assert "hunter2" not in result.output


def test_the_doctor_finds_it_too(store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found = {}
    for name, more in (("right", {}), ("wrong", {"clickhouse_ca": Authority.new(tmp_path).certificate})):
        for variable, value in store.settings(bootstrap_servers=f"{HOST}:1", **more).environment().items():
            monkeypatch.setenv(variable, value)
        findings = json.loads(CliRunner().invoke(app, ["doctor", "--json"]).stdout)
        found[name] = {each["check"]: each for each in findings}["clickhouse"]
    assert found["right"]["state"] == "ok"
    assert found["wrong"]["state"] == "failed"
    assert found["wrong"]["mend"] == "check TRADEWIND_CLICKHOUSE_CA"
