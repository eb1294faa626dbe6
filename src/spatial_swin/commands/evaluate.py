"""Final figures of a finished run: metrics with intervals on the test part, temperature fitted on the validation part.

    spatial-swin evaluate runs/first

Training opened the test part once, at its end, and kept the predictions; they are used as they are. With --repredict
true (or when they are missing) the model in the run folder predicts again, and metrics.json counts how often the test
part was opened.
"""

import argparse
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from spatial_swin.commands.values import boolean

if TYPE_CHECKING:
    from spatial_swin.runs import Predictions, RunFolder


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("run", type=Path, help="the run folder")
    parser.add_argument("--data_dir", type=Path, help="where the pictures are now (the recipe's data_dir)")
    parser.add_argument(
        "--repredict",
        type=boolean,
        nargs="?",
        const=True,
        default=False,
        metavar="true|false",
        help="let the model predict again (false)",
    )
    parser.add_argument("--resamples", type=int, default=10_000, help="of the bootstrap (10000)")
    parser.add_argument("--seed", type=int, default=0, help="of the bootstrap (0)")


def run(arguments: argparse.Namespace) -> int:
    from spatial_swin import files
    from spatial_swin.errors import RunError
    from spatial_swin.evaluation.calibration import apply_temperature, fit_temperature
    from spatial_swin.evaluation.metrics import summarise
    from spatial_swin.reporting.card import model_card
    from spatial_swin.runs import SPLITS, RunFolder

    folder = RunFolder(arguments.run).require()
    if folder.state() not in ("finished", None):
        raise RunError(
            f"{folder.path}: the training is {folder.state()}; let it finish (the same command continues it)"
        )
    stored = folder.read_metrics() if folder.metrics_file.is_file() else {}
    wanted = {sample.split for sample in folder.read_split()} & set(SPLITS[1:])
    missing = {part for part in wanted if not folder.predictions_file(part).is_file()}
    again = wanted if arguments.repredict else missing
    if again:
        predict(folder, again, arguments.data_dir)
    found = {part: folder.read_predictions(part) for part in SPLITS[1:] if part in wanted}
    openings = list(stored.get("test_openings", []))
    if "test" in again:
        openings.append({"when": datetime.now(UTC).isoformat(timespec="seconds"), "by": "spatial-swin evaluate"})
    metrics: dict[str, Any] = {
        **stored,
        "class_names": next(iter(found.values())).class_names,
        "test_openings": openings,
    }
    for part, shown in found.items():
        metrics[part] = summarise(
            shown.labels, shown.probabilities, shown.groups, shown.class_names, arguments.resamples, arguments.seed
        )
    if "validation" in found and "test" in found:
        held, test = found["validation"], found["test"]
        temperature = fit_temperature(held.labels, held.probabilities)
        metrics["temperature"] = temperature.value
        metrics["test_calibrated"] = summarise(
            test.labels,
            apply_temperature(test.probabilities, temperature.value),
            test.groups,
            test.class_names,
            arguments.resamples,
            arguments.seed,
        )
        if folder.model.is_dir():
            files.write_json(
                folder.model / "temperature.json",
                {
                    "temperature": temperature.value,
                    "fitted_on": "validation",
                    "items": temperature.items,
                    "nll_before": temperature.nll_before,
                    "nll_after": temperature.nll_after,
                },
            )
    folder.write_metrics(metrics)
    if folder.model.is_dir():
        files.write_text(folder.model / "README.md", model_card(folder, resamples=arguments.resamples))
    print(table(metrics, found))
    if len(openings) > 1:
        print(f"WARNING: the test part has been opened {len(openings)} times; figures chosen by looking at it flatter")
    print(f"\n{folder.metrics_file}")
    return 0


def predict(folder: "RunFolder", parts: set[str], data_dir: Path | None) -> None:
    """Let the run's model predict `parts` into predictions/<part>.csv; the pictures must be those of the split."""
    import torch
    from tqdm.auto import tqdm
    from transformers import AutoImageProcessor, SwinForImageClassification
    from transformers.utils import logging

    from spatial_swin.data.pictures import read_pixels
    from spatial_swin.errors import DataError, Problem, RunError, raise_problems
    from spatial_swin.files import sha256_of
    from spatial_swin.training import as_predictions

    if not folder.model.is_dir():
        raise RunError(f"{folder.model}: there is no model to predict with; the training has not finished")
    logging.disable_progress_bar()
    from spatial_swin.audio.manifest import pictures_folder

    root = pictures_folder(data_dir or folder.read_recipe()["Data"]["data_dir"])
    samples = [sample for sample in folder.read_split() if sample.split in parts]
    problems = []
    for sample in samples:
        path = root / sample.path
        if not path.is_file():
            problems.append(Problem(str(path), "is not there", "say where the pictures are with --data_dir"))
        elif sha256_of(path) != sample.sha256:
            problems.append(Problem(str(path), "is not the picture of the split", "restore it"))
    raise_problems(DataError, problems, "The data is not what the run was trained on")
    model = SwinForImageClassification.from_pretrained(folder.model, dtype=torch.float32).eval()
    processor = AutoImageProcessor.from_pretrained(folder.model)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    model.to(device)
    mean, std = (torch.tensor(v, device=device).view(1, 3, 1, 1) for v in (processor.image_mean, processor.image_std))
    names = [model.config.id2label[index] for index in range(model.config.num_labels)]
    for part in sorted(parts):
        members, logits = [sample for sample in samples if sample.split == part], []
        for start in tqdm(range(0, len(members), 32), desc=f"predicting {part}", disable=None, leave=False):
            batch = [read_pixels(root / s.path, model.config.image_size) for s in members[start : start + 32]]
            with torch.no_grad():
                logits.append(model((torch.stack(batch).to(device).float() / 255 - mean) / std).logits.cpu())
        folder.write_predictions(part, as_predictions(torch.cat(logits).numpy(), members, names))


def table(metrics: dict[str, Any], found: "dict[str, Predictions]") -> str:
    """The main figures of each part with their intervals, for the console."""
    from spatial_swin.metric_names import Shown, names

    lines = []
    for part, predictions in found.items():
        summary = metrics[part]
        lines.append(f"\n{part}: {len(predictions)} pictures of {summary['groups']} groups")
        for name in names(Shown.SUMMARY):
            entry = summary.get(name)
            if isinstance(entry, dict) and entry.get("value") is not None:
                low, high = entry.get("low"), entry.get("high")
                interval = "" if low is None or high is None else f"  [{low:.4f}, {high:.4f}]"
                lines.append(f"  {name.replace('_', ' '):<18} {entry['value']:.4f}{interval}")
    if "temperature" in metrics:
        calibrated = metrics["test_calibrated"]["ece"]["value"]
        lines.append(
            f"\ntemperature {metrics['temperature']:.3f} (fitted on validation); test ECE after it {calibrated:.4f}"
        )
    return "\n".join(lines)
