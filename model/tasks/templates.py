"""Copy and answers that need no model: sentences around the listing's own facts, in English and Chinese.

They state nothing that the listing does not. Which of several wordings is used follows from the listing's id, so that
a shop's pages differ and the same listing always reads the same.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Mapping, Sequence

from model.evidence import display_name
from model.guards import concepts, lexicon, quantities
from model.language import primary, terms
from model.tasks.attributes import in_order, normalise_units
from schemas.events import Evidence, EvidenceSource

_YES = frozenset(("yes", "true", "y", "是", "有", "支持"))
_NO = frozenset(("no", "false", "n", "none", "n/a", "否", "无", "没有", "不支持"))
# Names that read as an adjective: 'dishwasher safe: yes' is 'It is dishwasher safe.'
_ADJECTIVE = re.compile(r".*(?:safe|proof|resistant|washable|able|free|included|required|compatible)$")

# Clauses by concept; {v} is the value. The first goes with 'It', so all of one concept begin with a verb.
_ENGLISH: dict[str, tuple[str, ...]] = {
    "dimensions": ("measures {v}", "is {v} in size"),
    "weight": ("weighs {v}",),
    "capacity": ("holds {v}",),
    "length": ("is {v} long",),
    "width": ("is {v} wide",),
    "height": ("is {v} high",),
    "depth": ("is {v} deep",),
    "origin": ("is made in {v}",),
    "max_load": ("carries up to {v}",),
}
_CHINESE_ORDER = ("material", "color", "dimensions", "capacity", "weight")


def describe(
    title: str,
    brand: str | None,
    attributes: Mapping[str, str],
    seller_sentences: Sequence[str],
    language: str,
    key: str,
) -> str:
    """A description from the listing's own facts; `key` picks the wording. Other languages get plain facts."""
    if primary(language) == "zh":
        return _chinese(title, brand, _facts(attributes), seller_sentences, key)
    opening = " ".join(seller_sentences) or _opening(title, brand, key)
    return complete(opening, attributes, language, key)


def complete(text: str, attributes: Mapping[str, str], language: str, key: str) -> str:
    """The text, and after it a sentence for each fact that it does not say yet."""
    missing = [(name, value) for name, value in _facts(attributes) if not _says(text, name, value)]
    if primary(language) == "zh":
        rest = [f"{display_name(name, 'zh')}：{value.rstrip('。')}" for name, value in missing]
        return f"{text}{'；'.join(rest)}{'。' if rest else ''}"
    if primary(language) == "en":
        return " ".join([text, *_english(missing, key)])
    return " ".join([text, *(f"{display_name(name, language)}: {value}." for name, value in missing)])


def _facts(attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    facts = [(name, normalise_units(value)) for name, value in in_order(attributes)]
    return [
        (name, value) for name, value in facts if concepts.of_name(name) not in ("brand", "price", "category", "model")
    ]


def _says(text: str, name: str, value: str) -> bool:
    """Whether the text already has the fact: all of its amounts, or most of its words; of a yes or no, its name."""
    if amounts := quantities.find(value):
        said = quantities.find(text)
        return all(any(quantities.same(a, b) for b in said) for a in amounts)
    wanted = set(terms(name if value.lower() in _YES | _NO else value))
    return value.lower() in text.lower() or (bool(wanted) and len(wanted & set(terms(text))) >= 0.7 * len(wanted))


def title_facts(title: str, attributes: Mapping[str, str]) -> list[tuple[str, str]]:
    """Up to two short facts that go well behind a title, and that half of it does not say already."""
    said = set(terms(title))
    lengths = ("length", "length^2", "length^3")
    return [
        (name, value)
        for name, value in _facts(attributes)
        if concepts.named(name) in ("material", "color", "capacity", "size", "flavor", "scent")
        if len(value) <= 24 and not re.search("[,;/、，；]", value) and value.lower() not in _YES | _NO
        if not any(amount.dimension in lengths for amount in quantities.find(value))
        if not _says(title, name, value) and len(said & set(terms(value))) * 2 < max(1, len(set(terms(value))))
    ][:2]


def marketing_line(title: str, attributes: Mapping[str, str], language: str, key: str) -> str:
    """One line for a banner: the title and one or two short facts that it does not say yet."""
    facts = [value for _, value in title_facts(title, attributes)]
    if primary(language) == "zh":
        return f"{title}：{'，'.join(facts)}。" if facts else f"{title}。"
    if not facts:
        return f"{title}."
    if primary(language) != "en":
        return f"{title}: {', '.join(facts)}."
    listed = ", ".join(map(_lower, facts))
    return _pick(("Meet the {t}: {f}.", "{t}: {f}.", "{t} – {f}."), key).format(t=title.removeprefix("The "), f=listed)


def quote(evidence: Sequence[Evidence], language: str) -> str:
    """An answer that only says what the listing says."""
    if primary(language) == "zh":
        parts = [_quoted(item, language, "：").rstrip("。.；;") for item in evidence]
        return f"商品信息显示，{'；'.join(parts)}。"
    parts = [_quoted(item, language, ": ").rstrip(".;") for item in evidence]
    return f"According to the listing, {'; '.join(parts)}."


def highlight(name: str, value: str, language: str) -> str:
    """'Material: solid oak', or 材质：实木."""
    label, text = display_name(name, language), normalise_units(value)
    if _names_itself(label, text):
        return text
    return f"{label}：{text}" if primary(language) == "zh" else f"{label[:1].upper()}{label[1:]}: {text}"


def _quoted(evidence: Evidence, language: str, colon: str) -> str:
    if evidence.source is EvidenceSource.ATTRIBUTE:
        label = display_name(evidence.name, language)
        label = label[:1].lower() + label[1:] if label[1:2].islower() else label
        return f"{label}{colon}{evidence.text}"
    return f"“{evidence.text.rstrip('.。；;')}”"


def _pick(choices: Sequence[str], key: str) -> str:
    return choices[zlib.crc32(key.encode()) % len(choices)]


def _lower(value: str) -> str:
    """'Solid oak' as 'solid oak' inside a sentence; names keep their capitals."""
    first = value.split(" ", 1)[0]
    return value[:1].lower() + value[1:] if first[1:].islower() and lexicon.find(first) else value


def _opening(title: str, brand: str | None, key: str) -> str:
    if brand and brand.lower() not in title.lower():
        return _pick(("{t} by {b}.", "{t} from {b}."), key).format(t=title, b=brand)
    return f"{title}."


def _english(facts: Sequence[tuple[str, str]], key: str) -> list[str]:
    by_concept = {concepts.named(name): value for name, value in facts}
    used: set[str] = set()
    result: list[str] = []
    material, colour = by_concept.get("material", ""), by_concept.get("color", "")
    if _plain(material):
        # 'Made of steel, in black.' Values that are lists of their own are said by name instead.
        tail = f", in {_lower(colour)}" if _plain(colour) and len(colour) <= 24 else ""
        result.append(_pick(("Made of {m}{c}.", "It is made of {m}{c}."), key).format(m=_lower(material), c=tail))
        used |= {"material", "color"} if tail else {"material"}
    clauses = [
        _pick(_ENGLISH[concept], key).format(v=value)
        for concept, value in by_concept.items()
        if _fits_clause(concept, value)
    ]
    used |= {concept for concept, value in by_concept.items() if _fits_clause(concept, value)}
    result += [f"It {' and '.join(clauses[i : i + 2])}." for i in range(0, len(clauses), 2)]
    for name, value in facts:
        if concepts.named(name) not in used:
            result.append(_sentence(display_name(name, "en"), value, name))
    return result


def _sentence(label: str, value: str, name: str) -> str:
    flat = re.sub(r"[_\s]+", " ", name).strip()
    flat = flat[:1].lower() + flat[1:] if flat[1:2].islower() else flat
    if value.lower() in _YES and _ADJECTIVE.match(flat):
        return f"It is {flat}." if not flat.endswith(("included", "required")) else f"{flat[:1].upper()}{flat[1:]}."
    if value.lower() in _NO and _ADJECTIVE.match(flat):
        if flat.endswith(("included", "required")):
            head, _, tail = flat.rpartition(" ")
            return f"{head[:1].upper()}{head[1:]} not {tail}."
        return f"It is not {flat}."
    if _names_itself(label, value):
        return f"{value[:1].upper()}{value[1:].rstrip('.')}."
    return f"{label[:1].upper()}{label[1:]}: {value.rstrip('.')}."


def _names_itself(label: str, value: str) -> bool:
    """Whether the value says what it is: 'warranty: 1 year warranty', 'shipping: ships in 3 days'."""
    words = set(terms(label))
    return bool(words) and words <= set(terms(value))


def _fits_clause(concept: str, value: str) -> bool:
    """Whether the value can follow the concept's verb: 'is 9.5 cm high', but not 'is crew high'."""
    return (
        concept in _ENGLISH
        and _plain(value)
        and (concept == "origin" or bool(re.match(r"(?:about |approx\.? )?\d", value)))
    )


def _plain(value: str) -> bool:
    return bool(value) and len(value) <= 60 and not re.search(r"[:;.!?]\s|[:;|]", value)


def _chinese(title: str, brand: str | None, facts: Sequence[tuple[str, str]], seller: Sequence[str], key: str) -> str:
    by_concept = {concepts.named(name): value for name, value in facts}
    head = f"{brand}{title}" if brand and brand.lower() not in title.lower() else title
    said = "".join(seller)
    clauses: list[str] = []
    if (material := by_concept.get("material", "")) and material not in said:
        clauses.append(_pick(("采用{v}材质", "材质为{v}", "选用{v}"), key).format(v=material))
    wordings = {"color": "颜色为{v}", "dimensions": "尺寸{v}", "capacity": "容量{v}", "weight": "重量{v}"}
    clauses += [
        wording.format(v=by_concept[concept])
        for concept, wording in wordings.items()
        if by_concept.get(concept) and by_concept[concept] not in said
    ]
    rest = [
        f"{display_name(name, 'zh')}：{value.rstrip('。')}"
        for name, value in facts
        if concepts.named(name) not in _CHINESE_ORDER and value not in said
    ]
    opening = said or (f"{head}，{'，'.join(clauses)}。" if clauses else f"{head}。")
    body = f"{'，'.join(clauses)}。" if said and clauses else ""
    return f"{opening}{body}{'；'.join(rest)}{'。' if rest else ''}"
