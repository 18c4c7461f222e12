"""What became of a file's rows: problems as they come, the outcome at the end."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Any, Optional

import typer

from schemas.topics import Topic
from schemas.validation import Problem
from tradewind.cli.sending import Tally
from tradewind.cli.shared import Exit, err, fail, out, print_json
from tradewind.cli.text import printable


@dataclass(frozen=True)
class End:
    """How it ended: why it ended early, if it did, and the exit code that follows from that."""

    early: str = ""
    code: Exit = Exit.OK


class Report:
    """Tells problems as they come, and at the end what became of the rows."""

    def __init__(self, name: str, max_problems: int, *, as_json: bool) -> None:
        self.tally = Tally()
        self.end = End()
        self._name = name
        self._max = max_problems
        self._as_json = as_json
        self._told: list[dict[str, Any]] = []
        self._started = time.monotonic()

    def problem(self, line: Optional[int], problem: Problem) -> None:
        """Tell a problem, unless there have been too many."""
        if self._max and len(self._told) >= self._max:
            return
        told = {"field": problem.field, "expected": problem.expected, "found": problem.found, "mend": problem.mend}
        self._told.append({"line": line, **told})
        if not self._as_json:
            where = self._name if line is None else f"{self._name}:{line}"
            err.print(printable(f"{where}: {problem}"), markup=False, soft_wrap=True)

    def close(self, topic: Topic, chosen: str, *, dry_run: bool) -> None:
        """Tell the outcome, and end with its exit code."""
        tally = self.tally
        seconds = time.monotonic() - self._started
        if self._as_json:
            counts = {"rows": tally.rows, "good": tally.good, "sent": tally.sent, "bad": tally.bad}
            print_json(
                {"topic": topic.name, "file": self._name, "format": chosen, "dry_run": dry_run, **counts}
                | {"refused": tally.refused, "skipped": sum(tally.skipped.values()), "skipped_why": tally.skipped}
                | {"seconds": round(seconds, 3), "problems": self._told, "problems_in_all": tally.problems}
            )
        else:
            self._say(topic, seconds, dry_run=dry_run)
        if self.end.early:
            fail(self.end.early, self.end.code)
        if not tally.complete:
            raise typer.Exit(int(Exit.FAILED))

    def _say(self, topic: Topic, seconds: float, *, dry_run: bool) -> None:
        tally = self.tally
        if tally.problems > len(self._told):
            err.print(f"and {tally.problems - len(self._told):,} more problems; --max-problems 0 prints them all")
        done = f"{_rows(tally.good)} fit {topic.name}" if dry_run else f"sent {_rows(tally.sent)} to {topic.name}"
        parts = [f"{done} in {seconds:.1f} s"]
        parts += [f"skipped {count:,} ({why})" for why, count in tally.skipped.most_common()]
        parts += [f"{tally.bad:,} bad"] if tally.bad else []
        parts += [f"{tally.refused:,} not acknowledged by Kafka"] if tally.refused else []
        out.print("; ".join(parts), markup=False, highlight=False, soft_wrap=True)


def _rows(count: int) -> str:
    return f"{count:,} row{'' if count == 1 else 's'}"
