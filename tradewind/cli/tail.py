"""`tradewind tail`: watch a topic."""

from __future__ import annotations

from contextlib import closing, suppress
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from confluent_kafka import Message
    from rich.text import Text

    from schemas.codec import Rejected
    from schemas.topics import Topic


def tail(
    topic: str = typer.Argument(help="Topic, such as answers-drafted.v1 or answers-drafted."),
    count: Optional[int] = typer.Option(None, "-n", "--count", min=1, help="End after so many messages."),
    from_beginning: bool = typer.Option(False, "--from-beginning", help="Begin with the oldest message there is."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object a line."),
    key: Optional[str] = typer.Option(None, help="Only messages with this key."),
    timeout: Optional[float] = typer.Option(None, min=0.1, help="End after so many seconds without a message."),
    show_private: bool = typer.Option(False, "--show-private", help="Show what may be personal data, too."),
) -> None:
    """Follow a topic and show each event on a line, until Ctrl-C.

    A message that can't be decoded is shown as such, with the reason.
    What may be personal, such as a buyer's question, is hidden.

    With -n, ends with 1 when fewer came before the timeout.

    Try it: tradewind tail answers-drafted -n 5 --from-beginning
    """
    from schemas.topics import UnknownTopic, topic_named
    from streams.reach import topics_in_kafka
    from tradewind.assembly import make_codec
    from tradewind.cli.follow import follow

    try:
        source = topic_named(topic)
    except UnknownTopic as error:
        fail(str(error), Exit.USAGE)
    settings = load_settings()
    shown, silent = 0, False
    with one_line_errors():
        partitions = topics_in_kafka(settings).get(source.name)
        if not partitions:
            fail(f"Kafka has no topic {source.name}; create it: tradewind topics create")
        codec = make_codec(settings)
        messages = follow(
            settings,
            source.name,
            partitions,
            from_beginning=from_beginning,
            quiet_s=timeout,
            on_trouble=lambda why: err.print(f"Kafka is away ({why}); waiting", markup=False, soft_wrap=True),
        )
        with closing(messages), suppress(KeyboardInterrupt):  # Ctrl-C is how one ends it
            for message in messages:
                if key is not None and message.key() != key.encode():
                    continue
                decoded = codec.decode(source, message.value())
                _show(source, message, decoded, as_json=as_json, show_private=show_private)
                shown += 1
                if shown == count:
                    return
            silent = True
    if silent and count is not None:
        fail(f"{shown} of {count} messages came before {timeout:g} s of silence")


def _show(
    topic: Topic, message: Message, decoded: dict[str, Any] | Rejected, *, as_json: bool, show_private: bool
) -> None:
    from schemas.codec import Rejected
    from tradewind.cli.show_event import json_of, line_of

    if as_json:
        found = (
            {"error": {"error_class": decoded.error_class, "message": decoded.message}}
            if isinstance(decoded, Rejected)
            else {"event": json_of(topic, decoded, show_private=show_private)}
        )
        print_json({**_place(message), **found})
    elif isinstance(decoded, Rejected):
        _print(_undecodable(message, decoded))
    else:
        _print(line_of(topic, decoded, show_private=show_private))


def _place(message: Message) -> dict[str, Any]:
    from datetime import datetime, timezone

    from tradewind.cli.text import utc

    kind, milliseconds = message.timestamp()
    key = message.key()
    return {
        "topic": message.topic(),
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": utc(datetime.fromtimestamp(milliseconds / 1000, timezone.utc)) if kind else None,
        "key": None if key is None else key.decode(errors="replace"),
    }


def _undecodable(message: Message, why: Rejected) -> Text:
    from rich.text import Text

    place = f"{message.topic()}, partition {message.partition()}, offset {message.offset()}"
    return Text(f"undecodable: {place}: {why.error_class}: {why.message}", style="yellow")


def _print(line: Text) -> None:
    if out.is_terminal:
        out.print(line, no_wrap=True, overflow="ellipsis")
    else:
        out.print(line, soft_wrap=True)
    out.file.flush()
