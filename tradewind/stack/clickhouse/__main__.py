"""The process of the embedded ClickHouse server; see the package for its command line."""

from __future__ import annotations

import argparse
import asyncio
import logging
import os
import signal
import ssl
import sys
from pathlib import Path

from aiohttp import web

from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE, Credentials
from tradewind.stack.clickhouse.engine import Engine
from tradewind.stack.clickhouse.errors import ClickHouseError
from tradewind.stack.clickhouse.server import ClickHouseServer
from tradewind.stack.locks import FileLock, LockHeld

LOCK_FILE = "server.lock"
_KILLED_S = 2.0  # for queries to end that are killed when the grace is over
_MAX_URL_BYTES = 1024 * 1024  # ClickHouse's http_max_uri_size

log = logging.getLogger("tradewind.stack.clickhouse")


def main(argv: list[str] | None = None) -> int:
    """Serves until SIGTERM or SIGINT; returns the exit status."""
    options = _parser().parse_args(argv)
    logging.basicConfig(level=logging.INFO, stream=sys.stderr, format="%(asctime)s %(levelname)s %(message)s")
    try:
        password = _password(options.password_file)
        tls = _tls(options)
        options.path.mkdir(parents=True, exist_ok=True)
        lock = FileLock(options.path / LOCK_FILE)
        lock.acquire()
    except LockHeld as error:
        owner = f"process {error.pid}" if error.pid else "another process"
        return _refuse(f"{options.path} is in use by {owner}; stop it, or give another --path")
    except (OSError, ValueError) as error:
        return _refuse(str(error))
    try:
        engine = Engine(options.path, options.memory_ratio)
    except ClickHouseError as error:
        lock.release()
        return _refuse(f"the engine can't open {options.path}: {error.text}")
    try:
        asyncio.run(_serve(engine, Credentials(options.user, password), options, tls))
    except OSError as error:
        return _refuse(f"can't listen on {options.host}:{options.port}: {error.strerror}")
    finally:
        engine.close()
        lock.release()
    log.info("stopped")
    return 0


async def _serve(
    engine: Engine, credentials: Credentials, options: argparse.Namespace, tls: ssl.SSLContext | None
) -> None:
    server = ClickHouseServer(engine, credentials, options.threads)
    runner = web.AppRunner(
        server.application(),
        access_log=None,
        shutdown_timeout=options.grace + _KILLED_S,
        auto_decompress=False,  # the bodies' encodings are ours to unpack
        handler_cancellation=True,  # a query stops when its client leaves
        max_line_size=_MAX_URL_BYTES,
        read_bufsize=_MAX_URL_BYTES,
    )
    await runner.setup()
    killing: asyncio.TimerHandle | None = None
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    try:
        site = web.TCPSite(runner, options.host, options.port, ssl_context=tls)
        await site.start()
        log.info("ClickHouse %s listens on %s:%d, path=%s", engine.version, options.host, options.port, options.path)
        await stop.wait()
        log.info("stopping: running queries have %.0f s", options.grace)
        killing = asyncio.get_running_loop().call_later(options.grace, engine.kill_all)
    finally:
        await runner.cleanup()
        if killing is not None:
            killing.cancel()
        server.close()


def _password(path: Path | None) -> str:
    password = path.read_text().rstrip("\n") if path is not None else os.environ.get(PASSWORD_VARIABLE, "")
    if not password:
        raise ValueError(f"no password: give a --password-file that isn't empty, or set {PASSWORD_VARIABLE}")
    return password


def _tls(options: argparse.Namespace) -> ssl.SSLContext | None:
    if options.certificate is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(options.certificate, options.key)
    if options.client_ca is not None:
        context.load_verify_locations(options.client_ca)
        context.verify_mode = ssl.CERT_REQUIRED
    return context


def _refuse(reason: str) -> int:
    log.error("not started: %s", reason)
    return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tradewind.stack.clickhouse", description=__doc__)
    parser.add_argument("--path", type=Path, required=True, help="the data folder; made if missing")
    parser.add_argument("--host", default="127.0.0.1", help="the address to listen on (%(default)s)")
    parser.add_argument("--port", type=int, required=True, help="the HTTP port to listen on")
    parser.add_argument("--user", default="default", help="the one user's name (%(default)s)")
    parser.add_argument("--password-file", type=Path, help=f"holds the password; else ${PASSWORD_VARIABLE} does")
    parser.add_argument("--certificate", type=Path, help="chain of the server's certificate; then it speaks HTTPS only")
    parser.add_argument("--key", type=Path, help="its key, where the chain's file has none")
    parser.add_argument("--client-ca", type=Path, help="authorities whose certificate a client must have")
    parser.add_argument("--threads", type=int, default=16, help="engine calls at the same time (%(default)s)")
    parser.add_argument("--memory-ratio", type=float, default=0.5, help="share of the memory to use (%(default)s)")
    parser.add_argument("--grace", type=float, default=5.0, help="seconds for running queries to end (%(default)s)")
    return parser


if __name__ == "__main__":
    sys.exit(main())
