"""Where a running local stack is reached: the file that it writes for whoever wants to connect."""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

from tradewind.stack.locks import is_held

LOCK_FILE = "stack.lock"
ENDPOINTS_FILE = "stack.json"


class StackError(RuntimeError):
    """The stack can't run, or can't be reached; the message says why and what to do."""


@dataclass(frozen=True, slots=True)
class Endpoints:
    """Where a running stack is reached; `started_at` is ISO 8601 in UTC, `gateway_url` None where no gateway runs."""

    bootstrap_servers: str
    clickhouse_url: str
    clickhouse_user: str
    clickhouse_password: str = field(repr=False)
    clickhouse_database: str
    clickhouse_dsn: str = field(repr=False)
    schema_registry_url: str
    pid: int
    started_at: str
    gateway_url: str | None = None


def write_endpoints(data_dir: Path, endpoints: Endpoints) -> None:
    """Writes the file that `read_endpoints` reads."""
    write_private(data_dir / ENDPOINTS_FILE, json.dumps(asdict(endpoints), indent=2) + "\n")


def read_endpoints(data_dir: Path) -> Endpoints | None:
    """The endpoints of the stack that runs on a data folder; None where none does, whatever one left behind.

    Raises:
        StackError: a stack runs, and its endpoints are not (yet) written, or not for this user to read.
    """
    path = data_dir / ENDPOINTS_FILE
    if not is_held(data_dir / LOCK_FILE):
        return None
    try:
        return Endpoints(**json.loads(path.read_text()))
    except FileNotFoundError:
        raise StackError(f"the local stack on {data_dir} is starting or stopping; try again in a moment") from None
    except (OSError, TypeError, ValueError) as error:
        raise StackError(f"can't read {path}: {error}") from None


def write_private(path: Path, text: str) -> None:
    """Writes a file that only its owner can read, all at once."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    temporary.unlink(missing_ok=True)
    fd = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(fd, "w") as file:
        file.write(text)
    temporary.replace(path)
