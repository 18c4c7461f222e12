from __future__ import annotations

import os
import sqlite3
import threading
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from streams.gateway import audit, key_file
from streams.gateway.key_file import KeyFileError
from streams.gateway.keys import Scope

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=timezone.utc)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "deep" / "keys.sqlite"


def test_a_key_comes_back_as_it_was_made(path: Path) -> None:
    key, text = key_file.create(
        path,
        merchant_id="m-1",
        scopes=[Scope.READ, Scope.PUBLISH],
        label="scanner 7",
        events_per_s=2.5,
        expires_at=NOW + timedelta(days=1),
        clock=lambda: NOW,
    )
    assert key_file.keys_in(path) == [key]
    assert text.startswith(f"tw_{key.id}_")
    assert len(text.rpartition("_")[2]) == 64
    assert key.scopes == {Scope.PUBLISH, Scope.READ}


def test_the_secret_is_nowhere_in_its_files_nor_in_what_is_shown(path: Path) -> None:
    with key_file.opened(path) as file:  # held open, so that the log of the database is still there to look into
        _, text = key_file.create(path, merchant_id="m-1", scopes=[Scope.READ])
        secret = text.rpartition("_")[2]
        (stored,) = key_file.read(file)
        assert stored.secret_sha256 == key_file.digest(secret)
        files = list(path.parent.iterdir())
        assert len(files) > 1
        assert all(secret.encode() not in each.read_bytes() for each in files)
        assert secret not in repr(stored)


def test_its_files_are_for_their_owner_alone(path: Path) -> None:
    before = os.umask(0)
    try:
        with key_file.opened(path):
            key_file.create(path, merchant_id="m-1", scopes=[Scope.READ])
            assert {each.stat().st_mode & 0o777 for each in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(before)
    path.chmod(0o644)
    with pytest.raises(KeyFileError, match="chmod 600"):
        key_file.keys_in(path)


def test_what_was_done_is_written_down(path: Path) -> None:
    key, _ = key_file.create(path, merchant_id="m-1", scopes=[Scope.READ], who="ann", clock=lambda: NOW)
    revoked, changed = key_file.revoke(path, key.id, who="ben", clock=lambda: NOW + timedelta(hours=1))
    assert changed
    assert revoked.revoked_at == NOW + timedelta(hours=1)
    again, changed = key_file.revoke(path, key.id, who="cem", clock=lambda: NOW + timedelta(hours=2))
    assert not changed
    assert again == revoked
    with key_file.opened(path) as file:
        found = [(entry.who, entry.what, entry.key_id) for entry in audit.entries(file)]
    assert found == [("ann", "created", key.id), ("ben", "revoked", key.id)]


def test_the_user_of_the_command_is_named(path: Path) -> None:
    key_file.create(path, merchant_id="m-1", scopes=[Scope.READ])
    with key_file.opened(path) as file:
        assert [entry.who for entry in audit.entries(file)] == [key_file.os_user()]


def test_uses_are_a_row_a_key_and_day(path: Path) -> None:
    now = NOW
    uses = audit.Uses(lambda: now)
    with key_file.opened(path) as file:
        for refused in (False, True, False):
            uses.count("k", refused=refused)
            now += timedelta(minutes=1)
        uses.store(file)
        uses.count("k", refused=False)
        uses.store(file)
        now += timedelta(days=1)
        uses.count("k", refused=False)
        for _ in range(1000):
            uses.count(audit.NOBODY, refused=True)
        uses.store(file)
        uses.store(file)  # nothing is counted twice
        found = audit.entries(file)
        assert audit.last_used(file) == {"k": now}
    assert [(entry.key_id, entry.used, entry.refused, entry.first_at) for entry in found] == [
        ("k", 3, 1, NOW),
        ("k", 1, 0, now),
        ("", 0, 1000, now),
    ]


def test_uses_that_could_not_be_stored_are_kept(path: Path) -> None:
    uses = audit.Uses(lambda: NOW)
    uses.count("k", refused=False)
    broken = sqlite3.connect(":memory:")
    with pytest.raises(sqlite3.Error):
        uses.store(broken)
    broken.close()
    uses.count("k", refused=True)
    with key_file.opened(path) as file:
        uses.store(file)
        assert [(entry.used, entry.refused) for entry in audit.entries(file)] == [(1, 1)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"merchant_id": " "}, "--merchant"),
        ({"merchant_id": "m" * 201}, "201 characters"),
        ({"label": "a\x1bb"}, "unseen"),
        ({"scopes": []}, "--publish"),
        ({"events_per_s": 0}, "above 0"),
        ({"events_per_s": float("nan")}, "above 0"),
        ({"expires_at": NOW}, "later"),
    ],
)
def test_a_key_that_can_not_be_is_refused(path: Path, change: dict[str, object], told: str) -> None:
    given: dict[str, object] = {"merchant_id": "m-1", "scopes": [Scope.READ], **change}
    with pytest.raises(KeyFileError, match=told):
        key_file.create(path, clock=lambda: NOW, **given)  # type: ignore[arg-type]
    assert not path.exists()


def test_a_file_that_is_not_ours_is_told(path: Path) -> None:
    with pytest.raises(KeyFileError, match="tradewind keys create"):
        key_file.keys_in(path)
    path.parent.mkdir()
    path.touch(0o600)
    path.write_bytes(b"something else, of more than a few bytes" * 100)
    with pytest.raises(KeyFileError, match="TRADEWIND_GATEWAY_KEYS"):
        key_file.keys_in(path)


def test_a_later_version_is_told(path: Path) -> None:
    with key_file.opened(path) as file:
        file.execute("PRAGMA user_version = 99")
    with pytest.raises(KeyFileError, match="upgrade"):
        key_file.keys_in(path)


def test_many_may_begin_at_once(path: Path) -> None:
    errors: list[BaseException] = []
    together = threading.Barrier(8)

    def make() -> None:
        together.wait()
        try:
            key_file.create(path, merchant_id="m-1", scopes=[Scope.READ])
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=make) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []
    assert len(key_file.keys_in(path)) == 8


def test_an_id_may_be_given_as_the_whole_key() -> None:
    assert key_file.id_in("abc") == key_file.id_in(" tw_abc_0123 ") == key_file.id_in("tw_abc") == "abc"
