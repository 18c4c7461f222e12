"""The roles' rules as Kafka's access control lists: put there, and compared with what is there."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from typing import Any

from confluent_kafka import KafkaError, KafkaException, TopicCollection
from confluent_kafka.admin import (
    AclBinding,
    AclBindingFilter,
    AclOperation,
    AclPermissionType,
    AdminClient,
    ResourcePatternType,
    ResourceType,
)

from schemas.forbidden import MEND, is_forbidden
from streams.access import Grant, Kind, Rule
from streams.reach import topics_in_kafka
from tradewind.settings import Settings

_TIMEOUT_S = 5.0
_TOLD_WITHIN_S, _PAUSE_S = 5.0, 0.2
_ANYWHERE = "*"
_KINDS: dict[Kind, ResourceType] = {"topic": ResourceType.TOPIC, "group": ResourceType.GROUP}


class RightsMissing(Exception):
    """Our account may not do what it has to."""


class NoAuthorizer(Exception):
    """The cluster lets everybody do everything."""


def apply(settings: Settings, grants: Iterable[Grant]) -> int:
    """Put the rules into Kafka; gives how many were not there before. What is there besides stays.

    The settings' account must be one of Kafka's super users, or may alter the cluster.

    Raises:
        KafkaUnreachable: no broker answers, or refuses us.
        NoAuthorizer: it keeps no access control lists.
        KafkaException: Kafka refuses.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        # Some brokers without an authorizer, the embedded one among them, are asked about it at the client's peril.
        raise NoAuthorizer(
            "a broker that asks nobody who they are lets everybody do everything; set "
            "TRADEWIND_KAFKA_SECURITY_PROTOCOL, and the account of an administrator"
        )
    topics_in_kafka(settings)
    admin = _admin(settings)
    wanted = list(dict.fromkeys(_binding(grant.principal, rule) for grant in grants for rule in grant.rules))
    there = set(_all(admin, settings))
    missing = [binding for binding in wanted if binding not in there]
    for future in admin.create_acls(missing, request_timeout=_TIMEOUT_S).values() if missing else ():
        future.result()
    return len(missing)


def beyond(settings: Settings, grants: Sequence[Grant]) -> list[str]:
    """What these accounts may do in Kafka that none of the grants says, in words.

    Raises:
        as `apply`.
    """
    known = {_binding(grant.principal, rule) for grant in grants for rule in grant.rules}
    accounts = {grant.principal for grant in grants}
    found = _all(_admin(settings), settings)
    return [_words(binding) for binding in found if binding.principal in accounts and binding not in known]


def require(settings: Settings, grants: Iterable[Grant]) -> None:
    """See that our own account may do what the grants say, as far as the cluster has accounts.

    Faust waits for ever for a group that it may not read in, so this is asked before. What Kafka can't tell for the
    moment, such as while its coordinators start, is asked again for some seconds, and then taken for granted.

    Raises:
        RightsMissing: with the first thing that it may not do.
    """
    if settings.kafka_security_protocol == "PLAINTEXT":
        return
    admin, give_up = _admin(settings), time.monotonic() + _TOLD_WITHIN_S
    for grant in grants:
        while None in (may := _allowed(admin, grant)).values() and time.monotonic() < give_up:
            time.sleep(_PAUSE_S)
        for rule in grant.rules:
            operations = may.get((rule.kind, rule.name))
            if operations is not None and AclOperation[rule.operation.upper()] not in operations:
                raise RightsMissing(
                    f"Kafka does not let this account {rule.operation.lower()} the {rule.kind} {rule.name}; {MEND} "
                    f"{grant.role.name}"
                )


def _allowed(admin: AdminClient, grant: Grant) -> dict[tuple[Kind, str], frozenset[AclOperation] | None]:
    """By topic and group of the grant, what we may do; None where Kafka does not tell now."""
    topics = sorted({rule.name for rule in grant.rules if rule.kind == "topic"})
    groups = sorted({rule.name for rule in grant.rules if rule.kind == "group" and not rule.prefixed})
    more: dict[str, Any] = {"include_authorized_operations": True, "request_timeout": _TIMEOUT_S}
    asked: dict[tuple[Kind, str], Future[Any]] = {
        ("topic", name): future for name, future in admin.describe_topics(TopicCollection(topics), **more).items()
    }
    if groups:
        found = admin.describe_consumer_groups(groups, **more)
        asked.update({("group", name): future for name, future in found.items()})
    return {place: _operations(future) for place, future in asked.items()}


def _operations(future: Future[Any]) -> frozenset[AclOperation] | None:
    try:
        return frozenset(future.result(_TIMEOUT_S).authorized_operations or ())
    except KafkaException as error:
        return frozenset() if is_forbidden(error.args[0]) else None


def _admin(settings: Settings) -> AdminClient:
    return AdminClient(settings.kafka_client(log_level=0, error_cb=lambda error: None))


def _all(admin: AdminClient, settings: Settings) -> list[AclBinding]:
    everything = AclBindingFilter(
        ResourceType.ANY, None, ResourcePatternType.ANY, None, None, AclOperation.ANY, AclPermissionType.ANY
    )
    try:
        found: list[AclBinding] = admin.describe_acls(everything, request_timeout=_TIMEOUT_S).result()
    except KafkaException as error:
        if error.args[0].code() == KafkaError.SECURITY_DISABLED:
            raise NoAuthorizer(
                f"Kafka at {settings.bootstrap_servers} lets everybody do everything; set authorizer.class.name on "
                "its brokers, then run this again"
            ) from error
        raise
    return found


def _binding(principal: str, rule: Rule) -> AclBinding:
    return AclBinding(
        _KINDS[rule.kind],
        rule.name,
        ResourcePatternType.PREFIXED if rule.prefixed else ResourcePatternType.LITERAL,
        principal,
        _ANYWHERE,
        AclOperation[rule.operation.upper()],
        AclPermissionType.ALLOW,
    )


def _words(binding: AclBinding) -> str:
    begins = "that begins with " if binding.resource_pattern_type == ResourcePatternType.PREFIXED else ""
    kind, operation = binding.restype.name.lower(), binding.operation.name.capitalize()
    return f"{binding.principal}: {operation} {kind} {begins}{binding.name} from {binding.host}"
