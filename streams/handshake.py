"""Why a broker does not let us in, found out in one short conversation with it, in words that name the setting.

Both of our clients go on trying when a broker closes the connection, and say little about it. A broker that wants TLS,
one that wants a password, and one that is too old to understand us all do just that: close it, or keep silent.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from contextlib import suppress
from dataclasses import dataclass

from aiokafka import errors
from aiokafka.conn import create_conn
from aiokafka.protocol.metadata import MetadataRequest

from tradewind.settings import Settings

#: Produce requests of version 3 came with Kafka 0.11: records with headers, which our events and dead letters have.
_PRODUCE, _PRODUCE_VERSION = 0, 3
_OLDEST = "0.11"
_METADATA = 3
_CORRELATION = 0x7457
_DIAGNOSIS_S = 1.0

_ADDRESS = "check TRADEWIND_BOOTSTRAP_SERVERS"
_CERTIFICATE = "check TRADEWIND_KAFKA_SSL_CERTIFICATE and TRADEWIND_KAFKA_SSL_KEY, which it may ask for"

# It reports at error level what we say in one line.
logging.getLogger("aiokafka.conn").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why it did not come to an exchange.

    Attributes:
        why: what was seen, without the broker's name.
        mend: what to change.
        silent: whether nothing came back at all, so that it may be about the network or the host.
    """

    why: str
    mend: str
    silent: bool = False


_TOO_OLD = Refusal(
    f"it speaks the protocol of a Kafka before {_OLDEST}",
    "set TRADEWIND_BOOTSTRAP_SERVERS to a newer one (docs/operating.md says which were tried)",
)


def knock(settings: Settings, address: tuple[str, int], tls: ssl.SSLContext | None, timeout_s: float) -> Refusal | None:
    """Log in at one broker and ask it for its cluster, as a worker does; None when it answers. Blocks.

    Args:
        tls: what a connection is made with, where the settings ask for TLS.
    """
    try:
        socket.create_connection(address, timeout=timeout_s).close()
    except socket.gaierror:
        return Refusal(f"no host is called {address[0]}", _ADDRESS, silent=True)
    except (OSError, OverflowError, UnicodeError):
        return Refusal("no connection", f"{_ADDRESS}, or start a local stack: tradewind up", silent=True)
    try:
        return asyncio.run(asyncio.wait_for(_converse(settings, address, tls, timeout_s), timeout_s))
    except Exception as error:
        return _refusal(error, settings, address)


async def _converse(
    settings: Settings, address: tuple[str, int], tls: ssl.SSLContext | None, timeout_s: float
) -> Refusal | None:
    password = settings.kafka_password
    connection = await create_conn(
        *address,
        request_timeout_ms=round(timeout_s * 1000),
        ssl_context=tls,
        security_protocol=settings.kafka_security_protocol,
        sasl_mechanism=settings.kafka_sasl_mechanism,
        sasl_plain_username=settings.kafka_username or "",
        sasl_plain_password=password.get_secret_value() if password else "",
    )
    try:
        if connection._versions.get(_PRODUCE, (0, 0))[1] < _PRODUCE_VERSION:
            return _TOO_OLD
        try:
            await connection.send(MetadataRequest([]))
        except errors.KafkaConnectionError:
            return _wants_a_user(settings)
    finally:
        connection.close()
    return None


def _refusal(error: Exception, settings: Settings, address: tuple[str, int]) -> Refusal:
    """What an error of the conversation means."""
    user = settings.kafka_username
    if isinstance(error, (errors.AuthenticationFailedError, errors.SaslAuthenticationFailed)):
        return Refusal(f"it refuses the user {user}", "check TRADEWIND_KAFKA_USERNAME and TRADEWIND_KAFKA_PASSWORD")
    if isinstance(error, errors.UnsupportedSaslMechanismError):
        return Refusal(
            f"it does not offer {settings.kafka_sasl_mechanism}",
            "set TRADEWIND_KAFKA_SASL_MECHANISM to one that its listener has",
        )
    if isinstance(error, errors.IllegalSaslStateError):
        return Refusal("it takes no users there", _protocol("SSL" if _with_tls(settings) else "PLAINTEXT"))
    if isinstance(error, ssl.SSLCertVerificationError):
        return Refusal(
            f"its certificate is not trusted: {error.verify_message}",
            "set TRADEWIND_KAFKA_SSL_CA to the certificate of its authority, and TRADEWIND_BOOTSTRAP_SERVERS to a name "
            "that is in the certificate",
        )
    if _with_tls(settings):
        if isinstance(error, (ssl.SSLEOFError, ConnectionError)) and not _speaks_tls(address):
            return Refusal("it speaks no TLS there", _protocol(_plain(settings.kafka_security_protocol)))
        if isinstance(error, ssl.SSLError):
            return Refusal(f"TLS failed ({error.reason})", _CERTIFICATE)
        if isinstance(error, (errors.KafkaConnectionError, ConnectionError)):
            return Refusal("it closes the connection after TLS", _CERTIFICATE)
    elif _speaks_tls(address):
        sasl = settings.kafka_security_protocol.startswith("SASL")
        return Refusal("it wants TLS", _protocol("SASL_SSL" if sasl else "SSL"))
    elif _answers_in_plain_text(address):
        return _TOO_OLD
    return Refusal("it accepts connections, but does not answer as a broker does", _ADDRESS, silent=True)


def _wants_a_user(settings: Settings) -> Refusal:
    """It said hello and then hung up: so does a listener that lets nobody in without a password."""
    wanted = "SASL_SSL" if _with_tls(settings) else "SASL_PLAINTEXT"
    return Refusal(
        "it lets nobody in without a user" + (" or a certificate" if _with_tls(settings) else ""),
        f"{_protocol(wanted)}, with TRADEWIND_KAFKA_USERNAME and TRADEWIND_KAFKA_PASSWORD",
    )


def _protocol(wanted: str) -> str:
    return f"set TRADEWIND_KAFKA_SECURITY_PROTOCOL to {wanted}"


def _plain(protocol: str) -> str:
    return protocol.replace("SSL", "PLAINTEXT")


def _with_tls(settings: Settings) -> bool:
    return settings.kafka_security_protocol.endswith("SSL")


def _speaks_tls(address: tuple[str, int]) -> bool:
    """Whether a TLS handshake gets anywhere. Nothing is said over it, so nobody need be trusted."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    try:
        with (
            socket.create_connection(address, timeout=_DIAGNOSIS_S) as plain,
            context.wrap_socket(plain, server_hostname=address[0]),
        ):
            return True
    except ssl.SSLError as error:
        return error.reason is not None and "ALERT" in error.reason  # such as for a certificate that we lack
    except OSError:
        return False


def _answers_in_plain_text(address: tuple[str, int]) -> bool:
    """Whether it answers the oldest question that Kafka knows: which brokers there are, of version 0."""
    client = b"tradewind"
    body = struct.pack(f">hhih{len(client)}si", _METADATA, 0, _CORRELATION, len(client), client, 0)
    with suppress(OSError), socket.create_connection(address, timeout=_DIAGNOSIS_S) as connection:
        connection.sendall(struct.pack(">i", len(body)) + body)
        answer = b""
        while len(answer) < 8 and (more := connection.recv(8 - len(answer))):
            answer += more
        return len(answer) == 8 and struct.unpack(">ii", answer)[1] == _CORRELATION
    return False
