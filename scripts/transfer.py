"""Does the shipped checkpoint help? The table of recipes/README.md, over several seeds, and what augmentation does.

    python scripts/transfer.py --output_dir runs/transfer --hrtf FOLDER_OF_SOFA_FILES
    python scripts/transfer.py --output_dir runs/transfer --seeds 42 43 44 --jobs 2 --threads 1

Each seed has programmes, a split and trainings of its own; a test part is never trained on, nor used to choose an
epoch. (a) shipped checkpoint, two phases; (b) random trunk, two phases; (c) random weights, every stage, as many
epochs as take the same time; (d) gradient boosting on pooled cues, fitted on the same training part; (a), (b) and (c)
with many programmes to learn from; (a) without augmentation and with the picture's; and (a) on `--unheard` other
programmes heard by listeners that no training had. Stopped, the same command continues. Writes transfer.csv and prints
a Markdown table: mean and spread over seeds.
"""

import os
import subprocess
import sys
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measuring import parser_of

from spatial_swin import files
from spatial_swin.runs import RunFolder

RECIPE = "swin-nano-192/demo"
SILENT = ("--sound_ear_swap", "0", "--sound_time_shift", "0", "--sound_gain_db", "0", "--sound_mask", "0")
RANDOM_TRUNK = ("--model_name_or_path", "swin-nano-192/config.json")
FROM_SCRATCH = {"train_all_stages": "true", "head_only_epochs": 0, "warmup_epochs": 1, "trunk_cache_views": 0}
FROM_SCRATCH |= {"learning_rate": 1e-3, "backbone_learning_rate": 1e-3, "drop_path_rate": 0.05, "weight_decay": 0.05}
SCRATCH = (*RANDOM_TRUNK, *(word for key, value in FROM_SCRATCH.items() for word in (f"--{key}", str(value))))
FEW = ("--train_share", "0.1", "--validation_share", "0.1", "--test_share", "0.8")  # more to test on than the demo has
MANY = ("--train_share", "0.65", "--validation_share", "0.1", "--test_share", "0.25", "--num_train_epochs", "14")
TITLES = {
    "a": "(a) shipped checkpoint, two phases",
    "b": "(b) random trunk, two phases",
    "c": "(c) random weights, every stage, the same time",
    "d": "(d) gradient boosting on pooled cues",
    "a_many": "(a) with many programmes to learn from",
    "b_many": "(b) with many programmes to learn from",
    "c_many": "(c) with many programmes to learn from",
    "plain": "(a) without augmentation",
    "picture": "(a) with the picture augmentations of the reference study instead",
}


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seeds", type=int, nargs="+", default=[42, 43, 44])
    parser.add_argument("--variants", nargs="+", choices=TITLES, default=list(TITLES))
    parser.add_argument("--programmes", type=int, default=300, help="per seed: 10 %% to train on (300)")
    parser.add_argument("--many", type=int, default=600, help="where there are many: 65 %% to train on (600)")
    parser.add_argument("--scratch_epochs", type=int, default=9, help="epochs of (c) that take as long as (a)")
    parser.add_argument("--many_scratch_epochs", type=int, default=3, help="the same with many programmes")
    parser.add_argument("--hrtf", type=Path, help="folder of SOFA files of listeners that training never heard")
    parser.add_argument("--unheard", type=int, default=80, help="programmes for them, per seed")
    parser.add_argument("--jobs", type=int, default=1, help="trainings side by side")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of a training")
    options = parser.parse_args()
    os.environ["OMP_NUM_THREADS"] = str(options.threads)
    out, seeds = options.output_dir, options.seeds
    many = any(variant.endswith("_many") for variant in options.variants)
    for seed in seeds:
        render(out / f"data_{seed}", options.programmes, seed)
        if many:
            render(out / f"many_{seed}", options.many, seed)
    wanted = [(variant, seed) for seed in seeds for variant in options.variants if variant != "d"]
    epochs = options.scratch_epochs, options.many_scratch_epochs
    with ThreadPoolExecutor(options.jobs) as pool:
        list(pool.map(lambda one: train(out, *one, *epochs), wanted))
    rows = [run_row(out, variant, seed) for variant, seed in wanted]
    if "d" in options.variants:
        rows += [{"what": TITLES["d"], "seed": seed, "accuracy": boosted(out, seed)} for seed in seeds]
    if options.hrtf and "a" in options.variants:
        for file in sorted(options.hrtf.glob("*.sofa")):
            for seed in seeds:
                data = out / f"unheard_{file.stem}_{seed}"
                render(data, options.unheard, seed, str(file), first=options.programmes)
                value = accuracy_on(out / f"a_{seed}", data)
                rows.append({"what": f"(a) heard by {file.stem}", "seed": seed, "accuracy": value})
    files.write_csv(out / "transfer.csv", rows, ["what", "seed", "accuracy", "seconds"])
    print(markdown(rows), f"\n{out / 'transfer.csv'}", sep="\n")


def call(*words: object) -> None:
    """One `spatial-swin` command; its output goes to ours, a failure ends this script too."""
    code = subprocess.run([sys.executable, "-m", "spatial_swin.cli", *map(str, words)]).returncode
    if code:
        raise SystemExit(code)


def render(data: Path, programmes: int, seed: int, listener: str = "kemar", first: int = 0) -> None:
    which = f"--synthetic {programmes} --first_programme {first} --seed {seed}".split()
    how = ["--seconds", "3", "--size", "192", "--sound", "false"]
    call("render", *which, *how, "--listeners", listener, "--output_dir", data)


def data_of(out: Path, variant: str, seed: int) -> Path:
    return out / f"{'many' if variant.endswith('_many') else 'data'}_{seed}"


def train(out: Path, variant: str, seed: int, scratch_epochs: int, many_scratch_epochs: int) -> None:
    if RunFolder(out / f"{variant}_{seed}").state() == "finished":
        return
    overrides = {
        "a": (),
        "b": RANDOM_TRUNK,
        "c": (*SCRATCH, "--num_train_epochs", scratch_epochs),
        "a_many": MANY,
        "b_many": (*RANDOM_TRUNK, *MANY),
        "c_many": (*MANY, *SCRATCH, "--num_train_epochs", many_scratch_epochs),
        "plain": SILENT,
        "picture": (*SILENT, "--augmentation", "true"),
    }[variant]
    where = ("--output_dir", out / f"{variant}_{seed}", "--trunk_cache_dir", out / "trunk_cache")
    data = data_of(out, variant, seed) / "pictures"
    call("train", "--config", RECIPE, "--data_dir", data, "--seed", seed, *where, *FEW, *overrides)


def run_row(out: Path, variant: str, seed: int) -> dict[str, Any]:
    run = RunFolder(out / f"{variant}_{seed}")
    accuracy = run.read_metrics()["test"]["accuracy"]["value"]
    seconds = run.read_environment()["seconds_total"]
    return {"what": TITLES[variant], "seed": seed, "accuracy": accuracy, "seconds": seconds}


def boosted(out: Path, seed: int) -> float:
    """Accuracy of gradient boosting on the test part of (a)'s split, fitted on its training part."""
    from spatial_swin.data.pooled_tiles import pooled_tiles
    from spatial_swin.evaluation.baseline import fitted

    runs = [RunFolder(out / f"{variant}_{seed}") for variant in ("a", "b", "c", "plain", "picture")]
    run = next((run for run in runs if run.path.is_dir()), None)
    if run is None:
        raise SystemExit("variant d takes its split from one of a, b, c, plain or picture; ask for one of them too")
    split = run.read_split()
    features = pooled_tiles(out / f"data_{seed}" / "pictures", [sample.path for sample in split])
    labels = np.array([sample.label for sample in split])
    part = np.array([sample.split for sample in split])
    model = fitted(features[part == "train"], labels[part == "train"], seed)
    return float(model.score(features[part == "test"], labels[part == "test"]))


def accuracy_on(run: Path, data: Path) -> float:
    """Accuracy of a run's model on all pictures of another data folder."""
    from spatial_swin.data.folder import scan_folder
    from spatial_swin.data.pictures import read_pixels
    from spatial_swin.prediction.predictor import load_predictor

    predictor, folder = load_predictor(run), scan_folder(data / "pictures")
    right = 0
    for start in range(0, len(folder.pictures), 32):
        batch = folder.pictures[start : start + 32]
        pixels = [read_pixels(folder.root / picture.path, predictor.image_size) for picture in batch]
        answers = predictor.of_pixels(torch.stack(pixels)).argmax(axis=1)
        right += sum(predictor.class_names[k] == p.label for k, p in zip(answers, batch, strict=True))
    return right / len(folder.pictures)


def markdown(rows: Iterable[dict[str, Any]]) -> str:
    """One line per variant: mean, SD over seeds, each seed, seconds."""
    kinds: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        kinds.setdefault(row["what"], []).append(row)
    lines = ["| what | mean accuracy | SD over seeds | each seed | training, s |", "|---|---|---|---|---|"]
    for what, runs in kinds.items():
        values = np.array([row["accuracy"] for row in runs])
        spread = f"{values.std(ddof=1):.3f}" if len(values) > 1 else "–"
        seconds = [row["seconds"] for row in runs if row.get("seconds")]
        took = f"{np.median(seconds):.0f}" if seconds else ""
        each = ", ".join(f"{value:.3f}" for value in values)
        lines.append(f"| {what} | {values.mean():.3f} | {spread} | {each} | {took} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
