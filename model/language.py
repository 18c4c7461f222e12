"""Text in English and Chinese without a dictionary: which language it is, where its sentences end, its index terms.

Only what the guards and the ranker need. Words are lower-cased and lightly stemmed (Harman 1991, "How effective is
suffixing?", plus -ing and -ed); Chinese runs become character bigrams, the usual unit of retrieval where no
segmenter is at hand (Nie et al. 2000).
"""

from __future__ import annotations

import re
from functools import lru_cache

UNDETERMINED = "und"


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


_SCRIPTS = {
    "han": re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff]"),
    "kana": re.compile(r"[\u3040-\u30ff]"),
    "hangul": re.compile(r"[\u1100-\u11ff\uac00-\ud7af]"),
    "latin": re.compile(r"[A-Za-z\u00c0-\u024f\uff21-\uff3a\uff41-\uff5a]"),
    "cyrillic": re.compile(r"[\u0400-\u04ff]"),
    "greek": re.compile(r"[\u0370-\u03ff]"),
    "arabic": re.compile(r"[\u0600-\u06ff]"),
    "hebrew": re.compile(r"[\u0590-\u05ff]"),
    "thai": re.compile(r"[\u0e00-\u0e7f]"),
    "devanagari": re.compile(r"[\u0900-\u097f]"),
}
# A language that is not named here is taken to be written in Latin letters.
_SCRIPTS_OF = {
    "zh": {"han"},
    "ja": {"han", "kana"},
    "ko": {"hangul", "han"},
    **{tag: {"cyrillic"} for tag in ("ru", "uk", "bg", "sr", "be", "mk", "kk")},
    **{tag: {"arabic"} for tag in ("ar", "fa", "ur")},
    "el": {"greek"},
    "he": {"hebrew"},
    "th": {"thai"},
    **{tag: {"devanagari"} for tag in ("hi", "mr", "ne")},
}
# A Han character says about as much as four Latin letters; without the weight one brand name hides a Chinese title.
_WEIGHT = {"han": 4, "kana": 2, "hangul": 3}

_ENGLISH = _words(
    "the a and of to in is it for with that this are be on your from by not or you can does do what how will has have "
    "which when i my we our at an as its there these those would if any but was"
)
# Function words of other languages in Latin letters that are no English words.
_OTHER_LATIN = _words(
    "der das und ist nicht ein eine mit für auf dem den von zu aus sich le les des une et est pas que qui dans avec "
    "du au aux sur ce cette el los las y es una con para por del como il di che della sono per questo è o os da em "
    "um uma não het een van niet voor met zijn och att det som på är jest nie się na"
) - {"a", "in", "is", "as", "do", "on", "no", "so"}

STOP_WORDS = _ENGLISH | _words(
    "am been being did done had having he her him his me she they them their us were who whom whose why where "
    "could should may might must shall just also very more most than then so such into about out up down over "
    "please thanks thank hi hello hey dear too much many some other same own both each per only yes no ok okay "
    "i'm it's don't doesn't isn't aren't won't can't cannot that's what's there's i'd i'll i've you're "
    "don doesn isn aren won get got want need know tell like one use product item seller listing sell buy put go come "
    "anyway asked asking question really actually possible possibly able let just something anything thing things"
)
_ZH_STOP = re.compile(
    "请问|你好|您好|老板|卖家|亲们?|谢谢|这[个款件种只]|那[个款件种]|什么|怎么样?|如何|多少|是不是|有没有|可不可以|能不能|"
    "可以|能够|我想|想问|知道|一下|的话|产品|商品|东西|宝贝|[放做买给把被吗呢吧啊呀的了是有在和与及也都就还很会能我你您它他她]"
)

_WORD = re.compile(r"[a-z0-9\u00c0-\u024f]+(?:['’.\-][a-z0-9\u00c0-\u024f]+)*|[\u3400-\u4dbf\u4e00-\u9fff]+")
_HAN_RUN = re.compile(r"[\u3400-\u4dbf\u4e00-\u9fff]")

# An English full stop ends a sentence only before white space and a new beginning: not in 2.5, e.g. or "12 in. wide".
_SENTENCE_END = re.compile(
    r"[。！？；]+[”’」』）)]*|\n+|(?<![\s.])(?:(?<![!?])[!?]+|\.+)[\"'”’)\]]*(?=\s+[\"'“‘(\[*•-]?\s*[A-Z0-9\u4e00-\u9fff])"
)
_ABBREVIATION = re.compile(
    r"(?:^|[\s(])(?:(?i:mr|mrs|ms|dr|st|no|vs|approx|max|min|incl|dia|e\.g|i\.e|etc|inc|ltd|co|fig|qty)|[A-Z])\.$"
)


_NARROW = {0x3000: " ", **{code: chr(code - 0xFEE0) for code in range(0xFF01, 0xFF5F)}}


def narrow(text: str) -> str:
    """The text with full-width forms as ASCII, character by character, so that places stay the same."""
    return text if text.isascii() else text.translate(_NARROW)


def fold(text: str) -> str:
    """`narrow` in lower case, still character by character (a plain `lower` makes two of 'İ')."""
    lower = narrow(text).lower()
    return lower if len(lower) == len(text) else "".join(c.lower() if len(c.lower()) == 1 else c for c in narrow(text))


def primary(tag: str) -> str:
    """Primary subtag of a BCP 47 tag, lower case: 'zh' of 'zh-Hans-CN'."""
    return tag.split("-", 1)[0].lower()


def detect(text: str, declared: str | None = None) -> str:
    """The BCP 47 tag of a text: the declared one when its script is plausible, else 'en', 'zh' or 'und'."""
    counts = {name: len(pattern.findall(text)) * _WEIGHT.get(name, 1) for name, pattern in _SCRIPTS.items()}
    total = sum(counts.values())
    main = max(counts, key=lambda name: counts[name])
    if declared:
        plausible = _SCRIPTS_OF.get(primary(declared), {"latin"})
        if total == 0 or main in plausible:
            return declared
    if total == 0:
        return UNDETERMINED
    if counts["kana"] * 10 > total or counts["hangul"] * 10 > total:
        return UNDETERMINED
    if main == "han":
        return "zh"
    if main != "latin":
        return UNDETERMINED
    words = re.findall(r"[a-z\u00c0-\u024f']+", text.lower())
    english = sum(word in _ENGLISH for word in words)
    other = sum(word in _OTHER_LATIN for word in words)
    return "en" if english >= other else UNDETERMINED


def sentences(text: str) -> list[tuple[int, int]]:
    """Start and end of each sentence, surrounding white space left out; a line break ends a sentence too."""
    spans: list[tuple[int, int]] = []
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if match.group().startswith(".") and _ABBREVIATION.search(
            text[max(start, match.start() - 8) : match.start() + 1]
        ):
            continue
        _append(spans, text, start, match.end())
        start = match.end()
    _append(spans, text, start, len(text))
    return spans


def _append(spans: list[tuple[int, int]], text: str, start: int, end: int) -> None:
    piece = text[start:end]
    stripped = piece.strip()
    if stripped:
        start += piece.index(stripped)
        spans.append((start, start + len(stripped)))


def is_han(term: str) -> bool:
    """Whether an index term is Chinese."""
    return bool(_HAN_RUN.match(term))


def stem(word: str) -> str:
    """A light stem: plural, -ing and -ed endings and a final e go, so 'washing', 'washed', 'washes' and 'wash' meet."""
    return _known_stem(word) if len(word) <= _LONGEST_WORD else _stem(word)


def _stem(word: str) -> str:
    if len(word) > 4 and word.endswith("ies"):
        word = word[:-3] + "y"
    elif len(word) > 4 and word.endswith(("sses", "shes", "ches", "xes", "zes")):
        word = word[:-2]
    elif len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "us", "is")):
        word = word[:-1]
    for ending in ("ing", "ed"):
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)]
            if len(word) > 3 and word[-1] == word[-2] and word[-1] not in "lsz":
                word = word[:-1]
            break
    return word[:-1] if len(word) > 3 and word.endswith("e") else word


def terms(text: str) -> list[str]:
    """Index terms in order: stems of words that are no stop words, numbers as they stand, bigrams of Chinese runs."""
    return list(_known_terms(text) if len(text) <= _LONGEST_TEXT else _terms(text))


def _terms(text: str) -> tuple[str, ...]:
    found: list[str] = []
    for word in _WORD.findall(_ZH_STOP.sub(" ", text.lower())):
        if is_han(word):
            found += [word[i : i + 2] for i in range(len(word) - 1)] or [word]
        elif word not in STOP_WORDS:
            for part in word.split("-"):
                plain = part.removesuffix("'s").removesuffix("’s")
                if plain and plain not in STOP_WORDS:
                    found.append(stem(plain))
    return tuple(found)


# The same words, and the same lines of a listing, come again with every question about it. What is longer is not kept,
# so that nobody fills the memory with it.
_LONGEST_WORD, _LONGEST_TEXT = 32, 400
_known_stem = lru_cache(maxsize=20_000)(_stem)
_known_terms = lru_cache(maxsize=4096)(_terms)
