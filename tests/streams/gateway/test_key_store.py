from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from streams.gateway import audit, key_file
from streams.gateway.key_store import KeyStore
from streams.gateway.keys import ApiKey, Scope
from streams.gateway.problems import Problem
from tests.support.waiting import until

NOW = datetime(2026, 7, 1, 12, 0, 0, tzinfo=timezone.utc)
LOOK_S = 0.005
DEADLINE_S = 10.0


class Clock:
    now = NOW

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "keys.sqlite"


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(path: Path, clock: Clock) -> Iterator[KeyStore]:
    with closing(KeyStore(path, clock=clock, seconds=lambda: 0.0, look_s=LOOK_S)) as opened:
        yield opened


def make(path: Path, *scopes: Scope, merchant: str = "m-1", **more: object) -> tuple[ApiKey, str]:
    return key_file.create(path, merchant_id=merchant, scopes=scopes or list(Scope), clock=lambda: NOW, **more)  # type: ignore[arg-type]


def admitted(store: KeyStore, text: str | None, scope: Scope = Scope.READ) -> ApiKey:
    """The key, once the store has read of it."""
    until(lambda: isinstance(store.admit(text, scope), ApiKey), "the key is admitted", DEADLINE_S, LOOK_S)
    found = store.admit(text, scope)
    assert isinstance(found, ApiKey)
    return found


def refusal(store: KeyStore, text: str | None, scope: Scope = Scope.READ) -> Problem:
    found = store.admit(text, scope)
    assert isinstance(found, Problem)
    return found


def test_a_key_that_another_process_made_is_found(path: Path, store: KeyStore) -> None:
    key, text = make(path)
    assert admitted(store, text) == key
    assert admitted(store, f"Bearer {text}") == admitted(store, f"bearer  {text}") == key


def test_what_is_no_key_tells_nothing(path: Path, store: KeyStore) -> None:
    """Whether there is a key of that id can't be told from the answer."""
    key, text = make(path)
    admitted(store, text)
    wrong_secret = f"tw_{key.id}_{'0' * 64}"
    unknown = f"tw_zzzzzzzzzz_{'0' * 64}"
    guesses = [wrong_secret, unknown, f"tw_{key.id}_", f"tw_{key.id}", "tw", "x", f"xx{text[2:]}", f"Basic {text}"]
    answers = [refusal(store, guess) for guess in (*guesses, f"tw_{key.id}_é", text[:-1], text + "0")]
    assert {answer.status for answer in answers} == {401}
    assert len({str(answer.body()) for answer in answers}) == 1
    assert answers[0].headers() == {"www-authenticate": "Bearer"}


@pytest.mark.parametrize("nothing", [None, ""])
def test_no_key_is_told_how_to_send_one(store: KeyStore, nothing: str | None) -> None:
    problem = refusal(store, nothing)
    assert (problem.status, problem.code) == (401, "no_key")
    assert "Authorization: Bearer" in problem.detail


@pytest.mark.parametrize(("given", "missing"), [(Scope.READ, Scope.PUBLISH), (Scope.PUBLISH, Scope.READ)])
def test_a_key_opens_only_its_doors(path: Path, store: KeyStore, given: Scope, missing: Scope) -> None:
    _, text = make(path, given)
    admitted(store, text, given)
    problem = refusal(store, text, missing)
    assert (problem.status, problem.code) == (403, "scope")
    assert f"--{missing.value}" in problem.detail


def test_a_key_ends_when_it_expires(path: Path, store: KeyStore, clock: Clock) -> None:
    key, text = make(path, expires_at=NOW + timedelta(days=90))
    admitted(store, text)
    clock.now = NOW + timedelta(days=90) - timedelta(milliseconds=1)
    assert store.still_good(key.id)
    clock.now += timedelta(milliseconds=1)
    assert not store.still_good(key.id)
    assert refusal(store, text).code == "expired_key"


def test_two_gateways_see_a_key_revoked(path: Path, store: KeyStore) -> None:
    key, text = make(path)
    with closing(KeyStore(path, look_s=LOOK_S)) as other:
        for each in (store, other):
            admitted(each, text)
        key_file.revoke(path, key.id)
        for each in (store, other):
            until(lambda each=each: not each.still_good(key.id), "it knows", DEADLINE_S, LOOK_S)  # type: ignore[misc]
            assert refusal(each, text).code == "revoked_key"


def test_a_file_put_in_place_of_the_other_is_read(path: Path, store: KeyStore, tmp_path: Path) -> None:
    _, before = make(path)
    admitted(store, before)
    backup = tmp_path / "backup" / "keys.sqlite"
    key, text = make(backup)
    for each in path.parent.glob("keys.sqlite-*"):
        each.unlink()
    backup.replace(path)
    assert admitted(store, text) == key
    assert refusal(store, before).code == "unknown_key"


def test_a_file_that_goes_away_is_told_and_what_is_known_stays(path: Path, store: KeyStore, tmp_path: Path) -> None:
    key, text = make(path)
    admitted(store, text)
    path.rename(tmp_path / "away")
    until(lambda: store.failing is not None, "it says so", DEADLINE_S, LOOK_S)
    assert not path.exists()  # an empty one in its place would be a file without keys
    assert store.still_good(key.id)
    assert admitted(store, text) == key
    (tmp_path / "away").rename(path)
    until(lambda: store.failing is None, "it is well again", DEADLINE_S, LOOK_S)


def test_the_rate_is_the_keys_own(path: Path, store: KeyStore) -> None:
    slow, text = make(path, events_per_s=1)
    other, _ = make(path, events_per_s=1)
    admitted(store, text)
    assert store.spend(slow, 10) is None
    problem = store.spend(slow, 5)
    assert problem is not None
    assert (problem.status, problem.headers()) == (429, {"retry-after": "5"})
    assert store.spend(other, 10) is None


def test_uses_are_written_down(path: Path, clock: Clock) -> None:
    key, text = make(path, Scope.READ)
    with closing(KeyStore(path, clock=clock, look_s=LOOK_S)) as store:
        admitted(store, text)
        refusal(store, text, Scope.PUBLISH)
        refusal(store, f"tw_{key.id}_0")
        for _ in range(3):
            refusal(store, "tw_nobodys_0")
    with key_file.opened(path) as file:
        found = {each.key_id: (each.used, each.refused) for each in audit.entries(file) if each.what == "used"}
    assert found == {key.id: (2, 2), audit.NOBODY: (0, 3)}


def test_nothing_shows_a_secret(path: Path, store: KeyStore) -> None:
    key, text = make(path)
    admitted(store, text)
    secret = text.rpartition("_")[2]
    key_file.revoke(path, key.id)
    until(lambda: not store.still_good(key.id), "it knows", DEADLINE_S, LOOK_S)
    said = [repr(store), repr(key), repr(vars(store)), *(repr(store.admit(t, Scope.READ)) for t in (text, text + "0"))]
    assert all(secret not in each for each in said)


def test_a_key_that_was_just_made_opens_at_once_and_guesses_do_not_make_it_read_the_file_again(path: Path) -> None:
    seconds = 0.0
    with closing(KeyStore(path, clock=lambda: NOW, seconds=lambda: seconds, look_s=3600.0)) as store:
        _, text = make(path)
        assert isinstance(store.admit(text, Scope.READ), ApiKey)
        refusal(store, "tw_guess_x")  # has it read again, 0.1 s later at the earliest
        seconds = 1.0
        refusal(store, "tw_guess_x")
        _, later = make(path)
        assert refusal(store, later).code == "unknown_key"
        seconds = 2.0
        assert isinstance(store.admit(later, Scope.READ), ApiKey)
