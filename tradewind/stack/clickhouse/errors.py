"""ClickHouse's errors: the code, the text and the HTTP status that its server answers with."""

from __future__ import annotations

import re
from http import HTTPStatus

BAD_ARGUMENTS = 36
NOT_IMPLEMENTED = 48
SYNTAX_ERROR = 62
UNKNOWN_SETTING = 115
READONLY = 164
QUERY_IS_TOO_LARGE = 229
REQUIRED_PASSWORD = 194
UNKNOWN_EXCEPTION = 1002
SESSION_NOT_FOUND = 372
SESSION_IS_LOCKED = 373
INVALID_SESSION_TIMEOUT = 374
AUTHENTICATION_FAILED = 516

# The names of the codes that this server raises itself; the engine's own messages carry theirs.
_NAMES = {
    BAD_ARGUMENTS: "BAD_ARGUMENTS",
    NOT_IMPLEMENTED: "NOT_IMPLEMENTED",
    SYNTAX_ERROR: "SYNTAX_ERROR",
    UNKNOWN_SETTING: "UNKNOWN_SETTING",
    READONLY: "READONLY",
    QUERY_IS_TOO_LARGE: "QUERY_IS_TOO_LARGE",
    SESSION_NOT_FOUND: "SESSION_NOT_FOUND",
    SESSION_IS_LOCKED: "SESSION_IS_LOCKED",
    INVALID_SESSION_TIMEOUT: "INVALID_SESSION_TIMEOUT",
    AUTHENTICATION_FAILED: "AUTHENTICATION_FAILED",
    UNKNOWN_EXCEPTION: "UNKNOWN_EXCEPTION",
}

# As clickhouse-server answers (its src/Server/HTTP/exceptionCodeToHTTPStatus.cpp); any other code is a 500.
_STATUS_CODES: dict[HTTPStatus, tuple[int, ...]] = {
    # unparsable data, a bad argument, a syntax error, a mismatch of types
    HTTPStatus.BAD_REQUEST: (
        *(6, 8, 15, 25, 26, 27, 36, 37, 38, 41, 44, 53, 62, 72),
        *(117, 123, 167, 168, 223, 321, 376, 427, 441, 675, 676),
    ),
    HTTPStatus.UNAUTHORIZED: (REQUIRED_PASSWORD,),
    HTTPStatus.FORBIDDEN: (192, 193, 497, 512, AUTHENTICATION_FAILED),
    # an unknown function, identifier, type, table, database, setting, format, role ...
    HTTPStatus.NOT_FOUND: (46, 47, 50, 56, 60, 63, 73, 78, 81, 115, 152, 336, 511),
    HTTPStatus.REQUEST_TIMEOUT: (159,),
    HTTPStatus.LENGTH_REQUIRED: (381,),
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: (QUERY_IS_TOO_LARGE,),
    HTTPStatus.NOT_IMPLEMENTED: (NOT_IMPLEMENTED,),
    HTTPStatus.SERVICE_UNAVAILABLE: (76, 209, 439),
}
_STATUS = {code: status for status, codes in _STATUS_CODES.items() for code in codes}

_CODE = re.compile(r"Code: (\d+)")
# The engine wraps some errors in themselves: "Code: 115. DB::Exception: Code: 115. DB::Exception: ...".
_WRAPPED = re.compile(r"Code: (\d+)\. DB::Exception: (?=Code: \1\. DB::Exception: )")


class ClickHouseError(Exception):
    """An error as ClickHouse reports it: `code`, and `text` that starts with "Code: N. DB::Exception: "."""

    def __init__(self, code: int, text: str) -> None:
        self.code = code
        self.text = text
        super().__init__(text)

    @classmethod
    def of(cls, code: int, message: str) -> ClickHouseError:
        """An error of this server's own making, in the engine's form."""
        return cls(code, f"Code: {code}. DB::Exception: {message} ({_NAMES[code]})")

    @classmethod
    def from_engine(cls, message: str) -> ClickHouseError:
        """The error in an exception of the engine, which carries its code in the text."""
        found = _CODE.search(message)
        if found is None:
            return cls.of(UNKNOWN_EXCEPTION, message)
        return cls(int(found[1]), _WRAPPED.sub("", message).strip())

    @property
    def status(self) -> HTTPStatus:
        """The HTTP status that ClickHouse's server answers this code with."""
        return _STATUS.get(self.code, HTTPStatus.INTERNAL_SERVER_ERROR)

    def body(self, version: str) -> bytes:
        """The text of the response: the error, with the server's version as ClickHouse ends it."""
        ending = "" if f"(version {version}" in self.text else f" (version {version})"
        return f"{self.text}{ending}\n".encode()
