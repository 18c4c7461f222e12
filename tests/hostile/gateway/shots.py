"""What is thrown at the gateway: families of requests, each with the answers that are right for it. Seeded."""

from __future__ import annotations

import gzip
import io
import json
import random
import string
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import fastavro
from backports import zstd

from schemas.records import parsed_schema
from schemas.topics import LISTINGS, ORDERS, QUESTIONS, Topic
from schemas.varint import write_varint
from tests.hostile.gateway.wire import request

#: Stands in every private field that is sent; no answer, log or metric may have it.
CANARY = "canary-7f3a-do-not-repeat"
PATHS: dict[str, Topic] = {"/v1/listings": LISTINGS, "/v1/questions": QUESTIONS, "/v1/orders": ORDERS}


@dataclass(frozen=True, slots=True)
class Secrets:
    """Keys that the gateway knows, by what is right or wrong about them."""

    good: str
    reader: str
    publisher: str
    revoked: str
    expired: str
    merchant: str
    other_merchant: str


@dataclass(frozen=True, slots=True)
class Shot:
    """One request.

    Attributes:
        raw: as it goes over the wire.
        right: statuses that are right for it; 0 is a connection closed without a word.
        stream: whether the answer, if it is 200, has no end.
    """

    family: str
    raw: bytes
    right: frozenset[int]
    stream: bool = False


Make = Callable[[random.Random, Secrets], Shot]
#: What a body that may or may not be an event can come to.
ANY_BODY = frozenset({202, 207, 400, 403, 413, 422})
#: What a server that can't read a request says, or closes without.
NOT_HTTP = frozenset({0, 400, 404, 405, 408, 411, 413, 414, 415, 417, 431, 501, 505})


def event(path: str, rng: random.Random, merchant: str) -> dict[str, Any]:
    """An event that is right."""
    found: dict[str, Any] = {
        "event_id": str(uuid.UUID(int=rng.getrandbits(128), version=4)),
        "occurred_at": "2026-03-01T09:30:00Z",
        "merchant_id": merchant,
        "listing_id": f"L{rng.randrange(1000)}",
    }
    if path == "/v1/questions":
        return found | {"question_id": f"Q{rng.randrange(10**9)}", "text": f"Is it wide? {CANARY}", "buyer_id": CANARY}
    if path == "/v1/orders":
        return found | {
            "order_id": f"O{rng.randrange(10**9)}",
            "kind": rng.choice(["PLACED", "PAID", "REFUNDED"]),
            "amount": f"{rng.randrange(100_000)}.{rng.randrange(100):02}",
            "currency": "EUR",
            "buyer_id": CANARY,
        }
    return found | {"title": "Mug", "attributes": {"material": "stone"}, "price": "9.50", "currency": "EUR"}


def _post(path: str, key: str, body: bytes, **headers: str) -> bytes:
    named = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    return request("POST", path, named | {name.replace("_", "-"): value for name, value in headers.items()}, body)


def _json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")


def good(rng: random.Random, secrets: Secrets) -> Shot:
    """Events that are right, one or many, in every encoding."""
    path = rng.choice(list(PATHS))
    events = [event(path, rng, secrets.merchant) for _ in range(rng.choice([1, 1, 2, 10, 50]))]
    body = _json(events[0] if len(events) == 1 and rng.random() < 0.5 else events)
    encoding = rng.choice(["identity", "gzip", "zstd"])
    packed = {"identity": bytes, "gzip": gzip.compress, "zstd": zstd.compress}[encoding](body)
    return Shot("good", _post(path, secrets.good, packed, Content_Encoding=encoding), frozenset({202}))


def mangled(rng: random.Random, secrets: Secrets) -> Shot:
    """A body that was right before some of its bytes were changed, cut out or doubled."""
    path = rng.choice(list(PATHS))
    body = bytearray(_json([event(path, rng, secrets.merchant) for _ in range(rng.choice([1, 3]))]))
    for _ in range(rng.randrange(1, 6)):
        at = rng.randrange(len(body) or 1)
        match rng.randrange(4):
            case 0 if body:
                body[at] = rng.randrange(256)
            case 1:
                del body[at : at + rng.randrange(1, 9)]
            case 2:
                body[at:at] = body[at : at + rng.randrange(1, 30)]
            case _:
                body[at:at] = rng.choice(
                    [b"\x00", b"\xff", b'"', b"{", b"]", b"\\u", b"\\ud800", b"\xef\xbb\xbf", b"NaN"]
                )
    return Shot("mangled", _post(path, secrets.good, bytes(body)), ANY_BODY)


def odd_values(rng: random.Random, secrets: Secrets) -> Shot:
    """An event with a value, a field or a shape that nobody would send in good faith."""
    path = rng.choice(list(PATHS))
    found: Any = event(path, rng, secrets.merchant)
    name = rng.choice([*found, "extra", "__proto__", "", "\u202e", "event_id\x00"])
    found[name] = _odd(rng)
    shape = rng.randrange(6)
    if shape == 0:
        found = [found, _odd(rng)]
    elif shape == 1:
        found = [[found]]
    elif shape == 2:
        found = {"events": [found]}
    return Shot("odd values", _post(path, secrets.good, _json(found)), ANY_BODY)


def _odd(rng: random.Random) -> Any:
    deep: Any = []
    for _ in range(rng.choice([2, 50, 200])):
        deep = [deep]
    choices: list[Any] = [
        *(None, True, [], {}, "", 0, -1, 2**31, 2**63, 2**64, -(2**63) - 1, 1e308, -0.0, 10**400),
        *(float("nan"), float("inf"), "NaN", "1e999", "\x00", "\ud800", "\u0000" * 10, "💥" * 100),
        *(
            "x" * 300,
            "x" * 30_000,
            "9" * 400,
            "1." + "0" * 400,
            "0001-01-01T00:00:00Z",
            "9999-12-31T23:59:59.999+14:00",
        ),
        *("10000-01-01T00:00:00Z", "2026-02-30T00:00:00Z", "0000-00-00", "{}", "' OR 1=1 --", "<script>", "../../etc"),
        *({"a": {"b": {"c": 1}}}, {"": ""}, {str(n): "v" for n in range(1_500)}, ["v"] * 1_500, deep),
        *({"material": None}, {"material": ["x"]}, {"x" * 30_000: "v"}, [None], [[]], "zh-CN-" * 50, "E\u0301UR"),
    ]
    return rng.choice(choices)


def not_json(rng: random.Random, secrets: Secrets) -> Shot:
    """Bytes that are no JSON, or JSON that only some readers take."""
    path = rng.choice(list(PATHS))
    choices = [
        *(b"", b" ", b"null", b"true", b"0", b'"x"', b"[]", b"[[]]", b"[null]", b"{}", b"[{}]", b"\xef\xbb\xbf{}"),
        *(b"[" * 5_000, b"[" * 200_000, b'{"a":' * 5_000, b"[1,]", b"{'a':1}", b"NaN", b"[Infinity]", b"1e999999"),
        *(
            b'{"merchant_id":"a","merchant_id":"b"}',
            b"\xff\xfe{\x00}\x00",
            b"{}{}",
            b"{}\n{}\n",
            b'"' + b"\\u0000" * 9 + b'"',
        ),
        *(
            b"9" * 100_000,
            b"-",
            b"\x00" * 1_000,
            rng.randbytes(rng.randrange(1, 2_000)),
            b"[" + b"{}," * 3_000 + b"{}]",
        ),
    ]
    # Of two fields of one name, the last is taken, which is another merchant's here.
    return Shot("not json", _post(path, secrets.good, rng.choice(choices)), frozenset({400, 403, 413, 422}))


def wrong_media(rng: random.Random, secrets: Secrets) -> Shot:
    """A type or an encoding that is not taken, or that the body does not have."""
    path = rng.choice(list(PATHS))
    body = _json(event(path, rng, secrets.merchant))
    kind = rng.choice(
        ["text/plain", "application/xml", "multipart/form-data; boundary=x", "*/*", "", "application/json/x"]
    )
    if rng.random() < 0.5:
        return Shot("wrong media", _post(path, secrets.good, body, Content_Type=kind), frozenset({415}))
    encoding = rng.choice(["br", "deflate", "compress", "gzip, br", "x" * 100, "gzip;q=1", "gzip", "zstd"])
    right = frozenset({400}) if encoding in ("gzip", "zstd") else frozenset({415})
    return Shot("wrong media", _post(path, secrets.good, body, Content_Encoding=encoding), right)


@cache
def _bombs() -> tuple[tuple[str, bytes], ...]:
    zeros = bytes(200 * 1024 * 1024)
    gzipped = gzip.compress(zeros, 9)
    many = gzip.compress(bytes(1024 * 1024), 9) * 300
    packed = zstd.compress(zeros, 19)
    listed = gzip.compress(b"[" + b"{}," * 3_000_000 + b"{}]", 6)
    return (
        ("gzip", gzipped),
        ("gzip", many),
        ("zstd", packed),
        ("zstd", packed * 20),
        ("gzip", listed),
        ("zstd", zstd.compress(b"[" * 100_000_000)),
    )


def bomb(rng: random.Random, secrets: Secrets) -> Shot:
    """A small body that inflates to hundreds of megabytes."""
    encoding, body = rng.choice(_bombs())
    path = rng.choice(list(PATHS))
    return Shot("bomb", _post(path, secrets.good, body, Content_Encoding=encoding), frozenset({413}))


def broken_compression(rng: random.Random, secrets: Secrets) -> Shot:
    """A compressed body that is cut short, damaged, or has something behind it."""
    path = rng.choice(list(PATHS))
    encoding = rng.choice(["gzip", "zstd"])
    body = _json([event(path, rng, secrets.merchant) for _ in range(20)])
    packed = bytearray(gzip.compress(body) if encoding == "gzip" else zstd.compress(body))
    match rng.randrange(3):
        case 0:
            del packed[rng.randrange(len(packed)) :]
        case 1:
            packed[rng.randrange(len(packed))] ^= 1 << rng.randrange(8)
        case _:
            packed += rng.randbytes(rng.randrange(1, 50))
    # A flipped bit may be one that nobody reads, such as the time in gzip's header; and zstd need not have a checksum,
    # so that a letter of the merchant's name may come out as another.
    right = ANY_BODY
    return Shot("broken compression", _post(path, secrets.good, bytes(packed), Content_Encoding=encoding), right)


def avro(rng: random.Random, secrets: Secrets) -> Shot:
    """An Avro container, whole or damaged."""
    path = rng.choice(list(PATHS))
    rows = [_typed(path, event(path, rng, secrets.merchant)) for _ in range(rng.choice([1, 5]))]
    file = io.BytesIO()
    fastavro.writer(file, parsed_schema(PATHS[path].record), rows, codec=rng.choice(["null", "null", "deflate"]))
    body = bytearray(file.getvalue())
    for _ in range(rng.randrange(8)):
        body[rng.randrange(len(body))] = rng.choice([0, 0xFF, 0x7F, rng.randrange(256)])
    raw = _post(path, secrets.good, bytes(body), Content_Type="application/avro")
    return Shot("avro", raw, ANY_BODY | {415})


def _typed(path: str, found: dict[str, Any]) -> dict[str, Any]:
    from schemas.validation import validate

    datum = validate(PATHS[path].record, found)
    assert isinstance(datum, dict), datum
    return datum


def avro_lies(rng: random.Random, secrets: Secrets) -> Shot:
    """A container whose schema or lengths were made to hurt."""
    path = rng.choice(list(PATHS))
    record = parsed_schema(PATHS[path].record)["name"].rpartition(".")[2]
    itself = {"type": "record", "name": "R", "fields": [{"name": "r", "type": "R"}]}
    nothing = {"type": "array", "items": "null"}
    many = {"type": "record", "name": record, "fields": [{"name": f"f{n}", "type": "null"} for n in range(20_000)]}
    deep: Any = "null"
    for _ in range(400):
        deep = {"type": "array", "items": deep}
    schema = rng.choice([itself, nothing, many, deep, "null", ["null", "string"], {"type": "nonsense"}, 7])
    text = rng.choice([json.dumps(schema).encode(), b"{", b"", b"\xff" * 9])
    codec, size_of_text = write_varint(4) + b"null", write_varint(len(text))
    head = b"Obj\x01\x04\x14avro.codec" + codec + b"\x16avro.schema" + size_of_text + text + b"\x00"
    sync = rng.randbytes(16)
    count, size = (rng.choice([1, 2**31, 2**62, -1, -(2**62)]) for _ in range(2))
    body = head + sync + write_varint(count) + write_varint(size) + rng.randbytes(rng.randrange(64)) + sync
    raw = _post(path, secrets.good, body, Content_Type="application/avro")
    return Shot("avro that lies", raw, frozenset({400, 413, 415, 422}))


def wrong_key(rng: random.Random, secrets: Secrets) -> Shot:
    """No key, one that is none, or one for something else."""
    path = rng.choice(list(PATHS))
    body = _json(event(path, rng, secrets.merchant))
    whole = secrets.good
    scrambled = whole[:-1] + ("A" if whole[-1] != "A" else "B")
    none = [
        *(
            "",
            "Bearer",
            "Bearer ",
            f"Basic {whole}",
            f"Bearer {scrambled}",
            f"Bearer {whole}x",
            f"Bearer {whole[:20]}",
        ),
        *(f"Bearer {secrets.revoked}", f"Bearer {secrets.expired}", "Bearer tw__", "Bearer tw_" + "a" * 5_000),
        *("Bearer \xff\xfe", f"Bearer {whole} {whole}", "Bearer tw_x'; DROP TABLE keys; --_y", f"Bearer,{whole}"),
    ]
    match rng.randrange(4):
        case 0:
            raw = request(
                "POST", path, {"Authorization": f"Bearer {secrets.reader}", "Content-Type": "application/json"}, body
            )
            return Shot("wrong key", raw, frozenset({403}))
        case 1:
            raw = request("GET", "/v1/stream", {"Authorization": f"Bearer {secrets.publisher}"})
            return Shot("wrong key", raw, frozenset({403}))
        case 2:
            raw = request("GET", "/v1/stream", {"Authorization": rng.choice(none)})
            return Shot("wrong key", raw, frozenset({401}))
        case _:
            raw = request("POST", path, {"Authorization": rng.choice(none), "Content-Type": "application/json"}, body)
            return Shot("wrong key", raw, frozenset({401}))


def others(rng: random.Random, secrets: Secrets) -> Shot:
    """Events in another merchant's name, alone or among one's own."""
    path = rng.choice(list(PATHS))
    spelling = rng.choice(
        [secrets.other_merchant, f"{secrets.merchant} ", secrets.merchant.upper(), "*", f"{secrets.merchant}\x00"]
    )
    foreign = event(path, rng, spelling)
    if rng.random() < 0.5:
        return Shot("another merchant", _post(path, secrets.good, _json(foreign)), frozenset({403}))
    body = _json([event(path, rng, secrets.merchant), foreign])
    return Shot("another merchant", _post(path, secrets.good, body), frozenset({207}))


_PATH_LETTERS = "".join(sorted(set(string.printable[:94]) - set("?#")))
_NO_PATHS = (
    *(
        "/",
        "/v1",
        "/v1/",
        "/v1/orders/",
        "/v1/orders/1",
        "/v2/orders",
        "/v1/answers",
        "//v1/orders",
        "/v1/../etc/passwd",
    ),
    *("/%2e%2e/%2e%2e/etc/passwd", "/v1/orders%00", "/V1/ORDERS", "/docs/../v1", "/.git/config", "/metrics/x"),
)


def lost(rng: random.Random, secrets: Secrets) -> Shot:
    """Paths and methods that there are not."""
    key = {"Authorization": f"Bearer {secrets.good}"}
    if rng.random() < 0.5:
        anything = "".join(rng.choices(_PATH_LETTERS, k=20))
        path = rng.choice([*_NO_PATHS, f"/{anything}"])
        return Shot("lost", request(rng.choice(["GET", "POST"]), path, key), frozenset({400, 404}))
    method = rng.choice(["GET", "PUT", "DELETE", "PATCH", "TRACE", "PROPFIND", "FOO"])
    return Shot("lost", request(method, rng.choice(list(PATHS)), key), frozenset({405, 501}))


def bad_stream(rng: random.Random, secrets: Secrets) -> Shot:
    """A stream asked for wrongly."""
    key = {"Authorization": f"Bearer {secrets.reader}"}
    junk = rng.choice(
        ["x", "0", "-1", "%00", "%ff%fe", "A" * 500, "AAAA" * 20, "null", "..", "e30", "____", "%F0%9F%92%A5"]
    )
    match rng.randrange(3):
        case 0:
            raw = request("GET", f"/v1/stream?last_event_id={junk}", key)
        case 1:
            raw = request("GET", "/v1/stream", key | {"Last-Event-ID": junk})
        case _:
            raw = request(
                "GET", f"/v1/stream?topics={rng.choice(['', 'orders', 'dead-letters', junk, 'insights,,'])}", key
            )
            return Shot("bad stream", raw, frozenset({200, 400}), stream=True)
    return Shot("bad stream", raw, frozenset({400}), stream=True)


def bad_upgrade(rng: random.Random, secrets: Secrets) -> Shot:
    """A WebSocket asked for wrongly."""
    headers = {
        "Authorization": f"Bearer {rng.choice([secrets.reader, secrets.publisher, 'x'])}",
        "Upgrade": rng.choice(["websocket", "WebSocket", "h2c", "x"]),
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": rng.choice(["13", "8", "x", ""]),
        "Sec-WebSocket-Key": rng.choice(["dGhlIHNhbXBsZSBub25jZQ==", "", "x", "a" * 1000]),
    }
    headers.pop(rng.choice([*headers, "none"]), None)
    path = rng.choice(["/v1/stream", "/v1/orders", "/"])
    right = frozenset({0, 101, 200, 400, 401, 403, 404, 405, 426})
    return Shot("bad upgrade", request("GET", path, headers), right, stream=True)


def not_http(rng: random.Random, secrets: Secrets) -> Shot:
    """What is no HTTP, or HTTP that contradicts itself."""
    key = f"Authorization: Bearer {secrets.good}\r\nContent-Type: application/json\r\nHost: x\r\n".encode()
    body = _json(event("/v1/orders", rng, secrets.merchant))
    start = b"POST /v1/orders HTTP/1.1\r\n" + key
    choices = [
        rng.randbytes(rng.randrange(1, 300)) + b"\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: " + b"a" * 200_000 + b"\r\n\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"X-%d: y\r\n" % n for n in range(500)) + b"\r\n",
        start + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n" + body,
        start + b"Content-Length: -1\r\n\r\n" + body,
        start + b"Content-Length: 99999999999999999999\r\n\r\n" + body,
        start + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\n\r\n",
        start + b"Transfer-Encoding: chunked\r\n\r\nZZ\r\n",
        start + b"Transfer-Encoding: chunked\r\n\r\nFFFFFFFFFFFFFFFF\r\n" + body,
        start + b"Transfer-Encoding: xchunked\r\n\r\n" + body,
        start + b"Bad Header: x\r\n\r\n" + body,
        start + b"Connection: close\r\nX: a\r\n b\r\nContent-Length: 0\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + rng.randbytes(60),
        b"\x16\x03\x01" + rng.randbytes(80),
    ]
    return Shot("not http", rng.choice(choices), NOT_HTTP | {200, 422})


#: By family, how often of a hundred.
FAMILIES: Mapping[Make, int] = {
    good: 14,
    mangled: 16,
    odd_values: 18,
    not_json: 8,
    wrong_media: 5,
    bomb: 1,
    broken_compression: 6,
    avro: 8,
    avro_lies: 6,
    wrong_key: 6,
    others: 4,
    lost: 4,
    bad_stream: 2,
    bad_upgrade: 1,
    not_http: 1,
}


def shots(count: int, seed: int, secrets: Secrets) -> list[Shot]:
    """So many requests, mixed."""
    rng = random.Random(seed)
    makes = rng.choices(list(FAMILIES), weights=list(FAMILIES.values()), k=count)
    return [make(rng, secrets) for make in makes]
