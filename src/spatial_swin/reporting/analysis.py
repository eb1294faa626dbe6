"""The thesis results of one run: figures, tables and reports, made from its run folder alone.

A run folder goes in; thesis_results/ in it is written (figures as .png and .pdf, performance_summary.csv and .tex,
most_confused.csv, factor_breakdown.csv, thesis_report.md, report.html). What cannot be made is said in the report and
in `problems`; the rest is made. No model is loaded.
"""

from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.evaluation.calibration import apply_temperature
from spatial_swin.reporting import (
    document,
    figures_calibration,
    figures_classes,
    figures_errors,
    figures_training,
    style,
)
from spatial_swin.reporting.evidence import Evidence, breakdown_factors, gather
from spatial_swin.reporting.figures_errors import Confused, FactorRow
from spatial_swin.reporting.findings import Findings
from spatial_swin.reporting.tables import SUMMARY_COLUMNS, class_table, overall_table, summary_rows, tex_table
from spatial_swin.reporting.thesis import thesis_document

FIGURES = (
    "training_curves",
    "confusion_matrix",
    "classification_metrics",
    "roc_pr_curves",
    "reliability_diagram",
    "confidence_distribution",
    "most_confused",
    "factor_breakdown",
)
TABLES = ("performance_summary.csv", "performance_summary.tex", "most_confused.csv", "factor_breakdown.csv")


class ThesisResultsAnalyzer:
    """Everything a thesis needs from one run.

    run_dir: a run folder. output_dir: where to write (default <run>/thesis_results). data_dir: where the pictures are
    (default: the recipe's data_dir), for the gallery only. After `run_complete_analysis`, `problems` lists what was
    missing or damaged and `notes` what to bear in mind. Raises RunError when run_dir is no run folder.
    """

    def __init__(
        self,
        run_dir: str | Path,
        output_dir: str | Path | None = None,
        data_dir: str | Path | None = None,
        resamples: int = 10_000,
        seed: int = 0,
    ) -> None:
        self.run_dir = Path(run_dir)
        self.output_dir = Path(output_dir) if output_dir else self.run_dir / "thesis_results"
        self.data_dir = Path(data_dir) if data_dir else None
        self.resamples, self.seed = resamples, seed
        self.problems: list[str] = []
        self.notes: list[str] = []

    def run_complete_analysis(self) -> Path:
        """Make everything that can be made; return the folder it is in."""
        found = gather(self.run_dir, self.resamples, self.seed)
        findings = self._findings(found)
        with style.thesis_style():
            for stem, draw in tqdm(list(self._figures(found, findings)), desc="figures", disable=None, leave=False):
                style.save(draw(), self.output_dir / stem)
                findings.figures.add(stem)
        self._remove_stale(findings.figures)
        self._write_tables(found, findings)
        report = thesis_document(found, findings)
        files.write_text(self.output_dir / "thesis_report.md", document.to_markdown(report))
        files.write_text(self.output_dir / "report.html", document.to_html(report, self.output_dir))
        self.problems, self.notes = found.problems, found.notes
        return self.output_dir

    def _findings(self, found: Evidence) -> Findings:
        shown, findings = found.predictions, Findings()
        if not found.history:
            findings.remarks["training_curves"] = "There is no readable history, so there are no training curves."
        if shown is None:
            return findings
        findings.confused = figures_errors.confused_items(shown)
        factors = breakdown_factors(found.samples)
        findings.factors = figures_errors.factor_table(shown, found.samples, factors, self.resamples, self.seed)
        if not findings.factors:
            findings.remarks["factor_breakdown"] = (
                "The split manifest names no factors (listener, content, source) to break the accuracy down by."
            )
        return findings

    def _figures(self, found: Evidence, findings: Findings) -> Iterator[tuple[str, Callable[[], Figure]]]:
        """Name and maker of each figure for which there is something to draw."""
        names, shown, metrics = found.class_names, found.predictions, found.metrics
        if found.history:
            yield "training_curves", lambda: figures_training.training_curves(found.history, names, found.best_epoch)
        if shown is None:
            return
        labels, table = shown.labels, shown.probabilities
        yield "confusion_matrix", lambda: figures_classes.confusion_matrix(np.array(metrics["confusion"]), names)
        yield "classification_metrics", lambda: figures_classes.classification_metrics(metrics, names)
        if metrics["macro_auc"]["value"] is not None:
            yield "roc_pr_curves", lambda: figures_classes.roc_and_pr(shown, metrics)
        else:
            findings.remarks["roc_pr_curves"] = "Only one class occurs, so there are no ROC curves."
        value = found.temperature.value if found.temperature else 1.0
        after = apply_temperature(table, value) if found.temperature else None
        yield "reliability_diagram", lambda: figures_calibration.reliability_diagram(labels, table, after, value)
        yield "confidence_distribution", lambda: figures_calibration.confidence_figure(labels, table)
        if findings.confused:
            chosen = figures_errors.gallery_choice(findings.confused)
            wanted = [item.path for row in chosen for item in row]
            root = self.data_dir or Path(str(found.key("Data", "data_dir", "data")))
            pictures, remark = figures_errors.find_pictures(root, found.samples, wanted)
            if remark:
                findings.remarks["most_confused"] = f"The gallery of wrong answers is not complete: {remark}."
                found.notes.append(f"the gallery of wrong answers is not complete: {remark}")
            if pictures:
                yield "most_confused", lambda: figures_errors.gallery(chosen, pictures)
        if figures_errors.comparable(findings.factors):
            overall = metrics["accuracy"]["value"]
            yield "factor_breakdown", lambda: figures_errors.factor_breakdown(findings.factors, overall)

    def _remove_stale(self, made: set[str]) -> None:
        """What an earlier report made and this one cannot would contradict it."""
        for stem in set(FIGURES) - made:
            for suffix in (".png", ".pdf"):
                (self.output_dir / f"{stem}{suffix}").unlink(missing_ok=True)
        for name in TABLES:
            (self.output_dir / name).unlink(missing_ok=True)

    def _write_tables(self, found: Evidence, findings: Findings) -> None:
        if not found.metrics:
            return
        rows = summary_rows(found.part, found.metrics, found.calibrated)
        files.write_csv(self.output_dir / "performance_summary.csv", rows, SUMMARY_COLUMNS)
        what = f"on the {found.part} part, run {found.name}; 95 % intervals in brackets"
        tex = tex_table(*overall_table(found.metrics, found.calibrated), f"Performance {what}.", "tab:performance")
        tex += "\n" + tex_table(*class_table(found.metrics), f"Performance of each class {what}.", "tab:classes")
        files.write_text(self.output_dir / "performance_summary.tex", tex)
        for name, items, kind in (
            ("most_confused.csv", findings.confused, Confused),
            ("factor_breakdown.csv", findings.factors, FactorRow),
        ):
            if items:
                columns = [f.name for f in fields(kind)]
                files.write_csv(self.output_dir / name, (asdict(item) for item in items), columns)
