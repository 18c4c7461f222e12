from __future__ import annotations

import json
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest

from streams.gateway import audit, key_file
from tests.tradewind.cli.conftest import Cli
from tradewind.cli.keys import expiry

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=timezone.utc)


def made(cli: Cli, *more: str) -> tuple[str, str]:
    """A key's id and its text."""
    result = cli("keys", "create", "--merchant", "m-1", "--read", *more)
    assert result.exit_code == 0, result.stderr
    text = result.stdout.strip()
    return key_file.id_in(text), text


def listed(cli: Cli, *more: str) -> list[dict[str, Any]]:
    result = cli("keys", "list", "--json", *more)
    assert result.exit_code == 0, result.stderr
    found: list[dict[str, Any]] = json.loads(result.stdout)
    return found


def test_standard_output_has_the_key_alone(cli: Cli) -> None:
    result = cli("keys", "create", "--merchant", "m-1", "--publish", "--read", "--label", "scanner [7]")
    assert result.exit_code == 0
    prefix, key_id, secret = result.stdout.strip().split("_")
    assert (prefix, len(secret)) == ("tw", 64)
    assert key_id in result.stderr
    assert "publish and read" in result.stderr
    assert "not shown again" in result.stderr
    assert secret not in result.stderr


def test_the_key_is_never_shown_again(cli: Cli) -> None:
    key_id, text = made(cli)
    secret = text.rpartition("_")[2]
    with key_file.opened(Path(".tradewind/gateway-keys.sqlite")) as file:
        digest = key_file.read(file)[0].secret_sha256.hex()
    commands = [("list",), ("list", "--json"), ("audit",), ("audit", "--json"), ("revoke", key_id), ("revoke", text)]
    for command in commands:
        result = cli("keys", *command)
        assert result.exit_code == 0
        assert secret not in result.output + result.stderr
        assert digest not in result.output + result.stderr


def test_json_has_the_key_too(cli: Cli) -> None:
    result = cli("keys", "create", "--merchant", "m-1", "--read", "--rate", "5", "--expires", "never", "--json")
    found = json.loads(result.stdout)
    assert found["key"].startswith(f"tw_{found['id']}_")
    assert {**found, "key": "", "id": "", "created_at": ""} == {
        "key": "",
        "id": "",
        "merchant_id": "m-1",
        "scopes": ["read"],
        "label": "",
        "events_per_s": 5.0,
        "created_at": "",
        "expires_at": None,
        "revoked_at": None,
        "state": "in force",
    }


def test_the_list_says_how_each_stands(cli: Cli) -> None:
    key_id, _ = made(cli, "--label", "till [1]")
    other = key_file.id_in(cli("keys", "create", "--merchant", "m-2", "--publish").stdout)
    assert [(key["id"], key["state"]) for key in listed(cli)] == [(key_id, "in force"), (other, "in force")]
    assert cli("keys", "revoke", key_id).stdout == f"key {key_id} of merchant m-1 is revoked\n"
    assert [key["state"] for key in listed(cli, "--merchant", "m-1")] == ["revoked"]
    assert "already" in cli("keys", "revoke", key_id).stdout
    table = cli("keys", "list").stdout
    assert "till [1]" in table
    assert "in force" in table


def test_the_audit_tells_who_did_what(cli: Cli) -> None:
    key_id, text = made(cli)
    cli("keys", "revoke", text)
    with key_file.opened(Path(".tradewind/gateway-keys.sqlite")) as file:
        uses = audit.Uses()
        uses.count(key_id, refused=False)
        uses.count(audit.NOBODY, refused=True)
        uses.store(file)
    found = json.loads(cli("keys", "audit", "--json").stdout)
    assert [(each["what"], each["key_id"]) for each in found] == [
        ("created", key_id),
        ("revoked", key_id),
        ("used", key_id),
        ("used", None),
    ]
    assert found[0]["who"] == key_file.os_user()
    assert (found[2]["used"], found[3]["refused"]) == (1, 1)
    assert "(no key)" in cli("keys", "audit").stdout
    assert len(json.loads(cli("keys", "audit", "--key", text, "--json").stdout)) == 3


@pytest.mark.parametrize(
    ("arguments", "code", "told"),
    [
        (("create", "--merchant", "m-1"), 2, "--publish, --read or both"),
        (("create", "--merchant", "m-1", "--read", "--expires", "soon"), 2, "90d"),
        (("create", "--merchant", "m-1", "--read", "--expires", "2020-01-01"), 1, "later"),
        (("create", "--merchant", "m-1", "--read", "--rate", "-1"), 1, "above 0"),
        (("create", "--merchant", "", "--read"), 1, "--merchant ID"),
        (("list",), 1, "tradewind keys create"),
        (("revoke", "nobodys"), 1, "tradewind keys create"),
    ],
)
def test_what_can_not_be_done_is_told_with_its_mend(cli: Cli, arguments: tuple[str, ...], code: int, told: str) -> None:
    result = cli("keys", *arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert told in result.stderr
    assert len(result.stderr.splitlines()) == 1


def test_a_key_that_is_not_there_is_told(cli: Cli) -> None:
    made(cli)
    result = cli("keys", "revoke", "nobodys")
    assert result.exit_code == 1
    assert "tradewind keys list" in result.stderr


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("never", None),
        ("90d", NOW + timedelta(days=90)),
        ("12h", NOW + timedelta(hours=12)),
        ("30m", NOW + timedelta(minutes=30)),
        ("2030-01-31", datetime(2030, 1, 31, tzinfo=timezone.utc)),
        ("2030-01-31T10:00:00+02:00", datetime(2030, 1, 31, 8, tzinfo=timezone.utc)),
        ("2030-01-31T10:00:00Z", datetime(2030, 1, 31, 10, tzinfo=timezone.utc)),
    ],
)
def test_when_a_key_ends(text: str, at: datetime | None) -> None:
    assert expiry(text, NOW) == at


@pytest.mark.parametrize("text", ["", "90", "d", "-1d", "90d ", "999999d", "2030-02-31", "tomorrow"])
def test_what_is_no_end(text: str) -> None:
    with pytest.raises(ValueError, match=r"expected 90d, 12h, 30m"):
        expiry(text, NOW)
