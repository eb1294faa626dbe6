"""How well `spatial-swin adapt` hears heads it was told of: the table of docs/adapt.md, one row a head, resumable.

    python scripts/adapt_heads.py OUT HEAD.sofa HEAD.sofa ... [--stems DIR] [--seconds_apart 30] [--workers 1]

Every head is adapted to from nothing, by the command line in a process of its own, whose CPU seconds (with those of
the processes that it starts) are noted. Then it is judged on synthetic programmes of another seed, of all kinds, and
with --stems on music: a folder of stem folders, of which a clip is taken every so many seconds. Every clip of 3 s is
judged alone. Rows are kept in OUT/heads.csv; a head that has one is not made again. OMP_NUM_THREADS=1 makes the figure
of CPU seconds one of work, not of threads that wait for one another.
"""

import argparse
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from scipy import stats

from spatial_swin import files
from spatial_swin.adapting import SAMPLE_RATE, SECONDS
from spatial_swin.audio.arrivals import read_arrivals
from spatial_swin.audio.clips import Cut
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.kinds import KINDS
from spatial_swin.audio.manifest import read_rows
from spatial_swin.audio.paired import Settings
from spatial_swin.audio.paired_folder import Order, fill
from spatial_swin.layouts import DEFAULT_LAYOUTS
from spatial_swin.prediction.predictor import Predictor, load_predictor, read_picture

TEST_SEED = 20_261_125  # of the synthetic programmes that judge
COLUMNS = ["head", "synthetic", "clips", "music", "music_clips", "cpu_seconds", "seconds"]
BATCH = 64


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("output", type=Path)
    parser.add_argument("heads", nargs="+", help="SOFA files, kemar or parametric:SEED")
    parser.add_argument("--stems", type=Path, help="music to judge with, a folder of stem folders")
    parser.add_argument("--seconds_apart", type=float, default=30.0, help="from one clip of music to the next")
    parser.add_argument("--programmes", type=int, default=30, help="synthetic ones to judge with")
    parser.add_argument("--workers", type=int, default=1)
    options = parser.parse_args()
    table = options.output / "heads.csv"
    rows = files.read_csv(table) if table.is_file() else []
    for head in options.heads:
        name = load_listener(head, SAMPLE_RATE).name
        if name not in {row["head"] for row in rows}:
            rows.append({"head": name, **row_of(head, options.output / name, options)})
            files.write_csv(table, rows, COLUMNS)
        row = next(row for row in rows if row["head"] == name)
        print("  ".join(f"{key} {value}" for key, value in row.items()), flush=True)
    print(summary(rows))


def row_of(head: str, folder: Path, options: argparse.Namespace) -> dict[str, str]:
    """Adapt, judge, and keep nothing but the model."""
    shutil.rmtree(folder, ignore_errors=True)
    began, before = time.monotonic(), children_cpu()
    words = ["adapt", "--hrtf", head, "--output_dir", str(folder / "run"), "--workers", str(options.workers)]
    subprocess.run([sys.executable, "-m", "spatial_swin", *words], check=True, stdout=subprocess.DEVNULL)
    row = {"cpu_seconds": f"{children_cpu() - before:.0f}", "seconds": f"{time.monotonic() - began:.0f}"}
    predictor = load_predictor(folder / "run")
    sets = {"synthetic": None} | ({"music": options.stems} if options.stems else {})
    for kind, programmes in sets.items():
        right = judged(predictor, rendered(head, folder / kind, programmes, options))
        row |= {kind: f"{right.mean():.4f}", "clips" if programmes is None else "music_clips": str(len(right))}
    for name in ("synthetic", "music", "run/data", "run/checkpoints"):
        shutil.rmtree(folder / name, ignore_errors=True)
    return row


def rendered(head: str, folder: Path, programmes: Path | None, options: argparse.Namespace) -> Path:
    hop = SECONDS if programmes is None else options.seconds_apart
    fill(
        Order(
            output=folder,
            settings=Settings(Cut.of(SECONDS, hop, None, SAMPLE_RATE), TEST_SEED, size=192),
            layouts=DEFAULT_LAYOUTS,
            listeners=[head],
            programmes=programmes,
            synthetic=range(options.programmes if programmes is None else 0),
            kinds=KINDS,
            sound=False,
            arrivals=True,
            workers=options.workers,
        )
    )
    return folder / "pictures"


def judged(predictor: Predictor, pictures: Path) -> np.ndarray:
    """Whether the most probable label of each picture is its own, bool [N]."""
    rows, right = list(read_rows(pictures / "manifest.csv")), []
    for start in range(0, len(rows), BATCH):
        some = rows[start : start + BATCH]
        pixels = [read_picture(pictures / row.path, predictor.image_size)[0] for row in some]
        heard = None if predictor.known_head is None else read_arrivals(pictures, [row.path for row in some])
        said = predictor.of_pixels(torch.stack(pixels), heard).argmax(axis=1)
        right += [predictor.class_names[k] == row.label for k, row in zip(said, some, strict=True)]
    return np.array(right)


def children_cpu() -> float:
    """CPU seconds of all processes that this one has started and that have ended, with theirs."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def summary(rows: list[dict[str, str]]) -> str:
    """Means over heads, with the 95 % interval of Student's t: it speaks for other heads, on these programmes."""
    lines = [f"\n{len(rows)} heads"]
    for column in ("synthetic", "music", "cpu_seconds"):
        values = np.array([float(row[column]) for row in rows if row.get(column)])
        if len(values):
            half = (
                stats.t.ppf(0.975, len(values) - 1) * values.std(ddof=1) / len(values) ** 0.5
                if len(values) > 1
                else np.nan
            )
            lines.append(
                f"{column:<12} mean {values.mean():.3f}  [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
