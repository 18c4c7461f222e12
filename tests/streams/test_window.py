"""In which order events are acknowledged."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from streams.window import AckWindow


@given(
    events=st.lists(st.integers(0, 2), max_size=40),
    order=st.randoms(use_true_random=False),
)
def test_an_event_is_acknowledged_only_after_all_before_it_on_its_partition(events: list[int], order: object) -> None:
    window = AckWindow()
    acked: list[tuple[int, int]] = []
    done = [
        window.enter("t", partition, lambda place=(partition, offset): acked.append(place))
        for offset, partition in enumerate(events)
    ]
    finished: set[int] = set()
    numbers = list(range(len(events)))
    order.shuffle(numbers)  # type: ignore[attr-defined]
    for number in numbers:
        done[number]()
        finished.add(number)
        for partition in set(events):
            mine = [offset for offset, where in enumerate(events) if where == partition]
            prefix = []
            for offset in mine:
                if offset not in finished:
                    break
                prefix.append(offset)
            assert [offset for where, offset in acked if where == partition] == prefix
        assert len(window) == len(events) - len(acked)
    assert len(acked) == len(events)
