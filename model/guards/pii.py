"""Personal data in a text: found by its form, by its checksum where there is one, or by a tagger, and replaced by kind.

English and Chinese. Forms that product facts also have (sizes, model numbers, prices, years) are let pass unless a word
beside them says that they are personal. Checksums: cards by Luhn (ISO/IEC 7812-1), IBAN by mod 97 (ISO 13616), Chinese
resident ids by ISO 7064 MOD 11-2 (GB 11643). Names and addresses that no form gives away are left to `pii_tagger`,
which reads what the patterns leave. A town counts as an address; a country does not: it says where a product is made
or sent, not who asks.
"""

from __future__ import annotations

import ipaddress
import re
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date

from model.guards import pii_tagger
from model.guards.pii_patterns import CUES, PATTERNS, PLACEHOLDER
from model.language import narrow

#: Kinds in the order of precedence: where two overlap, the earlier one names the whole stretch.
KINDS = tuple(PATTERNS)

_KIND_OF_LABEL = {"name": "name", "address": "address", "city": "address"}
# 4 Visa, 5 and 2 Mastercard and Maestro, 3 American Express, Diners and JCB, 6 Discover, Maestro and UnionPay
_CARD = re.compile(r"4(?:\d{12}|\d{15}|\d{18})|(?:5[0-8]|2[2-7])\d{14}|5[068]\d{15,17}|3\d{13,15}|6\d{15,18}", re.ASCII)
# What may stand between two parts of one name, or of one address.
_JOINTS = {"name": re.compile(r"[ \-]|\.? ?"), "address": re.compile(r"[\s,>]{0,6}")}


@dataclass(frozen=True, slots=True)
class Span:
    """Personal data of `kind` at `text[start:end]`."""

    kind: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Redacted:
    """A text in which '[kind]' stands for every span; `spans` are places in the text before.

    Further data of a kind are numbered ('[phone]', '[phone_2]'); what is written twice has one placeholder. `originals`
    pairs each placeholder with what it stands for: it is kept out of the `repr`, and belongs in no log, event or table.
    """

    text: str
    kinds: tuple[str, ...]
    spans: tuple[Span, ...]
    originals: tuple[tuple[str, str], ...] = field(default=(), repr=False)


def find(text: str, known: Sequence[str] = ()) -> tuple[Span, ...]:
    """All personal data of the text, in order of place, without overlaps.

    Args:
        known: texts about the product, such as its title, brand and evidence. A name or town that only the tagger sees
            is let stand where one of them has it too: brands are often called after people.
    """
    listed = narrow("\n".join(known)).casefold()
    return _find(text, (_matches, lambda masked: _tagged(masked, listed)))


def find_forms(text: str) -> tuple[Span, ...]:
    """What the patterns alone find, at a third of the time: all kinds, but few of the names and addresses."""
    return _find(text, (_matches,))


def redact(text: str, known: Sequence[str] = ()) -> Redacted:
    """The text with all personal data replaced by its kind, such as '[phone]'; redacting again changes nothing.

    `known` is as for `find`.
    """
    spans = find(text, known)
    masked = Masked.of(text, spans)
    originals = {label: text[span.start : span.end] for label, span in zip(masked.labels, spans, strict=True)}
    kinds = tuple(dict.fromkeys(span.kind for span in spans))
    return Redacted(masked.text, kinds, spans, tuple(originals.items()))


def restore(text: str, redacted: Redacted) -> str:
    """The text with each placeholder of a redacted one put back to what it stands for.

    For a draft that answers the redacted text and repeats a placeholder ('Hello [name], ...'), as the last step before
    the person who wrote the original, or who answers it, reads the draft. Never for what goes to the model, to a log
    or to ClickHouse. A placeholder that the redacted text does not have stays as it is.
    """
    originals = dict(redacted.originals)
    return PLACEHOLDER.sub(lambda match: originals.get(match.group(), match.group()), text)


@dataclass(frozen=True, slots=True)
class Masked:
    """A text with placeholders in the place of spans, and the way back to places in the text before."""

    text: str
    labels: tuple[str, ...]
    _starts: tuple[int, ...]  # of the stretches between the placeholders, in the masked text
    _shifts: tuple[int, ...]  # from there to the text before
    _holes: tuple[tuple[int, int], ...]  # placeholders in the masked text, those that were there before too

    @classmethod
    def of(cls, text: str, spans: Sequence[Span]) -> Masked:
        """Masks `spans`, which are in order and do not overlap."""
        labels = _placeholders(text, spans)
        pieces: list[str] = []
        starts, shifts = [0], [0]
        end = length = 0
        for span, label in zip(spans, labels, strict=True):
            pieces += [text[end : span.start], label]
            length += span.start - end + len(label)
            end = span.end
            starts.append(length)
            shifts.append(end - length)
        masked = "".join([*pieces, text[end:]])
        holes = tuple(match.span() for match in PLACEHOLDER.finditer(masked)) if "[" in masked else ()
        return cls(masked, labels, tuple(starts), tuple(shifts), holes)

    def before(self, span: Span) -> Span | None:
        """The place in the text before of a span that touches no placeholder; None for one that does."""
        last = bisect_left(self._holes, (span.end, 0)) - 1
        if last >= 0 and self._holes[last][1] > span.start:
            return None
        shift = self._shifts[bisect_right(self._starts, span.start) - 1]
        return Span(span.kind, span.start + shift, span.end + shift)


def _placeholders(text: str, spans: Sequence[Span]) -> tuple[str, ...]:
    labels: dict[tuple[str, str], str] = {}
    used: dict[str, int] = {}
    for span in spans:
        key = (span.kind, text[span.start : span.end])
        if key not in labels:
            used[span.kind] = number = used.get(span.kind, 0) + 1
            labels[key] = f"[{span.kind}_{number}]" if number > 1 else f"[{span.kind}]"
    return tuple(labels[span.kind, text[span.start : span.end]] for span in spans)


def _find(text: str, readers: Sequence[Callable[[str], Iterable[Span]]]) -> tuple[Span, ...]:
    """What the readers find, the later ones in what the earlier ones leave."""
    text = narrow(text)
    spans: list[Span] = []
    masked = Masked.of(text, spans)
    # A replacement can uncover what stood beside it, so look again until nothing new turns up in the masked text.
    while True:
        for read in readers:
            if fresh := [place for span in read(masked.text) if (place := masked.before(span))]:
                break
        else:
            return tuple(spans)
        spans = _merged(text, [*spans, *fresh])
        masked = Masked.of(text, spans)


def _matches(text: str) -> Iterator[Span]:
    for kind, patterns in PATTERNS.items():
        if not CUES[kind].search(text):
            continue
        accept = _CHECKS.get(kind)
        for pattern in patterns:
            for match in pattern.finditer(text):
                # a pattern's group 1, where it has one, is the personal part; the rest is the word that gives it away
                start, end = match.span(1 if pattern.groups else 0)
                if end - start >= 2 and (accept is None or accept(text[start:end])):
                    yield Span(kind, start, end)


def _tagged(text: str, listed: str) -> Iterator[Span]:
    for tagged in pii_tagger.default().tag(text):
        piece = text[tagged.start : tagged.end]
        if tagged.label == "address" and not _may_be_address(piece):
            continue
        if listed and re.search(rf"(?<!\w){re.escape(piece.casefold())}(?!\w)", listed):
            continue
        yield Span(_KIND_OF_LABEL[tagged.label], tagged.start, tagged.end)


def _may_be_address(text: str) -> bool:
    # a bare number is a size, and one word a product's; two words may be a street
    words = re.findall(r"[^\W\d_]{2,}", text)
    return len(words) >= 2 or (len(words) == 1 and any(c.isdigit() for c in text))


def _merged(text: str, spans: Iterable[Span]) -> list[Span]:
    """Overlapping spans as one, under the kind of highest precedence, and the parts of one name or address as one."""
    merged: list[Span] = []
    for span in sorted(spans, key=lambda span: (span.start, -span.end)):
        last = merged[-1] if merged else None
        if last and span.start < last.end:
            kind = min(last.kind, span.kind, key=KINDS.index)
            merged[-1] = Span(kind, last.start, max(last.end, span.end))
        elif (
            last
            and last.kind == span.kind
            and (joint := _JOINTS.get(span.kind))
            and joint.fullmatch(text, last.end, span.start)
        ):
            merged[-1] = Span(span.kind, last.start, span.end)
        else:
            merged.append(span)
    return merged


def _digits(text: str) -> str:
    return re.sub(r"\D", "", text)


def is_card(text: str) -> bool:
    """A payment card number: the length of a known issuer range, and digits that pass the Luhn check."""
    digits = _digits(text)
    if not _CARD.fullmatch(digits):  # thirteen digits that begin with a 6 are the bar code of a Chinese product
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
    return is_chinese_id(text) if re.fullmatch(r"[\d\- ]{17,}[\dXx]", text) else True


def _is_ip(text: str) -> bool:
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return False
    return address.version == 4 or len(text) > 6


def _is_phone(text: str) -> bool:
    return 6 <= len(_digits(text)) <= 17


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
