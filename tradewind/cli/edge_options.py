"""What the commands of `tradewind edge` are given: address, key, files; and what is wrong with them."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Optional
from urllib.parse import urlsplit

from tradewind.cli.shared import Exit, err, fail

if TYPE_CHECKING:
    import ssl

    from schemas.topics import Topic
    from tradewind.settings import Settings

#: Settings' names, for what a person is told.
KEY_VARIABLE, URL_VARIABLE = "TRADEWIND_EDGE_KEY", "TRADEWIND_EDGE_URL"


def address_of(settings: Settings, url: Optional[str]) -> str:
    """The gateway that is meant."""
    if found := url or settings.edge_url:
        host = urlsplit(found).hostname or ""
        if found.startswith("http://") and not host.startswith("127.") and host not in ("localhost", "::1"):
            tell("warning: http:// and another machine: whoever is on the way can read the key; use https://")
        return found
    return settings.gateway_url


def key_of(settings: Settings, key_file: Optional[Path]) -> str:
    """The key; never an argument, for everybody on the machine can read those."""
    if key_file is not None:
        try:
            text = key_file.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            why = error.strerror if isinstance(error, OSError) else "not UTF-8 text"
            fail(f"{key_file}: {why}; give the file that holds the key", Exit.USAGE)
    else:
        text = settings.edge_key.get_secret_value().strip() if settings.edge_key else ""
    if not text:
        fail(f"no API key; set {KEY_VARIABLE} or give --key-file (tradewind keys create makes one)", Exit.USAGE)
    if len(text.split()) > 1 or not text.isascii() or not text.isprintable():
        fail("the API key: expected one word like tw_ID_SECRET, and nothing else", Exit.USAGE)
    return text


def trust_of(ca: Optional[Path]) -> ssl.SSLContext | None:
    """Whom to trust; None: the system's authorities."""
    if ca is None:
        return None
    import ssl

    try:
        return ssl.create_default_context(cafile=str(ca))
    except (OSError, ssl.SSLError) as error:
        fail(f"--ca {ca}: no certificates can be read from it ({error}); give a PEM file", Exit.USAGE)


def queue_of(settings: Settings, queue: Optional[Path], name: str) -> Path:
    """The queue's file."""
    if queue is not None:
        return queue
    settings.data_dir.mkdir(parents=True, exist_ok=True)
    return settings.data_dir / name


def own(source: BinaryIO) -> BinaryIO:
    """Standard input under another name: a thread may still read at the end, and Python wants the first one's lock."""
    try:
        return os.fdopen(os.dup(source.fileno()), "rb")
    except (OSError, AttributeError):  # it is no file, as in a test
        return source


def rows_of(file: str, source: Any, file_format: str, topic: Topic, on_bytes: Any) -> Any:
    """The rows of a file in its format."""
    from tradewind.publish import UnknownFormat, detect, rows_csv, rows_jsonl

    if file_format not in ("auto", "jsonl", "csv"):
        fail(f"--format {file_format}: expected jsonl, csv or auto", Exit.USAGE)
    chosen = "jsonl" if file_format == "auto" and file == "-" else file_format
    if chosen == "auto":
        try:
            chosen = detect(Path(file))
        except UnknownFormat as error:
            fail(str(error), Exit.USAGE)
    if chosen == "shopify":
        fail("a Shopify export goes by tradewind publish; a device sends JSON lines or CSV", Exit.USAGE)
    return (
        rows_csv(source, topic, on_progress=on_bytes) if chosen == "csv" else rows_jsonl(source, on_progress=on_bytes)
    )


def tell(text: str) -> None:
    """A line on standard error."""
    from tradewind.cli.text import printable

    err.print(printable(text), markup=False, soft_wrap=True)
