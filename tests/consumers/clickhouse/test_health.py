"""What a sink's vitals mean."""

from __future__ import annotations

from consumers.clickhouse.health import Findings, SinkVitals


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def reasons(findings: Findings) -> list[str]:
    return [why for why in findings.values() if why]


def test_it_starts_waits_stores_and_stops() -> None:
    vitals = SinkVitals(60.0, Clock())
    assert reasons(vitals.ready()) == ["it is starting"]
    assert reasons(vitals.live()) == []
    vitals.state = ""
    assert reasons(vitals.ready()) == []
    vitals.state = "it is stopping"
    assert reasons(vitals.ready()) == ["it is stopping"]


def test_a_loop_without_a_turn_is_stuck() -> None:
    clock = Clock()
    vitals = SinkVitals(60.0, clock)
    vitals.turn()
    clock.now += 61
    assert reasons(vitals.live()) == ["the loop has taken no turn for 61 s"]
    vitals.turn()
    assert reasons(vitals.live()) == []


def test_a_table_that_takes_nothing_is_told_and_is_no_reason_to_start_again() -> None:
    clock = Clock()
    vitals = SinkVitals(60.0, clock, state="")
    vitals.turn()
    vitals.storing = {"orders": clock.now - 3600, "questions": clock.now - 1}
    assert reasons(vitals.ready()) == ["orders has been taking one batch for 3600 s"]
    assert reasons(vitals.live()) == []
