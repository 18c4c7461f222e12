"""Who may do what in Kafka: roles, with the least that each needs to do its whole job, as data.

An account may have several roles; a worker with all agents has three. Nobody may do what stands nowhere here: a cluster
with an authorizer refuses what no rule allows. Writing a topic includes describing it and writing idempotently, and
reading it includes describing it; so does reading for groups.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Literal

from schemas.reader import READER_GROUP
from schemas.topics import (
    ANSWERS_DRAFTED,
    ANSWERS_REVIEWED,
    CATALOGUE,
    DEAD_LETTERS,
    INSIGHTS,
    LISTINGS,
    LISTINGS_ENRICHED,
    ORDERS,
    QUESTIONS,
    Topic,
)
from streams.app import ANSWER_APP, ENRICH_APP
from streams.insights.owner import GROUP as INSIGHTS_GROUP
from tradewind.settings import Settings

Kind = Literal["topic", "group"]
Operation = Literal["Read", "Write", "Describe", "Create"]


@dataclass(frozen=True, slots=True, order=True)
class Rule:
    """One thing that a role may do.

    Attributes:
        kind: of what.
        operation: in Kafka's words.
        name: of the topic or group.
        prefixed: whether it is all whose names begin so.
    """

    kind: Kind
    operation: Operation
    name: str
    prefixed: bool = False


@dataclass(frozen=True, slots=True)
class Role:
    """A job, and what an account needs for it.

    Attributes:
        name: of the role, and of its account where no other is given.
        doc: what the job is.
        rules: given the settings, for some names are set there.
    """

    name: str
    doc: str
    rules: Callable[[Settings], tuple[Rule, ...]]


def _topics(operation: Operation, *topics: Topic) -> tuple[Rule, ...]:
    return tuple(Rule("topic", operation, topic.name) for topic in topics)


def _groups(operation: Operation, *names: str) -> tuple[Rule, ...]:
    return tuple(Rule("group", operation, name) for name in names)


def _fixed(*rules: tuple[Rule, ...]) -> Callable[[Settings], tuple[Rule, ...]]:
    return lambda settings: tuple(rule for some in rules for rule in some)


#: A worker and a sink see at their start that all topics are there, with the partitions that the settings say.
_SEES_ALL = _topics("Describe", *CATALOGUE)
#: A client that reads without a group looks its name up all the same.
_READS_ALONE = _groups("Describe", READER_GROUP)


def _sink(settings: Settings) -> tuple[Rule, ...]:
    return (
        *_topics("Read", *CATALOGUE),
        *_topics("Write", DEAD_LETTERS),
        *_groups("Read", settings.sink_group),
        # A backfill reads under names of its own, which begin so.
        Rule("group", "Read", f"{settings.sink_group}-backfill", prefixed=True),
    )


def _operator(settings: Settings) -> tuple[Rule, ...]:
    groups = (ENRICH_APP, ANSWER_APP, INSIGHTS_GROUP, settings.sink_group)
    return (*_topics("Read", *CATALOGUE), *_groups("Describe", *groups), *_READS_ALONE)


ROLES: tuple[Role, ...] = (
    Role("topics", "makes the topics (tradewind topics create)", _fixed(_topics("Create", *CATALOGUE), _SEES_ALL)),
    Role("platform-listings", "publishes listings", _fixed(_topics("Write", LISTINGS))),
    Role("platform-questions", "publishes buyers' questions", _fixed(_topics("Write", QUESTIONS))),
    Role("platform-orders", "publishes orders", _fixed(_topics("Write", ORDERS))),
    Role("reviewer", "publishes what people decide about drafts", _fixed(_topics("Write", ANSWERS_REVIEWED))),
    Role(
        "worker-enrich",
        "tradewind worker --agents enrich",
        _fixed(
            _SEES_ALL,
            _topics("Read", LISTINGS),
            _topics("Write", LISTINGS_ENRICHED, DEAD_LETTERS),
            _groups("Read", ENRICH_APP),
        ),
    ),
    Role(
        "worker-answer",
        "tradewind worker --agents answer",
        _fixed(
            _SEES_ALL,
            _topics("Read", QUESTIONS, LISTINGS, ANSWERS_REVIEWED, ANSWERS_DRAFTED),
            _topics("Write", ANSWERS_DRAFTED, DEAD_LETTERS),
            _groups("Read", ANSWER_APP),
            _READS_ALONE,
        ),
    ),
    Role(
        "worker-insights",
        "tradewind worker --agents insights",
        _fixed(
            _SEES_ALL,
            _topics("Read", INSIGHTS),
            _topics("Write", INSIGHTS),
            _groups("Read", INSIGHTS_GROUP),
            _READS_ALONE,
        ),
    ),
    Role(
        "gateway",
        "takes events over HTTP and gives merchants what came of them (tradewind gateway)",
        _fixed(
            _topics("Write", LISTINGS, QUESTIONS, ORDERS),
            _topics("Read", LISTINGS_ENRICHED, ANSWERS_DRAFTED, INSIGHTS),
            _READS_ALONE,
        ),
    ),
    Role("sink", "stores all topics, and fills tables anew (tradewind sink)", _sink),
    Role("operator", "looks at everything and writes nothing (status, tail, deadletters ls and show)", _operator),
    Role(
        "replay",
        "puts dead letters back on their topics (tradewind deadletters replay)",
        _fixed(_topics("Read", DEAD_LETTERS), _topics("Write", *CATALOGUE), _READS_ALONE),
    ),
    Role(
        "storefront",
        "shows the copy; a downstream system",
        _fixed(_topics("Read", LISTINGS_ENRICHED), _groups("Read", "storefront")),
    ),
    Role(
        "help-desk",
        "shows the drafts; a downstream system",
        _fixed(_topics("Read", ANSWERS_DRAFTED), _groups("Read", "help-desk")),
    ),
)


class UnknownRole(LookupError):
    """There is no such role."""


def roles_named(names: Sequence[str]) -> list[Role]:
    """The roles of these names; all of them where no name is given.

    Raises:
        UnknownRole: with the names there are.
    """
    known = {role.name: role for role in ROLES}
    if unknown := [name for name in names if name not in known]:
        raise UnknownRole(f"no role named {', '.join(unknown)}; there are {', '.join(known)}")
    return [known[name] for name in names] if names else list(ROLES)


@dataclass(frozen=True, slots=True)
class Grant:
    """A role's rules for an account.

    Attributes:
        principal: as Kafka names it, such as `User:sink`.
    """

    role: Role
    principal: str
    rules: tuple[Rule, ...]


def grants(settings: Settings, roles: Iterable[Role], principal: str | None = None) -> list[Grant]:
    """What to allow.

    Args:
        principal: who gets the roles; left out, each goes to an account of its own name.
    """
    return [Grant(role, principal or f"User:{role.name}", role.rules(settings)) for role in roles]


def commands(grant: Grant, bootstrap_servers: str) -> list[str]:
    """The grant as commands for Kafka's own `kafka-acls.sh`, for an administrator to run."""
    start = f"kafka-acls.sh --bootstrap-server {shlex.quote(bootstrap_servers)} --command-config admin.properties --add"
    who = f"--allow-principal {shlex.quote(grant.principal)}"

    def shape(rule: Rule) -> tuple[Kind, bool, Operation]:
        return rule.kind, rule.prefixed, rule.operation

    lines = []
    for (kind, prefixed, operation), rules in groupby(sorted(grant.rules, key=shape), key=shape):
        names = " ".join(f"--{kind} {shlex.quote(rule.name)}" for rule in rules)
        pattern = " --resource-pattern-type prefixed" if prefixed else ""
        lines.append(f"{start} {who} --operation {operation}{pattern} {names}")
    return lines
