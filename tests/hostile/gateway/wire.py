"""Bytes to the gateway and what comes back, on a connection of their own: nothing here mends what was asked for."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

#: Nothing may take longer; slow bodies, which are meant to, wait for the gateway's own limit.
PATIENCE_S = 30.0
#: Of a stream, which has no end, so many bytes are looked at.
_LOOKED_AT = 64 * 1024


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back; status 0 where the connection was closed without a word."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Everything in it, for a search."""
        return (
            "\n".join(f"{name}: {value}" for name, value in self.headers.items()) + "\n" + self.body.decode("latin-1")
        )

    def json(self) -> Any:
        """Its body."""
        return json.loads(self.body)


def request(
    method: str,
    path: str,
    headers: Mapping[str, str] | None = None,
    body: bytes = b"",
    *,
    length: bool = True,
) -> bytes:
    """A request of HTTP/1.1 as it goes over the wire."""
    lines = [f"{method} {path} HTTP/1.1", "Host: gateway", "Connection: close"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if length:
        lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join(lines).encode("latin-1", "surrogateescape") + b"\r\n\r\n" + body


def exchange(address: tuple[str, int], raw: bytes, *, stream: bool = False) -> Answer:
    """Send the bytes as they are and read one answer.

    Args:
        stream: the answer has no end; its beginning will do.

    Raises:
        TimeoutError: nothing came, and the connection stayed open.
    """
    with socket.create_connection(address, timeout=PATIENCE_S) as sock:
        # Who is refused may be refused, and the connection closed, before everything is sent.
        with suppress(BrokenPipeError, ConnectionResetError):
            sock.sendall(raw)
        return read_answer(sock, stream=stream)


def read_answer(sock: socket.socket, *, stream: bool = False) -> Answer:
    """Likewise, of what was sent already."""
    response = http.client.HTTPResponse(sock)
    try:
        response.begin()
        body = response.read1(_LOOKED_AT) if stream and response.status == 200 else response.read()
    except (http.client.HTTPException, ConnectionError):
        return Answer(0, {}, b"")
    finally:
        response.close()
    return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, body)
