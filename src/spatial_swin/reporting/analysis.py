"""The thesis results of one run: figures, tables and reports, made from its run folder alone.

A run folder goes in; thesis_results/ in it is written (figures as .png and .pdf, performance_summary.csv and .tex,
most_confused.csv, factor_breakdown.csv, thesis_report.md, report.html). What cannot be made is said in the report and
in `problems`; the rest is made. No model is loaded.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.errors import RunError
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.reporting import (
    document,
    figures_calibration,
    figures_classes,
    figures_errors,
    figures_training,
    style,
)
from spatial_swin.reporting.beside import DEEP, SIMPLE
from spatial_swin.reporting.comparison import comparison_figure
from spatial_swin.reporting.evidence import Evidence, Findings, breakdown_factors, gather
from spatial_swin.reporting.tables import SUMMARY_COLUMNS, class_table, overall_table, summary_rows, tex_table
from spatial_swin.reporting.thesis import thesis_document

FIGURES = (
    "training_curves",
    "confusion_matrix",
    "classification_metrics",
    "roc_pr_curves",
    "reliability_diagram",
    "confidence_distribution",
    "baseline",
    "most_confused",
    "factor_breakdown",
)
TABLES = ("performance_summary.csv", "performance_summary.tex", "most_confused.csv", "factor_breakdown.csv")
MADE = {f"{stem}{suffix}" for stem in FIGURES for suffix in (".png", ".pdf")} | set(TABLES)


class ThesisResultsAnalyzer:
    """Everything a thesis needs from one run.

    run_dir: a run folder; the one below runs/ that finished last when None. output_dir: where to write (default
    <run>/thesis_results). data_dir: where the pictures are (default: the recipe's data_dir), for the gallery only.
    no_baseline: why no simple model stands beside the run.
    After `run_complete_analysis`, `problems` lists what was missing or damaged and `notes` what to bear in mind.
    Raises RunError when run_dir is no run folder.
    """

    def __init__(
        self,
        run_dir: str | Path | None = None,
        output_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        resamples: int = 10_000,
        seed: int = 0,
        no_baseline: str = "",
    ) -> None:
        self.run_dir = last_finished() if run_dir is None else Path(run_dir)
        self.output_dir = Path(output_dir) if output_dir else self.run_dir / "thesis_results"
        self.data_dir = Path(data_dir) if data_dir else None
        self.resamples, self.seed = resamples, seed
        self.no_baseline = no_baseline
        self.problems: list[str] = []
        self.notes: list[str] = []

    def run_complete_analysis(self) -> Path:
        """Make everything that can be made; return the folder it is in. An earlier report stays whole until then."""
        evidence = gather(self.run_dir, self.resamples, self.seed)
        evidence.no_baseline = self.no_baseline
        findings = self._findings(evidence)
        with files.staged_folder(self.output_dir) as folder, style.thesis_style():
            for stem, draw in tqdm(list(self._figures(evidence, findings)), desc="figures", disable=None, leave=False):
                style.save(draw(), folder / stem)
                findings.figures.add(stem)
            _write_tables(evidence, findings, folder)
            report = thesis_document(evidence, findings)
            files.write_text(folder / "thesis_report.md", document.to_markdown(report))
            files.write_text(folder / "report.html", document.to_html(report, folder))
            made = {file.name for file in folder.iterdir()}
        for stale in MADE - made:  # what an earlier report made and this one cannot would contradict it
            (self.output_dir / stale).unlink(missing_ok=True)
        self.problems, self.notes = evidence.problems, evidence.notes
        return self.output_dir

    def _findings(self, evidence: Evidence) -> Findings:
        shown, findings = evidence.predictions, Findings()
        if not evidence.history:
            findings.remarks["training_curves"] = "There is no readable history, so there are no training curves."
        if shown is None:
            return findings
        findings.confused = figures_errors.confused_items(replace(shown, probabilities=evidence.probabilities))
        factors = breakdown_factors(evidence.samples)
        findings.factors = figures_errors.factor_table(shown, evidence.samples, factors, self.resamples, self.seed)
        if not findings.factors:
            findings.remarks["factor_breakdown"] = (
                "The split manifest names no factors (listener, content, source) to break the accuracy down by."
            )
        return findings

    def _figures(self, evidence: Evidence, findings: Findings) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """Name and maker of each figure for which there is something to draw."""
        names, shown, metrics = evidence.class_names, evidence.predictions, evidence.metrics
        if history := evidence.history:
            yield "training_curves", lambda: figures_training.training_curves(history, names, evidence.best_epoch)
        if shown is None:
            return
        labels, table = shown.labels, shown.probabilities
        yield "confusion_matrix", lambda: figures_classes.confusion_matrix(np.array(metrics["confusion"]), names)
        yield "classification_metrics", lambda: figures_classes.classification_metrics(metrics, names)
        if metrics["macro_auc"]["value"] is not None:
            yield "roc_pr_curves", lambda: figures_classes.roc_pr_curves(shown, metrics)
        else:
            findings.remarks["roc_pr_curves"] = "Only one class occurs, so there are no ROC curves."
        value = evidence.temperature.value if evidence.temperature else 1.0
        after = apply_temperature(table, value) if evidence.temperature else None
        yield (
            "reliability_diagram",
            lambda: figures_calibration.reliability_diagram(labels, table, after, value, shown.groups),
        )
        yield (
            "confidence_distribution",
            lambda: figures_calibration.confidence_distribution(
                labels, evidence.probabilities, evidence.temperature is not None
            ),
        )
        if found := evidence.baseline:
            both = {DEEP: metrics, SIMPLE: found.metrics}
            yield "baseline", lambda: comparison_figure(both, list(found.difference.values()))
        if findings.confused:
            chosen = figures_errors.gallery_choice(findings.confused)
            if pictures := self._pictures(evidence, findings, [item.path for row in chosen for item in row]):
                yield "most_confused", lambda: figures_errors.most_confused(chosen, pictures)
        if figures_errors.comparable(findings.factors):
            overall = metrics["accuracy"]["value"]
            yield "factor_breakdown", lambda: figures_errors.factor_breakdown(findings.factors, overall)

    def _pictures(self, evidence: Evidence, findings: Findings, wanted: Sequence[str]) -> dict[str, Path]:
        """The files of `wanted` that are still what the model saw; what is missing is remarked."""
        root = self.data_dir or Path(str(evidence.key("Data", "data_dir", "data")))
        pictures, missing = figures_errors.find_pictures(root, evidence.samples, wanted)
        if missing:
            remark = f"the gallery of wrong answers is not complete: {missing}"
            findings.remarks["most_confused"] = document.sentence(remark)
            evidence.notes.append(remark)
        return pictures


def last_finished(root: Path = Path("runs")) -> Path:
    """The run folder below `root` whose results were written last. Raises RunError when there is none."""
    finished = [file for file in root.glob("*/metrics.json") if (file.parent / "recipe.yaml").is_file()]
    if not finished:
        raise RunError(f"{root}: no finished run lies in it; say which run to report")
    return max(finished, key=lambda file: file.stat().st_mtime).parent


def _write_tables(evidence: Evidence, findings: Findings, folder: Path) -> None:
    if not evidence.metrics:
        return
    rows = summary_rows(evidence.part, evidence.metrics, evidence.calibrated)
    files.write_csv(folder / "performance_summary.csv", rows, SUMMARY_COLUMNS)
    what = f"on the {evidence.part} part, run {evidence.name}; 95 % intervals in brackets"
    overall, classes = overall_table(evidence.metrics, evidence.calibrated), class_table(evidence.metrics)
    tables = [
        tex_table(*overall, f"Performance {what}.", "tab:performance"),
        tex_table(*classes, f"Performance of each class {what}.", "tab:classes"),
    ]
    files.write_text(folder / "performance_summary.tex", "\n".join(tables))
    for name, items in (("most_confused.csv", findings.confused), ("factor_breakdown.csv", findings.factors)):
        if items:
            table = [asdict(item) for item in items]
            files.write_csv(folder / name, table, list(table[0]))
