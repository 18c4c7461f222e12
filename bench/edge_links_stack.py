"""What stands for `edge_links.py`: Kafka, the gateway, and phones behind links, all of this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import uuid
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.latency_questions import event
from bench.links import LinkEmulator, Profile
from bench.on_kafka import ordinary
from schemas.events import ListingPublished, QuestionAsked
from schemas.reader import read_all
from schemas.topics import QUESTIONS
from streams import topics
from streams.gateway import key_file
from streams.gateway.keys import Scope
from tests.kafka.cluster import KafkaCluster
from tests.kafka.jars import KafkaMissing, kafka_jars, pinned_version
from tests.support.waiting import until
from tradewind.assembly import make_codec, make_publisher, settings_for
from tradewind.demo.inputs import demo_listings
from tradewind.processes import gateway_child
from tradewind.settings import Settings
from tradewind.stack.local import LocalStack, StackConfig
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import Supervisor

#: Longest way of a question that is still waited for.
PATIENCE_S = 90.0
_LOOPBACK = "127.0.0.1"


@dataclass(frozen=True, slots=True)
class Ground:
    """What stands.

    Attributes:
        kafka: which one.
    """

    kafka: str
    settings: Settings
    folder: Path
    logs: Path


def tell(text: str) -> None:
    """Progress, for whoever waits."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def apache_kafka() -> str | None:
    """Why Apache Kafka can't be had; None where it can. Fetches its jars, so it wants the machine's own network."""
    try:
        kafka_jars(pinned_version())
    except KafkaMissing as why:
        return str(why)
    return None


@contextmanager
def standing(folder: Path, *, embedded: bool) -> Iterator[Ground]:
    """Kafka, topics, and the gateway on all addresses."""
    with ExitStack() as stack:
        local = stack.enter_context(LocalStack(StackConfig(folder / "stack")))
        settings = settings_for(Settings(data_dir=folder / "stack"), local.endpoints)
        kafka = "the embedded broker"
        if not embedded:
            config = ordinary(folder / "kafka")
            cluster = stack.enter_context(KafkaCluster(config))
            kafka = f"Apache Kafka {config.version}"
            settings = settings.model_copy(update={"bootstrap_servers": cluster.bootstrap_servers})
        port = choose_port(0, _LOOPBACK)
        settings = settings.model_copy(update={"gateway_host": "0.0.0.0", "gateway_port": port})
        topics.create(settings)
        supervisor = stack.enter_context(Supervisor())
        supervisor.start(gateway_child(settings, local.log_dir))
        yield Ground(kafka, settings, folder, local.log_dir)


def publish_listings(settings: Settings, merchants: Sequence[str]) -> None:
    """The demo's listings anew for each merchant, so that each phone asks the same questions of its own."""
    with make_publisher(settings) as publisher:
        for merchant in merchants:
            for row in demo_listings():
                publisher.publish(event(ListingPublished, row | _of(merchant, row["listing_id"])))


def question(row: dict[str, Any], merchant: str, prefix: str = "q") -> dict[str, Any]:
    """A question of the demo as that merchant's phone asks it, under new ids."""
    made = str(uuid.uuid4())
    return row | _of(merchant, row["listing_id"]) | {"question_id": f"{prefix}-{made}", "event_id": made}


def _of(merchant: str, listing_id: str) -> dict[str, str]:
    return {"merchant_id": merchant, "listing_id": f"{listing_id}-{merchant}"}


def times_in_kafka(settings: Settings) -> dict[str, int]:
    """When each question came to its topic, in milliseconds, by its id."""
    codec, found = make_codec(settings), dict[str, int]()
    for message in read_all(settings.kafka_client(), QUESTIONS.name):
        value = message.value()
        asked = codec.decode_event(QUESTIONS, value if isinstance(value, bytes) else None)
        assert isinstance(asked, QuestionAsked)
        found.setdefault(str(asked.event_id), message.timestamp()[1])
    return found


@dataclass(frozen=True, slots=True)
class Kind:
    """A phone to be had.

    Attributes:
        name: of the phone; its link's and merchant's too where they are not said.
        link: None is this machine's loopback.
        merchant: whose it is.
        keep_awake_s: pings while a draft is expected.
        congestion: of its TCP and the gateway's towards it.
    """

    name: str
    link: Profile | None
    merchant: str = ""
    keep_awake_s: float | None = None
    congestion: str = "cubic"


@dataclass
class Phone:
    """A phone that runs.

    Attributes:
        puts: when each question was put, by its id.
        requests: what brought each question.
        drafts: what came for each question, whoever asked it.
        uploads: what came of uploads.
    """

    kind: Kind
    link: LinkEmulator | None
    process: subprocess.Popen[str]
    puts: dict[str, float] = field(default_factory=dict)
    requests: dict[str, dict[str, Any]] = field(default_factory=dict)
    drafts: dict[str, dict[str, Any]] = field(default_factory=dict)
    uploads: list[dict[str, Any]] = field(default_factory=list)

    @property
    def merchant(self) -> str:
        """Whose it is."""
        return self.kind.merchant or self.kind.name

    def ask(self, row: dict[str, Any]) -> str:
        """Let it ask; gives the question's id."""
        self._tell({"ask": row})
        return str(row["event_id"])

    def wait(self, listener: Phone, question_id: str) -> None:
        """Wait until a question is acknowledged and its draft is on a phone.

        Raises:
            TimeoutError: one of them does not come.
        """

        def both() -> bool:
            return question_id in self.requests and question_id in listener.drafts

        until(both, f"{listener.kind.name} has a draft, and {self.kind.name} its acknowledgement", PATIENCE_S)

    def upload(self, path: Path) -> dict[str, Any]:
        """Let it hand over a file of orders, and wait for the acknowledgements.

        Raises:
            TimeoutError: they did not come.
        """
        before = len(self.uploads)
        self._tell({"upload": str(path)})
        until(lambda: len(self.uploads) > before, f"{self.kind.name} has handed over its orders", 300.0)
        return self.uploads[-1]

    def idle_s(self) -> float:
        """How long its link has had nothing to carry."""
        assert self.link is not None
        return float(self.link.counts()["idle_s"])

    def listen(self) -> None:
        """Read what it tells, until it ends."""
        assert self.process.stdout is not None
        for line in self.process.stdout:
            told = json.loads(line)
            what = told.pop("what")
            if what == "put":
                self.puts[told["id"]] = told["at"]
            elif what == "request":
                self.requests.update(dict.fromkeys(told["ids"], told))
            elif what == "draft":
                self.drafts.setdefault(told["id"], told)
            else:
                self.uploads.append(told)

    def _tell(self, command: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command, default=str) + "\n")
        self.process.stdin.flush()


@contextmanager
def phones(
    ground: Ground, kinds: Sequence[Kind], row: dict[str, Any], *, listen: bool = True, seed: int = 1
) -> Iterator[list[Phone]]:
    """Phones that run, connected and listening: each has had a draft.

    Args:
        row: a question, to try with.
        listen: False where no drafts are made; they are not waited for then.

    Raises:
        TimeoutError: one of them got none.
        LinkUnavailable: this machine does not allow links.
    """
    with ExitStack() as stack:
        running = [stack.enter_context(_running(ground, kind, seed)) for kind in kinds]
        waiting = list(running) if listen else []
        give_up = time.monotonic() + PATIENCE_S
        while waiting:  # a draft of before a phone's first connection does not come, so it asks again
            for phone in waiting:
                phone.ask(question(row, phone.merchant))
            time.sleep(2.0)
            waiting = [phone for phone in running if not phone.drafts]
            if time.monotonic() > give_up:
                raise TimeoutError(f"no draft came to {', '.join(phone.kind.name for phone in waiting)}")
        for phone in running if listen else ():
            asked = list(phone.puts)
            until(lambda them=phone, ids=asked: them.drafts.keys() >= set(ids[-1:]), "the last trial", PATIENCE_S)  # type: ignore[misc]
        yield running


@contextmanager
def _running(ground: Ground, kind: Kind, seed: int) -> Iterator[Phone]:
    settings = ground.settings
    merchant = kind.merchant or kind.name
    both = {Scope.PUBLISH, Scope.READ}
    _, secret = key_file.create(settings.gateway_keys_file, merchant_id=merchant, scopes=both, label=kind.name)
    environment = {**os.environ, "BENCH_KEY": secret}
    with ExitStack() as stack:
        link = None
        host = _LOOPBACK
        if kind.link is not None:
            link = stack.enter_context(LinkEmulator(kind.link, seed, kind.congestion, kind.congestion))
            host = link.host_address
        file = ground.folder / f"{kind.name}-{uuid.uuid4().hex[:8]}.sqlite"
        command = [sys.executable, "-m", "bench.edge_links_phone", f"http://{host}:{settings.gateway_port}", str(file)]
        if kind.keep_awake_s is not None:
            command.append(str(kind.keep_awake_s))
        log = stack.enter_context((ground.logs / f"phone-{kind.name}.log").open("a"))
        pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": log, "text": True}
        if link is not None:
            process = link.start_in_phone(command, env=environment, **pipes)
        else:
            process = subprocess.Popen(command, env=environment, **pipes)
        phone = Phone(kind, link, process)
        listening = threading.Thread(target=phone.listen)
        listening.start()
        try:
            yield phone
        finally:
            assert process.stdin is not None
            process.stdin.close()
            try:
                process.wait(5)
            except subprocess.TimeoutExpired:
                process.kill()
            listening.join()
