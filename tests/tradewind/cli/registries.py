"""Schema registries on real ports: one that only reads, from a folder, and one that can be written."""

from __future__ import annotations

import asyncio
import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from aiohttp import web

from schemas.registry import CommittedRegistry
from tradewind.stack.registry import make_app


def committed_folder(folder: Path, schemas: dict[str, list[str]]) -> Path:
    """A folder with versions of subjects, the oldest first, in the form that `CommittedRegistry` reads."""
    index = []
    for subject, texts in schemas.items():
        for version, text in enumerate(texts, 1):
            index.append({"id": len(index) + 1, "subject": subject, "version": version})
            (folder / f"{len(index)}.avsc").write_text(text, encoding="utf-8")
    (folder / "ids.json").write_text(json.dumps(index))
    return folder


@contextmanager
def read_only(folder: Path | None, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    """The local stack's registry over a folder, or over our own schemas; gives its URL."""
    with _served(make_app(CommittedRegistry(folder)), tls) as url:
        yield url


@contextmanager
def answering(status: int, body: str) -> Iterator[str]:
    """Something that gives the same answer to everything; gives its URL."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body, content_type="text/html" if "<" in body else "application/json")

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    with _served(app) as url:
        yield url


@contextmanager
def writable(schemas: dict[str, list[str]]) -> Iterator[str]:
    """A registry that takes schemas into `schemas`, by subject; ids start at 101 to differ from ours. Gives its URL."""
    ids: list[str] = []
    for texts in schemas.values():
        ids += texts

    def number(text: str) -> int:
        if text not in ids:
            ids.append(text)
        return 101 + ids.index(text)

    def missing(code: int) -> web.Response:
        return web.json_response({"error_code": code, "message": "not found"}, status=404)

    def entry(subject: str, version: int) -> web.Response:
        text = schemas[subject][version - 1]
        return web.json_response({"subject": subject, "version": version, "id": number(text), "schema": text})

    async def versions(request: web.Request) -> web.Response:
        subject = request.match_info["subject"]
        found = range(1, len(schemas.get(subject, ())) + 1)
        return web.json_response(list(found)) if found else missing(40401)

    async def version(request: web.Request) -> web.Response:
        return entry(request.match_info["subject"], int(request.match_info["version"]))

    async def register(request: web.Request) -> web.Response:
        text = (await request.json())["schema"]
        schemas.setdefault(request.match_info["subject"], []).append(text)
        return web.json_response({"id": number(text)})

    async def configure(request: web.Request) -> web.Response:
        return web.json_response(await request.json())

    async def mode(_: web.Request) -> web.Response:
        return web.json_response({"mode": "READWRITE"})

    app = web.Application()
    app.add_routes(
        [
            web.get("/mode", mode),
            web.put("/config/{subject}", configure),
            web.get("/subjects/{subject}/versions", versions),
            web.get("/subjects/{subject}/versions/{version}", version),
            web.post("/subjects/{subject}/versions", register),
        ]
    )
    with _served(app) as url:
        yield url


@contextmanager
def _served(app: web.Application, tls: ssl.SSLContext | None = None) -> Iterator[str]:
    loop = asyncio.new_event_loop()
    runner = web.AppRunner(app)
    loop.run_until_complete(runner.setup())
    site = web.TCPSite(runner, "127.0.0.1", 0, ssl_context=tls)
    loop.run_until_complete(site.start())
    port = runner.addresses[0][1]
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()
    try:
        yield f"{'http' if tls is None else 'https'}://127.0.0.1:{port}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(runner.cleanup())
        loop.close()
