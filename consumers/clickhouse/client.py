"""The connection to ClickHouse."""

from __future__ import annotations

from typing import Any

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from tradewind.settings import Settings

_CONNECT_TIMEOUT_S = 5
_ANSWER_TIMEOUT_S = 60


def open_client(
    settings: Settings,
    *,
    database: str | None = None,
    connect_timeout_s: int = _CONNECT_TIMEOUT_S,
    answer_timeout_s: int = _ANSWER_TIMEOUT_S,
    **more: Any,
) -> Client:
    """A client that threads may share. Over HTTPS the server's certificate is always checked.

    Args:
        database: connect to this one instead of the settings' own.
        answer_timeout_s: a query is given up after so long without a byte.
        more: other options of clickhouse-connect.

    Raises:
        clickhouse_connect.driver.exceptions.OperationalError: no answer, or a certificate that is not to be trusted.
        clickhouse_connect.driver.exceptions.DatabaseError: wrong user or password, or no such database.
    """
    dsn = settings.clickhouse_dsn()
    if database is not None:
        dsn = f"{dsn.rpartition('/')[0]}/{database}"
    return clickhouse_connect.get_client(
        dsn=dsn,
        # Left to itself, clickhouse-connect speaks plain HTTP to https://host:9443: it goes by the port alone.
        interface=settings.clickhouse_url.partition("://")[0].lower(),
        # A session takes one query at a time; the sink inserts into several tables at once.
        autogenerate_session_id=False,
        connect_timeout=connect_timeout_s,
        send_receive_timeout=answer_timeout_s,
        **_tls(settings),
        **more,
    )


def _tls(settings: Settings) -> dict[str, Any]:
    """What clickhouse-connect wants to know of certificates."""
    options: dict[str, Any] = {}
    for name, path in (
        ("ca_cert", settings.clickhouse_ca),
        ("client_cert", settings.clickhouse_certificate),
        ("client_cert_key", settings.clickhouse_key),
    ):
        if path is not None:
            options[name] = str(path)
    if settings.clickhouse_certificate is not None:
        # Left alone, it takes every certificate of ours for the user's name, and sends no password.
        options["tls_mode"] = "strict" if settings.clickhouse_password.get_secret_value() else "mutual"
    return options
