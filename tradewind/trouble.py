"""Which errors a user can mend, in one line each, and the exit code that goes with them."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.cli.shared import Exit


@dataclass(frozen=True, slots=True)
class Trouble:
    """What to tell, and how to end."""

    message: str
    code: Exit


def explain(error: Exception) -> Trouble | None:
    """The line for an error that has a mend; None for a fault of ours, which deserves its traceback."""
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
    from confluent_kafka import KafkaException

    from consumers.clickhouse.client import refuses_login
    from consumers.clickhouse.errors import SinkError
    from model.protocol import EngineRefused, EngineUnavailable
    from model.provenance import CheckpointError
    from schemas.publisher import DeliveryFailed
    from schemas.registry import RegistryError, RegistryUnavailable
    from streams.delivery import DeadLetterLimitReached
    from streams.policies import PoliciesError
    from streams.reach import KafkaUnreachable
    from streams.topics import TopicsError
    from tradewind.stack.local import StackError

    if isinstance(error, (KafkaUnreachable, RegistryUnavailable, EngineUnavailable, EngineRefused)):
        return Trouble(str(error), Exit.UNREACHABLE)
    if isinstance(error, PoliciesError):
        return Trouble(str(error), Exit.USAGE)
    if isinstance(error, CheckpointError):
        named = "" if "TRADEWIND_MODEL" in str(error) else " (TRADEWIND_MODEL)"
        return Trouble(f"{error}{named}", Exit.UNREACHABLE)
    if refuses_login(error):
        return Trouble(
            f"ClickHouse does not take the user or its password (code {getattr(error, 'code', None)}); "
            "check TRADEWIND_CLICKHOUSE_USERNAME and TRADEWIND_CLICKHOUSE_PASSWORD",
            Exit.UNREACHABLE,
        )
    if isinstance(error, OperationalError):
        return Trouble(
            "no answer from ClickHouse; check TRADEWIND_CLICKHOUSE_URL, or start a local stack: tradewind up",
            Exit.UNREACHABLE,
        )
    if isinstance(error, KafkaException):
        return Trouble(
            f"Kafka: {error.args[0].str()}; check TRADEWIND_BOOTSTRAP_SERVERS and the TRADEWIND_KAFKA_* settings",
            Exit.UNREACHABLE,
        )
    if isinstance(error, ClickHouseError):
        return Trouble(f"ClickHouse: {_first_line(error)}", Exit.FAILED)
    if isinstance(error, (TopicsError, DeadLetterLimitReached, DeliveryFailed, RegistryError, StackError, SinkError)):
        return Trouble(str(error), Exit.FAILED)
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
