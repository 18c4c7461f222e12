"""`tradewind deadletters`: messages that could not be processed, and putting them back."""

from __future__ import annotations

import sys
import uuid
from typing import TYPE_CHECKING, Any, Optional

import typer

from tradewind.cli.guard import one_line_errors
from tradewind.cli.shared import Exit, err, fail, load_settings, out, print_json

if TYPE_CHECKING:
    from consumers.deadletters.browse import Wanted
    from consumers.deadletters.where import Condition
    from schemas.codec import Codec, Rejected
    from schemas.events import DeadLetter
    from tradewind.settings import Settings

app = typer.Typer(no_args_is_help=True, help="Look at messages that could not be processed, and put them back.")

_Topic = typer.Option(None, "--topic", help="Only those that came from this topic.")
_Stage = typer.Option(None, "--stage", help="Only those that this stage gave up on, such as answer or sink.")
_Error = typer.Option(None, "--error", help="Only failures of this class, such as BadFraming.")
_Where = typer.Option(
    None,
    "--where",
    help="Only those for which all of this holds: 'topic=questions and error=BadFraming and since>=2026-01-01'. "
    "Fields: topic, partition, offset, stage, error, message, merchant, attempts, replays, at, since, "
    "until; ~ is contains. May be given more than once.",
)


@app.command("ls")
def list_letters(
    topic: Optional[str] = _Topic,
    stage: Optional[str] = _Stage,
    error: Optional[str] = _Error,
    where: Optional[list[str]] = _Where,
    count: Optional[int] = typer.Option(50, "-n", "--count", min=0, help="So many at most, the newest; 0 is all."),
    as_json: bool = typer.Option(False, "--json", help="One JSON array."),
) -> None:
    """List dead letters, the newest first.

    Try it: tradewind deadletters ls --topic questions --error BadFraming
    """
    from consumers.deadletters.browse import select

    wanted = _wanted(topic, stage, error, where)
    settings = load_settings()
    with one_line_errors():
        letters = select(_letters(settings), wanted, count or None)
    if as_json:
        print_json([_summary(letter) for letter in letters])
        return
    _show_list(letters)
    if not letters:
        err.print("no dead letters")


@app.command()
def show(
    event_id: str = typer.Argument(help="Id of the dead letter, as ls shows it."),
    dump: int = typer.Option(4096, "--bytes", min=0, help="Show so many bytes of the message at most; 0 is all."),
    as_json: bool = typer.Option(False, "--json", help="One JSON object, with key, value and headers in base64."),
) -> None:
    """Show one dead letter: all fields, the message's bytes, and what they decode to.

    The bytes are shown as they are, a buyer's text among them.

    Try it: tradewind deadletters show 7f2c4f0e-4d7b-4f3e-9a55-0c1f6f3a2b11
    """
    from tradewind.assembly import make_codec

    wanted_id = _id(event_id)
    settings = load_settings()
    with one_line_errors():
        letter = _find(settings, [wanted_id])[0]
        decoded = _decode(letter, make_codec(settings))
    if as_json:
        from tradewind.cli.text import plain

        outcome = {"event": plain(decoded)} if isinstance(decoded, dict) else {"error": decoded}
        print_json({**_all_fields(letter), "decoded": outcome})
    else:
        _show_letter(letter, decoded, dump)


@app.command()
def replay(
    event_ids: Optional[list[str]] = typer.Argument(None, help="Ids of dead letters, as ls shows them."),
    everything: bool = typer.Option(False, "--all", help="All, or all that the filters below leave."),
    topic: Optional[str] = _Topic,
    stage: Optional[str] = _Stage,
    error: Optional[str] = _Error,
    where: Optional[list[str]] = _Where,
    dry_run: bool = typer.Option(False, "--dry-run", help="Say what would be put back, send nothing."),
    yes: bool = typer.Option(False, "--yes", "-y", help="Do not ask."),
    as_json: bool = typer.Option(False, "--json", help="The outcome as one JSON object."),
) -> None:
    """Put the original bytes of dead letters back on their topic, each at most twice.

    Mend first what was wrong. Ends with 1 when some were left alone.

    Try it: tradewind deadletters replay --where "topic=questions and error=BadFraming" --dry-run
    """
    from consumers.deadletters.browse import select
    from consumers.deadletters.replay import plan
    from consumers.deadletters.replay import replay as put_back
    from tradewind.assembly import make_publisher

    if event_ids and (everything or where):
        fail("give the ids of dead letters, or --all, or --where, not both", Exit.USAGE)
    if not (event_ids or everything or where):
        fail("give the ids of dead letters, or --where, or --all", Exit.USAGE)
    if event_ids and (topic or stage or error):
        fail("--topic, --stage and --error go with --all or --where", Exit.USAGE)
    wanted = _wanted(topic, stage, error, where)
    wanted_ids = [_id(text) for text in event_ids or ()]
    settings = load_settings()
    with one_line_errors():
        letters = _find(settings, wanted_ids) if wanted_ids else select(_letters(settings), wanted)
        decided = plan(letters)
        _check_topics(settings, decided.again)
        if decided.again and not dry_run and not yes and sys.stdin.isatty():
            typer.confirm(f"Put {len(decided.again)} messages back on their topics?", abort=True, err=True)
        if not dry_run:
            decided = put_back(make_publisher(settings), letters)
    if as_json:
        refused = [{"event_id": str(letter.event_id), "why": why} for letter, why in decided.refused]
        again = [str(letter.event_id) for letter in decided.again]
        print_json({"dry_run": dry_run, "replayed": again, "refused": refused})
    else:
        for letter, why in decided.refused:
            err.print(f"{letter.event_id}: left alone: {why}", markup=False, soft_wrap=True)
        did = "would put back" if dry_run else "put back"
        out.print(f"{did} {len(decided.again)} of {len(letters)} messages", highlight=False)
    if decided.refused:
        raise typer.Exit(int(Exit.FAILED))


def _id(text: str) -> uuid.UUID:
    try:
        return uuid.UUID(text)
    except ValueError:
        fail(f"{text} is no id of a dead letter; list them: tradewind deadletters ls", Exit.USAGE)


def _wanted(
    topic: Optional[str], stage: Optional[str], error: Optional[str], where: Optional[list[str]] = None
) -> Wanted:
    from consumers.deadletters.browse import Wanted
    from consumers.deadletters.where import WhereError, parse_where
    from schemas.topics import UnknownTopic, topic_named

    if topic is not None:
        try:
            topic = topic_named(topic).name
        except UnknownTopic as unknown:
            fail(str(unknown), Exit.USAGE)
    conditions: list[Condition] = []
    for text in where or ():
        try:
            conditions += parse_where(text)
        except WhereError as wrong:
            fail(f"--where {text}: {wrong}", Exit.USAGE)
    return Wanted(topic=topic, stage=stage, error_class=error, conditions=tuple(conditions))


def _letters(settings: Settings) -> list[DeadLetter]:
    """All dead letters, once Kafka has answered."""
    from consumers.deadletters.browse import read_dead_letters
    from schemas.topics import DEAD_LETTERS
    from streams.reach import topics_in_kafka
    from tradewind.assembly import make_codec

    if DEAD_LETTERS.name not in topics_in_kafka(settings):
        fail(f"Kafka has no topic {DEAD_LETTERS.name}; create it: tradewind topics create")
    return list(read_dead_letters(settings, make_codec(settings)))


def _find(settings: Settings, ids: list[uuid.UUID]) -> list[DeadLetter]:
    from consumers.deadletters.browse import NoSuchDeadLetter, find

    letters = _letters(settings)
    try:
        return [find(letters, each) for each in dict.fromkeys(ids)]
    except NoSuchDeadLetter as missing:
        fail(str(missing))


def _check_topics(settings: Settings, letters: tuple[DeadLetter, ...]) -> None:
    """A message is not put on a topic that is not there: Kafka might make it, with settings of its own."""
    from streams.reach import topics_in_kafka

    missing = {letter.source_topic for letter in letters} - topics_in_kafka(settings).keys()
    if missing:
        fail(f"Kafka has no topic {', '.join(sorted(missing))}; create it first, or leave its dead letters out")


def _decode(letter: DeadLetter, codec: Codec) -> dict[str, Any] | str:
    """The message as our codec reads it now, or why it does not."""
    from schemas.codec import Rejected
    from schemas.topics import UnknownTopic, topic_named

    try:
        topic = topic_named(letter.source_topic)
    except UnknownTopic as error:
        return str(error)
    decoded: dict[str, Any] | Rejected = codec.decode(topic, letter.source_value)
    return f"{decoded.error_class}: {decoded.message}" if isinstance(decoded, Rejected) else decoded


def _summary(letter: DeadLetter) -> dict[str, Any]:
    fields = _all_fields(letter)
    size = None if letter.source_value is None else len(letter.source_value)
    return {name: value for name, value in fields.items() if name not in _BYTES} | {"source_value_bytes": size}


_BYTES = ("source_key", "source_value", "source_headers")


def _all_fields(letter: DeadLetter) -> dict[str, Any]:
    from schemas.events import to_avro
    from tradewind.cli.text import plain

    fields: dict[str, Any] = plain(to_avro(letter))
    return fields


def _place(letter: DeadLetter) -> str:
    return f"{letter.source_topic}, partition {letter.source_partition}, offset {letter.source_offset}"


def _show_list(letters: list[DeadLetter]) -> None:
    from tradewind.cli.text import cell, new_table, print_table, utc

    table = new_table("id", "put aside", "from", "stage", "why", "bytes", "replays", right=("bytes", "replays"))
    for letter in letters:
        table.add_row(
            cell(letter.event_id),
            cell(utc(letter.occurred_at)),
            cell(_place(letter)),
            cell(letter.stage),
            cell(f"{letter.error_class}: {letter.message}"),
            cell(None if letter.source_value is None else len(letter.source_value)),
            cell(letter.replays),
        )
    print_table(table)


def _show_letter(letter: DeadLetter, decoded: dict[str, Any] | str, dump: int) -> None:
    from consumers.deadletters.browse import hexdump
    from tradewind.cli.text import cell, new_table, plain, print_table, printable

    table = new_table("field", "value")
    for name, value in _all_fields(letter).items():
        if name not in _BYTES:
            table.add_row(name, cell(value))
    for name, data in (("source_key", letter.source_key), *sorted(letter.source_headers.items())):
        table.add_row(cell(name), cell(None if data is None else printable(data.decode(errors="replace"))))
    print_table(table)
    data = letter.source_value
    out.print(f"\nsource_value: {'none' if data is None else f'{len(data)} bytes'}", highlight=False)
    shown = (data or b"")[: dump or None]
    for line in hexdump(shown):
        out.print(line, markup=False, highlight=False, soft_wrap=True)
    if data is not None and len(shown) < len(data):
        err.print(f"and {len(data) - len(shown)} more bytes; --bytes 0 shows them all")
    if isinstance(decoded, str):
        out.print(f"\ndoes not decode: {decoded}", markup=False, highlight=False, soft_wrap=True)
        return
    out.print("\ndecodes to:", highlight=False)
    fields = new_table("field", "value")
    for name, value in plain(decoded).items():
        fields.add_row(name, cell(value))
    print_table(fields)
