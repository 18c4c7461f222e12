"""The whole local stack in one data folder: broker, ClickHouse and schema registry under one supervisor.

The folder holds `clickhouse/` (the tables, kept), `logs/`, and while the stack runs `stack.lock` and `stack.json`:
the endpoints, for whoever wants to connect. Nobody but the owner can read `stack.json`, which has the password.
"""

from __future__ import annotations

import json
import logging
import os
import re
import secrets
import signal
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from pathlib import Path
from types import FrameType
from typing import final
from urllib.parse import quote

import urllib3

from tradewind.stack.broker import broker_spec
from tradewind.stack.clickhouse.auth import PASSWORD_VARIABLE
from tradewind.stack.clickhouse.sql import quote_identifier
from tradewind.stack.endpoints import (
    ENDPOINTS_FILE,
    LOCK_FILE,
    Endpoints,
    StackError,
    read_endpoints,
    write_endpoints,
    write_private,
)
from tradewind.stack.locks import FileLock, LockHeld
from tradewind.stack.ports import choose_port
from tradewind.stack.signals import STOP_SIGNALS
from tradewind.stack.supervisor import ChildExit, ProcessSpec, StartFailed, Supervisor

__all__ = ["Endpoints", "LocalStack", "StackConfig", "StackError", "http_ready", "read_endpoints"]

log = logging.getLogger(__name__)

PASSWORD_FILE = "clickhouse-password"  # noqa: S105
_HTTP_TIMEOUT_S = 1.0
# The ports are chosen before the children listen on them: somebody else may be quicker.
_PORT_ATTEMPTS = 3
_PORT_TAKEN = re.compile(r"address (already )?in use", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class StackConfig:
    """What the local stack runs on. A port is only preferred: where it is taken, or 0, a free one is chosen."""

    data_dir: Path
    host: str = "127.0.0.1"
    kafka_port: int = 0
    clickhouse_port: int = 0
    registry_port: int = 0
    clickhouse_user: str = "tradewind"
    clickhouse_password: str | None = field(default=None, repr=False)
    """None: made once, and kept in the data folder."""
    clickhouse_database: str = "tradewind"
    ready_timeout_s: float = 60.0


@final
class LocalStack:
    """Runs the stack: `with LocalStack(config) as stack: ... stack.endpoints ...`.

    Args:
        config: what to run on.
        on_exit: told of every child that ends by itself, in the supervisor's thread; by default it is logged.
    """

    def __init__(self, config: StackConfig, on_exit: Callable[[ChildExit], None] | None = None) -> None:
        self.config = config
        self._supervisor = Supervisor(on_exit)
        self._lock = FileLock(config.data_dir / LOCK_FILE)
        self._endpoints: Endpoints | None = None

    def __enter__(self) -> LocalStack:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def endpoints(self) -> Endpoints:
        """Where to connect.

        Raises:
            StackError: the stack is not started.
        """
        if self._endpoints is None:
            raise StackError("the local stack is not started; use it in a with block, or call start() first")
        return self._endpoints

    @property
    def log_dir(self) -> Path:
        """The folder of the children's logs."""
        return self.config.data_dir / "logs"

    def start(self) -> None:
        """Starts everything, and returns when all of it serves.

        Raises:
            StackError: another stack holds the data folder, or a child can't start.
        """
        config = self.config
        config.data_dir.mkdir(parents=True, exist_ok=True)
        try:
            self._lock.acquire()
        except LockHeld as error:
            owner = f"process {error.pid}" if error.pid else "another process"
            raise StackError(
                f"a local stack already runs on {config.data_dir} ({owner}); stop it, or set another data folder"
            ) from None
        try:
            self._endpoints = self._start_children()
            self._create_database()
            write_endpoints(config.data_dir, self._endpoints)
        except BaseException:
            self.stop()
            raise
        served = self._endpoints
        log.info(
            "the local stack runs: kafka %s, clickhouse %s, schema registry %s",
            *(served.bootstrap_servers, served.clickhouse_url, served.schema_registry_url),
        )

    def add(self, *specs: ProcessSpec) -> None:
        """Runs further children, such as a worker; they stop before what they were started after.

        Raises:
            StackError: one can't start.
        """
        try:
            self._supervisor.start(*specs)
        except StartFailed as error:
            raise StackError(str(error)) from None

    def announce_gateway(self, url: str) -> None:
        """Writes into the endpoints where a gateway, run as a further child, is reached."""
        self._endpoints = replace(self.endpoints, gateway_url=url)
        write_endpoints(self.config.data_dir, self._endpoints)

    def pids(self) -> dict[str, int]:
        """The process ids of the children that run, by name."""
        return self._supervisor.pids()

    def wait(self, timeout_s: float | None = None) -> bool:
        """Waits until a child is down for good; False where the time passed first."""
        return self._supervisor.wait(timeout_s)

    def run_until_stopped(self) -> bool:
        """Waits for Ctrl-C, SIGTERM or SIGHUP, or for a child that is down for good. Call it in the main thread.

        For the time before and after, while children start and stop, see `signals.signals_as_interrupts`.

        Returns:
            True where it was asked to stop, False where a child is down.
        """
        asked = threading.Event()

        def ask(number: int, _: FrameType | None) -> None:
            log.info("stopping on %s", signal.Signals(number).name)
            asked.set()

        before = {number: signal.signal(number, ask) for number in STOP_SIGNALS}
        try:
            while not asked.is_set():
                if self._supervisor.wait(0.1):
                    return False
            return True
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def stop(self) -> None:
        """Stops the children in reverse order, and removes the lock and the endpoints. Again: does nothing."""
        try:
            self._supervisor.stop()
        finally:
            self._endpoints = None
            if self._lock.held:
                with suppress(FileNotFoundError):
                    (self.config.data_dir / ENDPOINTS_FILE).unlink()
                self._lock.release()

    def _start_children(self) -> Endpoints:
        for attempt in range(1, _PORT_ATTEMPTS + 1):
            endpoints, specs = self._plan()
            try:
                self._supervisor.start(*specs)
            except StartFailed as error:
                if attempt == _PORT_ATTEMPTS or not _PORT_TAKEN.search(str(error)):
                    raise StackError(str(error)) from None
                log.warning("a chosen port was taken meanwhile; choosing anew")
            else:
                return endpoints
        raise AssertionError("unreachable")

    def _plan(self) -> tuple[Endpoints, list[ProcessSpec]]:
        config, host = self.config, self.config.host
        kafka, clickhouse, registry = (
            choose_port(port, host) for port in (config.kafka_port, config.clickhouse_port, config.registry_port)
        )
        shown = f"[{host}]" if ":" in host else host
        user, password = config.clickhouse_user, self._password()
        account = f"{quote(user, safe='')}:{quote(password, safe='')}"
        endpoints = Endpoints(
            bootstrap_servers=f"{shown}:{kafka}",
            clickhouse_url=f"http://{shown}:{clickhouse}",
            clickhouse_user=user,
            clickhouse_password=password,
            clickhouse_database=config.clickhouse_database,
            clickhouse_dsn=f"http://{account}@{shown}:{clickhouse}/{quote(config.clickhouse_database, safe='')}",
            schema_registry_url=f"http://{shown}:{registry}",
            pid=os.getpid(),
            started_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
        )
        about = {name: getattr(endpoints, name) for name in ("bootstrap_servers", "clickhouse_url", "started_at")}
        module = (sys.executable, "-m")
        specs = [
            # Its messages end with it: another start is another cluster.
            broker_spec(host, kafka, self.log_dir / "broker.log", f"tradewind-{secrets.token_hex(4)}"),
            ProcessSpec(
                name="clickhouse",
                argv=(
                    *(*module, "tradewind.stack.clickhouse"),
                    *("--path", str(config.data_dir / "clickhouse"), "--host", host),
                    *("--port", str(clickhouse), "--user", user),
                ),
                env={PASSWORD_VARIABLE: password},
                log=self.log_dir / "clickhouse.log",
                ready=http_ready(f"{endpoints.clickhouse_url}/ping"),
                ready_timeout_s=config.ready_timeout_s,
            ),
            ProcessSpec(
                name="registry",
                argv=(
                    *(*module, "tradewind.stack.registry"),
                    *("--host", host, "--port", str(registry), "--about", json.dumps(about)),
                ),
                log=self.log_dir / "registry.log",
                ready=http_ready(f"{endpoints.schema_registry_url}/subjects"),
                ready_timeout_s=config.ready_timeout_s,
            ),
        ]
        return endpoints, specs

    def _password(self) -> str:
        if self.config.clickhouse_password is not None:
            return self.config.clickhouse_password
        path = self.config.data_dir / PASSWORD_FILE
        with suppress(FileNotFoundError):
            if password := path.read_text().strip():
                return password
        password = secrets.token_urlsafe(24)
        write_private(path, password + "\n")
        return password

    def _create_database(self) -> None:
        endpoints = self.endpoints
        response = urllib3.request(
            "POST",
            endpoints.clickhouse_url,
            body=f"CREATE DATABASE IF NOT EXISTS {quote_identifier(endpoints.clickhouse_database)}",
            headers=urllib3.make_headers(basic_auth=f"{endpoints.clickhouse_user}:{endpoints.clickhouse_password}"),
            timeout=self.config.ready_timeout_s,
        )
        if response.status != 200:
            raise StackError(f"can't create the database {endpoints.clickhouse_database}: {response.data.decode()}")


def http_ready(url: str) -> Callable[[], str | None]:
    """A check that is ready when `url` answers 200."""

    def check() -> str | None:
        try:
            response = urllib3.request("GET", url, timeout=_HTTP_TIMEOUT_S, retries=False)
        except urllib3.exceptions.HTTPError:
            return f"an answer of {url}"
        return None if response.status == 200 else f"{url}, which answers {response.status}"

    return check
