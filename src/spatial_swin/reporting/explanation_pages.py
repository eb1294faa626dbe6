"""An explanation on disk: figures, tiles.csv, samples.csv, explanations.json; and the short table for the terminal.

An `Explanation` (arrays and names) goes in; files come out, each written whole or not at all. Figures of an earlier
explanation in the folder are removed. Nothing here loads a model.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.evaluation.explanation import Falls, RankCorrelation, Region, rank_correlation
from spatial_swin.reporting import figures_explanation as figures
from spatial_swin.reporting import style
from spatial_swin.reporting.figures_explanation import ShownSample

ALL = "all"
SHOWN_REGIONS = 20  # lines of the short table


@dataclass(frozen=True)
class Explanation:
    """What was found about one run.

    class_names: K; regions: R, areas float64 [R] their shares of the picture; items int64 [1 + K];
    relevance float64 [1 + K, R] and maps float64 [1 + K, h, w], row 0 over all, NaN for a class without items;
    falls: None when nothing was hidden; samples with their relevance [R] and fall in log-likelihood [R] each;
    mean_picture uint8 [S, S]; settings and notes: what a reader has to know.
    """

    class_names: list[str]
    regions: list[Region]
    areas: np.ndarray
    items: np.ndarray
    relevance: np.ndarray
    maps: np.ndarray
    falls: Falls | None
    samples: list[ShownSample]
    sample_relevance: np.ndarray
    sample_falls: np.ndarray | None
    mean_picture: np.ndarray
    settings: dict[str, Any]
    notes: list[str]

    def rank(self, row: int = 0) -> RankCorrelation | None:
        """Spearman's rho of relevance and fall in log-likelihood over regions, of all items or of class `row` - 1."""
        return rank_correlation(self.relevance[row], self.falls.likelihood[row]) if self.falls else None


def write(found: Explanation, folder: Path) -> None:
    """Write all of it below `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    for old in [*folder.glob("sample_*.png"), *folder.glob("sample_*.pdf")]:
        old.unlink()
    names = draw(found, folder)
    files.write_csv(
        folder / "tiles.csv",
        tile_rows(found),
        ["class", "tile", "title", "items", "area", "relevance", "likelihood_fall", "accuracy_fall"],
    )
    rows = sample_rows(found)
    columns = list(rows[0]) if rows else ["path", "kind", "label", "prediction", "confidence", "figure"]
    files.write_csv(folder / "samples.csv", rows, columns)
    files.write_json(folder / "explanations.json", as_json(found, names))


def draw(found: Explanation, folder: Path) -> list[str]:
    """Write every figure as .png and .pdf; return their stems."""
    with style.thesis_style():
        makers: dict[str, Callable[[], Figure]] = {
            "relevance_per_tile": lambda: figures.region_bars(
                found.regions, found.areas, found.relevance[0], found.falls, found.rank()
            ),
            "relevance_per_class": lambda: figures.class_tables(
                found.regions, found.class_names, found.items, found.relevance, found.falls
            ),
            "mean_maps": lambda: figures.class_maps(
                found.maps, found.class_names, found.items, found.mean_picture, found.regions
            ),
        }
        for number, sample in enumerate(found.samples, start=1):
            makers[sample_stem(number, sample)] = partial(figures.sample_overlay, sample, found.regions)
        for stem, make in tqdm(makers.items(), desc="figures", unit="figure", disable=None):
            style.save(make(), folder / stem)
    return list(makers)


def sample_stem(number: int, sample: ShownSample) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(sample.path).stem)[:60]
    return f"sample_{number:02d}_{sample.kind.replace(' ', '_')}_{name}"


def tile_rows(found: Explanation) -> list[dict[str, Any]]:
    """One row a class (first: all) and region; a class without items has empty cells."""
    rows = []
    for k, name in enumerate([ALL, *found.class_names]):
        for r, region in enumerate(found.regions):
            rows.append(
                {
                    "class": name,
                    "tile": region.name,
                    "title": region.title,
                    "items": int(found.items[k]),
                    "area": float(found.areas[r]),
                    "relevance": _known(found.relevance[k, r]),
                    "likelihood_fall": _known(found.falls.likelihood[k, r]) if found.falls else None,
                    "accuracy_fall": _known(found.falls.accuracy[k, r]) if found.falls else None,
                }
            )
    return rows


def sample_rows(found: Explanation) -> list[dict[str, Any]]:
    rows = []
    for number, sample in enumerate(found.samples):
        row: dict[str, Any] = {
            "path": sample.path,
            "kind": sample.kind,
            "label": sample.true,
            "prediction": sample.predicted,
            "confidence": sample.confidence,
            "figure": sample_stem(number + 1, sample),
        }
        row |= {
            f"relevance_{r.name}": float(v) for r, v in zip(found.regions, found.sample_relevance[number], strict=True)
        }
        if found.sample_falls is not None:
            row |= {f"fall_{r.name}": float(v) for r, v in zip(found.regions, found.sample_falls[number], strict=True)}
        rows.append(row)
    return rows


def as_json(found: Explanation, figure_names: Sequence[str]) -> dict[str, Any]:
    """All of it for other readers (`spatial-swin report`): settings, notes, rank correlations, regions, figures."""
    rows = tile_rows(found)
    ranks = {
        name: asdict(rank) for k, name in enumerate([ALL, *found.class_names]) if (rank := found.rank(k)) is not None
    }
    keep = ("tile", "title", "area", "relevance", "likelihood_fall", "accuracy_fall")
    return {
        **found.settings,
        "notes": found.notes,
        "items": int(found.items[0]),
        "rank_correlation": ranks.get(ALL),
        "rank_correlation_per_class": {name: rank for name, rank in ranks.items() if name != ALL},
        "tiles": [{key: row[key] for key in keep} for row in rows if row["class"] == ALL],
        "samples": [{"path": row["path"], "kind": row["kind"], "figure": row["figure"]} for row in sample_rows(found)],
        "figures": list(figure_names),
    }


def summary_text(found: Explanation) -> str:
    """The regions by relevance with their falls, the rank correlation, the notes."""
    order = np.argsort(-found.relevance[0], kind="stable")
    width = max(len(region.title) for region in found.regions)
    lines = [f"{'region':<{width}}  relevance" + ("  fall in log-likelihood  fall in accuracy" if found.falls else "")]
    for r in order[:SHOWN_REGIONS]:
        line = f"{found.regions[r].title:<{width}}  {found.relevance[0, r]:>9.3f}"
        if found.falls:
            line += f"  {found.falls.likelihood[0, r]:>+22.3f}  {found.falls.accuracy[0, r]:>+16.3f}"
        lines.append(line)
    if len(order) > SHOWN_REGIONS:
        lines.append(f"... and {len(order) - SHOWN_REGIONS} more in tiles.csv")
    if (rank := found.rank()) is not None:
        lines += ["", figures.rank_sentence(rank)]
    return "\n".join([*lines, *(f"note: {note}" for note in found.notes)])


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
