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
from spatial_swin.errors import printable
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


def write(explanation: Explanation, folder: Path) -> None:
    """Write all of it below `folder`; an earlier explanation stays whole until then."""
    samples = sample_rows(explanation)
    columns = list(samples[0]) if samples else ["path", "kind", "label", "prediction", "confidence", "figure"]
    tiles = tile_rows(explanation)
    with files.staged_folder(folder) as staging:
        stems = draw(explanation, staging)
        files.write_csv(staging / "tiles.csv", tiles, list(tiles[0]))
        files.write_csv(staging / "samples.csv", samples, columns)
        files.write_json(staging / "explanations.json", as_json(explanation, stems))
    for old in folder.glob("sample_*.*"):
        if old.stem not in stems:
            old.unlink()


def draw(explanation: Explanation, folder: Path) -> list[str]:
    """Write every figure as .png and .pdf; return their stems."""
    e, regions, names = explanation, explanation.regions, explanation.class_names
    makers: dict[str, Callable[[], Figure]] = {
        "relevance_per_tile": lambda: figures.relevance_per_tile(regions, e.areas, e.relevance[0], e.falls, e.rank()),
        "relevance_per_class": lambda: figures.relevance_per_class(regions, names, e.items, e.relevance, e.falls),
        "mean_maps": lambda: figures.mean_maps(e.maps, names, e.items, e.mean_picture, regions),
    }
    for number, sample in enumerate(e.samples, start=1):
        makers[sample_stem(number, sample)] = partial(figures.sample_overlay, sample, regions)
    with style.thesis_style():
        for stem, make in tqdm(makers.items(), desc="figures", unit="figure", disable=None):
            style.save(make(), folder / stem)
    return list(makers)


def sample_stem(number: int, sample: ShownSample) -> str:
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", Path(sample.path).stem)[:60]
    return f"sample_{number:02d}_{sample.kind.replace(' ', '_')}_{name}"


def tile_rows(explanation: Explanation) -> list[dict[str, Any]]:
    """One row per class (first: all) and region; a class without items has empty cells."""
    falls = explanation.falls
    likelihood, accuracy = (falls.likelihood, falls.accuracy) if falls else (None, None)
    return [
        {
            "class": name,
            "tile": region.name,
            "title": region.title,
            "items": int(explanation.items[k]),
            "area": float(explanation.areas[r]),
            "relevance": _known(explanation.relevance[k, r]),
            "likelihood_fall": None if likelihood is None else _known(likelihood[k, r]),
            "accuracy_fall": None if accuracy is None else _known(accuracy[k, r]),
            **_limits_of(falls, k, r),
        }
        for k, name in enumerate([ALL, *explanation.class_names])
        for r, region in enumerate(explanation.regions)
    ]


def _limits_of(falls: Falls | None, k: int, r: int) -> dict[str, float | None]:
    """The limits of both falls, which are known for all items only (k is 0)."""
    known = falls if k == 0 else None
    found = {
        "likelihood": None if known is None else known.likelihood_limits,
        "accuracy": None if known is None else known.accuracy_limits,
    }
    return {
        f"{name}_fall_{side}": None if limits is None else float(limits[at, r])
        for name, limits in found.items()
        for at, side in enumerate(("low", "high"))
    }


def sample_rows(explanation: Explanation) -> list[dict[str, Any]]:
    """One row per sample: what was said of it, then the relevance of every region, then what hiding it costs."""
    names = [region.name for region in explanation.regions]
    rows = []
    for number, sample in enumerate(explanation.samples):
        row: dict[str, Any] = {
            "path": sample.path,
            "kind": sample.kind,
            "label": sample.true,
            "prediction": sample.predicted,
            "confidence": sample.confidence,
            "figure": sample_stem(number + 1, sample),
        }
        by_region = {"relevance": explanation.sample_relevance, "fall": explanation.sample_falls}
        for what, table in by_region.items():
            if table is not None:
                row |= {f"{what}_{name}": float(v) for name, v in zip(names, table[number], strict=True)}
        rows.append(row)
    return rows


def as_json(explanation: Explanation, figure_names: Sequence[str]) -> dict[str, Any]:
    """All of it for other readers (`spatial-swin report`): settings, notes, rank correlations, regions, figures."""
    rows = tile_rows(explanation)
    ranks = {
        name: asdict(rank)
        for k, name in enumerate([ALL, *explanation.class_names])
        if (rank := explanation.rank(k)) is not None
    }
    limits = (f"{name}_fall_{side}" for name in ("likelihood", "accuracy") for side in ("low", "high"))
    keep = ("tile", "title", "area", "relevance", "likelihood_fall", "accuracy_fall", *limits)
    return {
        **explanation.settings,
        "notes": explanation.notes,
        "items": int(explanation.items[0]),
        "rank_correlation": ranks.get(ALL),
        "rank_correlation_per_class": {name: rank for name, rank in ranks.items() if name != ALL},
        "tiles": [{key: row[key] for key in keep} for row in rows if row["class"] == ALL],
        "samples": [{key: row[key] for key in ("path", "kind", "figure")} for row in sample_rows(explanation)],
        "figures": list(figure_names),
    }


def summary_text(explanation: Explanation) -> str:
    """The regions by relevance with their falls, the rank correlation, the notes."""
    order = np.argsort(-explanation.relevance[0], kind="stable")
    width = max(len(region.title) for region in explanation.regions)
    lines = [
        f"{'region':<{width}}  relevance" + ("  fall in log-likelihood  fall in accuracy" if explanation.falls else "")
    ]
    for r in order[:SHOWN_REGIONS]:
        line = f"{explanation.regions[r].title:<{width}}  {explanation.relevance[0, r]:>9.3f}"
        if explanation.falls:
            line += f"  {explanation.falls.likelihood[0, r]:>+22.3f}  {explanation.falls.accuracy[0, r]:>+16.3f}"
        lines.append(line)
    if len(order) > SHOWN_REGIONS:
        lines.append(f"... and {len(order) - SHOWN_REGIONS} more in tiles.csv")
    if (rank := explanation.rank()) is not None:
        lines += ["", figures.rank_sentence(rank)]
    return "\n".join(map(printable, [*lines, *(f"note: {note}" for note in explanation.notes)]))


def _known(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
