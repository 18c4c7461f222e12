"""The connection to ClickHouse."""

from __future__ import annotations

import clickhouse_connect
from clickhouse_connect.driver.client import Client

from tradewind.settings import Settings

_CONNECT_TIMEOUT_S = 5
_ANSWER_TIMEOUT_S = 60
#: Unknown user, wrong password, no password, authentication failed.
_LOGIN_CODES = frozenset({192, 193, 194, 516})


def open_client(
    settings: Settings, *, database: str | None = None, answer_timeout_s: int = _ANSWER_TIMEOUT_S
) -> Client:
    """A client that threads may share.

    Args:
        database: connect to this one instead of the settings' own.
        answer_timeout_s: a query is given up after so long without a byte.

    Raises:
        clickhouse_connect.driver.exceptions.OperationalError: no answer.
        clickhouse_connect.driver.exceptions.DatabaseError: wrong user or password, or no such database.
    """
    dsn = settings.clickhouse_dsn()
    if database is not None:
        dsn = f"{dsn.rpartition('/')[0]}/{database}"
    return clickhouse_connect.get_client(
        dsn=dsn,
        # A session takes one query at a time; the sink inserts into several tables at once.
        autogenerate_session_id=False,
        connect_timeout=_CONNECT_TIMEOUT_S,
        send_receive_timeout=answer_timeout_s,
    )


def refuses_login(error: BaseException) -> bool:
    """Whether ClickHouse answered, and does not take the user or the password."""
    return getattr(error, "code", None) in _LOGIN_CODES
