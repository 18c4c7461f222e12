"""`/healthz` and `/readyz`, beside `/metrics` on the same port: thin, for what is decided elsewhere.

200 where all is well, else 503; always JSON, with a reason for each check that fails.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any
from wsgiref.simple_server import WSGIServer

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


def add_health(server: WSGIServer, health: Health) -> None:
    """Answer for the two paths, and leave the others to the application that the server has."""
    others: Any = server.get_app()

    def answer(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
        ask = {"/healthz": health.live, "/readyz": health.ready}.get(environ.get("PATH_INFO", ""))
        if ask is None:
            return others(environ, start_response)  # type: ignore[no-any-return]
        found = ask()
        well = all(why is None for why in found.values())
        start_response("200 OK" if well else "503 Service Unavailable", list(_JSON))  # the server adds to it
        checks = {name: {"ok": why is None} | ({} if why is None else {"why": why}) for name, why in found.items()}
        return [json.dumps({"ok": well, "checks": checks}).encode() + b"\n"]

    server.set_app(answer)
