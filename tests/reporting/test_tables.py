"""The tables of a report hold every metric of the one list, each under its title."""

import numpy as np

from spatial_swin.evaluation.metrics import summarise
from spatial_swin.metric_names import METRICS
from spatial_swin.reporting.tables import overall_table, summary_rows, tex_escape


def summary() -> dict:
    table = np.array([[0.7, 0.3], [0.4, 0.6], [0.2, 0.8], [0.9, 0.1]])
    return summarise(np.array([0, 0, 1, 1]), table, None, ["a", "b"], resamples=20)


def test_a_metric_of_the_list_is_in_every_table() -> None:
    header, rows = overall_table(summary(), summary())
    assert [row[0] for row in rows] == [metric.title for metric in METRICS]
    assert {len(header), *map(len, rows)} == {3}
    assert [row[2] == "same" for row in rows] == [not is_changed(metric.name) for metric in METRICS]
    scopes = {(row["scope"], row["metric"]) for row in summary_rows("test", summary(), summary())}
    assert {("all classes", metric.name) for metric in METRICS} <= scopes
    assert ("class b", "f1") in scopes


def is_changed(name: str) -> bool:
    return name in ("macro_auc", "nll", "brier", "ece", "ece_equal_mass")


def test_tex_has_no_command_of_a_name() -> None:
    assert (
        tex_escape(r"\input{x}%$&_#~^") == r"\textbackslash{}input\{x\}\%\$\&\_\#\textasciitilde{}\textasciicircum{}"
    )
    assert tex_escape("b − a\n\\\\") == r"b $-$ a\textbackslash{}n\textbackslash{}\textbackslash{}"
