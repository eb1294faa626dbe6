"""One document, two forms: Markdown and HTML say the same and neither lets names become markup."""

from pathlib import Path

from spatial_swin.reporting.document import Bullets, Document, Section, Table, Text, Warnings, to_html, to_markdown

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
