"""Settings: where each value comes from, and what never shows."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from pydantic import ValidationError

from tradewind.settings import Settings


@pytest.fixture(autouse=True)
def _alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in list(os.environ):
        if name.startswith("TRADEWIND_"):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def running_stack(folder: Path, **change: object) -> None:
    folder.mkdir(exist_ok=True)
    stack = {"bootstrap_servers": "127.0.0.1:5", "clickhouse_password": "secret", "pid": os.getpid(), **change}
    (folder / "stack.json").write_text(json.dumps(stack))


def test_the_environment_comes_before_dotenv_before_the_local_stack_before_defaults(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert Settings().bootstrap_servers == "localhost:9092"
    running_stack(tmp_path / ".tradewind")
    assert Settings().bootstrap_servers == "127.0.0.1:5"
    (tmp_path / ".env").write_text("TRADEWIND_BOOTSTRAP_SERVERS=dotenv:1\n")
    assert Settings().bootstrap_servers == "dotenv:1"
    monkeypatch.setenv("TRADEWIND_BOOTSTRAP_SERVERS", "environment:1")
    assert Settings().bootstrap_servers == "environment:1"
    assert Settings(bootstrap_servers="given:1").bootstrap_servers == "given:1"


def test_the_stack_of_another_data_folder_is_found_through_its_setting(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    running_stack(tmp_path / "elsewhere")
    monkeypatch.setenv("TRADEWIND_DATA_DIR", str(tmp_path / "elsewhere"))
    assert Settings().bootstrap_servers == "127.0.0.1:5"


def test_a_stack_that_died_is_not_taken_for_running(tmp_path: Path) -> None:
    running_stack(tmp_path / ".tradewind", pid=2**22 + 1)
    assert Settings().bootstrap_servers == "localhost:9092"


def test_secrets_come_from_files_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "TRADEWIND_CLICKHOUSE_PASSWORD").write_text("from a file\n")
    monkeypatch.setenv("TRADEWIND_SECRETS_DIR", str(folder))
    assert Settings().clickhouse_password.get_secret_value() == "from a file"


def test_a_secret_does_not_show() -> None:
    settings = Settings(clickhouse_password="hidden", kafka_password="hidden")
    assert "hidden" not in repr(settings)
    assert "hidden" not in str(settings.model_dump())


def test_the_dsn_quotes_what_must_be_quoted() -> None:
    settings = Settings(clickhouse_url="https://ch:8443/", clickhouse_username="a@b", clickhouse_password="p/w:?")
    assert settings.clickhouse_dsn() == "https://a%40b:p%2Fw%3A%3F@ch:8443/tradewind"


def test_a_child_process_gets_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = Settings(
        clickhouse_password="hidden", listing_wait_s=1.5, kafka_ssl_ca=Path("ca.pem"), policies=Path("p.json")
    )
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings() == settings


def test_a_kafka_client_is_told_how_to_be_safe() -> None:
    settings = Settings(
        kafka_security_protocol="SASL_SSL", kafka_username="u", kafka_password="p", kafka_ssl_ca=Path("ca.pem")
    )
    assert settings.kafka_client(linger=1) == {
        "bootstrap.servers": "localhost:9092",
        "security.protocol": "SASL_SSL",
        "sasl.mechanism": "SCRAM-SHA-512",
        "sasl.username": "u",
        "sasl.password": "p",
        "ssl.ca.location": "ca.pem",
        "linger": 1,
    }


@pytest.mark.parametrize(("name", "value"), [("clickhouse_database", "a; DROP"), ("partitions", 0), ("log_level", "x")])
def test_a_wrong_value_is_refused(name: str, value: object) -> None:
    with pytest.raises(ValidationError, match=name):
        Settings(**{name: value})  # type: ignore[arg-type]
