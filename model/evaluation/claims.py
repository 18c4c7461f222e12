"""Claims of published copy that its listing does not make, found without the production guards.

What is looked for is blunt on purpose: every number with its unit, every word for a material or colour, and every
capitalised or coded word must stand in the listing's own text. So it also reports what is true but said in other words;
it must not pass what is false.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from model.evaluation.measures import read, stands_in
from model.guards import lexicon
from schemas.events import ListingEnriched, ListingPublished

_COLOURS = (
    "amber apricot aqua azure beige black blue bronze brown burgundy champagne charcoal cobalt coral cream crimson "
    "cyan ecru emerald fuchsia gold golden gray green grey indigo ivory jade khaki lavender lilac lime magenta maroon "
    "mauve mint mustard navy ochre olive orange peach pink plum purple red rose ruby rust salmon sand sapphire scarlet "
    "silver tan taupe teal terracotta turquoise violet white yellow multicolor multicolour rainbow transparent "
    "黑色 白色 红色 蓝色 绿色 黄色 紫色 粉色 灰色 棕色 橙色 银色 金色 米色"
)
_MATERIALS = (
    "acrylic alpaca aluminium aluminum bamboo brass bronze canvas cardboard carbon cashmere ceramic "
    "chenille chiffon concrete copper cork cotton crystal denim elastane enamel fiberglass fleece foam "
    "fur glass granite iron jersey jute lace latex leather linen lycra marble melamine merino mesh metal "
    "microfiber mohair neoprene nylon oak paper pine plastic plywood polyamide polycarbonate polyester "
    "polyethylene polypropylene porcelain pvc rattan rayon resin rubber satin sherpa silicone silk slate "
    "spandex stainless steel stone stoneware suede teak titanium tulle tweed velour velvet vinyl viscose "
    "walnut wax wicker wood wooden wool woollen "
    "棉 羊毛 皮革 真皮 塑料 金属 不锈钢 玻璃 陶瓷 木质 竹 尼龙 涤纶 聚酯 硅胶 铝合金 碳纤维"
)
# Words of the taxonomy's lists that are no material or colour in plain text.
_COMMON = frozenset("other none mixed natural standard light dark solid plain universal print original".split())  # noqa: SIM905
_SMALL = frozenset("a an and as at by for from in into of on or the to with your".split())  # noqa: SIM905
_TAXONOMY = re.compile(r"^gid://\S+\s*:\s*(?P<value>.+?)\s*\[(?P<attribute>[^\]]+)\]\s*$")
_WORD = re.compile(r"[A-Za-z][\w'’&.\-]*\w|[A-Z]")
_OPENS = re.compile(r"(?:^|[.!?:;•·–—(\"“|\n=-]\s*)$")


@dataclass(frozen=True, slots=True)
class Claim:
    """`text[start:end]` says something that the listing does not."""

    category: str  # number, material, colour, name
    start: int
    end: int
    span: str


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What to take for a colour or a material: patterns of words, both languages."""

    colours: re.Pattern[str]
    materials: re.Pattern[str]

    @classmethod
    def of(cls, folder: Path | None = None) -> Vocabulary:
        """The built-in words, and those of Shopify's taxonomy where its value lists lie in the folder."""
        colours, materials = set(_COLOURS.split()), set(_MATERIALS.split())
        for path in sorted(folder.glob("*.attribute_values.txt")) if folder else []:
            for line in path.read_text(encoding="utf-8").splitlines():
                if (entry := _TAXONOMY.match(line)) and (value := entry["value"].lower()) not in _COMMON:
                    attribute = entry["attribute"].lower()
                    if attribute in ("color", "颜色"):
                        colours.add(value)
                    elif attribute in ("material", "fabric", "材质", "面料"):
                        materials.add(value)
        return cls(_pattern(colours), _pattern(materials))


def _pattern(words: set[str]) -> re.Pattern[str]:
    written = sorted((word for word in words if word), key=len, reverse=True)
    latin = "|".join(re.escape(word) for word in written if word.isascii())
    han = "|".join(re.escape(word) for word in written if not word.isascii())
    return re.compile(rf"(?<![\w-])(?:{latin})(?![\w])|(?:{han})", re.IGNORECASE)


def source_of(listing: ListingPublished) -> str:
    """All that the seller states, one line a statement; tags are search words and state nothing."""
    price = f"{listing.price} {listing.currency or ''}" if listing.price is not None else ""
    facts = [f"{name}: {value}" for name, value in listing.attributes.items()]
    lines = (listing.title, listing.description, listing.brand, listing.category, price, *facts)
    return "\n".join(line for line in lines if line)


def texts_of(copy: ListingEnriched) -> Iterator[tuple[str, str]]:
    """Every text that leaves with the copy, with its field."""
    for name, texts in (("titles", copy.titles), ("highlights", copy.highlights), ("keywords", copy.keywords)):
        for number, text in enumerate(texts):
            yield f"{name}[{number}]", text
    yield "description", copy.description
    yield "marketing_line", copy.marketing_line
    for name, value in copy.attributes.items():
        yield f"attributes[{name}]", value


def unsupported(text: str, source: str, vocabulary: Vocabulary) -> list[Claim]:
    """The claims of the text that the source does not make, in order."""
    found = [*_numbers(text, source), *_words(text, source, vocabulary), *_names(text, source)]
    kept: list[Claim] = []
    for claim in sorted(found, key=lambda c: (c.start, -c.end)):
        if not kept or claim.start >= kept[-1].end:
            kept.append(claim)
    return kept


def _numbers(text: str, source: str) -> Iterator[Claim]:
    stated = read(source)
    for measure in read(text):
        if not stands_in(measure, stated):
            yield Claim("number", measure.start, measure.end, text[measure.start : measure.end])


def _words(text: str, source: str, vocabulary: Vocabulary) -> Iterator[Claim]:
    plain = _plain(source)
    meant = {term.name for term in lexicon.find(source)}
    synonyms = {(t.start, t.end): t.name for t in lexicon.find(text)}
    for category, pattern in (("colour", vocabulary.colours), ("material", vocabulary.materials)):
        for match in pattern.finditer(text):
            name = synonyms.get(match.span())
            if not _says(plain, match[0]) and not (name and name in meant):
                yield Claim(category, match.start(), match.end(), match[0])
    for term in lexicon.find(text):
        span = text[term.start : term.end]
        if term.kind in ("material", "colour", "brand") and term.name not in meant and not _says(plain, span):
            yield Claim(term.kind, term.start, term.end, span)


def _names(text: str, source: str) -> Iterator[Claim]:
    """Capitalised words that do not open a sentence, and codes of letters and digits; a number's unit is no name."""
    plain = _plain(source)
    measured = [(measure.start, measure.end) for measure in read(text)]
    for match in _WORD.finditer(text):
        word = match[0]
        coded = any(c.isdigit() for c in word)
        if not (coded or any(c.isupper() for c in word)) or word.lower() in _SMALL:
            continue
        if not coded and word[1:].islower() and _OPENS.search(text, 0, match.start()):
            continue
        if any(start <= match.start() and match.end() <= end for start, end in measured):
            continue
        apart = text[: match.start()].rstrip()[-1:].isdigit()  # '4 K' where the seller has '4K'
        if not _says(plain, word) and not (apart and re.search(rf"\d{re.escape(word)}\b", source)):
            yield Claim("name", match.start(), match.end(), word)


def _plain(text: str) -> str:
    return f" {' '.join(_pieces(text))} "


def _says(plain: str, word: str) -> bool:
    """Whether the words stand there one after the other, singular or plural; Chinese anywhere."""
    pieces = _pieces(word)
    if not pieces or not word.isascii():
        return not pieces or word.lower() in plain
    return f" {' '.join(pieces)} " in plain


def _pieces(text: str) -> Sequence[str]:
    words = re.findall(r"[a-z0-9]+|[^\W\da-z_]+", text.lower().replace("’", "'").replace("'s", ""))
    return [word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith("ss") else word for word in words]
