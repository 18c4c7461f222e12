"""Choosing a TCP port to listen on."""

from __future__ import annotations

import socket


def is_free(port: int, host: str) -> bool:
    """Whether a server could listen on (host, port) now."""
    with _listening_socket(host) as sock:
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def choose_port(preferred: int, host: str = "127.0.0.1") -> int:
    """The preferred port where it is free, else one that the system picks; 0 prefers none.

    Nothing keeps another process from taking the port before the caller listens on it. The window is short, and
    whoever loses the race fails to bind with a clear error.

    Raises:
        OSError: `host` is not an address of this machine, or no port is left.
    """
    if preferred and is_free(preferred, host):
        return preferred
    with _listening_socket(host) as sock:
        sock.bind((host, 0))
        port: int = sock.getsockname()[1]
        return port


def _listening_socket(host: str) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_STREAM)
    # As servers do: a port whose last connections linger in TIME_WAIT counts as free.
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    return sock
