"""Results of a benchmark made in a blink, with the figures that the evaluation gives and nothing rendered."""

from typing import Any

import numpy as np

from spatial_swin.evaluation.conformal import PredictionSets
from spatial_swin.evaluation.factorial import QUESTIONS, Answers, change, figures
from spatial_swin.evaluation.metrics import confusion_matrix
from spatial_swin.runs import BENCH_VERSION

CLASSES = ["100", "200", "510", "514"]
SETS = PredictionSets(0.9, 0.2, 1.3)  # of the model
CONDITIONS = {"clean": 2.5, "noise 10": 0.5, "brir Anna's bedroom": 2.0}  # how sure the model is in each


def make_answers(skill: float, programmes: int = 5, listeners: int = 6, judges: int = 2) -> Answers:
    """Every programme by every listener in all layouts; the second judge knows less than the first."""
    generator = np.random.default_rng(0)
    cells = [(p, h, k) for p in range(programmes) for h in range(listeners) for k in range(len(CLASSES))]
    labels = np.array([k for *_, k in cells])
    noise = generator.normal(size=(len(cells), len(CLASSES)))
    tables = {}
    for judge, share in (("model", 1.0), ("baseline", 0.6))[:judges]:
        logits = noise + share * skill * np.eye(len(CLASSES))[labels]
        tables[judge] = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    names = (np.array([f"{c}{cell[i]}" for cell in cells]) for i, c in ((0, "p"), (1, "head-")))
    return Answers(CLASSES, labels, *names, tables, {"model": SETS.of(tables["model"])})


def make_bench(judges: int = 2, conditions: int = 3, **changes: Any) -> dict[str, Any]:
    """What bench.json holds: two laboratories, two kinds, one listener met in training; `changes` replace keys."""
    clean = make_answers(CONDITIONS["clean"], judges=judges)
    entries = [{"factor": "all", "value": "never met in training", **figures(clean, 50, 0)}]
    for name, skill in list(CONDITIONS.items())[:conditions]:
        here = make_answers(skill, judges=judges)
        entry = {"factor": "condition", "value": name, "title": name, **figures(here, 50, 0)}
        entries.append(entry | ({} if name == "clean" else {"change": change(here, clean, 50, 0)}))
    for k in range(6):
        of = figures(clean.of(clean.listeners == f"head-{k}"), 50, 0)
        whose = {"laboratory": "ABC"[k % 2], "seen": k == 5}
        entries.append({"factor": "listener", "value": f"head-{k}", **whose, **of})
    for factor, value, chosen in (
        ("laboratory", "A", clean.listeners < "head-3"),
        ("laboratory", "B", clean.listeners >= "head-3"),
        ("kind", "scene", clean.programmes < "p2"),
        ("kind", "speech", clean.programmes >= "p2"),
    ):
        entries.append({"factor": factor, "value": value, **figures(clean.of(chosen), 50, 0)})
    return {
        "version": BENCH_VERSION,
        "judges": list(clean.judges),
        "class_names": CLASSES,
        "questions": dict(QUESTIONS),
        "temperature": SETS.temperature,
        "sets": SETS.as_record(),
        "resamples": 50,
        "settings": {
            "seconds": 3.0,
            "sample_rate": 48_000,
            "arrangement": "4x4",
            "size": 192,
            "seed": 7,
            "layouts": CLASSES,
            "conditions": list(CONDITIONS)[:conditions],
            "listeners": [f"head-{k}" for k in range(6)],
            "programmes": [f"p{k}" for k in range(5)],
        },
        "skipped": {"codec aac-64": "ffmpeg is not installed"},
        "fewer_listeners": {"seconds 30": 2},
        "left_out": [],
        "seen": {
            "origin": "split.csv of the run",
            "statement": "The model learnt from 1 programme heard by 1 listener.",
            "counts": {"listener": {"head-5": 40}, "laboratory": None, "programme": {"q": 40}, "kind": {"scene": 40}},
            "listeners": {"head-5": "head-5"},
            "programmes": [],
        },
        "basis": "never met in training",
        "confusion": {
            judge: confusion_matrix(clean.labels, table.argmax(axis=1), 4).tolist()
            for judge, table in clean.judges.items()
        },
        "figures": entries,
        **changes,
    }
