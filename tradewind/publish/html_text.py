"""HTML to plain text, for descriptions that shops keep as HTML."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_HIDDEN = frozenset({"script", "style", "template", "title"})
_BLOCKS = frozenset(
    {"address", "article", "aside", "blockquote", "br", "dd", "div", "dl", "dt", "figure", "footer", "form"}
    | {"h1", "h2", "h3", "h4", "h5", "h6", "header", "hr", "li", "main", "nav", "ol", "p", "pre", "section"}
    | {"table", "tr", "ul"}
)
#: Such as Word's `<![if !supportLists]>`: a comment to browsers, but html.parser fails on most of them.
_MARKED = re.compile(r"<!\[[^>]*>?")
_SPACE = re.compile(r"[ \t\r\f\v\u00a0]+")


class _Text(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self._hidden = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _HIDDEN:
            self._hidden += 1
        elif tag in _BLOCKS:
            self.parts.append("\n- " if tag == "li" else "\n")
        elif tag in ("td", "th"):
            self.parts.append(" ")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        # `<br/>`, and a slash that browsers ignore on other tags; nothing hidden opens here, for nothing
        # would close it.
        if tag in _BLOCKS:
            self.parts.append("\n")

    def handle_endtag(self, tag: str) -> None:
        if tag in _HIDDEN:
            self._hidden = max(0, self._hidden - 1)
        elif tag in _BLOCKS:
            self.parts.append("\n")

    def handle_data(self, data: str) -> None:
        if not self._hidden:
            # A line break in the source is a space on the page.
            self.parts.append(data.replace("\n", " "))


def html_to_text(html: str) -> str:
    """The text of the HTML: blocks on lines of their own, list items behind a dash, white space collapsed.

    Takes broken HTML as browsers do, and plain text as it is, but for its white space.
    """
    if "<" not in html and "&" not in html:
        return _tidy(html)
    parser = _Text()
    parser.feed(_MARKED.sub("", html))
    parser.close()
    return _tidy("".join(parser.parts))


def _tidy(text: str) -> str:
    lines = (line.strip() for line in _SPACE.sub(" ", text).split("\n"))
    return "\n".join(line for line in lines if line and line != "-")
