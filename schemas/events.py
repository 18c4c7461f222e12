"""The records as typed Python values, one frozen dataclass each, with the fields of its `.avsc`.

`to_avro` and `from_avro` go between these and the plain dicts that fastavro reads and writes. A test holds this file
against the schemas, field by field.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields, is_dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from functools import cache, partial
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

EventT = TypeVar("EventT")

#: Namespace of the ids of derived events.
DERIVED = uuid.UUID("6f0d6cf0-3c4f-5c0e-9d9e-3f2a54f6f7b1")


def derived_id(task: str, *source: object) -> uuid.UUID:
    """Id of what a task makes from a source: the same task and source always make the same id (RFC 9562, version 5)."""
    return uuid.uuid5(DERIVED, "/".join([task, *map(str, source)]))


class Channel(str, Enum):
    """Where a question was asked."""

    OTHER = "OTHER"
    WEB = "WEB"
    APP = "APP"
    LIVE = "LIVE"
    EMAIL = "EMAIL"


class OrderKind(str, Enum):
    """What happened to an order line."""

    UNKNOWN = "UNKNOWN"
    PLACED = "PLACED"
    PAID = "PAID"
    SHIPPED = "SHIPPED"
    DELIVERED = "DELIVERED"
    CANCELLED = "CANCELLED"
    RETURNED = "RETURNED"
    REFUNDED = "REFUNDED"


class Method(str, Enum):
    """How a text came to be."""

    UNKNOWN = "UNKNOWN"
    MODEL = "MODEL"
    TEMPLATE = "TEMPLATE"
    NONE = "NONE"


class CopyRoute(str, Enum):
    """Who sees enriched copy next."""

    REVIEW = "REVIEW"
    PUBLISH = "PUBLISH"


class AnswerRoute(str, Enum):
    """Who sees a draft next."""

    HUMAN = "HUMAN"
    REVIEW = "REVIEW"
    AUTO = "AUTO"


class EvidenceSource(str, Enum):
    """Which text a passage stands in."""

    UNKNOWN = "UNKNOWN"
    TITLE = "TITLE"
    DESCRIPTION = "DESCRIPTION"
    ATTRIBUTE = "ATTRIBUTE"
    APPROVED_ANSWER = "APPROVED_ANSWER"
    POLICY = "POLICY"


class Decision(str, Enum):
    """What a reviewer decided."""

    UNKNOWN = "UNKNOWN"
    APPROVE = "APPROVE"
    EDIT = "EDIT"
    REJECT = "REJECT"


class InsightKind(str, Enum):
    """What an insight looks like."""

    UNKNOWN = "UNKNOWN"
    SPIKE = "SPIKE"
    DROP = "DROP"
    TREND = "TREND"


@dataclass(frozen=True, slots=True)
class Evidence:
    """A passage that a draft rests on, with its place."""

    text: str
    source: EvidenceSource = EvidenceSource.UNKNOWN
    name: str = ""
    start: int = 0
    end: int = 0
    score: float = 0.0


@dataclass(frozen=True, slots=True)
class Check:
    """A claim that a guard did not pass."""

    guard: str
    field: str
    category: str
    start: int
    end: int
    span: str


@dataclass(frozen=True, slots=True)
class Provenance:
    """What wrote a text."""

    method: Method = Method.UNKNOWN
    model: str = ""
    checkpoint_sha256: str = ""
    adapter: str | None = None
    engine: str = ""
    prompt_version: str = ""
    prompt_tokens: int = 0
    completion_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Timings:
    """Where the time went, in milliseconds."""

    waited_ms: float = 0.0
    queued_ms: float = 0.0
    prefill_ms: float = 0.0
    decode_ms: float = 0.0
    total_ms: float = 0.0


@dataclass(frozen=True, slots=True)
class ListingPublished:
    """A listing as the seller wrote it."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    listing_id: str
    title: str
    description: str | None = None
    category: str | None = None
    brand: str | None = None
    attributes: Mapping[str, str] = field(default_factory=dict)
    price: Decimal | None = None
    currency: str | None = None
    language: str | None = None
    tags: tuple[str, ...] = ()
    image_urls: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QuestionAsked:
    """A buyer's question on a listing."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    listing_id: str
    question_id: str
    text: str
    buyer_id: str | None = None
    language: str | None = None
    channel: Channel = Channel.OTHER


@dataclass(frozen=True, slots=True)
class OrderEvent:
    """One line of an order, as it is placed and as it moves on."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    order_id: str
    listing_id: str
    kind: OrderKind
    amount: Decimal
    currency: str
    line: int = 1
    quantity: int = 1
    discount: Decimal | None = None
    buyer_id: str | None = None
    store: str | None = None


@dataclass(frozen=True, slots=True)
class ListingEnriched:
    """Copy for a listing."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    listing_id: str
    source_event_id: uuid.UUID
    language: str
    provenance: Provenance
    timings: Timings
    titles: tuple[str, ...] = ()
    description: str = ""
    highlights: tuple[str, ...] = ()
    marketing_line: str = ""
    keywords: tuple[str, ...] = ()
    attributes: Mapping[str, str] = field(default_factory=dict)
    route: CopyRoute = CopyRoute.REVIEW
    reason: str = ""
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerDrafted:
    """A drafted answer, or the reason why a person must answer."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    listing_id: str
    question_id: str
    source_event_id: uuid.UUID
    asked_at: datetime
    provenance: Provenance
    timings: Timings
    language: str = ""
    question: str = ""
    draft: str = ""
    evidence: tuple[Evidence, ...] = ()
    confidence: float = 0.0
    route: AnswerRoute = AnswerRoute.HUMAN
    reason: str = ""
    redactions: tuple[str, ...] = ()
    checks: tuple[Check, ...] = ()


@dataclass(frozen=True, slots=True)
class AnswerReviewed:
    """What a person decided about a draft."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    listing_id: str
    question_id: str
    draft_event_id: uuid.UUID
    decision: Decision
    reviewer: str
    answer: str | None = None
    note: str | None = None


@dataclass(frozen=True, slots=True)
class OpsInsight:
    """Something in a merchant's numbers that wants a look."""

    event_id: uuid.UUID
    occurred_at: datetime
    merchant_id: str
    metric: str
    window_start: datetime
    window_end: datetime
    observed: float
    expected: float
    score: float
    provenance: Provenance
    kind: InsightKind = InsightKind.UNKNOWN
    listing_ids: tuple[str, ...] = ()
    text: str = ""
    suggestion: str = ""


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A message that could not be processed, with its original bytes."""

    event_id: uuid.UUID
    occurred_at: datetime
    source_topic: str
    source_partition: int
    source_offset: int
    stage: str
    error_class: str
    message: str
    merchant_id: str = ""
    source_timestamp: datetime | None = None
    source_key: bytes | None = None
    source_value: bytes | None = None
    source_headers: Mapping[str, bytes] = field(default_factory=dict)
    attempts: int = 1
    replays: int = 0


_Reader = Callable[[Any], Any]

Event = Union[
    ListingPublished,
    QuestionAsked,
    OrderEvent,
    ListingEnriched,
    AnswerDrafted,
    AnswerReviewed,
    OpsInsight,
    DeadLetter,
]
EVENT_TYPES: dict[str, type[Any]] = {cls.__name__: cls for cls in get_args(Event)}


def to_avro(value: Any) -> Any:
    """The value as plain dicts, lists and scalars, as fastavro takes it."""
    kind: Any = type(value)
    if kind in _SCALARS:
        return value
    if names := _field_names(kind):
        return {name: to_avro(getattr(value, name)) for name in names}
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, (tuple, list)):
        return [to_avro(item) for item in value]
    if isinstance(value, Mapping):
        return dict(value)
    return value


#: What most fields hold; Avro takes it as it is.
_SCALARS = frozenset((str, int, float, bool, bytes, type(None), datetime, Decimal, uuid.UUID))


@cache
def _field_names(kind: Any) -> tuple[str, ...]:
    """A dataclass's fields; none for any other class."""
    return tuple(f.name for f in fields(kind)) if is_dataclass(kind) else ()


def from_avro(cls: type[EventT], datum: Mapping[str, Any]) -> EventT:
    """The typed value of what fastavro read.

    Raises:
        TypeError: a field that has no default is missing.
        ValueError: an enum symbol is unknown.
    """
    readers = _readers(cls)  # type: ignore[arg-type]  # a class is hashable, whatever its type variable
    return cls(**{name: read(datum[name]) if read else datum[name] for name, read in readers if name in datum})


@cache
def _readers(cls: Any) -> tuple[tuple[str, _Reader | None], ...]:
    """For each field of a class, what makes its typed value; None where that is the value as it was read."""
    return tuple((name, _reader(hint)) for name, hint in get_type_hints(cls).items())


def _reader(hint: Any) -> _Reader | None:
    # Asked first: on Python 3.10 `tuple[str, ...]` passes for a class.
    if get_origin(hint) is tuple:
        inner = _reader(get_args(hint)[0])
        return tuple if inner is None else lambda items: tuple(map(inner, items))
    if isinstance(hint, type):
        if is_dataclass(hint):
            return partial(from_avro, hint)
        if issubclass(hint, Enum):
            return hint
    return None
