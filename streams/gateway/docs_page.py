"""The gateway's page for people: its OpenAPI document as one page, without a script and with nothing from outside."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from html import escape
from typing import Any

from streams.gateway.openapi import document

_STYLE = """
:root { color-scheme: light dark }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 62rem; margin: 2rem auto; padding: 0 1rem }
h1 { margin-bottom: 0 } h2 { margin-top: 3rem; border-top: 1px solid #8888; padding-top: 1rem }
code, pre { font: 14px/1.45 ui-monospace, monospace } pre { overflow-x: auto; padding: .8rem; background: #8882 }
table { border-collapse: collapse; width: 100% } th, td { text-align: left; vertical-align: top; padding: .3rem .8rem
.3rem 0; border-bottom: 1px solid #8884 } td:first-child { white-space: nowrap }
.method { font-weight: 700 } summary { cursor: pointer }
"""
_STYLE_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY = ("default-src 'none'", f"style-src 'sha256-{_STYLE_HASH}'", "base-uri 'none'", "form-action 'none'",
           "frame-ancestors 'none'")  # fmt: skip
DOCS_HEADERS: tuple[tuple[str, str], ...] = (
    ("content-security-policy", "; ".join(_POLICY)),
    ("referrer-policy", "no-referrer"),
)


def docs_page(max_events: int, max_body_bytes: int) -> bytes:
    """The page, in UTF-8."""
    found = document(max_events, max_body_bytes)
    info = found["info"]
    parts = [
        "<!doctype html><html lang=en><head><meta charset=utf-8>",
        "<meta name=viewport content='width=device-width, initial-scale=1'>",
        f"<title>{escape(info['title'])}</title><style>{_STYLE}</style></head><body>",
        f"<h1>{escape(info['title'])}</h1><p>{_words(info['summary'])} {_words(info['description'])}</p>",
        f"<p>{_words(found['components']['securitySchemes']['key']['description'])} ",
        "The same as a document for tools: <a href='/openapi.json'>/openapi.json</a> (OpenAPI 3.1).</p>",
        "<nav><ul>",
        *(f"<li><a href='#{_anchor(path)}'><code>{path}</code></a></li>" for path in found["paths"]),
        "</ul></nav>",
    ]
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            parts += _operation(found, path, method, operation)
    return "\n".join([*parts, "</body></html>"]).encode()


def _operation(found: Mapping[str, Any], path: str, method: str, operation: Mapping[str, Any]) -> Iterator[str]:
    yield f"<h2 id='{_anchor(path)}'><span class=method>{method.upper()}</span> <code>{path}</code></h2>"
    yield f"<p><b>{escape(operation['summary'])}</b><br>{_words(operation.get('description', ''))}</p>"
    if parameters := operation.get("parameters"):
        yield "<h3>Headers and parameters</h3>"
        yield _table([(each["name"], each["in"], each["description"]) for each in parameters])
    for media_type, content in operation.get("requestBody", {}).get("content", {}).items():
        if "anyOf" not in content["schema"]:
            continue  # a file, which the description has
        (record,) = (one["$ref"].rpartition("/")[2] for one in content["schema"]["anyOf"] if "$ref" in one)
        schema = found["components"]["schemas"][record]
        yield f"<h3>The event, as <code>{media_type}</code></h3><p>{_words(schema['description'])}</p>"
        yield _table(
            [
                (name, _kind(field), ("Required. " if name in schema["required"] else "") + field["description"])
                for name, field in schema["properties"].items()
            ]
        )
        example = json.dumps(content["examples"]["one"]["value"], indent=2, ensure_ascii=False)
        yield "<h3>Try it</h3>"
        yield _block(
            f"curl -X POST https://THIS-GATEWAY{path} \\\n  -H 'Authorization: Bearer tw_...' \\\n"
            f"  -H 'Content-Type: {media_type}' \\\n  -d '{example}'"
        )
    yield "<h3>Answers</h3>"
    yield _table([(status, "", answer["description"]) for status, answer in operation["responses"].items()])
    for status, answer in operation["responses"].items():
        for content in answer["content"].values():
            for shown in [content["example"]] if "example" in content else _values(content.get("examples", {})):
                example = json.dumps(shown, indent=2, ensure_ascii=False)
                yield f"<details><summary>Example of {status}</summary>{_block(example)}</details>"


def _values(examples: Mapping[str, Any]) -> list[Any]:
    return [each["value"] for each in examples.values()]


def _kind(schema: Mapping[str, Any]) -> str:
    """What a field takes, in a few words."""
    kinds = [each for each in schema.get("anyOf", [schema]) if each.get("type") != "null"]
    words = []
    for each in kinds:
        kind = each["type"] if isinstance(each["type"], str) else next(k for k in each["type"] if k != "null")
        limits = [str(each["format"])] if "format" in each else []
        if "enum" in each:
            limits.append(", ".join(symbol for symbol in each["enum"] if symbol is not None))
        limits += [f"{words_} {each[name]}" for name, words_ in _LIMITS.items() if name in each]
        words.append(kind + (f" ({'; '.join(limits)})" if limits else ""))
    return " or ".join(words)


_LIMITS = {"maxLength": "at most", "minimum": "from", "multipleOf": "in steps of", "maxItems": "entries at most",
           "maxProperties": "entries at most"}  # fmt: skip


def _anchor(path: str) -> str:
    return path.strip("/").replace("/", "-")


def _table(rows: list[tuple[str, str, str]]) -> str:
    cells = (f"<tr><td><code>{escape(a)}</code></td><td>{escape(b)}</td><td>{_words(c)}</td></tr>" for a, b, c in rows)
    return f"<table>{''.join(cells)}</table>"


def _words(text: str) -> str:
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", escape(text))


def _block(text: str) -> str:
    return f"<pre>{escape(text)}</pre>"
