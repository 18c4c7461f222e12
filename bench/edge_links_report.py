"""The figures of `edge_links.py` as the tables of docs/edge.md, so that the page can't say anything else."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from bench.edge_links_chart import label_of
from bench.latency_figures import Figures

PAGE = Path(__file__).parents[1] / "docs" / "edge.md"
_BEGIN, _END = "<!-- figures: begin (written by bench/edge_links.py) -->\n", "<!-- figures: end -->"


def page(text: str, found: Figures) -> str:
    """The page with the figures between its two marks.

    Raises:
        ValueError: the marks are not there.
    """
    before, begin, rest = text.partition(_BEGIN)
    _, end, after = rest.partition(_END)
    if not begin or not end:
        raise ValueError(f"{PAGE.name} has no place for figures; it is between {_BEGIN.strip()} and {_END}")
    return before + begin + "\n" + tables(found) + "\n" + end + after


def tables(found: Figures) -> str:
    """All tables that there are figures for."""
    return "\n\n".join(_parts(found)) + "\n"


def _parts(found: Figures) -> Iterator[str]:
    machine = found.get("machine", {})
    if "full" in found:
        yield f"**With the model** ({found['kafka']}, {machine.get('cores')} cores, {machine.get('cpu')}), ms:"
        yield _ways(found["full"], model=True)
    if "path" in found:
        path = found["path"]
        yield "**Without the model**, ms:"
        yield _ways(path["links"], model=False)
        yield (
            f"**A draft that comes {path['held_s']:g} s after its question**, ms beyond those; kept awake by a ping"
            f" each {path['keep_awake_s']:g} s:"
        )
        yield _ways(path["held"], model=False)
        stalls = path["stalls"]
        lengths = stalls["lengths_s"]
        yield (
            f"**A question asked within a stall** (5G standalone, {len(lengths)} stalls of {lengths[0]:.1f} to"
            f" {lengths[-1]:.1f} s) took {_three(stalls['total'])} ms (p50, p95, p99)."
        )
    if "uploads" in found:
        yield "**2,000 orders** from the client's queue to their last acknowledgement, three times:"
        head = ("link", "TCP", "JSON kB", "sent kB", "requests", "seconds")
        yield _table(head, (_upload(row) for row in found["uploads"]["uploads"]))
    if "emulator" in found:
        yield from _emulator(found["emulator"])


def _ways(rows: Figures, *, model: bool) -> str:
    head = ["link", "n", "p50", "p95", "p99", "link up + down, p50", "p95", "gateway + Kafka, p50", "p95", "p99"]
    return _table(
        [*head, "model, p50", "p95"] if model else head,
        (
            [
                label_of(name),
                f"{row['questions']}",
                *(f"{row['total'][share]:,.0f}" for share in ("p50", "p95", "p99")),
                *(f"{row['link'][share]:,.0f}" for share in ("p50", "p95")),
                *(f"{row['gateway_and_kafka'][share]:,.0f}" for share in ("p50", "p95", "p99")),
                *(f"{row['shares']['model'][share]:,.0f}" for share in (("p50", "p95") if model else ())),
            ]
            for name, row in rows.items()
        ),
    )


def _upload(row: Figures) -> list[str]:
    sizes = (f"{row[name] / 1000:,.0f}" for name in ("body_bytes", "sent_bytes"))
    seconds = ", ".join(f"{each:.1f}" for each in sorted(row["seconds"]))
    return [label_of(row["link"]), row["congestion"], *sizes, str(row["requests"]), seconds]


def _emulator(found: Figures) -> Iterator[str]:
    able, loss = found["capacity"], found["loss"]
    nothing = able["round_trip_of_nothing_ms"]
    yield (
        f"**The emulator itself**, on this machine: {able['packets_s']:,} packets/s and {able['mbit_s']:,.0f} Mb/s of"
        f" one TCP connection without a bound; a round trip over a link of no delay takes {nothing['p50']} ms"
        f" (p99 {nothing['p99']})."
    )
    with_loss, without = loss["with_loss"], loss["without_loss"]
    yield (
        f"**What loss does**, on {loss['link_mbit_s']:g} Mb/s and {loss['round_trip_ms']:g} ms: with"
        f" {100 * loss['loss']:g}% lost, cubic brings {with_loss['cubic']} Mb/s and bbr {with_loss['bbr']}; without"
        f" loss {without['cubic']} and {without['bbr']}."
    )


def _three(part: Figures) -> str:
    return ", ".join(f"{part[share]:,.0f}" for share in ("p50", "p95", "p99"))


def _table(head: Iterable[str], rows: Iterable[Iterable[str]]) -> str:
    names = list(head)
    lines = [names, ["---"] * len(names), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
