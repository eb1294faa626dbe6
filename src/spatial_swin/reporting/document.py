"""A report as plain blocks, written out once as Markdown and once as a self-contained HTML page; and its words.

Sections of text, lists, tables and figures go in; two strings come out. Names in them become no markup in either. The
HTML holds its figures and its style, and loads nothing from elsewhere. What the text says is decided elsewhere; the
words that every chapter shares (counts, durations, recipe values, sentences) are at the end.
"""

import base64
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath

from jinja2 import Environment, PackageLoader
from markupsafe import Markup, escape

from spatial_swin.errors import printable

COMMAND = re.compile(r"`([^`]+)`")
MARKUP = re.compile(
    r"""[\\*<|`~$] | (?<!\w)_ | _(?!\w) | &(?=[#\w]) | \](?=[(\[:])  # emphasis, HTML, tables, math, entities, links
    | (?<=:)/(?=/) | (?<=www)\.                                   # addresses, which become links by themselves
    | ^(?:[>\[] | [-+](?=\s|$) | -(?=--) | \#(?=\#*(?:\s|$)))      # quotes, lists, rules and headings""",
    re.VERBOSE,
)


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
    parts = [f"# {markdown(document.title)}", markdown(document.subtitle)]
    for section in document.sections:
        parts.append(f"## {markdown(section.title)}")
        parts += [_block_to_markdown(block) for block in section.blocks]
    return "\n\n".join(part for part in parts if part) + "\n"


def _block_to_markdown(block: Block) -> str:
    match block:
        case Text(text):
            return markdown(text)
        case Code(text):
            return text
        case Bullets(items):
            return "\n".join(f"- {markdown(item)}" for item in items)
        case Warnings(items):
            return "\n>\n".join(f"> **Note:** {markdown(item)}" for item in items)
        case Picture(stem, caption):
            return f"![{markdown(caption)}]({stem}.png)\n\n*{markdown(caption)}*"
        case Table(caption, header, rows, texts):
            rule = "| --- " + ("| --- " if texts else "| ---: ") * (len(header) - 1) + "|"
            return f"**{markdown(caption)}**\n\n" + "\n".join([_row(header), rule, *map(_row, rows)])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(markdown, cells))} |"


def markdown(text: object) -> str:
    """`text` on one line as it is, letter by letter, with nothing in it that Markdown would take as markup.

    Only what stands between backticks, as commands do, is code. An underscore within a word needs no escape.
    """
    pieces = COMMAND.split(printable(text).strip())  # every second one is a command
    pieces[::2] = [MARKUP.sub(r"\\\g<0>", piece) for piece in pieces[::2]]
    pieces[1::2] = [f"`{piece}`".replace("|", r"\|") for piece in pieces[1::2]]
    return re.sub(r"^(\d+)([.)])(?=\s|$)", r"\1\\\2", "".join(pieces))


def to_html(document: Document, folder: Path) -> str:
    """One page with everything in it; a figure that is not in `folder` is left out."""

    def embedded(stem: str) -> str:
        file = folder / f"{stem}.png"
        return base64.b64encode(file.read_bytes()).decode() if file.is_file() else ""

    environment = Environment(
        loader=PackageLoader("spatial_swin.reporting"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value,
    )
    environment.filters["prose"] = _prose
    return environment.get_template("report.html.j2").render(
        document=document, embedded=embedded, kind=lambda block: type(block).__name__
    )


def _prose(text: str) -> Markup:
    """Text for a page: escaped, and what stands between backticks, as commands do, set as code."""
    return Markup(COMMAND.sub(r"<code>\1</code>", str(escape(printable(text)))))


def counted(count: int, noun: str) -> str:
    return f"{count:,} {noun if count == 1 else noun + 's'}".replace(",", "\u202f")


def sentence(text: str) -> str:
    text = text[0].upper() + text[1:]
    return text if text.endswith((".", ")")) else text + "."


def shown_value(value: object) -> str:
    """A recipe value for a reader; of an absolute path only its last part, which is no one else's business."""
    if isinstance(value, str) and (value.startswith(("/", "~", ".")) or "\\" in value):
        return PurePath(value.replace("\\", "/")).name
    if isinstance(value, (list, tuple)):
        return ", ".join(map(str, value)) or "none"
    return f"{value:g}" if isinstance(value, float) else str(value)


def duration(seconds: float) -> str:
    """ "47 s", "3 min 20 s" or "7 h 46 min"."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"
