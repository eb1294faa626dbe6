"""What a run folder has to say, gathered once: every piece that can be read, and a sentence for each that cannot.

A run folder goes in, an `Evidence` comes out. A missing or damaged piece becomes a line in `problems` and never stops
the rest; a caution about what was read becomes a line in `notes`. Results are computed from the predictions, not taken
from metrics.json, so that text, tables and figures cannot contradict one another. It writes nothing, loads no model.
"""

from collections import Counter, defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from spatial_swin.errors import SpatialSwinError
from spatial_swin.evaluation.calibration import Temperature, apply_temperature, fit_temperature
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.runs import Predictions, RunFolder, Sample

T = TypeVar("T")
FILE_FACTORS = ("recording", "chunk")  # these number the files; no figure breaks results down by them


@dataclass
class Evidence:
    """One run, read. `part` is what the results are of: "test", or "validation" without test predictions."""

    run: RunFolder
    name: str
    recipe: dict[str, dict[str, Any]] = field(default_factory=dict)
    environment: dict[str, Any] = field(default_factory=dict)
    progress: dict[str, Any] = field(default_factory=dict)
    stored: dict[str, Any] = field(default_factory=dict)
    samples: list[Sample] = field(default_factory=list)
    history: list[dict[str, Any]] = field(default_factory=list)
    validation: Predictions | None = None
    test: Predictions | None = None
    part: str = "test"
    metrics: dict[str, Any] = field(default_factory=dict)
    temperature: Temperature | None = None
    calibrated: dict[str, Any] = field(default_factory=dict)
    explanations: dict[str, Any] = field(default_factory=dict)  # what `spatial-swin explain` left, if it was run
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def predictions(self) -> Predictions | None:
        return self.test or self.validation

    @property
    def class_names(self) -> list[str]:
        if self.predictions:
            return self.predictions.class_names
        return sorted({sample.label for sample in self.samples})

    @property
    def best_epoch(self) -> int | None:
        """The epoch whose weights were kept: what training noted, else the best validation accuracy in the history."""
        best = self.stored.get("best_epoch") or (self.progress.get("best") or {}).get("epoch")
        if best is None and self.history:
            best = max(self.history, key=lambda row: row.get("validation_accuracy", float("-inf")))["epoch"]
        return int(best) if best is not None else None

    @property
    def openings(self) -> list[dict[str, Any]]:
        """When the test part was predicted, as `spatial-swin evaluate` noted it."""
        return list(self.stored.get("test_openings", []))

    def key(self, section: str, name: str, default: Any = None) -> Any:
        """A value of the recipe, or `default`."""
        return (self.recipe.get(section) or {}).get(name, default)


def gather(path: str | Path, resamples: int = 10_000, seed: int = 0, examples: bool = True) -> Evidence:
    """Read one run folder. Raises RunError only when it is no run folder at all.

    examples: whether cautions may name a recording as an example; names of the data set's files can be private.
    """
    run = RunFolder(path).require()
    found = Evidence(run, run.path.resolve().name)

    def read(reader: Callable[[], T], default: T) -> T:
        try:
            return reader()
        except SpatialSwinError as error:
            found.problems.append(str(error).replace(f"{run.path}/", ""))
            return default

    found.recipe = read(run.read_recipe, {}) or {}
    found.environment = read(run.read_environment, {})
    found.progress = read(run.read_progress, {})
    found.samples = read(run.read_split, [])
    found.history = read(run.read_history, [])
    if run.metrics_file.is_file():
        found.stored = read(run.read_metrics, {})
    if run.explanations_file.is_file():
        found.explanations = read(run.read_explanations, {})
    found.test = read(lambda: run.read_predictions("test"), None)
    found.validation = read(lambda: run.read_predictions("validation"), None)
    found.problems += _state_problems(found)
    if found.test is None and found.validation is not None:
        found.part = "validation"
        found.problems.append(
            "there are no test predictions: the results below are of the validation part, which chose the best epoch "
            "and is therefore flattering; `spatial-swin evaluate` predicts the test part"
        )
    _compute(found, resamples, seed)
    found.notes += _cautions(found, examples)
    return found


def _state_problems(found: Evidence) -> list[str]:
    state, epoch, epochs = (found.progress.get(key) for key in ("state", "epoch", "epochs"))
    if state in (None, "finished"):
        return []
    return [f"the training is not finished (state: {state}, epoch {epoch} of {epochs}): this is what is there so far"]


def _compute(found: Evidence, resamples: int, seed: int) -> None:
    """Fill metrics, temperature and the metrics after it."""
    shown = found.predictions
    if shown is None:
        return
    found.metrics = summarise(shown.labels, shown.probabilities, shown.groups, shown.class_names, resamples, seed)
    if found.validation is not None and found.test is not None:
        if found.validation.class_names != found.test.class_names:
            found.problems.append("validation and test predictions have different classes: no temperature is fitted")
            return
        found.temperature = fit_temperature(found.validation.labels, found.validation.probabilities)
        scaled = apply_temperature(shown.probabilities, found.temperature.value)
        found.calibrated = summarise(shown.labels, scaled, shown.groups, shown.class_names, resamples, seed)


def _cautions(found: Evidence, examples: bool) -> list[str]:
    notes = []
    stored = (found.stored.get(found.part) or {}).get("accuracy", {}).get("value")
    computed = found.metrics.get("accuracy", {}).get("value")
    if stored is not None and computed is not None and abs(stored - computed) > 1e-9:
        notes.append(
            f"metrics.json says accuracy {stored:.4f}, the predictions give {computed:.4f}; this report uses the "
            "predictions, `spatial-swin evaluate` brings metrics.json up to date"
        )
    if found.metrics.get("absent_classes"):
        names = ", ".join(found.metrics["absent_classes"])
        notes.append(f"no item of class {names} is in the {found.part} part: macro means are over the other classes")
    if found.metrics.get("groups") == 1:
        notes.append(f"all {found.part} items are of one group, so no interval can be given")
    if len(found.history) == 1:
        notes.append("the history has one epoch: the training curves are single points")
    if len(found.openings) > 1:
        notes.append(
            f"the test part has been predicted {len(found.openings)} times: choosing anything by looking at it makes "
            "its result flattering"
        )
    return notes + split_warnings(found.samples, examples)


def split_warnings(samples: list[Sample], examples: bool = True) -> list[str]:
    """What the split manifest itself says against a result: shared groups, twin files, classes tied to a factor."""
    warnings = []
    parts = defaultdict(set)
    for sample in samples:
        parts[sample.group].add(sample.split)
    shared = sorted(group for group, where in parts.items() if len(where) > 1)
    if shared:
        tested = [sample.group in set(shared) for sample in samples if sample.split == "test"]
        share = sum(tested) / max(1, len(tested))
        example = f" (for example {shared[0]})" if examples else ""
        warnings.append(
            f"{len(shared)} of {len(parts)} groups are in more than one part{example}, and "
            f"{share:.0%} of the test items belong to them: the result says how "
            "well known recordings are recognised, not how well new ones are; train with --split_by recording"
        )
    where = defaultdict(set)
    for sample in samples:
        where[sample.sha256].add(sample.split)
    twins = sum(len(places) > 1 for places in where.values())
    if twins:
        warnings.append(f"{twins} files are byte for byte the same in two parts: remove the copies and train again")
    return warnings + confounds(samples)


def confounds(samples: list[Sample]) -> list[str]:
    """Factors whose value tells the class of most test items, so that a model need not listen to tell it too."""
    warnings = []
    classes = {sample.label for sample in samples}
    for name in breakdown_factors(samples):
        values: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for sample in samples:
            values[sample.factors[name]][sample.label] += 1
        test = [sample for sample in samples if sample.split == "test"]
        if len(classes) < 2 or len(values) < 2 or len(values) > len(samples) / 2 or not test:
            continue
        tied = float(np.mean([len(values[sample.factors[name]]) == 1 for sample in test]))
        if tied > 0.2:
            warnings.append(
                f"for {tied:.0%} of the test items the {name} alone gives the class away (it occurs "
                f"with one class only): a model that "
                f"recognises the {name} is right without hearing the difference; see `spatial-swin audit`"
            )
    return warnings


def breakdown_factors(samples: list[Sample]) -> list[str]:
    """Factors that every sample has and that do not merely number the files."""
    if not samples:
        return []
    names = [name for name in samples[0].factors if name not in FILE_FACTORS]
    return [name for name in names if all(sample.factors.get(name) for sample in samples)]
