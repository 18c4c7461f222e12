"""Text that is meant for a machine, or hides from a reader: in product texts there is no honest use for either.

*Markup* is code of any kind: tags, entities, template braces, control tokens of chat models, queries, data. *Disguise*
is what a person does not see as a machine does: invisible and direction-changing characters, letters of another script
inside a word, encoded stretches, and padding, the same over and over. Both are told by form alone, in any language.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterator

_MARKUP = re.compile(
    r"</?[a-z][^<>]{0,300}>|<[a-z]+\s+[a-z]+=|<!--|<\||\|>|<</?[a-z]+>>"  # tags, and control tokens between <| and |>
    r"|\[/?(?:inst|sys|system|assistant)\]"
    r"|&(?:\#x?[0-9a-f]{1,6}|lt|gt|amp|quot|apos|nbsp);"
    r"|\{\{|\}\}|\{%|%\}|\$\{|\{\#"
    r"|```|\]\(|(?:javascript|vbscript|data|file|ftp|ldap)\s?:\s?[/\w]*[/(;]"
    r"|(?:^|\n)\s*\#{2,}\s|\#{3,}\s"
    r"|\b(?:system|assistant|human|user|question|facts)\s*:\s[^\0]{0,300}?\b(?:assistant|human|user|question|answer)\s*:\s"
    r"|-{3,}\s*(?:system|assistant|human|user|question|facts|answer)\s*:"  # a prompt's fence
    r"|\b(?:drop|truncate|alter)\s+table\b|\bunion\s+(?:all\s+)?select\b|\bdelete\s+from\b|\binsert\s+into\b|;\s*--"
    r"|[{\[,]\s*\"[^\"\n]{1,60}\"\s*:"
    r"|\b[a-z_]+=\S+(?:\s+[a-z_]+=\S+)+",
    re.IGNORECASE,
)
# Allowed of the invisible: white space, the joiners of emoji and of scripts that need them.
_DISGUISE = re.compile(
    r"[\u0000-\u0008\u000b\u000c\u000e-\u001f\u007f-\u009f]"
    r"|[\u200b\u200e\u200f\u2028-\u202e\u2060-\u206f\ufdd0-\ufdef\ufeff\ufff9-\ufffb\ufffe\uffff]"
    r"|[\U000e0000-\U000e01ef]"
    r"|[\u0300-\u036f]{3,}|(?:\w[\u0334-\u0338]){2,}"
    r"|(?<![^\W\d_])(?=[^\W\d_]{0,40}[a-z])(?=[^\W\d_]{0,40}[\u0370-\u03ff\u0400-\u052f])[^\W\d_]{4,}"
    r"|(?<![\w/+])(?=[a-z0-9+/]{0,40}[a-z])(?=[a-z0-9+/]{0,40}[0-9+/])[a-z0-9+/]{28,}={0,2}(?![\w/+])"
    r"|(.)\1{29,}",
    re.IGNORECASE | re.DOTALL,
)
#: From this length on, in characters, a text is looked at for padding. Prose shrinks to a third, padding to nothing.
_LONG, _SHRINKS = 400, 12
#: A shorter one of printable ASCII hides nothing.
_ENCODED = 28

#: The kinds that are found.
MARKUP, DISGUISE = "markup", "disguise"


def find(text: str) -> Iterator[tuple[str, int, int]]:
    """Kind, start and end of each stretch."""
    for match in _MARKUP.finditer(text):
        yield MARKUP, match.start(), match.end()
    if text.isascii() and text.isprintable() and len(text) < _ENCODED:
        return
    for match in _DISGUISE.finditer(text):
        yield DISGUISE, match.start(), match.end()
    raw = text.encode("utf-8", "surrogatepass")
    if len(text) >= _LONG and len(zlib.compress(raw, 1)) * _SHRINKS < len(raw):
        yield DISGUISE, 0, len(text)
