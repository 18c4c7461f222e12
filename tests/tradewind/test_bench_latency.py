"""The benches on Apache Kafka: their figures and tables; nothing is started."""

from __future__ import annotations

import itertools
import json

import pytest

from bench import compatibility, latency_figures
from bench.latency_path import events_for, paths
from bench.latency_peers import draft
from bench.latency_questions import question_rows
from schemas.events import ListingPublished, QuestionAsked, derived_id
from streams.stages import ANSWER, ENRICH


def test_buyers_ask_at_random_moments_that_a_seed_repeats() -> None:
    moments = latency_figures.arrivals(5.0, 200.0, seed=1)
    assert moments == latency_figures.arrivals(5.0, 200.0, seed=1) != latency_figures.arrivals(5.0, 200.0, seed=2)
    assert moments == sorted(moments)
    assert moments[0] > 0
    assert moments[-1] < 200.0
    assert 800 < len(moments) < 1200
    assert latency_figures.arrivals(1.0, 0.0, seed=1) == []


@pytest.mark.parametrize(
    ("values", "share", "expected"),
    [([7.0], 0.5, 7.0), ([3.0, 1.0, 2.0], 0.5, 2.0), (list(range(1, 101)), 0.99, 99), (list(range(1, 11)), 0.99, 10)],
)
def test_percentiles_by_nearest_rank(values: list[float], share: float, expected: float) -> None:
    assert latency_figures.percentile(values, share) == expected


def test_no_percentile_of_nothing() -> None:
    with pytest.raises(ValueError, match="of nothing"):
        latency_figures.percentile([], 0.5)
    assert latency_figures.summary([])["p50_ms"] is None


def test_waits_are_of_those_that_are_asked_for_and_have_come() -> None:
    waits = latency_figures.waits_ms({"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 1.25, "b": 2.5}, ["a", "c"])
    assert waits == [250.0]
    assert latency_figures.summary([250.0, 50.0]) == {"count": 2, "p50_ms": 50, "p99_ms": 250, "max_ms": 250}


def test_a_rate_is_from_the_first_result_to_the_last() -> None:
    assert latency_figures.events_a_second([1000, 1500, 3000, 2000, 2500]) == 2.0
    for too_few in ([], [5], [5, 5]):
        with pytest.raises(ValueError, match="make no rate"):
            latency_figures.events_a_second(too_few)


def test_tables_have_a_line_for_each_figure() -> None:
    part = {name: latency_figures.summary([1.0, 2.0]) for name in ("readable", "in_clickhouse")}
    row = {"questions_s": 1.0, "all": part, "model": part, "no_model": part}
    assert latency_figures.question_table([row, row]).row_count == 6
    rates = [{"what": "a path", "workers": 2, "events_s": 3000.0}]
    assert latency_figures.path_table(rates).row_count == 1
    assert json.loads(json.dumps([row, rates]))


def test_events_are_the_demos_each_under_an_id_of_its_own() -> None:
    questions = list(itertools.islice(events_for(ANSWER), 200))
    assert {type(each) for each in questions} == {QuestionAsked}
    assert len({each.event_id for each in questions}) == len({each.question_id for each in questions}) == 200
    assert {each.text for each in questions} == {row["text"] for row in itertools.islice(question_rows(), 200)}
    listings = list(itertools.islice(events_for(ENRICH), 150))
    assert {type(each) for each in listings} == {ListingPublished}
    assert len({each.listing_id for each in listings}) == 150


def test_every_path_has_a_name_of_its_own_and_enough_events() -> None:
    for events in (400, 24_000):
        chosen = paths(events)
        assert len({path.what for path in chosen}) == len(chosen)
        assert min(path.events for path in chosen) >= 10


def test_peers_make_the_result_that_the_agent_would_name() -> None:
    question = next(iter(events_for(ANSWER)))
    assert draft(question).event_id == derived_id(ANSWER, question.event_id)


def test_a_version_works_where_nothing_failed() -> None:
    assert compatibility.works({"starts, topics": "ok", "way through": "ok", "next": "not offered: too old"})
    assert not compatibility.works({"starts, topics": "ok", "way through": "TimeoutError: not within 90 s"})
    assert not compatibility.works({"starts, topics": "ok"})
    assert compatibility.one_line(RuntimeError("two\n  lines")) == "RuntimeError: two lines"
    assert compatibility.table([{"kafka": "4.0.0", "checks": {"starts, topics": "ok"}}]).row_count == 1


def test_what_was_tried_before_stays_while_the_clients_are_the_same() -> None:
    clients = {"aiokafka": "1"}
    first = compatibility.merged({}, clients, [{"kafka": "4.0.2"}, {"kafka": "10.0.0"}])
    again = compatibility.merged(first, clients, [{"kafka": "3.9.2"}, {"kafka": "4.0.2", "works": True}])
    assert [row["kafka"] for row in again["versions"]] == ["3.9.2", "4.0.2", "10.0.0"]
    assert again["versions"][1] == {"kafka": "4.0.2", "works": True}
    assert compatibility.merged(first, {"aiokafka": "2"}, [{"kafka": "4.1.0"}])["versions"] == [{"kafka": "4.1.0"}]
