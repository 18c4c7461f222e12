"""Personal data in a text: found by its form and, where one exists, by its checksum, and replaced by its kind.

English and Chinese. Forms that product facts also have (sizes, model numbers, prices, years) are let pass unless a word
beside them says that they are personal. Checksums: cards by Luhn (ISO/IEC 7812-1), IBAN by mod 97 (ISO 13616), Chinese
resident ids by ISO 7064 MOD 11-2 (GB 11643).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date

from model.guards.pii_patterns import PATTERNS
from model.language import narrow

#: Kinds in the order of precedence: where two overlap, the earlier one names the whole stretch.
KINDS = tuple(PATTERNS)


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data of `kind` at `text[start:end]`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text in which '[kind]' stands for every span; `spans` are places in the text before."""

    text: str
    kinds: tuple[str, ...]
    spans: tuple[Span, ...]


def find(text: str) -> tuple[Span, ...]:
    """All personal data of the text, in order of place, without overlaps."""
    masked = narrow(text)
    found: list[Span] = []
    # A replacement can uncover what stood beside it, so look again until nothing new turns up.
    while fresh := _merged(_matches(masked)):
        found += fresh
        for span in fresh:
            masked = f"{masked[: span.start]}[{'x' * (span.end - span.start - 2)}]{masked[span.end :]}"
    return tuple(sorted(found, key=lambda span: span.start))


def redact(text: str) -> Redacted:
    """The text with all personal data replaced by its kind, such as '[phone]'; redacting again changes nothing."""
    spans = find(text)
    pieces: list[str] = []
    end = 0
    for span in spans:
        pieces += [text[end : span.start], f"[{span.kind}]"]
        end = span.end
    kinds = tuple(dict.fromkeys(span.kind for span in spans))
    return Redacted("".join([*pieces, text[end:]]), kinds, spans)


def _matches(text: str) -> Iterator[Span]:
    for kind, patterns in PATTERNS.items():
        accept = _CHECKS.get(kind)
        for pattern in patterns:
            for match in pattern.finditer(text):
                # a pattern's group 1, where it has one, is the personal part; the rest is the word that gives it away
                start, end = match.span(1 if pattern.groups else 0)
                if end - start >= 2 and (accept is None or accept(text[start:end])):
                    yield Span(kind, start, end)


def _merged(spans: Iterator[Span]) -> list[Span]:
    """Overlapping spans as one, under the kind of highest precedence."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        if merged and span.start < merged[-1].end:
            last = merged[-1]
            kind = min(last.kind, span.kind, key=KINDS.index)
            merged[-1] = Span(kind, last.start, max(last.end, span.end))
        else:
            merged.append(span)
    return merged


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def is_card(text: str) -> bool:
    """A payment card number: 13 to 19 digits of a known issuer range that pass the Luhn check."""
    digits = _digits(text)
    if not (re.match(r"4|5[0-8]|2[2-7]|3[0-9]|6", digits) and 13 <= len(digits) <= 19):
        return False
    doubled = [int(d) * (2 if i % 2 else 1) for i, d in enumerate(reversed(digits))]
    return sum(d - 9 if d > 9 else d for d in doubled) % 10 == 0


def is_iban(text: str) -> bool:
    """An IBAN of 15 to 34 characters whose remainder by 97 is 1."""
    compact = re.sub(r"[\s\-]", "", text).upper()
    if not 15 <= len(compact) <= 34:
        return False
    return int("".join(str(int(c, 36)) for c in compact[4:] + compact[:4])) % 97 == 1


def is_chinese_id(text: str) -> bool:
    """An 18-character resident id: a real birth date and the right check character."""
    compact = re.sub(r"[\s\-]", "", text).upper()
    try:
        date(int(compact[6:10]), int(compact[10:12]), int(compact[12:14]))
    except ValueError:
        return False
    weights = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
    total = sum(int(c) * w for c, w in zip(compact, weights, strict=False))
    return "10X98765432"[total % 11] == compact[17]


def _is_id(text: str) -> bool:
    return is_chinese_id(text) if len(_digits(text)) > 9 else True


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == 4 or len(text) > 6


def _is_phone(text: str) -> bool:
    return 7 <= len(_digits(text)) <= 17


def _is_order(text: str) -> bool:
    return len(_digits(text)) >= 3


_CHECKS: dict[str, Callable[[str], bool]] = {
    "card": is_card,
    "iban": is_iban,
    "id_number": _is_id,
    "ip": _is_ip,
    "phone": _is_phone,
    "order_number": _is_order,
}
