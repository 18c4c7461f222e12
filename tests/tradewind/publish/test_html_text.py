"""HTML to text."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tradewind.publish.html_text import html_to_text


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("", ""),
        ("plain text", "plain text"),
        ("  9/16  inch\t wrench ", "9/16 inch wrench"),
        ("<p>One.</p><p>Two.</p>", "One.\nTwo."),
        ("One<br>two<br/>three<br />", "One\ntwo\nthree"),
        ("<ul><li>Oak</li><li>500&nbsp;ml</li></ul>", "- Oak\n- 500 ml"),
        ("<ul><li>Oak<li>Ash</ul>", "- Oak\n- Ash"),
        ("Fish &amp; chips &lt;3 &#8364;5", "Fish & chips <3 €5"),
        ("<b>bold</b>er", "bolder"),
        ("a\nb", "a\nb"),
        ("<p>a\nb</p>", "a b"),
        ("<style>p {}</style><script>alert(1)</script>Hello", "Hello"),
        ("<!-- note --><p>Seen</p>", "Seen"),
        ("<table><tr><td>Size</td><td>XL</td></tr></table>", "Size XL"),
        ("<p>not closed", "not closed"),
        ("a < b", "a < b"),
        ("</script>still here", "still here"),
        ("<![if !supportLists]>· <![endif]>Oak", "· Oak"),
        ("<![foo]>Oak<![", "Oak"),
        ("<!DOCTYPE html><head><title>T</title></head><body>Oak</body>", "Oak"),
        ("<p>棉<strong>100%</strong></p>", "棉100%"),
    ],
)
def test_text_of(html: str, text: str) -> None:
    assert html_to_text(html) == text


@given(st.text('<>/&;"=![]-?# pbrlistyle\n', max_size=80))
def test_any_text_gives_tidy_text_and_no_exception(html: str) -> None:
    lines = html_to_text(html).split("\n")
    assert lines == [""] or all(line == line.strip() and line for line in lines)
