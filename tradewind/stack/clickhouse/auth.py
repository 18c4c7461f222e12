"""Who may ask: one user and one password, given in any of the ways that ClickHouse's HTTP interface takes.

Over TLS that asks for them, a client's certificate stands for the password: its common name has to be the user's.
"""

from __future__ import annotations

import base64
import binascii
import hmac
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tradewind.stack.clickhouse.errors import AUTHENTICATION_FAILED, ClickHouseError

# Where the server's process looks for its password, under the name that ClickHouse's own client and image use.
PASSWORD_VARIABLE = "CLICKHOUSE_PASSWORD"  # noqa: S105


@dataclass(frozen=True, slots=True)
class Credentials:
    """A user's name and password."""

    user: str
    password: str = field(repr=False)


def presented(headers: Mapping[str, str], params: Mapping[str, str]) -> Credentials | None:
    """The credentials of a request: X-ClickHouse-* headers, else Basic, else URL parameters; None without any."""
    if "X-ClickHouse-User" in headers or "X-ClickHouse-Key" in headers:
        return Credentials(headers.get("X-ClickHouse-User", "default"), headers.get("X-ClickHouse-Key", ""))
    scheme, _, token = headers.get("Authorization", "").partition(" ")
    if scheme.lower() == "basic":
        try:
            user, _, password = base64.b64decode(token, validate=True).decode().partition(":")
        except (binascii.Error, UnicodeDecodeError):
            return Credentials("", "")
        return Credentials(user, password)
    if "user" in params or "password" in params:
        return Credentials(params.get("user", "default"), params.get("password", ""))
    return None


def certified(headers: Mapping[str, str], certificate: Mapping[str, Any] | None, expected: Credentials) -> bool:
    """Whether the request comes by a certificate instead of a password, and it is the one user's.

    Args:
        certificate: the client's, as `ssl.SSLSocket.getpeercert` gives it; None where there is none that was checked.
    """
    if headers.get("X-ClickHouse-SSL-Certificate-Auth") != "on" or not certificate:
        return False
    names = [value for parts in certificate.get("subject", ()) for name, value in parts if name == "commonName"]
    return headers.get("X-ClickHouse-User") == expected.user and names == [expected.user]


def check(given: Credentials | None, expected: Credentials) -> None:
    """Lets the one user pass. The comparison takes the same time wherever the difference is.

    Raises:
        ClickHouseError: AUTHENTICATION_FAILED.
    """
    attempt = given or Credentials("default", "")
    user_fits = hmac.compare_digest(attempt.user.encode(), expected.user.encode())
    password_fits = hmac.compare_digest(attempt.password.encode(), expected.password.encode())
    if not (user_fits and password_fits):
        raise ClickHouseError.of(
            AUTHENTICATION_FAILED,
            f"{attempt.user}: Authentication failed: password is incorrect, or there is no user with such name.",
        )
