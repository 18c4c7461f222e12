"""TLS as our own sockets speak it: certificates are checked, against the authorities that the settings name."""

from __future__ import annotations

import ssl

from tradewind.settings import Settings


def client_context(settings: Settings) -> ssl.SSLContext:
    """A context that checks the broker's certificate and host name, and has ours where the settings give one.

    Raises:
        OSError: a file is missing, or no certificate (ssl.SSLError).
    """
    authorities = str(settings.kafka_ssl_ca) if settings.kafka_ssl_ca else None
    context = ssl.create_default_context(cafile=authorities)
    if settings.kafka_ssl_certificate:
        context.load_cert_chain(settings.kafka_ssl_certificate, settings.kafka_ssl_key)
    return context
