"""What this server must know of a statement's text: where an insert's data begins, and the answer's format.

Everything else is left to the engine's own parser. The text is bytes, since an insert's data may be binary.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    rb"""
      (?P<blank>\s+|--[^\n]*|\#[\ !][^\n]*|/\*.*?\*/)
    | (?P<quoted>'(?:[^'\\]|\\.|'')*'|`(?:[^`\\]|\\.|``)*`|"(?:[^"\\]|\\.|"")*"|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$)
    | (?P<word>\w+)
    | (?P<other>.)
    """,
    re.VERBOSE | re.DOTALL,
)
# FORMAT's data starts after one line break, or after the blanks where there is none (ClickHouse's ParserInsertQuery).
_BEFORE_DATA = re.compile(rb"[ \t\f]*;?[ \t\f]*\r?\n?")
_QUERIES = frozenset((b"SELECT", b"WITH", b"FROM", b"WATCH"))


@dataclass(frozen=True, slots=True)
class Insert:
    """An INSERT whose data follows its text.

    `statement` is all that stands before FORMAT or VALUES, `settings_start` where its SETTINGS clause begins (its
    end where it has none), `format` the format of the data, and `data_start` the index of the data's first byte in
    the text that was split.
    """

    statement: str
    settings_start: int
    format: str
    data_start: int

    def from_file(self, path: str) -> str:
        """The same statement with its data in a file."""
        head, settings = self.statement[: self.settings_start], self.statement[self.settings_start :]
        return f"{head} FROM INFILE {quote(path)} {settings} FORMAT {self.format}"


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: bytes
    start: int
    end: int

    @property
    def upper(self) -> bytes:
        """The keyword that this token may be; no keyword where it is quoted."""
        return self.text.upper() if self.kind == "word" else b""


def split_insert(text: bytes) -> Insert | None:
    """The INSERT at the start of `text` where its data follows in line; None for any other statement.

    None as well for INSERT ... SELECT and INSERT ... FROM INFILE, which bring no data with them.

    Raises:
        UnicodeDecodeError: the statement, its data aside, is not UTF-8.
    """
    tokens = _top_level(text)
    if (first := next(tokens, None)) is None or first.upper != b"INSERT":
        return None
    naming_table = True  # a table may be called `format` or `values`
    settings_start: int | None = None
    for token in tokens:
        if naming_table:
            naming_table = token.upper in (b"INTO", b"TABLE", b"FUNCTION")
        elif token.text == b".":
            naming_table = True
        elif token.upper in _QUERIES:
            return None
        elif token.upper == b"SETTINGS":
            settings_start = len(text[: token.start].decode())
        elif token.upper == b"VALUES":
            return _insert(text[: token.start], settings_start, "Values", token.end)
        elif token.upper == b"FORMAT":
            name = next(tokens, None)
            if name is None or name.kind != "word":
                return None
            gap = _BEFORE_DATA.match(text, name.end)
            data_start = gap.end() if gap else name.end
            return _insert(text[: token.start], settings_start, name.text.decode(), data_start)
    return None


def _insert(before: bytes, settings_start: int | None, data_format: str, data_start: int) -> Insert:
    statement = before.decode()
    return Insert(statement, len(statement) if settings_start is None else settings_start, data_format, data_start)


def output_format(text: bytes) -> str | None:
    """The name in the statement's FORMAT clause, or None where it has none."""
    tokens = list(_top_level(text))
    after = [token.upper or token.text for token in tokens[2:]] + [b""] * 2
    for clause, name, following in zip(tokens, tokens[1:], after, strict=False):
        # A column may be called `format` too, but then no clause of a statement's end comes after its alias.
        if clause.upper == b"FORMAT" and name.kind == "word" and following in (b"", b";", b"SETTINGS", b"INTO"):
            return name.text.decode()
    return None


def first_word(text: bytes) -> str:
    """The statement's first keyword in upper case, past comments and opening brackets; "" where there is none."""
    for token in _tokens(text):
        if token.kind == "word":
            return token.text.decode(errors="replace").upper()
        if token.text != b"(":
            return ""
    return ""


def quote(value: str) -> str:
    """`value` as a string literal."""
    return "'" + value.replace("\\", "\\\\").replace("'", "\\'") + "'"


def quote_identifier(name: str) -> str:
    """`name` as an identifier."""
    return "`" + name.replace("\\", "\\\\").replace("`", "\\`") + "`"


def _tokens(text: bytes) -> Iterator[_Token]:
    for match in _TOKEN.finditer(text):
        kind = "quoted" if match.lastgroup == "tag" else str(match.lastgroup)
        if kind != "blank":
            yield _Token(kind, match.group(), match.start(), match.end())


def _top_level(text: bytes) -> Iterator[_Token]:
    """The tokens outside of all brackets."""
    depth = 0
    for token in _tokens(text):
        if token.kind == "other" and token.text in b"([{":
            depth += 1
        elif token.kind == "other" and token.text in b")]}":
            depth -= 1
        elif depth == 0:
            yield token
