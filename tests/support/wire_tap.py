"""Hears what a client says to a server: a forwarder that keeps the client's bytes."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress
from types import TracebackType

_HOST = "127.0.0.1"


class Tap:
    """Stands on a port of its own before the server's; use as a context manager.

    Attributes:
        port: where clients come in.
        heard: what they have said.
    """

    def __init__(self, to_port: int | str) -> None:
        self._to = (_HOST, int(to_port))
        self._listener = socket.create_server((_HOST, 0))
        self.port: int = self._listener.getsockname()[1]
        self.heard = b""
        self._open: list[socket.socket] = [self._listener]

    def __enter__(self) -> Tap:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
            each.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                server = socket.create_connection(self._to)
                self._open += [client, server]
                threading.Thread(target=self._forward, args=(client, server, True), daemon=True).start()
                threading.Thread(target=self._forward, args=(server, client, False), daemon=True).start()

    def _forward(self, source: socket.socket, target: socket.socket, keep: bool) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                if keep:
                    self.heard += data
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
