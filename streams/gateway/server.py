"""Granian around the application, in an event loop of ours: HTTP/1.1, HTTP/2 and WebSocket on one port.

Its embedded form and not its supervisor, which would run the application in a child process: the loop, the signals and
the end are this process's own. docs/decisions.md has what was measured.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

if TYPE_CHECKING:
    from granian.server.embed import Server as Granian

    from streams.gateway.app import ASGIApp

#: Connections that wait to be accepted: a thousand devices may come back at once when a link does.
_BACKLOG = 4096
#: HTTP/2: streams of one connection, and bytes of one request's head. What they ask for together stays small.
_H2_STREAMS, _HEAD_BYTES = 256, 64 * 1024
_HEAD_READ_MS = 15_000
#: Requests that the application works on at once; beyond these, connections wait.
_BACKPRESSURE = 100_000
_LOOK_S = 0.02


class ServerError(Exception):
    """The server can't run as the settings say; the message names the setting."""


@dataclass(frozen=True, slots=True)
class Address:
    """Where to listen, and with which certificate.

    Attributes:
        certificate, key: files in PEM form; None for plain HTTP.
    """

    host: str
    port: int
    certificate: Path | None = None
    key: Path | None = None

    @property
    def url(self) -> str:
        """As a client writes it."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.certificate else 'http'}://{host}:{self.port}"


def check_address(address: Address) -> None:
    """See that a server could listen there.

    Raises:
        ServerError: what is wrong, with its setting.
    """
    try:
        family = socket.AF_INET6 if ":" in address.host else socket.AF_INET
        with socket.socket(family, socket.SOCK_STREAM) as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind((address.host, address.port))
    except (OSError, OverflowError) as error:
        why = getattr(error, "strerror", None) or type(error).__name__
        raise ServerError(
            f"can't listen on {address.host} port {address.port} ({why}); "
            "set TRADEWIND_GATEWAY_HOST and TRADEWIND_GATEWAY_PORT to an address that is free"
        ) from error
    if address.certificate is None:
        if address.key is not None:
            raise ServerError("TRADEWIND_GATEWAY_KEY is set; set TRADEWIND_GATEWAY_CERTIFICATE too")
        return
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(address.certificate, address.key, password="")
    except (OSError, ValueError) as error:
        raise ServerError(
            f"TRADEWIND_GATEWAY_CERTIFICATE, TRADEWIND_GATEWAY_KEY: {address.certificate} with "
            f"{address.key or 'no key'} can't be used; give a certificate in PEM form and its own key, which no "
            "password protects"
        ) from error


@final
class Server:
    """The server, which runs until it is told to stop."""

    def __init__(self, app: ASGIApp, address: Address) -> None:
        from granian.constants import HTTPModes, Interfaces, SSLProtocols
        from granian.http import HTTP1Settings, HTTP2Settings
        from granian.server.embed import Server as Granian

        self._address = address
        self._granian: Granian = Granian(
            app,
            address=address.host,
            port=address.port,
            interface=Interfaces.ASGINL,
            http=HTTPModes.auto,
            http1_settings=HTTP1Settings(header_read_timeout=_HEAD_READ_MS, max_buffer_size=_HEAD_BYTES),
            http2_settings=HTTP2Settings(max_concurrent_streams=_H2_STREAMS, max_headers_size=_HEAD_BYTES),
            backlog=_BACKLOG,
            backpressure=_BACKPRESSURE,
            log_enabled=False,
            ssl_cert=address.certificate,
            # A key may stand in the certificate's file.
            ssl_key=(address.key or address.certificate) if address.certificate else None,
            ssl_protocol_min=SSLProtocols.tls12,
        )

    async def run(self, stop: asyncio.Event, on_listening: Callable[[], object] = lambda: None) -> None:
        """Serve until the event is set; then take no more, and finish what has begun.

        Args:
            on_listening: called once, when connections are accepted.
        """
        serving = asyncio.create_task(self._granian.serve())
        stopping = asyncio.create_task(stop.wait())
        try:
            while not serving.done() and not await self._listens():  # noqa: ASYNC110 - it has no event to wait for
                await asyncio.sleep(_LOOK_S)
            on_listening()
            await asyncio.wait((serving, stopping), return_when=asyncio.FIRST_COMPLETED)
            if not serving.done():
                self._granian.stop()  # type: ignore[no-untyped-call]
            await serving
        finally:
            stopping.cancel()

    async def _listens(self) -> bool:
        try:
            _, writer = await asyncio.open_connection(self._address.host, self._address.port)
        except OSError:
            return False
        writer.close()
        return True
