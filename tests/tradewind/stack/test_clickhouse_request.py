"""The parts of the HTTP interface that need no engine: credentials, errors, parameters, sessions."""

from __future__ import annotations

from base64 import b64encode

import pytest

from tradewind.stack.clickhouse.auth import Credentials, check, presented
from tradewind.stack.clickhouse.errors import (
    AUTHENTICATION_FAILED,
    BAD_ARGUMENTS,
    INVALID_SESSION_TIMEOUT,
    NOT_IMPLEMENTED,
    SESSION_IS_LOCKED,
    SESSION_NOT_FOUND,
    UNKNOWN_EXCEPTION,
    ClickHouseError,
)
from tradewind.stack.clickhouse.request import Form, read_query
from tradewind.stack.clickhouse.sessions import Sessions

USER = Credentials("merchant", "p:w")
BASIC = "Basic " + b64encode(b"merchant:p:w").decode()


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        ({"Authorization": BASIC}, {}),
        ({"X-ClickHouse-User": "merchant", "X-ClickHouse-Key": "p:w"}, {}),
        ({}, {"user": "merchant", "password": "p:w"}),
    ],
)
def test_the_user_passes_in_every_way_there_is(headers: dict[str, str], params: dict[str, str]) -> None:
    check(presented(headers, params), USER)


@pytest.mark.parametrize(
    ("headers", "params"),
    [
        ({}, {}),
        ({"Authorization": "Basic !!!"}, {}),
        ({"Authorization": "Bearer x"}, {}),
        ({"Authorization": "Basic " + b64encode(b"merchant:p").decode()}, {}),
        ({"X-ClickHouse-User": "merchant"}, {"password": "p:w"}),
        ({}, {"user": "merchant"}),
        ({}, {"password": "p:w"}),
        ({}, {"user": "mérchant", "password": "p:w"}),
    ],
)
def test_nobody_else_passes(headers: dict[str, str], params: dict[str, str]) -> None:
    with pytest.raises(ClickHouseError) as raised:
        check(presented(headers, params), USER)
    assert raised.value.code == AUTHENTICATION_FAILED
    assert raised.value.status == 403
    assert "p:w" not in raised.value.text


def test_a_password_is_not_shown() -> None:
    assert "p:w" not in repr(USER)


@pytest.mark.parametrize(("code", "status"), [(60, 404), (62, 400), (115, 404), (164, 500), (241, 500), (1001, 500)])
def test_a_code_has_the_status_that_clickhouse_gives_it(code: int, status: int) -> None:
    assert ClickHouseError(code, "").status == status


def test_an_engine_error_keeps_its_code_and_loses_its_wrapping() -> None:
    error = ClickHouseError.from_engine(
        "Code: 115. DB::Exception: Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING) (version 1.2)"
    )
    assert error.code == 115
    assert error.text == "Code: 115. DB::Exception: Unknown setting 'x'. (UNKNOWN_SETTING) (version 1.2)"
    assert error.body("1.2") == error.text.encode() + b"\n"
    avro = ClickHouseError.from_engine("std::exception. Code: 1001, type: avro::Exception, e.what() = EOF reached")
    assert avro.code == 1001
    assert avro.body("1.2").endswith(b"EOF reached (version 1.2)\n")
    assert ClickHouseError.from_engine("no code at all").code == UNKNOWN_EXCEPTION


def test_parameters_settings_and_steering_are_told_apart() -> None:
    query = read_query(
        "POST",
        {"Accept-Encoding": "zstd"},
        {
            "query": "SELECT 1",
            "param_x": "7",
            "max_threads": "2",
            "database": "shop",
            "query_id": "q1",
            "wait_end_of_query": "1",
            "user": "u",
            "password": "p",
        },
    )
    assert (query.id, query.text, query.database, query.wait_end, query.coding) == (
        "q1",
        "SELECT 1",
        "shop",
        True,
        "zstd",
    )
    assert query.parameters == {"x": "7"}
    assert query.settings == {"max_threads": "2", "log_comment": "q1"}
    assert query.default_format == "TabSeparated"


def test_get_is_read_only_unless_it_says_how() -> None:
    assert read_query("GET", {}, {}).settings["readonly"] == "2"
    assert read_query("GET", {}, {"readonly": "1"}).settings["readonly"] == "1"
    assert "readonly" not in read_query("POST", {}, {}).settings


def test_a_form_brings_the_query_parameters_and_tables() -> None:
    form = Form({"query": "SELECT {x:Int8}", "param_x": "1"}, {"ext": b"1\ta\n"})
    query = read_query("POST", {}, {"ext_types": "UInt8,String"}, form)
    assert query.text == "SELECT {x:Int8}"
    assert query.parameters == {"x": "1"}
    (table,) = query.external_tables
    assert (table.name, table.structure, table.format, table.data) == (
        "ext",
        "_1 UInt8, _2 String",
        "TabSeparated",
        b"1\ta\n",
    )
    assert "ext_types" not in query.settings


@pytest.mark.parametrize(
    ("params", "form", "code"),
    [
        ({"compress": "1"}, Form({}, {}), NOT_IMPLEMENTED),
        ({"decompress": "1"}, Form({}, {}), NOT_IMPLEMENTED),
        ({"session_id": "s", "session_timeout": "soon"}, Form({}, {}), INVALID_SESSION_TIMEOUT),
        ({"session_id": "s", "session_timeout": "86400"}, Form({}, {}), INVALID_SESSION_TIMEOUT),
        ({}, Form({}, {"ext": b""}), BAD_ARGUMENTS),
    ],
)
def test_what_makes_no_sense_is_refused(params: dict[str, str], form: Form, code: int) -> None:
    with pytest.raises(ClickHouseError) as raised:
        read_query("POST", {}, params, form)
    assert raised.value.code == code


def test_a_session_serves_one_request_at_a_time_and_ends_after_its_timeout() -> None:
    now = 100.0
    sessions = Sessions(lambda: now)
    first = sessions.acquire("s", 10.0, must_exist=False)
    with pytest.raises(ClickHouseError) as locked:
        sessions.acquire("s", 10.0, must_exist=False)
    assert locked.value.code == SESSION_IS_LOCKED
    sessions.release(first)
    now = 109.9
    assert sessions.acquire("s", 10.0, must_exist=True) is first
    sessions.release(first)
    now = 119.9
    with pytest.raises(ClickHouseError) as gone:
        sessions.acquire("s", 10.0, must_exist=True)
    assert gone.value.code == SESSION_NOT_FOUND
