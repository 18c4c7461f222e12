"""`tradewind publish`: a file's rows onto a topic."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import datetime, timezone
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Optional

import typer

from tradewind.cli.files import opened, progress
from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, fail, load_settings

if TYPE_CHECKING:
    from schemas.topics import Topic
    from tradewind.cli.publish_report import End, Report
    from tradewind.publish import Row, Shop
    from tradewind.settings import Settings


class FileFormat(str, Enum):
    """What `--format` takes."""

    AUTO = "auto"
    JSONL = "jsonl"
    CSV = "csv"
    SHOPIFY = "shopify"


def publish(
    topic: str = typer.Argument(help="Topic, such as orders.v1 or orders."),
    file: str = typer.Argument(help="File with one event a row; - reads standard input."),
    file_format: FileFormat = typer.Option(FileFormat.AUTO, "--format", help="Format of the file."),
    merchant: Optional[str] = typer.Option(None, help="Shopify: seller of all listings of the file."),
    currency: Optional[str] = typer.Option(None, help="Shopify: currency of the prices, such as EUR."),
    language: Optional[str] = typer.Option(None, help="Shopify: language of the texts, such as en."),
    include_unpublished: bool = typer.Option(
        False, "--include-unpublished", help="Shopify: drafts, archived and hidden products, too."
    ),
    dry_run: bool = typer.Option(False, "--dry-run", help="Check the rows, send nothing."),
    max_problems: int = typer.Option(50, min=0, help="Print so many problems at most; 0 prints all."),
    as_json: bool = typer.Option(False, "--json", help="The outcome as one JSON object, problems included."),
) -> None:
    """Send the rows of a JSONL, CSV or Shopify product file as events.

    A row that does not fit is told with its line, field and mend; the others go.

    An absent event_id is made from the row, so that a file published twice makes the same ids.
    An absent occurred_at is now, except on orders, which must have one.

    Ends with 0 when every row went, with 1 when some did not.

    Try it: tradewind publish listings products.csv --format shopify --merchant m-1 --currency EUR
    """
    from schemas.topics import UnknownTopic, topic_named
    from tradewind.cli.publish_report import Report

    try:
        target = topic_named(topic)
    except UnknownTopic as error:
        fail(str(error), Exit.USAGE)
    settings = load_settings()
    with opened(file) as (given, size):
        chosen, source = _format_of(file, given, file_format)
        shop = _shop(chosen, target, merchant, currency, language, include_unpublished)
        report = Report("stdin" if file == "-" else file, max_problems, as_json=as_json)
        with one_line_errors(), progress(size, hidden=as_json) as (on_bytes, on_row):
            rows = _rows(source, chosen, target, shop, on_bytes)
            report.end = _send(settings, target, rows, report, on_row, dry_run=dry_run)
    report.close(target, chosen, dry_run=dry_run)


def _format_of(file: str, source: BinaryIO, asked: FileFormat) -> tuple[str, BinaryIO]:
    from tradewind.publish import UnknownFormat, detect

    if asked is not FileFormat.AUTO:
        return asked.value, source
    if file == "-":
        # A pipe can't be read twice, and a single byte tells JSON Lines only.
        piped = _Peekable(source)
        if piped.first().lstrip(b"\xef\xbb\xbf \t\r\n")[:1] == b"{":
            return "jsonl", piped  # type: ignore[return-value]
        fail("standard input does not begin with a JSON object; name its format with --format", Exit.USAGE)
    try:
        return detect(Path(file)), source
    except UnknownFormat as error:
        fail(str(error), Exit.USAGE)


class _Peekable:
    """Bytes of which the first line can be seen before it is read; readers ask for lines only."""

    def __init__(self, source: BinaryIO) -> None:
        self._source = source
        self._first = b""

    def first(self) -> bytes:
        """The beginning of the first line."""
        self._first = self._first or self._source.readline(4096)
        return self._first

    def readline(self, size: int = -1) -> bytes:
        """The next line, or `size` bytes of it."""
        first, self._first = self._first, b""
        if first.endswith(b"\n") or 0 <= size <= len(first):
            return first
        return first + self._source.readline(size - len(first) if size >= 0 else -1)


def _shop(
    chosen: str,
    topic: Topic,
    merchant: Optional[str],
    currency: Optional[str],
    language: Optional[str],
    include_unpublished: bool,
) -> Optional[Shop]:
    from schemas.topics import LISTINGS
    from tradewind.publish import Shop

    if chosen != "shopify":
        if merchant or currency or language or include_unpublished:
            fail("--merchant, --currency, --language and --include-unpublished are for --format shopify", Exit.USAGE)
        return None
    if topic != LISTINGS:
        fail(f"a Shopify export has listings, which do not fit {topic.name}; publish it to listings", Exit.USAGE)
    if not merchant or not currency:
        fail("a Shopify export names no seller and no currency; add --merchant M --currency EUR", Exit.USAGE)
    return Shop(merchant, currency, language, include_unpublished)


def _rows(
    source: BinaryIO, chosen: str, topic: Topic, shop: Optional[Shop], on_bytes: Callable[[int], None]
) -> Iterator[Row]:
    from tradewind.publish import rows_csv, rows_jsonl, rows_shopify

    if shop is not None:
        return rows_shopify(source, shop, on_progress=on_bytes)
    if chosen == "csv":
        return rows_csv(source, topic, on_progress=on_bytes)
    return rows_jsonl(source, on_progress=on_bytes)


def _send(
    settings: Settings,
    topic: Topic,
    rows: Iterator[Row],
    report: Report,
    on_row: Callable[[], None],
    *,
    dry_run: bool,
) -> End:
    from streams.reach import topics_in_kafka
    from tradewind.assembly import make_publisher
    from tradewind.cli.ctrl_c import until_ctrl_c
    from tradewind.cli.publish_report import End
    from tradewind.cli.sending import KafkaGone, flush, send
    from tradewind.schema_versions import open_versions

    tally = report.tally

    def delivered(_: str) -> None:
        tally.sent += 1

    if not dry_run:  # before a long file is read
        if topic.name not in topics_in_kafka(settings):
            fail(f"Kafka has no topic {topic.name}; create it: tradewind topics create")
        open_versions(settings).id_of(topic)
    publisher = None if dry_run else make_publisher(settings, delivered)
    try:
        with until_ctrl_c(rows) as interruptible:
            send(interruptible, topic, publisher, tally, now=_now, on_problem=report.problem, on_row=on_row)
    except KafkaGone as error:
        return End(f"Kafka stopped answering: {error}", Exit.UNREACHABLE)
    except KeyboardInterrupt:
        if publisher is not None:
            with suppress(KafkaGone):
                flush(publisher, topic, tally)  # so that the counts are right
        return End("interrupted", Exit.INTERRUPTED)
    return End()


def _now() -> datetime:
    return datetime.now(timezone.utc)
