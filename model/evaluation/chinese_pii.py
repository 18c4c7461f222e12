"""Chinese mobile and resident identity numbers as people write them, made up from a seed, and numbers that are none.

Mobile numbers: eleven digits with the prefixes in use. Resident ids: region, birth date, order, and the check character
of GB 11643 (ISO 7064 MOD 11-2). Region codes are real first levels; no number is taken from anywhere.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta

from model.evaluation.sets import PIIRow, PIISpan

MOBILE, RESIDENT_ID = "CN_MOBILE", "CN_ID"

_PREFIXES = (
    *range(130, 140),
    *range(150, 154),
    *range(155, 160),
    166,
    *range(170, 179),
    *range(180, 190),
    191,
    198,
    199,
)
_PROVINCES = (
    11,
    12,
    13,
    14,
    15,
    21,
    22,
    23,
    31,
    32,
    33,
    34,
    35,
    36,
    37,
    41,
    42,
    43,
    44,
    45,
    46,
    50,
    51,
    52,
    53,
    54,
    61,
    62,
)
_WEIGHTS = (7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2)
_FIRST, _DAYS = date(1945, 1, 1), 23_000

_MOBILE_TEXTS = (
    "我的手机号是{}，请尽快联系我",
    "{}",
    "麻烦打{}给我",
    "收货电话：{}，谢谢",
    "请问什么时候发货？电话{}",
    "加我微信{}可以吗",
    "手机{}没收到短信",
    "My number is {}, call me please",
    "请联系{}或者留言",
    "下单留的是{}这个号",
)
_ID_TEXTS = (
    "身份证号{}，海关要用",
    "{}",
    "我的身份证是{}。",
    "清关需要身份证：{}，对吗？",
    "证件号码 {} 已经上传了",
    "实名认证用{}可以吗",
    "My Chinese ID is {}.",
    "姓名和身份证{}都填好了",
)
_NO_PII: tuple[tuple[str, Callable[[random.Random], str]], ...] = (
    ("这款手机的电池容量是{}毫安时吗？", lambda r: str(r.randrange(1000, 20_000))),
    ("库存还有{}件", lambda r: str(r.randrange(2, 20_000))),
    ("型号{}和新款有什么区别？", lambda r: f"{r.choice('ABCXZ')}{r.randrange(100, 9999)}-{r.randrange(10, 99)}"),
    ("价格{}元能便宜吗？", lambda r: f"{r.randrange(1, 20_000)}.{r.randrange(100):02d}"),
    ("尺寸是{}毫米", lambda r: f"{r.randrange(10, 2000)}x{r.randrange(10, 2000)}"),
    ("商品条码{}对得上吗", lambda r: str(r.randrange(6_900_000_000_000, 6_999_999_999_999))),
    ("{}年生产的吗？", lambda r: str(r.randrange(2001, 2026))),
)


def positives(count: int, seed: int) -> list[PIIRow]:
    """`count` texts with a mobile number, and as many with a resident id."""
    generator = random.Random(seed)
    rows = [_placed(generator, _MOBILE_TEXTS, _mobile(generator), MOBILE) for _ in range(count)]
    return rows + [_placed(generator, _ID_TEXTS, resident_id(generator), RESIDENT_ID) for _ in range(count)]


def negatives(count: int, seed: int) -> list[PIIRow]:
    """`count` texts with a number that is no personal data: sizes, prices, stock, model numbers, bar codes."""
    generator = random.Random(seed)
    chosen = [generator.choice(_NO_PII) for _ in range(count)]
    return [PIIRow(text.format(make(generator)), ()) for text, make in chosen]


def resident_id(generator: random.Random) -> str:
    """An identity number with its check character."""
    born = _FIRST + timedelta(days=generator.randrange(_DAYS))
    body = (
        f"{generator.choice(_PROVINCES)}{generator.randrange(1, 30):02d}{generator.randrange(1, 30):02d}"
        f"{born:%Y%m%d}{generator.randrange(1, 999):03d}"
    )
    remainder = sum(int(digit) * weight for digit, weight in zip(body, _WEIGHTS, strict=True)) % 11
    last = "10X98765432"[remainder]
    return body + (last.lower() if generator.random() < 0.2 else last)


def _mobile(generator: random.Random) -> str:
    prefix, middle, end = (
        str(generator.choice(_PREFIXES)),
        f"{generator.randrange(10_000):04d}",
        f"{generator.randrange(10_000):04d}",
    )
    separator = generator.choice(("", "", "", "-", " "))
    country = generator.choice(("", "", "", "", "+86", "+86 ", "0086"))
    return country + separator.join((prefix, middle, end))


def _placed(generator: random.Random, texts: tuple[str, ...], number: str, kind: str) -> PIIRow:
    text = generator.choice(texts)
    start = text.index("{}")
    return PIIRow(text.format(number), (PIISpan(kind, start, start + len(number)),))
