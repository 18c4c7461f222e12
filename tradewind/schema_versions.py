"""The versions that a registry has of our records, and adding the present ones to them.

Without a registry the committed id file takes its place. So it does where the registry only reads, as the one of the
local stack, which serves that file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import urlsplit

from schemas.compatibility import Incompatibility, incompatibilities
from schemas.records import schema_text
from schemas.registry import (
    CommittedRegistry,
    ConfluentRegistry,
    RegisteredSchema,
    RegistryUnavailable,
    same_schema,
)
from schemas.topics import CATALOGUE, Topic
from streams.reach import address_of, listens
from tradewind.assembly import registry_login
from tradewind.settings import Settings

TIMEOUT_S = 4.0


class Versions(Protocol):
    """What has versions of subjects."""

    def versions(self, subject: str) -> list[RegisteredSchema]:
        """All versions of a subject, the oldest first; empty for an unknown one."""
        ...


@dataclass(frozen=True, slots=True)
class Target:
    """Where new versions go.

    Attributes:
        versions: those that are there.
        register: adds a topic's present record and gives its id.
        where: in words.
    """

    versions: Versions
    register: Callable[[Topic], int]
    where: str


@dataclass(frozen=True, slots=True)
class Registered:
    """A record with its id there, and whether it was added just now."""

    subject: str
    record: str
    id: int
    new: bool


def open_versions(settings: Settings) -> CommittedRegistry | ConfluentRegistry:
    """The registry, once it has answered; the committed ids where none is set.

    Raises:
        RegistryUnavailable: nobody listens at its URL. Said at once: its client would try for some seconds.
    """
    url = settings.schema_registry_url
    if not url:
        return CommittedRegistry()
    parts = urlsplit(url)
    address = address_of(parts.netloc.rpartition("@")[2], 443 if parts.scheme == "https" else 80)
    if not listens(address, TIMEOUT_S):
        raise RegistryUnavailable(
            f"no answer from the schema registry at {parts.scheme}://{address[0]}:{address[1]} (no connection); "
            "check TRADEWIND_SCHEMA_REGISTRY_URL"
        )
    return ConfluentRegistry(url, registry_login(settings), timeout_s=TIMEOUT_S)


def open_writable(settings: Settings) -> Target:
    """Where new versions go.

    Raises:
        RegistryUnavailable: a registry is set and gives no answer.
    """
    registry = open_versions(settings)
    if isinstance(registry, ConfluentRegistry) and not registry.only_reads():
        return Target(registry, registry.register, f"registry {urlsplit(settings.schema_registry_url or '').hostname}")
    committed = CommittedRegistry()
    return Target(committed, lambda topic: committed.commit(topic).id, "the committed id file")


def findings(versions: Versions, topics: Sequence[Topic] = CATALOGUE) -> list[Incompatibility]:
    """Every field of the present records that keeps an earlier version from being read."""
    return [
        found
        for topic in topics
        for found in incompatibilities(schema_text(topic.record), versions.versions(topic.subject))
    ]


def register_all(target: Target, topics: Sequence[Topic] = CATALOGUE) -> list[Registered]:
    """Add each topic's present record, unless it is there; the caller has checked them.

    Raises:
        RegistryError: the registry refused one; those before it are registered.
    """
    done = []
    for topic in topics:
        present = present_in(target.versions.versions(topic.subject), topic)
        number = target.register(topic) if present is None else present.id
        done.append(Registered(topic.subject, topic.record, number, new=present is None))
    return done


def present_in(versions: Sequence[RegisteredSchema], topic: Topic) -> RegisteredSchema | None:
    """The newest of the versions that says what the topic's record says now."""
    text = schema_text(topic.record)
    return next((each for each in reversed(versions) if same_schema(each.schema, text)), None)
