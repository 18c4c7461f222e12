"""What a worker, sink or gateway sees to before it loads anything: that what it is to use is there, and lets it in.

What is wrong ends the process with one line that names the setting. Later the same things are only away for a while,
and are waited for.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import structlog

from schemas.topics import (
    ANSWERS_DRAFTED,
    CATALOGUE,
    DEAD_LETTERS,
    INSIGHTS,
    LISTINGS,
    LISTINGS_ENRICHED,
    ORDERS,
    QUESTIONS,
    Topic,
)
from tradewind.assembly import adapter_of, checkpoint_path, make_registry
from tradewind.settings import Settings

if TYPE_CHECKING:
    from streams.gateway.server import Address

log = structlog.get_logger("tradewind")

_WRITTEN = {"enrich": LISTINGS_ENRICHED, "answer": ANSWERS_DRAFTED, "insights": INSIGHTS}
_CLICKHOUSE_S = 4


def check_worker(settings: Settings, agents: Sequence[str]) -> None:
    """See that a worker with these agents can start.

    Raises:
        CheckpointError, KafkaUnreachable, TopicsError, RightsMissing, RegistryError, ClickHouseError: what is wrong,
            with its mend.
    """
    from streams import topics

    _check_model(settings)
    topics.check(settings)
    _check_rights(settings, [f"worker-{agent}" for agent in agents])
    _check_registry(settings, [DEAD_LETTERS, *(_WRITTEN[agent] for agent in agents)])
    if "insights" in agents:
        _check_insights(settings)


def check_sink(settings: Settings) -> None:
    """See that a sink can start.

    Raises:
        KafkaUnreachable, TopicsError, RightsMissing, RegistryError, ClickHouseError: what is wrong, with its mend.
    """
    from streams import topics

    topics.require(settings, [topic.name for topic in CATALOGUE])
    _check_rights(settings, ["sink"])
    _check_registry(settings, [DEAD_LETTERS])
    _ask_clickhouse(settings)


def check_gateway(settings: Settings) -> None:
    """See that a gateway can start.

    Raises:
        ServerError, KafkaUnreachable, TopicsError, RightsMissing, RegistryError: what is wrong, with its mend.
    """
    from streams import topics
    from streams.gateway.server import check_address

    check_address(gateway_address(settings))
    written = (LISTINGS, QUESTIONS, ORDERS)
    topics.require(settings, [topic.name for topic in (*written, LISTINGS_ENRICHED, ANSWERS_DRAFTED, INSIGHTS)])
    _check_rights(settings, ["gateway"])
    _check_registry(settings, written)


def gateway_address(settings: Settings) -> Address:
    """Where the settings have the gateway listen."""
    from streams.gateway.server import Address

    return Address(settings.gateway_host, settings.gateway_port, settings.gateway_certificate, settings.gateway_key)


def _check_rights(settings: Settings, roles: Sequence[str]) -> None:
    """Where Kafka has ACLs, what we may do there."""
    from streams.access import grants, roles_named
    from streams.access_in_kafka import require

    require(settings, grants(settings, roles_named(roles)))


def _check_model(settings: Settings) -> None:
    from model.provenance import CheckpointError

    if settings.model_url is not None:
        return  # asked when the engine is made
    checkpoint_path(settings)
    adapter = adapter_of(settings)
    if not isinstance(adapter, str) and adapter is not None and not adapter.is_file():
        raise CheckpointError(f"{adapter}: no such file; set TRADEWIND_MODEL_ADAPTER to an adapter, shipped, or none")


def _check_registry(settings: Settings, written: Iterable[Topic]) -> None:
    """What is written must have an id; what is read names its own."""
    registry = make_registry(settings)
    for topic in written:
        registry.id_of(topic)


def _check_insights(settings: Settings) -> None:
    """Insights wait for ClickHouse, and answers must not wait with them; but nobody waits for a wrong password."""
    from clickhouse_connect.driver.exceptions import ClickHouseError

    from consumers.clickhouse.refused import refusal

    try:
        _ask_clickhouse(settings)
    except ClickHouseError as error:
        if refusal(error):
            raise
        log.warning(
            "no insights until ClickHouse can be read; check TRADEWIND_CLICKHOUSE_URL if it stays so",
            error=type(error).__name__,
        )


def _ask_clickhouse(settings: Settings) -> None:
    from consumers.clickhouse.client import open_client

    # The database need not be there yet: the sink makes it.
    open_client(settings, database="default", answer_timeout_s=_CLICKHOUSE_S).close()
