"""One document, two forms: Markdown and HTML say the same and neither lets names become markup."""

import re
from pathlib import Path

import pytest

from spatial_swin.reporting.document import (
    Bullets,
    Document,
    Section,
    Table,
    Text,
    Warnings,
    markdown,
    to_html,
    to_markdown,
)

DOCUMENT = Document(
    "Title",
    "below",
    [
        Section("First", [Text("a *b* <i>"), Bullets(["one", "two"]), Warnings(["beware"])]),
        Section("Second", [Table("numbers", ["name", "value"], [["a|b", "1.0"]])]),
    ],
)


def test_markdown_escapes_what_would_be_markup() -> None:
    text = to_markdown(DOCUMENT)
    assert r"a \*b\* \<i>" in text
    assert r"| a\|b | 1.0 |" in text
    assert "| --- | ---: |" in text
    assert "> **Note:** beware" in text


def test_html_escapes_and_links_its_sections(tmp_path: Path) -> None:
    page = to_html(DOCUMENT, tmp_path)
    assert "a *b* &lt;i&gt;" in page
    assert page.count("<h2") == 2
    assert '<a href="#s2">Second</a>' in page
    assert "<td>a|b</td>" in page
    assert "beware" in page


def test_commands_are_set_as_code_and_the_rest_stays_escaped(tmp_path: Path) -> None:
    text = Text("run `spatial-swin audit <data>` on <b>it</b>")
    page = to_html(Document("T", "", [Section("S", [text])]), tmp_path)
    assert "run <code>spatial-swin audit &lt;data&gt;</code> on &lt;b&gt;it&lt;/b&gt;" in page


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("a*b*_c_|d", r"a\*b\*\_c\_\|d"),
        ("a_b", "a_b"),
        ("<script>", r"\<script>"),
        ("[x](http://e.com)", r"\[x\](http:\//e.com)"),
        ("![x][y] www.e.com", r"![x\][y] www\.e.com"),
        ("a ~~b~~ $c$ &lt; & d", r"a \~\~b\~\~ \$c\$ \&lt; & d"),
        ("# a", r"\# a"),
        ("- a", r"\- a"),
        ("12. a", r"12\. a"),
        ("> a", r"\> a"),
        ("---", r"\---"),
        ("-0.5", "-0.5"),
        ("0.5 [0.4, 0.6]", "0.5 [0.4, 0.6]"),
        ("a\nb\x1b[2J\u202e", r"a\\nb\\x1b[2J\\u202e"),
        ("run `a|b <c>` * ` d", r"run `a\|b <c>` \* \` d"),
    ],
)
def test_no_name_is_markup(name: str, shown: str) -> None:
    assert markdown(name) == shown


def test_a_row_stays_a_row_and_a_page_one_element(tmp_path: Path) -> None:
    bad = "x|\n| y |\r\x1b[31m</td><script>`"
    document = Document(bad, bad, [Section(bad, [Table(bad, [bad, "n"], [[bad, "1"]]), Bullets([bad])])])
    text = to_markdown(document)
    rows = [line for line in text.splitlines() if line.startswith("| ")]
    assert [re.sub(r"\\.", "", row).count("|") for row in rows] == [3, 3, 3]
    page = to_html(document, tmp_path)
    assert page.count("<td>") == 2
    assert "<script" not in page
    assert not re.search(r"[\x00-\x09\x0b-\x1f]", text + page)
