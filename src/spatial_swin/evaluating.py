"""The workings of `spatial-swin evaluate`: a finished run folder in, its final figures out, and written into it.

The test part stays closed where its predictions were kept; where the model has to predict again, metrics.json counts
the opening. The temperature and the prediction sets are fitted on the validation part alone. Nothing here trains.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm.auto import tqdm

from spatial_swin import files
from spatial_swin.audio.arrivals import read_arrivals
from spatial_swin.calibrating import sets_of
from spatial_swin.data.folder import pictures_of
from spatial_swin.data.pictures import normalise, read_pixels
from spatial_swin.data.preflight import require_same_pictures
from spatial_swin.domain_scoring import fit_for_run, inherit_for_run
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import apply_temperature, fit_temperature
from spatial_swin.evaluation.conformal import coverage_and_size
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.finished import DOMAIN_SCORE, SETS, TEMPERATURE, FinishedModel, open_finished, temperature_record
from spatial_swin.metric_names import Shown, names
from spatial_swin.modeling.quick_swin import QuickSwin
from spatial_swin.modeling.swin import Swin
from spatial_swin.reporting.card import model_card
from spatial_swin.runs import SPLITS, Predictions, RunFolder
from spatial_swin.second_opinion import SecondOpinion

BATCH = 32


@dataclass(frozen=True)
class Evaluation:
    """What metrics.json holds now, and the predictions of each part that it was computed from."""

    metrics: dict[str, Any]
    predictions: dict[str, Predictions]

    @property
    def openings(self) -> int:
        """How often the test part has been predicted."""
        return len(self.metrics["test_openings"])


def evaluate(
    run: RunFolder,
    repredict: bool = False,
    data_dir: Path | None = None,
    resamples: int = 10_000,
    seed: int = 0,
    domain_score: bool = False,
    inherited: DomainScore | None = None,
) -> Evaluation:
    """Compute the figures of `run` and write metrics.json, temperature.json, sets.json and the card.

    Args:
        repredict: let the model predict again; missing predictions are made in any case.
        data_dir: where the pictures are now (the recipe's data_dir when None).
        resamples, seed: of the bootstrap.
        domain_score: fit the score that says whether the model should be asked, too.
        inherited: or take this one, of the model that the run began from, with a threshold of the run's own pictures.

    Raises:
        RunError: the run is unfinished, or its model is missing or damaged.
        DataError: pictures to be predicted are gone or changed.
    """
    if run.require().state() not in ("finished", None):
        raise RunError(f"{run.path}: the training is {run.state()}; let it finish (the same command continues it)")
    wanted = {sample.split for sample in run.read_split()} & set(SPLITS[1:])
    again = wanted if repredict else {part for part in wanted if not run.predictions_file(part).is_file()}
    finished = None
    if again or run.model.is_dir():  # the model is opened in any case: a card beside damaged weights would be untrue
        finished = open_finished(run.path, data_dir=data_dir, refit=True)
        _predict(run, finished, finished.load(), again, data_dir)
    scored = fit_for_run(run, data_dir) if domain_score else None
    if scored is None and inherited is not None:
        scored = inherit_for_run(run, inherited, data_dir)
    predictions = {part: run.read_predictions(part) for part in SPLITS[1:] if part in wanted}
    metrics = run.read_metrics() if run.metrics_file.is_file() else {}
    if finished is not None and finished.domain is not None:
        metrics["domain"] = finished.domain.as_json()
    metrics["class_names"] = next(iter(predictions.values())).class_names
    openings = metrics.setdefault("test_openings", [])
    if "test" in again:
        openings.append({"when": datetime.now(UTC).isoformat(timespec="seconds"), "by": "spatial-swin evaluate"})

    def figures(of: Predictions, probabilities: np.ndarray) -> dict[str, Any]:
        return summarise(of.labels, probabilities, of.groups, of.class_names, resamples, seed)

    metrics |= {part: figures(of, of.probabilities) for part, of in predictions.items()}
    if len(predictions) == 2:
        held, test = predictions["validation"], predictions["test"]
        temperature = fit_temperature(held.labels, held.probabilities, held.groups)
        metrics["temperature"] = temperature.value
        metrics["temperature_limits"] = [temperature.low, temperature.high]
        metrics["temperature_caution"] = temperature.caution
        calibrated = apply_temperature(test.probabilities, temperature.value)
        metrics["test_calibrated"] = figures(test, calibrated)
        sets = sets_of(held, run.read_split(), temperature.value)
        covered, size = coverage_and_size(sets, test.labels, calibrated)
        metrics["prediction_sets"] = {**sets.as_record(), "test_coverage": covered, "test_mean_size": size}
        if run.model.is_dir():
            files.write_json(run.model / TEMPERATURE, temperature_record(temperature))
            files.write_json(run.model / SETS, sets.as_record())
    if scored is not None:
        metrics["domain_score"] = scored.about
        files.write_json(run.model / DOMAIN_SCORE, scored.as_record())
    run.write_metrics(metrics)
    if run.model.is_dir():
        files.write_text(run.model / "README.md", model_card(run, resamples=resamples))
    return Evaluation(metrics, predictions)


def _predict(
    run: RunFolder, finished: FinishedModel, model: Swin, parts: Collection[str], data_dir: Path | None
) -> None:
    """Let the model predict `parts` into predictions/<part>.csv; the pictures must be those of the split."""
    if not parts:
        return
    root = pictures_of(run, data_dir)
    samples = [sample for sample in run.read_split() if sample.split in parts]
    require_same_pictures(root, samples, advice="restore them, or say where they are with --data_dir")
    opinion, head = finished.load_second_opinion(), finished.load_known_head()
    members = {part: [sample for sample in samples if sample.split == part] for part in sorted(parts)}
    heard = {}
    if head is not None:  # what is missing is said before the minutes
        heard = {part: read_arrivals(root, [sample.path for sample in some]) for part, some in members.items()}
    for part, some in members.items():
        paths = [root / sample.path for sample in some]
        logits = of_pictures(finished, model, opinion, paths, f"predicting {part}")
        if head is not None:
            logits = head.decide(logits, heard[part], finished.class_names)
        run.write_predictions(part, Predictions.of_logits(logits, some, finished.class_names))


def of_pictures(
    finished: FinishedModel,
    model: Swin | QuickSwin,
    opinion: SecondOpinion | None,
    paths: Sequence[Path],
    doing: str = "predicting",
) -> np.ndarray:
    """What a model and its second opinion say of pictures: logits [N, K]. doing: for the progress bar."""
    logits = []
    for start in tqdm(range(0, len(paths), BATCH), desc=doing, disable=None, leave=False):
        pixels = torch.stack([read_pixels(path, finished.image_size) for path in paths[start : start + BATCH]])
        with torch.no_grad():
            said = model(normalise(pixels.to(model.device), finished.mean, finished.std)).logits.cpu().numpy()
        logits.append(said if opinion is None else opinion.decide(said, pixels))
    return np.concatenate(logits)


def table(evaluation: Evaluation) -> str:
    """The main figures of each part with their intervals, for the console."""
    metrics, lines = evaluation.metrics, []
    for part, predictions in evaluation.predictions.items():
        summary = metrics[part]
        lines.append(f"\n{part}: {len(predictions)} pictures of {summary['groups']} groups")
        for name in names(Shown.SUMMARY):
            entry = summary.get(name)
            if isinstance(entry, dict) and entry.get("value") is not None:
                low, high = entry.get("low"), entry.get("high")
                interval = "" if low is None or high is None else f"  [{low:.4f}, {high:.4f}]"
                lines.append(f"  {name.replace('_', ' '):<18} {entry['value']:.4f}{interval}")
    if "temperature" in metrics:
        ece = metrics["test_calibrated"]["ece"]["value"]
        lines.append(f"\ntemperature {metrics['temperature']:.3f} (fitted on validation); test ECE after it {ece:.4f}")
        if metrics.get("temperature_caution"):
            lines.append(f"WARNING: {metrics['temperature_caution']}; more validation recordings would settle it")
    if "domain_score" in metrics:
        about = metrics["domain_score"]
        lines += _with_caution(
            f"domain score: {about['false_alarms']:.1%} of genuine pictures of heads not fitted are flagged "
            f"({about['genuine']} pictures of {about['heads']} heads, {about['outliers']} outliers)",
            about["caution"],
        )
    if "prediction_sets" in metrics:
        sets = metrics["prediction_sets"]
        lines += _with_caution(
            f"sets of labels with a probability of at least {sets['least']:.3f} (fitted on validation for a coverage "
            f"of {sets['coverage']:g}): test coverage {sets['test_coverage']:.4f}, "
            f"{sets['test_mean_size']:.2f} labels a set",
            sets["caution"],
        )
    return "\n".join(lines)


def _with_caution(line: str, doubt: str) -> list[str]:
    """A line, and below it why not to rely on it, where there is a reason."""
    return [line, f"WARNING: {doubt}"] if doubt else [line]
