"""How many fixed views are enough? The demo's data trained with 1, 2, 4, 8, 16 views and with a new draw every epoch.

    spatial-swin demo                                             # renders the data, once
    python scripts/trunk_views.py demo/data/pictures --output_dir views

Every run is the demo's recipe with another number of views, three seeds each, from one shared trunk cache; the split
is the same for all, so that seeds and views alone differ. The same command continues where it was interrupted. Writes
trunk_views.csv (one row per run), trunk_views.md (mean and spread by views) and trunk_views.png beside the runs.
"""

import argparse
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from measuring import parser_of

from spatial_swin import files
from spatial_swin.config import load_recipe
from spatial_swin.runs import RunFolder
from spatial_swin.training import fine_tune

ANEW = 0  # views: a new draw every epoch
COLUMNS = ["views", "seed", "accuracy", "macro_f1", "nll", "validation_loss", "best_epoch", "seconds"]


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("data_dir", help="the demo's pictures")
    parser.add_argument("--output_dir", type=Path, default=Path("views"))
    parser.add_argument("--views", type=int, nargs="+", default=[1, 2, 4, 8, 16, ANEW], help="0: a new draw per epoch")
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])
    parser.add_argument("--config", default="swin-nano-192/demo", help="the recipe")
    options, overrides = parser.parse_known_args()
    rows = []
    for seed, views in product(options.seeds, options.views):
        rows.append(figures(train(options, views, seed, overrides), views, seed))
        write(options.output_dir, rows)
    print(f"open {options.output_dir / 'trunk_views.png'}")


def train(options: argparse.Namespace, views: int, seed: int, overrides: list[str]) -> RunFolder:
    """One run in its own folder; a finished one is not trained again."""
    folder = options.output_dir / f"views{views:02d}_seed{seed}"
    run = RunFolder(folder)
    if run.state() == "finished":
        return run
    given = ["--data_dir", options.data_dir, "--output_dir", folder, "--seed", seed, "--split_seed", 42]
    given += ["--trunk_cache_dir", options.output_dir / "cache", "--trunk_cache_views", views]
    print(f"\n=== {views or 'a new draw every epoch'}{' views' if views else ''}, seed {seed}: {folder}", flush=True)
    return fine_tune(load_recipe(options.config, [*map(str, given), *overrides]))


def figures(run: RunFolder, views: int, seed: int) -> dict[str, Any]:
    metrics = run.read_metrics()
    test = metrics["test"]
    nll = test.get("nll")
    return {
        "views": views or "new",
        "seed": seed,
        "accuracy": test["accuracy"]["value"],
        "macro_f1": test["macro_f1"]["value"],
        "nll": nll["value"] if isinstance(nll, dict) else nll,
        "validation_loss": min(row["validation_loss"] for row in run.read_history()),
        "best_epoch": metrics["best_epoch"],
        "seconds": run.read_environment()["seconds_total"],
    }


def write(folder: Path, rows: list[dict[str, Any]]) -> None:
    """The table of runs, the table by views, the figure; from as many runs as there are."""
    files.write_csv(folder / "trunk_views.csv", rows, COLUMNS)
    kinds = list(dict.fromkeys(row["views"] for row in sorted(rows, key=lambda r: (r["views"] == "new", r["views"]))))
    lines = ["| views | runs | accuracy, mean (least to greatest) | validation loss, mean |", "|---|---|---|---|"]
    for kind in kinds:
        table = np.array(
            [[row["accuracy"], row["validation_loss"]] for row in rows if row["views"] == kind], dtype=float
        )
        (mean, loss), (low, high) = table.mean(axis=0), (table[:, 0].min(), table[:, 0].max())
        lines.append(f"| {kind} | {len(table)} | {mean:.3f} ({low:.3f} to {high:.3f}) | {loss:.3f} |")
    files.write_text(folder / "trunk_views.md", "\n".join(lines) + "\n")
    draw(folder / "trunk_views.png", rows, kinds)


def draw(path: Path, rows: list[dict[str, Any]], kinds: list[Any]) -> None:
    """Accuracy of every run and the mean by views, beside the validation loss."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(1, 2, figsize=(7.2, 3.0), layout="constrained")
    shown = {"accuracy": "Test accuracy", "validation_loss": "Validation loss"}
    for axis, (name, title) in zip(axes, shown.items(), strict=True):
        values = [[row[name] for row in rows if row["views"] == kind] for kind in kinds]
        for place, group in enumerate(values):
            axis.plot([place] * len(group), group, "o", color="#0072b2", markersize=4, alpha=0.6, zorder=2)
        axis.plot(range(len(values)), [float(np.mean(group)) for group in values], "_", color="black", markersize=16)
        axis.set_xticks(range(len(kinds)), [str(kind) for kind in kinds])
        axis.set_xlim(-0.5, len(kinds) - 0.5)
        axis.set_xlabel("views of a training picture")
        axis.set_ylabel(title)
        axis.grid(axis="y", linewidth=0.4, alpha=0.5)
        axis.spines[["top", "right"]].set_visible(False)
    figure.suptitle("One point per run (seed), a bar for their mean; new: a new draw in every epoch", fontsize=9)
    with files.atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=200)
    pyplot.close(figure)


if __name__ == "__main__":
    main()
