"""A real gateway on a real broker under fire: what it answered, what it let out, and whether it lives."""

from __future__ import annotations

import json
import random
import socket
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from itertools import cycle
from pathlib import Path
from typing import Any

from schemas.reader import read_all
from schemas.topics import LISTINGS, ORDERS, QUESTIONS
from streams.gateway.key_file import create, revoke
from streams.gateway.keys import ApiKey, Scope
from tests.hostile.gateway.shots import CANARY, PATHS, Secrets, Shot, event
from tests.hostile.gateway.wire import PATIENCE_S, Answer, exchange, read_answer, request
from tests.support.commands import Command, running
from tests.support.processes import memory_mb
from tradewind.assembly import make_codec
from tradewind.settings import Settings
from tradewind.stack.ports import choose_port

#: A slow body is given so long.
BODY_S = 2.0
MERCHANT = "shop"
#: Stands in what another merchant published; nobody else may ever read it.
FOREIGN = "foreign-51cc-not-yours"
#: What tells of the inside of the process, or of another's affairs.
TELLING = ("Traceback", 'File "', "site-packages", "librdkafka", "sqlite", FOREIGN, CANARY)
_AT_ONCE = 8


@dataclass(slots=True)
class Outcome:
    """What became of all that was sent.

    Attributes:
        answered: by family, how often which status.
        wrong: of what was answered otherwise than is right, the family, the status and the beginning of the request.
        told: answers that hold something that they may not.
        silent: requests that got no end of an answer in time.
        accepted: where the accepted events are, as the answers say.
        in_kafka: places of all messages of the merchant's own, and whose others there are.
        foreign: merchants other than the key's that have a message in Kafka.
        logged: lines of the log that hold something that they may not, and errors.
        before_mb, after_mb: memory of the process.
        seconds: of it all.
    """

    answered: dict[str, Counter[int]] = field(default_factory=dict)
    wrong: list[str] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    accepted: Counter[tuple[str, int, int]] = field(default_factory=Counter)
    in_kafka: set[tuple[str, int, int]] = field(default_factory=set)
    foreign: set[str] = field(default_factory=set)
    logged: list[str] = field(default_factory=list)
    before_mb: float = 0.0
    after_mb: float = 0.0
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Target:
    """The gateway that is thrown at."""

    command: Command
    settings: Settings
    secrets: Secrets

    @property
    def address(self) -> tuple[str, int]:
        """Where it listens."""
        return self.settings.gateway_host, self.settings.gateway_port

    @property
    def memory_mb(self) -> float:
        """Resident memory of the process."""
        return memory_mb(self.command.process.pid)

    def works(self) -> bool:
        """Whether a good event is still taken, by the process that was started."""
        body = json.dumps(event("/v1/orders", random.Random(1), self.secrets.merchant)).encode()
        headers = {"Authorization": f"Bearer {self.secrets.good}", "Content-Type": "application/json"}
        taken = exchange(self.address, request("POST", "/v1/orders", headers, body))
        return taken.status == 202 and self.command.process.poll() is None


@contextmanager
def target(settings: Settings, folder: Path) -> Iterator[Target]:
    """A gateway on these settings' Kafka, whose topics are there, with keys of every kind."""
    chosen = settings.model_copy(
        update={
            "gateway_host": "127.0.0.1",
            "gateway_port": choose_port(0),
            "gateway_keys": folder / "keys.sqlite",
            "gateway_body_s": BODY_S,
        }
    )
    secrets = make_keys(chosen.gateway_keys_file)
    with running(chosen, folder, "gateway") as command:
        command.await_ready()
        yield Target(command, chosen, secrets)


def make_keys(path: Path) -> Secrets:
    """Keys of every kind in a new file."""

    def make(*scopes: Scope, **more: Any) -> tuple[ApiKey, str]:
        return create(path, merchant_id=MERCHANT, scopes=scopes, events_per_s=1e6, **more)

    revoked, revoked_secret = make(Scope.PUBLISH, Scope.READ)
    revoke(path, revoked.id)
    long_ago = datetime.now(timezone.utc) - timedelta(days=2)
    expired = make(Scope.PUBLISH, Scope.READ, expires_at=long_ago + timedelta(days=1), clock=lambda: long_ago)
    return Secrets(
        good=make(Scope.PUBLISH)[1],
        reader=make(Scope.READ)[1],
        publisher=make(Scope.PUBLISH)[1],
        revoked=revoked_secret,
        expired=expired[1],
        merchant=MERCHANT,
        other_merchant="other-shop",
    )


def fire(at: Target, all_shots: Sequence[Shot]) -> Outcome:
    """Throw everything, several at once, and look at what is left."""
    found = Outcome(before_mb=at.memory_mb)
    started = time.monotonic()
    telling = (*TELLING, *(secret.rpartition("_")[2] for secret in (at.secrets.good, at.secrets.reader)))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        answers = pool.map(lambda shot: _answer(at, shot), all_shots)
        for shot, answer in zip(all_shots, answers, strict=True):
            _judge(found, shot, answer, telling)
    found.seconds = time.monotonic() - started
    found.after_mb = at.memory_mb
    codec = make_codec(at.settings)
    for topic in (LISTINGS, QUESTIONS, ORDERS):
        for message in read_all(at.settings.kafka_client(), topic.name):
            datum = codec.decode(topic, message.value())
            whose = datum["merchant_id"] if isinstance(datum, dict) else "unreadable"
            if whose != at.secrets.merchant:
                found.foreign.add(str(whose))
            found.in_kafka.add((topic.name, message.partition(), message.offset()))
    for line in at.command.said.splitlines():
        if any(word in line for word in telling) or '"error"' in line:
            found.logged.append(line[:300])
    return found


def _answer(at: Target, shot: Shot) -> Answer | None:
    try:
        return exchange(at.address, shot.raw, stream=shot.stream)
    except TimeoutError:
        return None


def _judge(found: Outcome, shot: Shot, answer: Answer | None, telling: Sequence[str]) -> None:
    about = f"{shot.family}: {shot.raw[:40]!r} ... {shot.raw[-160:]!r}"
    if answer is None:
        found.silent.append(about)
        return
    found.answered.setdefault(shot.family, Counter())[answer.status] += 1
    if answer.status not in shot.right:
        found.wrong.append(f"{answer.status} for {about} {answer.body[:200]!r}")
    if any(word in answer.text for word in telling):
        found.told.append(f"{about} {answer.body[:300]!r}")
    if answer.status in (202, 207):
        items = answer.json()["items"]
        found.accepted.update(
            (item["topic"], item["partition"], item["offset"]) for item in items if item["status"] == 202
        )


def slow_bodies(at: Target, count: int) -> list[int]:
    """So many requests at once whose bodies never end; the statuses that they get, -1 for none."""
    headers = {
        "Authorization": f"Bearer {at.secrets.good}",
        "Content-Type": "application/json",
        "Content-Length": "900",
    }
    socks = []
    for path, _ in zip(cycle(PATHS), range(count), strict=False):
        sock = socket.create_connection(at.address, timeout=PATIENCE_S)
        sock.sendall(request("POST", path, headers, b"[{", length=False))
        socks.append(sock)
    assert at.works(), "slow bodies keep others from being served"
    statuses = []
    for sock in socks:
        with sock:
            try:
                statuses.append(read_answer(sock).status)
            except TimeoutError:
                statuses.append(-1)
    return statuses
