"""The tail while Kafka is away: it waits, says so, and is not taken for stuck."""

from __future__ import annotations

from pathlib import Path

import pytest
from confluent_kafka import KafkaException

from streams.gateway import tail
from streams.gateway.hub import Hub, HubLimits
from streams.gateway.key_store import KeyStore
from tests.streams.gateway.ground import codec, until

NOWHERE = {"bootstrap.servers": "127.0.0.1:1"}


async def test_a_broker_that_is_away_is_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("_ANSWER_S", "_PAUSE_S"):
        monkeypatch.setattr(tail, name, 0.05)
    keys = KeyStore(tmp_path / "keys.sqlite")
    hub = Hub(NOWHERE, codec(), keys, HubLimits(stuck_s=2.0))
    turns = []
    monkeypatch.setattr(hub._tail, "_turned", lambda turned=hub._tail._turned: (turns.append(1), turned()))
    hub.start()
    try:
        await until(lambda: hub._tail.away_s > 0 and len(turns) > 3, "it notices, and goes on trying")
        assert hub.ready()["stream"] == "still reading what was made lately"
        assert hub.live()["tail"] is None
        assert not hub._tail.failed.done()
    finally:
        await hub.close()
        keys.close()


async def test_an_error_that_ends_the_reading_is_told(tmp_path: Path) -> None:
    keys = KeyStore(tmp_path / "keys.sqlite")
    hub = Hub({"no.such.setting": "x"}, codec(), keys)
    hub.start()
    try:
        await until(hub._tail.failed.done, "it fails")
        with pytest.raises(KafkaException, match=r"no\.such\.setting"):
            await hub.run()
    finally:
        await hub.close()
        keys.close()
