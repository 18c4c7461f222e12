"""What a `session_id` keeps between requests: SET, USE and temporary tables.

Most clients name a session and put nothing in it. So a session gets a connection of its own only with the first
statement that leaves something behind; until then it is a name and a lock. Used from the event loop's thread only.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tradewind.stack.clickhouse.engine import Connection
from tradewind.stack.clickhouse.errors import SESSION_IS_LOCKED, SESSION_NOT_FOUND, ClickHouseError


@dataclass(slots=True)
class Session:
    """One session; `connection` is None while it has no state."""

    timeout_s: float
    expires_at: float
    busy: bool = False
    connection: Connection | None = None


class Sessions:
    """The sessions by id.

    Args:
        clock: seconds, monotonic.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._by_id: dict[str, Session] = {}

    def acquire(self, session_id: str, timeout_s: float, must_exist: bool) -> Session:
        """The session for one request, made if missing; give it back with `release`.

        Raises:
            ClickHouseError: SESSION_IS_LOCKED while another request has it; SESSION_NOT_FOUND where it
                `must_exist` and doesn't.
        """
        self._expire()
        session = self._by_id.get(session_id)
        if session is None:
            if must_exist:
                raise ClickHouseError.of(SESSION_NOT_FOUND, "Session not found")
            session = self._by_id[session_id] = Session(timeout_s, 0.0)
        if session.busy:
            raise ClickHouseError.of(SESSION_IS_LOCKED, "Session is locked by a concurrent client")
        session.busy = True
        session.timeout_s = timeout_s
        return session

    def release(self, session: Session) -> None:
        """Ends a request's use of the session and starts its timeout."""
        session.busy = False
        session.expires_at = self._clock() + session.timeout_s

    def close(self) -> None:
        """Ends every session."""
        for session in self._by_id.values():
            if session.connection is not None:
                session.connection.close()
        self._by_id.clear()

    def _expire(self) -> None:
        now = self._clock()
        for session_id, session in list(self._by_id.items()):
            if not session.busy and session.expires_at <= now:
                del self._by_id[session_id]
                if session.connection is not None:
                    session.connection.close()
