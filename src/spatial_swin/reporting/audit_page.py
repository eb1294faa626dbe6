"""An audit for people: lines for the console, CSV tables, and one HTML page that carries its own pictures.

In go findings, tables and the paths of pictures worth showing; out come text and files. Nothing is measured here.
"""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

import jinja2
import numpy as np
from PIL import Image

from spatial_swin import files
from spatial_swin.errors import printable
from spatial_swin.evaluation.alarms import FactorFinding, Finding
from spatial_swin.layouts import spelled

SHOWN_VALUES = 40  # rows of a factor's table on the page
SHOWN_COPIES = 12
SHOWN_SIZE = 256  # pixels per side of a picture on the page
DIFFERENCE_GAIN = 4


@dataclass(frozen=True)
class Copy:
    """Pictures that are copies of one another: identical or near-identical, `difference` in grey levels."""

    kind: str
    paths: list[str]
    groups: list[str]
    parts: list[str]
    difference: float
    crossing: bool

    @property
    def caption(self) -> str:
        between = f"{self.parts[0]}: {self.paths[0]}; {self.parts[1]}: {self.paths[1]}"
        more = f" and {len(self.paths) - 2} more" if len(self.paths) > 2 else ""
        return f"{self.kind} (differ by {self.difference:.2f} grey levels): {between}{more}"


@dataclass(frozen=True)
class Audit:
    """All that was found of one data folder; `split` is the description of the split, `origin` that of the factors."""

    root: Path
    pictures: int
    findings: list[Finding]
    factors: list[FactorFinding]
    copies: list[Copy]
    split: str
    origin: str
    mean_pictures: Mapping[str, np.ndarray]  # label -> uint8 [S, S]
    examples: Mapping[str, Sequence[str]]  # label -> paths below root

    @property
    def alarms(self) -> list[Finding]:
        return [finding for finding in self.findings if finding.alarm]


def audit_text(audit: Audit) -> str:
    """The findings as lines for the console; alarms carry their advice."""
    lines = []
    for finding in audit.findings:
        lines.append(f"{'ALARM' if finding.alarm else 'ok':<6} {finding.kind:<10} {finding.text}")
        if finding.advice:
            lines.append(f"{'':<18}-> {finding.advice}")
    return "\n".join(map(printable, lines))


def write_tables(audit: Audit, folder: Path) -> None:
    """audit.csv (one row per finding), factor_tables.csv, duplicates.csv."""
    names = [field.name for field in fields(Finding)]
    files.write_csv(folder / "audit.csv", [asdict(finding) for finding in audit.findings], names)
    cells = [
        {"factor": factor.name, "value": value, "label": label, "recordings": int(count)}
        for factor in audit.factors
        for value, row in zip(factor.table.values, factor.table.counts, strict=True)
        for label, count in zip(factor.table.classes, row, strict=True)
    ]
    files.write_csv(folder / "factor_tables.csv", cells, ["factor", "value", "label", "recordings"])
    columns = ["set", "kind", "path", "group", "part", "difference", "crossing"]
    rows = [
        (number, copy.kind, path, group, part, copy.difference, str(copy.crossing).lower())
        for number, copy in enumerate(audit.copies, start=1)
        for path, group, part in zip(copy.paths, copy.groups, copy.parts, strict=True)
    ]
    files.write_csv(folder / "duplicates.csv", [dict(zip(columns, row, strict=True)) for row in rows], columns)


def write_page(audit: Audit, path: Path) -> None:
    """One self-contained HTML page: findings, split, factor tables, classes, copies."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True, finalize=_shown)
    template = environment.from_string((Path(__file__).parent / "templates/audit.html.j2").read_text(encoding="utf-8"))
    crossing = [copy for copy in audit.copies if copy.crossing]
    files.write_text(
        path,
        template.render(
            title="/".join(files.telling_parts(audit.root)) or str(audit.root),
            subtitle=f"{audit.pictures} pictures of {len(audit.examples)} classes in {audit.root}",
            alarms=audit.alarms,
            findings=audit.findings,
            split=audit.split,
            factors=audit.origin,
            tables=[_factor_rows(factor) for factor in audit.factors],
            classes=_class_rows(audit),
            copies=[
                {"caption": copy.caption, "pictures": [_picture(audit.root / p) for p in copy.paths[:2]]}
                for copy in crossing[:SHOWN_COPIES]
            ],
            more_copies=max(0, len(crossing) - SHOWN_COPIES),
        ),
    )


def _shown(value: Any) -> Any:
    """Text as the page may carry it: names come from others, and may hold what no page or terminal should obey."""
    return "\n".join(map(printable, value.split("\n"))) if type(value) is str else value


def _factor_rows(factor: FactorFinding) -> dict[str, Any]:
    counts = factor.table.counts
    shades = counts / np.maximum(counts.sum(axis=0), 1)
    order = np.argsort(-counts.sum(axis=1), kind="stable")[:SHOWN_VALUES]
    rows = [
        (factor.table.values[k], [(int(n), f"{0.75 * s:.2f}") for n, s in zip(counts[k], shades[k], strict=True)])
        for k in sorted(order)
    ]
    classes = [spelled(name) for name in factor.table.classes]
    return {**vars(factor), "classes": classes, "rows": rows, "left_out": len(counts) - len(rows)}


def _class_rows(audit: Audit) -> list[dict[str, Any]]:
    overall = np.mean(list(audit.mean_pictures.values()), axis=0)
    rows = []
    for label, mean in audit.mean_pictures.items():
        difference = (128 + DIFFERENCE_GAIN * (mean - overall)).clip(0, 255).astype(np.uint8)
        pictures = [
            {"data": _as_data(Image.fromarray(mean.astype(np.uint8))), "caption": "mean"},
            {"data": _as_data(Image.fromarray(difference)), "caption": "mean minus mean of all, x4"},
        ]
        pictures += [{"data": _picture(audit.root / path), "caption": path} for path in audit.examples[label]]
        rows.append({"label": spelled(label), "pictures": pictures})
    return rows


def _picture(path: Path) -> str:
    with Image.open(path) as image:
        grey = image.convert("L")
        grey.thumbnail((SHOWN_SIZE, SHOWN_SIZE))
        return _as_data(grey)


def _as_data(image: Image.Image) -> str:
    stream = io.BytesIO()
    image.save(stream, "PNG")
    return "data:image/png;base64," + base64.b64encode(stream.getvalue()).decode()
