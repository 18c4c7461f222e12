"""What a broker that does not let us in is taken for. With Kafka itself: tests/integration/test_wrong_settings.py."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest
import trustme

from streams.reach import KafkaUnreachable, require_broker
from tradewind.settings import Settings

Handle = Callable[[socket.socket], None]


@contextmanager
def listening(handle: Handle) -> Iterator[str]:
    """Somebody who does this with each connection; gives the address."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with suppress(OSError):
                while True:
                    connection, _ = server.accept()
                    threading.Thread(target=attend, args=(connection,), daemon=True).start()

        def attend(connection: socket.socket) -> None:
            with suppress(OSError, struct.error), connection:
                handle(connection)

        threading.Thread(target=serve, daemon=True).start()
        yield f"127.0.0.1:{server.getsockname()[1]}"
        server.shutdown(socket.SHUT_RDWR)


def told(handle: Handle, **change: object) -> str:
    with listening(handle) as address, pytest.raises(KafkaUnreachable) as raised:
        require_broker(Settings(bootstrap_servers=address, **change), 3.0)  # type: ignore[arg-type]
    line = str(raised.value)
    assert "\n" not in line
    return line


def knows_metadata_only(connection: socket.socket) -> None:
    """A Kafka of before 0.10: it has no answer to the question for versions, and hangs up."""
    (length,) = struct.unpack(">i", connection.recv(4))
    key, _, correlation = struct.unpack(">hhi", connection.recv(length)[:8])
    if key == 3:
        connection.sendall(struct.pack(">iiii", 12, correlation, 0, 0))


def hangs_up(connection: socket.socket) -> None:
    connection.recv(4)


def speaks_http(connection: socket.socket) -> None:
    connection.recv(4096)
    connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def with_tls(authority: trustme.CA) -> Handle:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)

    def handle(connection: socket.socket) -> None:
        with context.wrap_socket(connection, server_side=True) as secure:
            secure.recv(1)

    return handle


def test_one_that_is_too_old() -> None:
    assert "a Kafka before 0.11; set TRADEWIND_BOOTSTRAP_SERVERS" in told(knows_metadata_only)


@pytest.mark.parametrize("handle", [hangs_up, speaks_http])
def test_one_that_is_no_broker(handle: Handle) -> None:
    assert "does not answer as a broker does); check TRADEWIND_BOOTSTRAP_SERVERS" in told(handle)


def test_one_that_wants_tls(with_tls: Handle) -> None:
    assert told(with_tls).endswith("it wants TLS; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SSL")


def test_one_whose_certificate_is_not_trusted(with_tls: Handle) -> None:
    line = told(with_tls, kafka_security_protocol="SSL")
    assert "its certificate is not trusted" in line
    assert "TRADEWIND_KAFKA_SSL_CA" in line


def test_one_that_has_no_tls() -> None:
    line = told(hangs_up, kafka_security_protocol="SASL_SSL", kafka_username="worker")
    assert line.endswith("it speaks no TLS there; set TRADEWIND_KAFKA_SECURITY_PROTOCOL to SASL_PLAINTEXT")


@pytest.mark.parametrize("missing", ["certificate", "key"])
def test_files_that_can_not_be_used(authority: trustme.CA, tmp_path: Path, missing: str) -> None:
    issued = authority.issue_cert("worker@example.invalid")
    certificate, key = tmp_path / "certificate.pem", tmp_path / "key.pem"
    issued.cert_chain_pems[0].write_to_path(certificate)
    issued.private_key_pem.write_to_path(key)
    {"certificate": certificate, "key": key}[missing].write_text("nonsense", encoding="utf-8")
    line = told(hangs_up, kafka_security_protocol="SSL", kafka_ssl_certificate=str(certificate), kafka_ssl_key=str(key))
    assert line.startswith("TRADEWIND_KAFKA_SSL_CERTIFICATE, TRADEWIND_KAFKA_SSL_KEY: ")


def test_the_telling_refusal_is_told_of_several(with_tls: Handle) -> None:
    with listening(with_tls) as address, pytest.raises(KafkaUnreachable, match="it wants TLS"):
        require_broker(Settings(bootstrap_servers=f"127.0.0.1:1,{address}"), 3.0)
