"""Why Kafka does not let us in, in one line that names the setting to change.

librdkafka tells of it in words only, and calls every certificate that it does not trust the same; so a handshake of our
own finds out what is wrong with one.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Iterable, Sequence

from confluent_kafka import KafkaError

from streams.tls import client_context
from tradewind.settings import Settings

#: X509_V_ERR_HOSTNAME_MISMATCH and X509_V_ERR_IP_ADDRESS_MISMATCH of OpenSSL.
_OTHER_HOST = frozenset({62, 64})
_CERTIFICATE_FILES = ("kafka_ssl_ca", "kafka_ssl_certificate", "kafka_ssl_key")
#: What a broker answers to a certificate of ours that it does not take, or does not get, in OpenSSL's words.
_OUR_CERTIFICATE = ("bad certificate", "certificate required", "unknown ca", "certificate unknown", "handshake failure")


def unreadable(settings: Settings) -> str | None:
    """What is wrong with the files that the settings name for TLS; None where nothing is."""
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    for name in _CERTIFICATE_FILES:
        path = getattr(settings, name)
        if path is not None and not os.access(path, os.R_OK):
            return f"{path} can't be read; check TRADEWIND_{name.upper()}"
    try:
        client_context(settings)
    except ssl.SSLError as error:
        names = [f"TRADEWIND_{name.upper()}" for name in _CERTIFICATE_FILES if getattr(settings, name) is not None]
        return f"no certificate or key for Kafka in PEM form ({error.reason or error}); check {', '.join(names)}"
    return None


def refusal(
    settings: Settings, errors: Iterable[KafkaError], addresses: Sequence[tuple[str, int]], timeout_s: float
) -> str | None:
    """What is wrong and what to check, parted by "; "; None where it is not about who we are or whom we trust.

    Args:
        errors: what librdkafka told while it tried.
        addresses: of the brokers that were tried.
        timeout_s: of a handshake of our own.
    """
    kafka = f"Kafka at {settings.bootstrap_servers}"
    told = [(error.code(), error.str()) for error in errors]
    for code, text in told:
        if code == KafkaError._AUTHENTICATION:
            if "echanism handshake failed" in text or "Unsupported SASL mechanism" in text:
                return f"{kafka} does not take {settings.kafka_sasl_mechanism}; check TRADEWIND_KAFKA_SASL_MECHANISM"
            return (
                f"{kafka} refuses the user or the password of {settings.kafka_sasl_mechanism}; "
                "check TRADEWIND_KAFKA_USERNAME and TRADEWIND_KAFKA_PASSWORD"
            )
    texts = " ".join(text for _, text in told)
    secure = settings.kafka_security_protocol.endswith("SSL")
    if "certificate verify failed" in texts:
        return f"{kafka}: {_certificate(settings, addresses, timeout_s)}"
    if secure and "PLAINTEXT broker listener" in texts:
        return f"{kafka} does not speak TLS; check TRADEWIND_KAFKA_SECURITY_PROTOCOL"
    if secure and any(words in texts for words in _OUR_CERTIFICATE):
        return (
            f"{kafka} wants a certificate of ours, of an authority that it trusts; "
            "check TRADEWIND_KAFKA_SSL_CERTIFICATE and TRADEWIND_KAFKA_SSL_KEY"
        )
    if not secure and any(_speaks_tls(address, timeout_s) for address in addresses):
        return f"{kafka} speaks TLS; check TRADEWIND_KAFKA_SECURITY_PROTOCOL"
    return None


def _certificate(settings: Settings, addresses: Sequence[tuple[str, int]], timeout_s: float) -> str:
    """What is wrong with a broker's certificate, and the setting."""
    for address in addresses:
        error = _handshake(client_context(settings), address, timeout_s)
        if isinstance(error, ssl.SSLCertVerificationError):
            if error.verify_code in _OTHER_HOST:
                return f"its certificate is not for {address[0]}; check TRADEWIND_BOOTSTRAP_SERVERS"
            return f"its certificate is not to be trusted ({error.verify_message}); check TRADEWIND_KAFKA_SSL_CA"
    return "its certificate is not to be trusted; check TRADEWIND_KAFKA_SSL_CA"


def _speaks_tls(address: tuple[str, int], timeout_s: float) -> bool:
    error = _handshake(ssl.create_default_context(), address, timeout_s)
    return error is None or isinstance(error, ssl.SSLCertVerificationError)


def _handshake(context: ssl.SSLContext, address: tuple[str, int], timeout_s: float) -> OSError | None:
    """What a handshake comes to; nothing is sent after it."""
    try:
        with socket.create_connection(address, timeout=timeout_s) as plain:
            context.wrap_socket(plain, server_hostname=address[0]).close()
    except OSError as error:
        return error
    return None
