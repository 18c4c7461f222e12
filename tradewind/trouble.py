"""Which errors a user can mend, in one line each, and the exit code that goes with them."""

from __future__ import annotations

from dataclasses import dataclass

from tradewind.cli.shared import Exit

_KAFKA_SETTINGS = "check TRADEWIND_BOOTSTRAP_SERVERS and the TRADEWIND_KAFKA_* settings"


@dataclass(frozen=True, slots=True)
class Trouble:
    """What to tell, and how to end."""

    message: str
    code: Exit


def explain(error: Exception) -> Trouble | None:
    """The line for an error that has a mend; None for a fault of ours, which deserves its traceback."""
    from aiokafka.errors import KafkaError as FaustKafkaError
    from clickhouse_connect.driver.exceptions import ClickHouseError, OperationalError
    from confluent_kafka import KafkaException

    from consumers.clickhouse.errors import SinkError
    from consumers.clickhouse.refused import refusal as clickhouse_refusal
    from model.protocol import EngineRefused, EngineUnavailable
    from model.provenance import CheckpointError
    from schemas.forbidden import MEND, is_forbidden
    from schemas.publisher import DeliveryFailed
    from schemas.registry import RegistryError, RegistryUnavailable
    from streams.access_in_kafka import RightsMissing
    from streams.delivery import FORBIDDEN, DeadLetterLimitReached
    from streams.edge.errors import EdgeError, WrongAddress
    from streams.gateway.key_file import KeyFileError
    from streams.gateway.server import ServerError
    from streams.policies import PoliciesError
    from streams.reach import KafkaUnreachable
    from streams.topics import TopicsError
    from tradewind.stack.local import StackError

    if isinstance(error, (KafkaUnreachable, RegistryUnavailable, EngineUnavailable, EngineRefused)):
        return Trouble(str(error), Exit.UNREACHABLE)
    if isinstance(error, EdgeError):
        return Trouble(str(error), Exit.USAGE if isinstance(error, WrongAddress) else Exit.FAILED)
    if isinstance(error, (PoliciesError, ServerError)):
        return Trouble(str(error), Exit.USAGE)
    if isinstance(error, CheckpointError):
        named = "" if "TRADEWIND_MODEL" in str(error) else " (TRADEWIND_MODEL)"
        return Trouble(f"{error}{named}", Exit.UNREACHABLE)
    if isinstance(error, ClickHouseError) and (why := clickhouse_refusal(error)):
        return Trouble(why, Exit.UNREACHABLE)
    if isinstance(error, OperationalError):
        return Trouble(
            "no answer from ClickHouse; check TRADEWIND_CLICKHOUSE_URL, or start a local stack: tradewind up",
            Exit.UNREACHABLE,
        )
    if isinstance(error, FORBIDDEN):
        return Trouble(f"Kafka does not let this account do that: {_first_line(error)}; {MEND}", Exit.FAILED)
    if isinstance(error, FaustKafkaError):
        return Trouble(f"Kafka: {_first_line(error)}; {_KAFKA_SETTINGS}", Exit.UNREACHABLE)
    if isinstance(error, KafkaException):
        if is_forbidden(error.args[0]):
            return Trouble(f"Kafka does not let this account do that: {error.args[0].str()}; {MEND}", Exit.FAILED)
        return Trouble(
            f"Kafka: {error.args[0].str()}; {_KAFKA_SETTINGS}",
            Exit.UNREACHABLE,
        )
    if isinstance(error, ClickHouseError):
        return Trouble(f"ClickHouse: {_first_line(error)}", Exit.FAILED)
    if isinstance(
        error,
        (
            RightsMissing,
            TopicsError,
            DeadLetterLimitReached,
            DeliveryFailed,
            RegistryError,
            StackError,
            SinkError,
            KeyFileError,
        ),
    ):
        return Trouble(str(error), Exit.FAILED)
    return None


def _first_line(error: Exception) -> str:
    lines = str(error).strip().splitlines()
    return lines[0][:300] if lines else type(error).__name__
