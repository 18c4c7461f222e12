"""ClickHouse's HTTP interface as an aiohttp application over one `Engine`.

The event loop reads and writes sockets; every call into the engine runs in a pool of threads, where the engine
works outside of Python's global lock. An insert's body goes to the engine as it arrives, untouched.
"""

from __future__ import annotations

import asyncio
import json
import logging
import secrets
import socket
import time
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from http import HTTPStatus
from typing import TypeVar

from aiohttp import hdrs, web

from tradewind.stack.clickhouse import sql
from tradewind.stack.clickhouse.auth import Credentials, certified, check, presented
from tradewind.stack.clickhouse.body import gather, is_form, read_body, read_form
from tradewind.stack.clickhouse.encoding import Compressor, NoCompressor, compressor, pack
from tradewind.stack.clickhouse.engine import Engine, Statistics
from tradewind.stack.clickhouse.errors import AUTHENTICATION_FAILED, QUERY_IS_TOO_LARGE, SYNTAX_ERROR, ClickHouseError
from tradewind.stack.clickhouse.exchange import Exchange
from tradewind.stack.clickhouse.request import DEFAULT_FORMAT, NO_FORM, Query, read_query
from tradewind.stack.clickhouse.sessions import Session, Sessions

log = logging.getLogger(__name__)

T = TypeVar("T")

# An INSERT must name its format within this much of the body: the engine's default max_query_size.
_HEAD_BYTES = 262_144
# A statement without data is read whole, up to here.
_MAX_STATEMENT_BYTES = 64 * 1024 * 1024
# The formats whose blocks, one after the other, make a valid whole: those without a head and a foot.
_STREAMABLE = frozenset(("Native", "TabSeparated", "TSV", "CSV", "JSONEachRow", "RowBinary"))


class ClickHouseServer:
    """Answers ClickHouse's HTTP requests from an engine.

    Args:
        engine: open, and left open by `close`.
        credentials: of the one user there is.
        threads: how many engine calls may run at once.
    """

    def __init__(self, engine: Engine, credentials: Credentials, threads: int) -> None:
        self._engine = engine
        self._credentials = credentials
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="engine")
        self._sessions = Sessions(time.monotonic)
        self._name = socket.gethostname()

    def application(self) -> web.Application:
        """The application; run it with `auto_decompress=False` and `handler_cancellation=True`."""
        app = web.Application()
        app.router.add_route("GET", "/ping", _ok)
        app.router.add_route("GET", "/replicas_status", _ok)
        app.router.add_route("*", "/", self._root)
        return app

    def close(self) -> None:
        """Ends the sessions and the engine's threads. Call it when no request runs any more."""
        self._pool.shutdown(wait=True)
        self._sessions.close()

    async def _root(self, request: web.Request) -> web.StreamResponse:
        if request.method in ("GET", "HEAD") and "query" not in request.query:
            return await _ok(request)
        if request.method not in ("GET", "HEAD", "POST"):
            raise web.HTTPMethodNotAllowed(request.method, ("GET", "HEAD", "POST"))
        query: Query | None = None
        try:
            certificate = request.transport.get_extra_info("peercert") if request.transport else None
            if not certified(request.headers, certificate, self._credentials):
                check(presented(request.headers, request.query), self._credentials)
            form = await read_form(request) if is_form(request) else NO_FORM
            query = read_query(request.method, request.headers, request.query, form)
            if (named := query.session) is None:
                return await self._answer(request, query, None)
            session = self._sessions.acquire(named.id, named.timeout_s, named.must_exist)
            try:
                return await self._answer(request, query, session)
            finally:
                self._sessions.release(session)
        except ClickHouseError as error:
            return self._failure(request, query, error)

    async def _answer(self, request: web.Request, query: Query, session: Session | None) -> web.StreamResponse:
        body = read_body(request)
        head = await gather(body, query.text.encode() + (b"\n" if query.text else b""), _HEAD_BYTES)
        try:
            insert = sql.split_insert(head)
            if insert is None:
                head = await gather(body, head, _MAX_STATEMENT_BYTES)
            text = head.decode() if insert is None else insert.statement
        except UnicodeDecodeError as error:
            raise ClickHouseError.of(SYNTAX_ERROR, f"The statement is not UTF-8: {error.reason}") from None
        if insert is None and len(head) >= _MAX_STATEMENT_BYTES:
            raise ClickHouseError.of(QUERY_IS_TOO_LARGE, f"The statement exceeds {_MAX_STATEMENT_BYTES} bytes")
        exchange = Exchange(query, text, session)
        try:
            if insert is not None:
                await self._run(exchange.open, self._engine, insert.format)
                await self._run(exchange.begin_insert, insert)
                return await self._insert(exchange, head[insert.data_start :], body)
            await self._run(exchange.open, self._engine)
            output = sql.output_format(head) or query.default_format
            streams = sql.first_word(head) in ("SELECT", "WITH", "FROM") and output in _STREAMABLE
            if streams and not query.wait_end and request.method != "HEAD":
                return await self._stream(request, exchange, output)
            return await self._whole(exchange, output)
        finally:
            await self._run(exchange.close)

    async def _insert(self, exchange: Exchange, first: bytes, body: AsyncIterator[bytes]) -> web.Response:
        exchange.append(first)
        async for chunk in body:
            exchange.append(chunk)
        statistics = await self._run(exchange.finish_insert)
        return web.Response(headers=self._headers(exchange.query, None, statistics))

    async def _whole(self, exchange: Exchange, output: str) -> web.Response:
        """Answers when the statement is done."""
        query = exchange.query
        answer, statistics = await self._run(exchange.run, kill=query.id if query.kill_on_disconnect else None)
        has_result = exchange.kind == "READ_ONLY" or bool(answer)
        response = web.Response(headers=self._headers(query, output if has_result else None, statistics))
        if query.coding is not None and answer:
            answer = await self._run(pack, query.coding, answer)
            response.headers[hdrs.CONTENT_ENCODING] = query.coding
        response.body = answer
        return response

    async def _stream(self, request: web.Request, exchange: Exchange, output: str) -> web.StreamResponse:
        """Answers block by block, as the engine makes them."""
        query = exchange.query
        kill = query.id if query.kill_on_disconnect else None
        # Most errors come before the first block: they still get a status of their own.
        block = await self._run(exchange.next_block, kill=kill)
        response = web.StreamResponse(headers=self._headers(query, output, block[1] if block else Statistics()))
        tag = response.headers["X-ClickHouse-Exception-Tag"] = secrets.token_hex(8)
        packer: Compressor = NoCompressor()
        if query.coding is not None:
            packer = compressor(query.coding)
            response.headers[hdrs.CONTENT_ENCODING] = query.coding
        await response.prepare(request)
        try:
            while block is not None:
                await response.write(await self._run(packer.compress, block[0]))
                block = await self._run(exchange.next_block, kill=kill)
        except ClickHouseError as error:
            self._log_failure(query, error)
            framed = _exception_block(error.body(self._engine.version), tag)
            await response.write(packer.compress(framed) + packer.flush())
            if request.transport is not None:
                # As ClickHouse does: no last chunk, so that a client which knows no tag sees a broken answer.
                request.transport.close()
            return response
        await response.write(packer.flush())
        await response.write_eof()
        return response

    def _failure(self, request: web.Request, query: Query | None, error: ClickHouseError) -> web.Response:
        self._log_failure(query, error)
        status = error.status
        headers = self._headers(query, None, None)
        headers["X-ClickHouse-Exception-Code"] = str(error.code)
        headers[hdrs.CONTENT_TYPE] = "text/plain; charset=UTF-8"
        if error.code == AUTHENTICATION_FAILED and presented(request.headers, request.query) is None:
            status = HTTPStatus.UNAUTHORIZED  # so that a browser asks for them
            headers[hdrs.WWW_AUTHENTICATE] = 'Basic realm="ClickHouse server HTTP API"'
        response = web.Response(status=status, headers=headers, body=error.body(self._engine.version))
        if not request.content.at_eof():
            response.force_close()  # the rest of the body would be read as the next request
        return response

    def _log_failure(self, query: Query | None, error: ClickHouseError) -> None:
        # Never the statement or the error's text: they hold data.
        log.info("query failed: id=%s code=%d", query.id if query else "-", error.code)

    def _headers(self, query: Query | None, output: str | None, statistics: Statistics | None) -> dict[str, str]:
        headers = {
            "X-ClickHouse-Server-Display-Name": self._name,
            "X-ClickHouse-Timezone": self._engine.timezone,
            hdrs.CONTENT_TYPE: self._engine.content_type(output or DEFAULT_FORMAT),
        }
        if query is not None:
            headers["X-ClickHouse-Query-Id"] = query.id
        if output is not None:
            headers["X-ClickHouse-Format"] = output
        if statistics is not None:
            headers["X-ClickHouse-Summary"] = json.dumps(statistics.summary(), separators=(",", ":"))
        return headers

    async def _run(self, call: Callable[..., T], *args: object, kill: str | None = None) -> T:
        """Runs a call in the pool, and to its end even where the client leaves: the engine can't be let go midway.

        Args:
            kill: the id of the query to stop where the client leaves.
        """
        future = asyncio.get_running_loop().run_in_executor(self._pool, call, *args)
        try:
            return await asyncio.shield(future)
        except asyncio.CancelledError:
            if kill is not None:
                await asyncio.to_thread(self._engine.kill, kill)
            with suppress(ClickHouseError):  # nobody is left to tell
                await future
            raise


async def _ok(_: web.Request) -> web.Response:
    return web.Response(text="Ok.\n", content_type="text/html")


def _exception_block(body: bytes, tag: str) -> bytes:
    """An error in the midst of an answer, framed as ClickHouse does since 25.11: clients can tell it from data."""
    marker, tagged = b"__exception__", tag.encode()
    return b"\r\n".join((b"", marker, tagged, body + b"%d " % len(body) + tagged, marker, b""))
