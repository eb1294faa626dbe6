"""What a run folder has to say, gathered once: every piece that can be read, and a sentence for each that cannot.

A run folder goes in, an `Evidence` comes out. A missing or damaged piece becomes a line in `problems` and never stops
the rest; a caution about what was read becomes a line in `notes`. Results are computed from the predictions, not taken
from metrics.json, so that text, tables and figures cannot contradict one another. It writes nothing, loads no model.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from spatial_swin.calibrating import sets_of
from spatial_swin.errors import SpatialSwinError
from spatial_swin.evaluation.calibration import Temperature, apply_temperature, fit_temperature
from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.domain import Domain
from spatial_swin.evaluation.metrics import summarise
from spatial_swin.finished import FinishedModel, domain_of, open_finished
from spatial_swin.reporting.beside import BaselineFound, beside
from spatial_swin.reporting.document import Block, Picture, Text, counted
from spatial_swin.reporting.figures_errors import Confused, FactorRow
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
    sets: PredictionSets | None = None  # fitted on validation, as the temperature is
    calibrated: dict[str, Any] = field(default_factory=dict)
    baseline: BaselineFound | None = None
    no_baseline: str = ""  # why there is none
    explanations: dict[str, Any] = field(default_factory=dict)  # what `spatial-swin explain` left, if it was run
    bench: dict[str, Any] = field(default_factory=dict)  # what `spatial-swin bench` left, if it was run
    domain: Domain | None = None  # what the model learnt from, None when nothing tells
    finished: FinishedModel | None = None  # the model, its weights unread; None when there is none or it is damaged
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

    @property
    def probabilities(self) -> np.ndarray:
        """Probabilities [N, K] of the shown part as `predict` and the app give them: after the temperature."""
        assert self.predictions is not None
        table = self.predictions.probabilities
        return table if self.temperature is None else apply_temperature(table, self.temperature.value)

    def key(self, section: str, name: str, default: Any = None) -> Any:
        """A value of the recipe, or `default`."""
        return (self.recipe.get(section) or {}).get(name, default)


@dataclass
class Findings:
    """What was worked out beside the evidence: wrong answers, factor rows, the figures made, remarks on those not."""

    confused: Sequence[Confused] = ()
    factors: Sequence[FactorRow] = ()
    figures: set[str] = field(default_factory=set)
    remarks: dict[str, str] = field(default_factory=dict)

    def figure(self, stem: str, caption: str) -> list[Block]:
        """The figure, or the sentence that says why there is none."""
        if stem in self.figures:
            return [Picture(stem, caption)]
        return [Text(self.remarks[stem])] if stem in self.remarks else []


def gather(path: str | Path, resamples: int = 10_000, seed: int = 0, examples: bool = True) -> Evidence:
    """Read one run folder. Raises RunError only when it is no run folder at all.

    examples: whether cautions may name a recording as an example; names of the data set's files can be private.
    """
    run = RunFolder(path).require()
    evidence = Evidence(run, run.path.resolve().name)

    def read(reader: Callable[[], T], default: T) -> T:
        try:
            return reader()
        except SpatialSwinError as error:
            evidence.problems.append(str(error).replace(f"{run.path}/", ""))
            return default

    evidence.recipe = read(run.read_recipe, {}) or {}
    evidence.environment = read(run.read_environment, {})
    evidence.progress = read(run.read_progress, {})
    evidence.samples = read(run.read_split, [])
    evidence.history = read(run.read_history, [])
    if run.metrics_file.is_file():
        evidence.stored = read(run.read_metrics, {})
    if run.explanations_file.is_file():
        evidence.explanations = read(run.read_explanations, {})
    if run.bench_file.is_file():
        evidence.bench = read(run.read_bench, {})
    if run.model.is_dir():
        evidence.finished = read(lambda: open_finished(run.path, refit=True), None)
    evidence.domain = evidence.finished.domain if evidence.finished else _domain(evidence)
    evidence.test = read(lambda: run.read_predictions("test"), None)
    evidence.validation = read(lambda: run.read_predictions("validation"), None)
    evidence.problems += _state_problems(evidence) + _gaps(evidence)
    if evidence.test is None and evidence.validation is not None:
        evidence.part = "validation"
        evidence.problems.append(
            "there are no test predictions: the results below are of the validation part, which chose the best epoch "
            "and is therefore flattering; `spatial-swin evaluate` predicts the test part"
        )
    _compute(evidence, resamples, seed)
    if run.has_baseline() and (test := evidence.test) is not None:
        evidence.baseline = read(lambda: beside(run, test, resamples, seed), None)
    evidence.notes += _cautions(evidence, examples)
    return evidence


def _domain(evidence: Evidence) -> Domain | None:
    """What a run without a model that can be opened learnt from; nothing when its split or its size is not there."""
    size = evidence.key("Model", "image_size")
    if not evidence.samples or not isinstance(size, int):
        return None
    return domain_of(evidence.run, None, size)


def _state_problems(evidence: Evidence) -> list[str]:
    state, epoch, epochs = (evidence.progress.get(key) for key in ("state", "epoch", "epochs"))
    if state in (None, "finished"):
        return []
    return [f"the training is not finished (state: {state}, epoch {epoch} of {epochs}): this is what is there so far"]


def _gaps(evidence: Evidence) -> list[str]:
    """What one file has and another lacks, as after a file was cut at the end of a line."""
    problems = []
    for part, predictions in (("validation", evidence.validation), ("test", evidence.test)):
        wanted = {sample.path for sample in evidence.samples if sample.split == part}
        if predictions and wanted and wanted != set(predictions.paths):
            apart = len(wanted ^ set(predictions.paths))
            problems.append(
                f"predictions/{part}.csv and split.csv differ in {counted(apart, 'picture')} of that part: one was "
                "cut or changed; `spatial-swin evaluate` on the run predicts what split.csv says"
            )
    last = max([row["epoch"] for row in evidence.history], default=0)
    if evidence.progress.get("state") == "finished" and evidence.history:
        last = max(last, int(evidence.progress.get("epoch") or 0))
    missing = sorted(set(range(1, last + 1)) - {row["epoch"] for row in evidence.history})
    if missing:
        problems.append(f"history.csv lacks {counted(len(missing), 'epoch')} of {last}, the first is {missing[0]}")
    return problems


def _compute(evidence: Evidence, resamples: int, seed: int) -> None:
    """Fill metrics, temperature and the metrics after it."""
    shown = evidence.predictions
    if shown is None:
        return
    evidence.metrics = summarise(shown.labels, shown.probabilities, shown.groups, shown.class_names, resamples, seed)
    if evidence.validation is not None and evidence.test is not None:
        if evidence.validation.class_names != evidence.test.class_names:
            evidence.problems.append(
                "validation and test predictions have different classes: no temperature is fitted"
            )
            return
        held = evidence.validation
        evidence.temperature = fit_temperature(held.labels, held.probabilities, held.groups, seed=seed)
        scaled = apply_temperature(shown.probabilities, evidence.temperature.value)
        evidence.sets = sets_of(held, evidence.samples, evidence.temperature.value)
        evidence.calibrated = summarise(shown.labels, scaled, shown.groups, shown.class_names, resamples, seed)


def _cautions(evidence: Evidence, examples: bool) -> list[str]:
    notes = []
    stored = (evidence.stored.get(evidence.part) or {}).get("accuracy", {}).get("value")
    computed = evidence.metrics.get("accuracy", {}).get("value")
    if stored is not None and computed is not None and abs(stored - computed) > 1e-9:
        notes.append(
            f"metrics.json says accuracy {stored:.4f}, the predictions give {computed:.4f}; this report uses the "
            "predictions, `spatial-swin evaluate` brings metrics.json up to date"
        )
    if evidence.metrics.get("absent_classes"):
        names = ", ".join(evidence.metrics["absent_classes"])
        notes.append(
            f"no item of class {names} is in the {evidence.part} part: macro means are over the other classes"
        )
    if evidence.temperature and evidence.temperature.caution:
        notes.append(f"{evidence.temperature.caution}; take calibrated probabilities with care")
    if evidence.metrics.get("groups") == 1:
        notes.append(f"all {evidence.part} items are of one group, so no interval can be given")
    if len(evidence.history) == 1:
        notes.append("the history has one epoch: the training curves are single points")
    if (times := len(evidence.openings)) > 1:
        notes.append(
            f"the test part has been predicted {times} times: choosing anything by looking at it makes its result "
            "flattering"
        )
    return notes + split_warnings(evidence.samples, examples)


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
            f"{share:.0%} of the test items belong to them: the result says how well known recordings are "
            "recognised, not how well new ones are; train with --split_by recording"
        )
    where = defaultdict(set)
    for sample in samples:
        where[sample.sha256].add(sample.split)
    twins = sum(len(places) > 1 for places in where.values())
    if twins:
        warnings.append(f"{twins} files are byte for byte the same in two parts: remove the copies and train again")
    return warnings + confounds(samples)


def confounds(samples: list[Sample]) -> list[str]:
    """Factors whose value gives away the class of most test items, so that a model need not listen to know it."""
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
                f"for {tied:.0%} of the test items the {name} alone gives the class away (it occurs with one class "
                f"only): a model that recognises the {name} is right without hearing the difference; see "
                "`spatial-swin audit`"
            )
    return warnings


def breakdown_factors(samples: list[Sample]) -> list[str]:
    """Factors that every sample has and that do not merely number the files."""
    if not samples:
        return []
    names = [name for name in samples[0].factors if name not in FILE_FACTORS]
    return [name for name in names if all(sample.factors.get(name) for sample in samples)]
