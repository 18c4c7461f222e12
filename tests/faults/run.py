"""One row of the matrix: let it stand, send, strike, wait, count."""

from __future__ import annotations

import tempfile
import time
import uuid
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from tests.faults import count
from tests.faults.ground import Ground, standing, until
from tests.faults.load import Load
from tests.faults.rows import Row

_CATCH_UP_S = 600.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of a row.

    Attributes:
        events: that were sent; each question and listing has a result besides.
        broken: broken messages sent beside them.
        lost: events and results that are not in ClickHouse. (A broken message that is in no dead letter, byte for byte,
            ends the row with an error.)
        duplicates: rows under FINAL beyond one for each id.
        foreign: rows that nobody expects.
        delivered_again: results that are on their topic again, under the same id.
        fault_s: from the strike to the end of the fault.
        recovery_s: from there until all that had been sent by then is in ClickHouse, and what came of it.
        total_s: from the first event to the last row.
    """

    fault: str
    what: str
    events: int
    broken: int
    lost: int
    duplicates: int
    foreign: int
    delivered_again: int
    fault_s: float
    recovery_s: float
    total_s: float

    @property
    def clean(self) -> bool:
        """Nothing lost, nothing twice, nothing that does not belong there."""
        return not (self.lost or self.duplicates or self.foreign)


def run(row: Row) -> Outcome:
    """Run a row.

    Raises:
        TimeoutError: something does not come about; the message says what.
        KafkaMissing, NoSmallDisk, NoShiftedClock: it can't be run here.
    """
    with tempfile.TemporaryDirectory(prefix="tradewind-fault-") as folder, standing(row.plan, Path(folder)) as ground:
        with ExitStack() as stack:
            loads = [Load(stream, ground.direct) for stream in row.streams]
            began = time.monotonic()
            for load in loads:
                load.start()
                stack.callback(load.stop)
            until(
                lambda: all(_through(ground, load) >= row.after * load.stream.events for load in loads), "a first part"
            )
            struck = time.monotonic()
            row.strike(ground)
            over = time.monotonic()
            sent = [load.sent for load in loads]
            until(
                lambda: all(_through(ground, load) >= number for load, number in zip(loads, sent, strict=True)),
                f"what was sent until the end of the fault ({sent}) is stored",
                _CATCH_UP_S,
            )
            recovered = time.monotonic()
            until(lambda: all(load.ended for load in loads), "all is sent", _CATCH_UP_S)
        if errors := [load.error for load in loads if load.error is not None]:
            raise errors[0]
        expected: dict[str, set[uuid.UUID]] = {}
        for load in loads:
            expected |= load.stream.results
        until(
            lambda: all(_stored(ground, table) >= len(ids) for table, ids in expected.items()), "all of it", _CATCH_UP_S
        )
        ended = time.monotonic()
        broken = [value for load in loads for value in load.broken]
        until(lambda: count.letters_missing(ground.direct, broken) == 0, "all dead letters")
        found = count.stored(ground.client, expected)
        return Outcome(
            fault=row.name,
            what=row.what,
            events=sum(load.stream.events for load in loads),
            broken=len(broken),
            lost=found.lost,
            duplicates=found.duplicates,
            foreign=found.foreign,
            delivered_again=count.on_topics(ground.direct, expected).duplicates,
            fault_s=round(over - struck, 1),
            recovery_s=round(recovered - over, 1),
            total_s=round(ended - began, 1),
        )


def _through(ground: Ground, load: Load) -> int:
    """How many of the load's events are at the end of their way."""
    return _stored(ground, load.stream.last_table)


def _stored(ground: Ground, table: str) -> int:
    return int(ground.client.query(f"SELECT uniqExact(event_id) FROM {table}").result_rows[0][0])
