"""What the gateway says when it does not do as asked: problem details for HTTP (RFC 9457), as data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from schemas import validation

CONTENT_TYPE = "application/problem+json"


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request, or one event of it, was not taken. Holds none of the event's text.

    Attributes:
        status: of HTTP, 400 to 503.
        code: a short name that does not change, such as `rate_limited`; `type` is made of it.
        detail: what is wrong here, and the mend, in one line.
        fields: what is wrong with which field, for 422.
        retry_after_s: when it is worth trying again; None where trying again does not help.
        more: further members.
    """

    status: int
    code: str
    detail: str
    fields: tuple[validation.Problem, ...] = ()
    retry_after_s: float | None = None
    more: Mapping[str, Any] = field(default_factory=dict)

    def body(self) -> dict[str, Any]:
        """The members of the JSON object."""
        found: dict[str, Any] = {
            "type": f"urn:tradewind:problem:{self.code}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        }
        if self.fields:
            found["fields"] = [
                {"field": each.field, "expected": each.expected, "found": each.found, "mend": each.mend}
                for each in self.fields
            ]
        return found | dict(self.more)

    def headers(self) -> dict[str, str]:
        """Headers that go with it: `WWW-Authenticate`, and `Retry-After` in whole seconds, rounded up."""
        found = {"www-authenticate": "Bearer"} if self.status == HTTPStatus.UNAUTHORIZED else {}
        if self.retry_after_s is not None:
            found["retry-after"] = str(max(1, -int(-self.retry_after_s // 1)))
        return found
