"""One broker of an Apache Kafka of long ago, with the ZooKeeper that it needs, to see what is said about it."""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path
from typing import final

from tests.kafka.jars import kafka_jars
from tradewind.stack.children import NEVER
from tradewind.stack.ports import choose_port
from tradewind.stack.supervisor import ProcessSpec, Supervisor

_POM = Path(__file__).with_name("old.xml")
_HOST = "127.0.0.1"


@final
class OldKafka:
    """A broker of that version; use as a context manager. 0.9 and 0.10 are known to start on Java 17.

    Raises:
        KafkaMissing: Java, Maven or its registry is not to be had.
        StartFailed: it does not come up; the message quotes its log.
    """

    def __init__(self, folder: Path, version: str) -> None:
        self._folder = folder
        self._jars = kafka_jars(version, _POM)
        self._port, self._keeper_port = choose_port(0, _HOST), choose_port(0, _HOST)
        self._supervisor = Supervisor(lambda ended: None)

    @property
    def bootstrap_servers(self) -> str:
        """Where clients come in, in plain text."""
        return f"{_HOST}:{self._port}"

    def __enter__(self) -> OldKafka:
        keeper = {"dataDir": self._folder / "zookeeper", "clientPort": self._keeper_port, "clientPortAddress": _HOST}
        broker = {
            "broker.id": 0,
            "port": self._port,
            "host.name": _HOST,
            "advertised.host.name": _HOST,
            "advertised.port": self._port,
            "log.dirs": self._folder / "data",
            "zookeeper.connect": f"{_HOST}:{self._keeper_port}",
        }
        main = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
        self._supervisor.start(self._spec("zookeeper", main, keeper, self._keeper_port))
        self._supervisor.start(self._spec("kafka", "kafka.Kafka", broker, self._port))
        return self

    def __exit__(self, *_: object) -> None:
        self._supervisor.stop()

    def _spec(self, name: str, main: str, settings: dict[str, object], port: int) -> ProcessSpec:
        path = self._folder / f"{name}.properties"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(f"{key}={value}\n" for key, value in settings.items()), encoding="utf-8")
        return ProcessSpec(
            name=name,
            argv=("java", "-Xmx256m", "-XX:+UseSerialGC", "-cp", f"{self._jars}/*", main, str(path)),
            log=path.with_suffix(".log"),
            ready=lambda: None if _listens(port) else f"port {port}",
            ready_timeout_s=60.0,
            stop_grace_s=0.0,
            restart=NEVER,
        )


def _listens(port: int) -> bool:
    with suppress(OSError):
        socket.create_connection((_HOST, port), timeout=1.0).close()
        return True
    return False
