"""A report as plain blocks, written out once as Markdown and once as a self-contained HTML page.

Sections of text, lists, tables and figures go in; two strings come out. The HTML holds its figures and its style, and
asks nothing of any other place. What the text says is decided elsewhere.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape


@dataclass(frozen=True)
class Text:
    text: str


@dataclass(frozen=True)
class Bullets:
    items: Sequence[str]


@dataclass(frozen=True)
class Warnings:
    """Sentences that must not be overlooked."""

    items: Sequence[str]


@dataclass(frozen=True)
class Code:
    """Markdown as it is, for a fenced block; Markdown only."""

    text: str


@dataclass(frozen=True)
class Table:
    caption: str
    header: Sequence[str]
    rows: Sequence[Sequence[str]]
    texts: bool = False  # columns of words stand to the left, columns of numbers to the right


@dataclass(frozen=True)
class Picture:
    """A figure that lies beside the report as <stem>.png and <stem>.pdf."""

    stem: str
    caption: str


Block = Text | Code | Bullets | Warnings | Table | Picture


@dataclass
class Section:
    title: str
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True)
class Document:
    title: str
    subtitle: str
    sections: Sequence[Section]


def to_markdown(document: Document) -> str:
    """GitHub-flavoured Markdown; figures are referred to as files beside it."""
    parts = [f"# {_escape(document.title)}", document.subtitle]
    for section in document.sections:
        parts.append(f"## {section.title}")
        parts += [_block_to_markdown(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block_to_markdown(block: Block) -> str:
    match block:
        case Text(text):
            return _escape(text)
        case Code(text):
            return text
        case Bullets(items):
            return "\n".join(f"- {_escape(item)}" for item in items)
        case Warnings(items):
            return "\n>\n".join(f"> **Note:** {_escape(item)}" for item in items)
        case Picture(stem, caption):
            return f"![{_escape(caption)}]({stem}.png)\n\n*{_escape(caption)}*"
        case Table(caption, header, rows, texts):
            rule = ["---"] + ["---" if texts else "---:"] * (len(header) - 1)
            lines = [_row(header), _row(rule), *map(_row, rows)]
            return f"**{_escape(caption)}**\n\n" + "\n".join(lines)


def _row(cells: Sequence[str]) -> str:
    return (
        "| "
        + " | ".join(cell if cell.startswith("---") else _escape(cell).replace("|", r"\|") for cell in cells)
        + " |"
    )


def _escape(text: str) -> str:
    """Names may hold what Markdown takes as markup; an underscore within a word is none."""
    for letter in "\\*<":
        text = text.replace(letter, f"\\{letter}")
    return text.replace("](", "]\\(")


def to_html(document: Document, folder: Path) -> str:
    """One page with everything in it; a figure that is not in `folder` is left out."""

    def embedded(stem: str) -> str:
        file = folder / f"{stem}.png"
        return base64.b64encode(file.read_bytes()).decode() if file.is_file() else ""

    environment = Environment(
        loader=PackageLoader("spatial_swin.reporting"), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters["prose"] = _prose
    return environment.get_template("report.html.j2").render(
        document=document, embedded=embedded, kind=lambda block: type(block).__name__
    )


def _prose(text: str) -> Markup:
    """Text for a page: escaped, and what stands between backticks, as commands do, set as code."""
    return Markup(re.sub(r"`([^`]+)`", r"<code>\1</code>", str(escape(text))))
