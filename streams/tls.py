"""Our side of TLS with the brokers, for clients that take Python's `ssl`."""

from __future__ import annotations

import ssl

from tradewind.settings import Settings


class TlsFilesError(Exception):
    """A file that the settings name can't be used; the message names the setting."""


def tls_context(settings: Settings) -> ssl.SSLContext | None:
    """What a connection to a broker is made with; None where the settings ask for no TLS. Certificates are checked.

    Raises:
        TlsFilesError: a certificate or key can't be read.
    """
    if not settings.kafka_security_protocol.endswith("SSL"):
        return None
    ca, certificate, key = settings.kafka_ssl_ca, settings.kafka_ssl_certificate, settings.kafka_ssl_key
    try:
        context = ssl.create_default_context(cafile=str(ca) if ca else None)
    except OSError as error:  # ssl.SSLError is one
        raise TlsFilesError(f"TRADEWIND_KAFKA_SSL_CA: {ca} can't be used: {_why(error)}") from error
    if certificate:
        try:
            context.load_cert_chain(certificate, key)
        except OSError as error:
            named = f"{certificate} with {key}" if key else str(certificate)
            raise TlsFilesError(
                f"TRADEWIND_KAFKA_SSL_CERTIFICATE, TRADEWIND_KAFKA_SSL_KEY: {named} can't be used: {_why(error)}"
            ) from error
    return context


def _why(error: OSError) -> str:
    if isinstance(error, ssl.SSLError):
        return "no certificate or key in PEM form in it, or they do not belong together"
    return error.strerror or type(error).__name__
