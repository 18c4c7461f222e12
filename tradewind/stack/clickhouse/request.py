"""An HTTP request of ClickHouse's interface, read into a `Query`."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

from tradewind.stack.clickhouse.encoding import choose
from tradewind.stack.clickhouse.errors import BAD_ARGUMENTS, INVALID_SESSION_TIMEOUT, NOT_IMPLEMENTED, ClickHouseError

# URL parameters that steer this interface; every other one is a setting of the engine.
_OWN = frozenset(
    (
        *("query", "database", "default_format", "user", "password", "quota_key", "role"),
        *("query_id", "session_id", "session_timeout", "session_check", "close_session", "stacktrace"),
        *("compress", "decompress", "enable_http_compression", "buffer_size", "wait_end_of_query"),
        *("client_protocol_version", "send_progress_in_http_headers", "http_headers_progress_interval_ms"),
    )
)
_EXTERNAL_SUFFIXES = ("_format", "_structure", "_types")
DEFAULT_FORMAT = "TabSeparated"
_DEFAULT_SESSION_TIMEOUT_S = 60.0
_MAX_SESSION_TIMEOUT_S = 3600.0


@dataclass(frozen=True, slots=True)
class SessionRequest:
    """The session that a request names."""

    id: str
    timeout_s: float
    must_exist: bool


@dataclass(frozen=True, slots=True)
class ExternalTable:
    """A temporary table that came as a file of the form: `structure` is that of CREATE TABLE."""

    name: str
    structure: str
    format: str
    data: bytes


@dataclass(frozen=True, slots=True)
class Form:
    """A multipart body: its fields, and its files by name."""

    fields: Mapping[str, str]
    files: Mapping[str, bytes]


NO_FORM = Form({}, {})


@dataclass(frozen=True, slots=True)
class Query:
    """What a request asks for. `text` is the statement's part in the URL or form; the body may hold the rest."""

    id: str
    text: str
    database: str | None
    default_format: str
    settings: Mapping[str, str]
    parameters: Mapping[str, str]
    session: SessionRequest | None
    external_tables: tuple[ExternalTable, ...]
    wait_end: bool
    coding: str | None
    kill_on_disconnect: bool


def read_query(method: str, headers: Mapping[str, str], params: Mapping[str, str], form: Form = NO_FORM) -> Query:
    """The query in a request's method, headers, URL parameters and form.

    Raises:
        ClickHouseError: a parameter's value makes no sense, or asks for what this server doesn't have.
    """
    for name in ("compress", "decompress"):
        if _flag(params, name):
            message = f"URL parameter {name}=1, ClickHouse's own block compression, is not known here; use HTTP's"
            raise ClickHouseError.of(NOT_IMPLEMENTED, message)
    query_id = params.get("query_id") or str(uuid.uuid4())
    external = tuple(_external_table(name, data, params) for name, data in form.files.items())
    hidden = {table.name + suffix for table in external for suffix in _EXTERNAL_SUFFIXES}
    settings = {
        name: value
        for name, value in params.items()
        if name not in _OWN and name not in hidden and not name.startswith("param_")
    }
    # The id that this server finds its query by, to stop it: the engine names queries as it likes.
    settings["log_comment"] = query_id
    if method in ("GET", "HEAD") and settings.get("readonly", "0") == "0":
        settings["readonly"] = "2"
    given = {**params, **form.fields}
    return Query(
        id=query_id,
        text=given.get("query", ""),
        database=params.get("database") or headers.get("X-ClickHouse-Database") or None,
        default_format=params.get("default_format") or headers.get("X-ClickHouse-Format") or DEFAULT_FORMAT,
        settings=settings,
        parameters={name[len("param_") :]: value for name, value in given.items() if name.startswith("param_")},
        session=_session(params),
        external_tables=external,
        wait_end=_flag(params, "wait_end_of_query"),
        coding=choose(headers.get("Accept-Encoding", "")) if _flag(params, "enable_http_compression", "1") else None,
        kill_on_disconnect=_flag(params, "cancel_http_readonly_queries_on_client_close"),
    )


def _flag(params: Mapping[str, str], name: str, default: str = "0") -> bool:
    return params.get(name, default).lower() in ("1", "true")


def _session(params: Mapping[str, str]) -> SessionRequest | None:
    if not (session_id := params.get("session_id")):
        return None
    try:
        timeout_s = float(params.get("session_timeout", _DEFAULT_SESSION_TIMEOUT_S))
    except ValueError:
        timeout_s = -1.0
    if not 0 <= timeout_s <= _MAX_SESSION_TIMEOUT_S:
        message = f"session_timeout must be 0 to {_MAX_SESSION_TIMEOUT_S:.0f} seconds"
        raise ClickHouseError.of(INVALID_SESSION_TIMEOUT, message)
    return SessionRequest(session_id, timeout_s, _flag(params, "session_check"))


def _external_table(name: str, data: bytes, params: Mapping[str, str]) -> ExternalTable:
    structure = params.get(f"{name}_structure")
    if structure is None and (types := params.get(f"{name}_types")):
        structure = ", ".join(f"_{index} {kind}" for index, kind in enumerate(types.split(","), start=1))
    if structure is None:
        message = f"External table {name} needs its columns in the URL parameter {name}_structure or {name}_types"
        raise ClickHouseError.of(BAD_ARGUMENTS, message)
    return ExternalTable(name, structure, params.get(f"{name}_format", DEFAULT_FORMAT), data)
