"""`/healthz` and `/readyz`, beside `/metrics` on the same port: thin, for what is decided elsewhere.

200 where all is well, else 503; always JSON, with a reason for each check that fails.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable
from socket import AF_INET, AF_INET6
from socketserver import ThreadingMixIn
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from prometheus_client import REGISTRY, CollectorRegistry, make_wsgi_app

#: By check: why it fails, or None where all is well.
Ask = Callable[[], dict[str, str | None]]

_JSON = (("Content-Type", "application/json; charset=utf-8"), ("Cache-Control", "no-store"))


class Health:
    """Whom to ask about this process. Until `watch` is called it is alive, and not ready for the reason given."""

    def __init__(self, starting: str) -> None:
        self.live: Ask = dict
        self.ready: Ask = lambda: {"running": starting}

    def watch(self, live: Ask, ready: Ask) -> None:
        """Ask these from now on; they are called by other threads."""
        self.live, self.ready = live, ready


def stuck(health: Health) -> str | None:
    """Why the process should be started anew, in one line; None where it should not."""
    reasons = [why for why in health.live().values() if why is not None]
    return "; ".join(reasons) or None


def serve(
    health: Health, host: str, port: int, registry: CollectorRegistry = REGISTRY
) -> tuple[WSGIServer, threading.Thread]:
    """Serve the two paths, and metrics on every other, from a thread; port 0 is any free one.

    Made here and not by `prometheus_client`, whose server would answer with metrics, and so with 200, to whoever asks
    before the two paths are added to it.
    """
    server_class = type("_Server", (_Server,), {"address_family": AF_INET6 if ":" in host else AF_INET})
    server: WSGIServer = make_server(host, port, _application(health, make_wsgi_app(registry)), server_class, _Silent)
    thread = threading.Thread(target=server.serve_forever, name="metrics", daemon=True)
    thread.start()
    return server, thread


def _application(health: Health, metrics: Any) -> Any:
    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        ask = {"/healthz": health.live, "/readyz": health.ready}.get(environ.get("PATH_INFO", ""))
        if ask is None:
            return metrics(environ, start_response)  # type: ignore[no-any-return]
        found = ask()
        well = all(why is None for why in found.values())
        start_response("200 OK" if well else "503 Service Unavailable", list(_JSON))  # the server adds to it
        checks = {name: {"ok": why is None} | ({} if why is None else {"why": why}) for name, why in found.items()}
        return [json.dumps({"ok": well, "checks": checks}).encode() + b"\n"]

    return answer


class _Server(ThreadingMixIn, WSGIServer):
    daemon_threads = True


class _Silent(WSGIRequestHandler):
    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - its name
        """Probes come every few seconds; nobody wants to read of each."""
