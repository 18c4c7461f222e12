"""What a page is made of, whatever it is about."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.report.charts import Chart


@dataclass(frozen=True, slots=True)
class Table:
    """Numbers in full; the first `words` columns are text, the others stand to the right."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    words: int = 1


@dataclass(frozen=True, slots=True)
class Note:
    """Something told on its own, with a heading."""

    heading: str
    paragraphs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and what stands below it: sentences, charts, notes, and the numbers as tables."""

    title: str
    sentences: tuple[str, ...] = ()
    charts: tuple[Chart, ...] = ()
    notes: tuple[Note, ...] = ()
    tables: tuple[Table, ...] = ()
