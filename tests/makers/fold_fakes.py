"""A trainer that writes an ordinary run folder in milliseconds, for testing what is done around trainings."""

from types import SimpleNamespace
from typing import Any

from spatial_swin.folds.runs import FoldRun
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.runs import Sample

CLASSES = ("100", "200")


def fake_recipe(**changes: Any) -> Any:
    values = {"seed": 0, "learning_rate": 0.1, **changes}
    data = SimpleNamespace(train_share=0.7, validation_share=0.2, test_share=0.1, split_seed=None, data_dir="data")
    return SimpleNamespace(
        name="fake", data=data, trainer=SimpleNamespace(seed=values["seed"]), computed=lambda: values
    )


def paired_samples(programmes: int = 10, listeners: int = 3, chunks: int = 2) -> list[Sample]:
    """Every programme by every listener in both classes; the last programme is the test part."""
    return [
        Sample(
            f"{label}/p{programme}_L{listener}_chunk{chunk}.png",
            label,
            f"{label}/p{programme}_L{listener}",
            "test" if programme == programmes - 1 else "train",
            f"{label}{programme}{listener}{chunk}",
            {"programme": f"p{programme}", "listener": f"L{listener}"},
        )
        for label in CLASSES
        for programme in range(programmes)
        for listener in range(listeners)
        for chunk in range(chunks)
    ]


def write_run(fold: FoldRun, accuracy: float | None = None) -> None:
    """A finished run whose figures depend on the fold's split and on nothing else."""
    tested = sorted(sample.path for sample in fold.samples if sample.split == "test")
    value = accuracy if accuracy is not None else float(keyed_generator("fake", *tested).uniform(0.6, 0.9))
    entry = {"value": value, "low": value - 0.1, "high": value + 0.1, "method": "made up"}
    run = fold.run
    run.write_split(fold.samples)
    run.write_environment({"seconds_total": 1.5})
    run.write_metrics(
        {
            "class_names": list(CLASSES),
            "best_epoch": 3,
            "test": {
                "items": len(tested),
                "groups": 2,
                "accuracy": entry,
                "balanced_accuracy": entry,
                "macro_f1": entry,
                "per_class": {label: {"f1": entry} for label in CLASSES},
                "confusion": [[3, 1], [1, 3]],
            },
        }
    )
    run.write_progress({"state": "finished"})
