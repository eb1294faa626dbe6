"""What a benchmark comes to: rows of answers in, a JSON-ready dict out, which reports and cards read.

Headline figures are of what training never had: items whose listener or programme it met are named and counted apart.
Where nothing tells what training had, all items count and that is said. Factors beside the condition are judged on the
clean condition alone.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np

from spatial_swin.audio import codecs
from spatial_swin.audio.conditions import CLEAN, codec_of
from spatial_swin.audio.virtual_heads import measured_name
from spatial_swin.bench.items import Row, probabilities, settings_of
from spatial_swin.bench.judges import MODEL, Judges
from spatial_swin.bench.plan import Plan
from spatial_swin.errors import printable
from spatial_swin.evaluation.factorial import QUESTIONS, Answers, change, figures
from spatial_swin.evaluation.metrics import confusion_matrix
from spatial_swin.runs import BENCH_VERSION

NOT_KNOWN = "not known"
UNSEEN, SEEN = "never met in training", "met in training"
BY = ("listener", "laboratory", "kind")  # beside the condition


def with_seen(rows: Sequence[Row], plan: Plan, judges: Judges) -> list[Row]:
    """The rows with a column `seen`: which of listener and programme training had, or that it is not known."""
    heads = judges.seen.heads(plan.listeners, plan.layouts)
    programmes = judges.seen.programmes(programme.name for programme in plan.programmes)
    result = []
    for row in rows:
        met = [name for name, known in (("listener", heads), ("programme", programmes)) if row[name] in (known or ())]
        seen = "+".join(met) or ("" if heads is not None and programmes is not None else NOT_KNOWN)
        result.append({**row, "seen": seen})
    return result


def persons(rows: Sequence[Row]) -> np.ndarray:
    """Who heard each row, names [N]: a virtual head (`P12-v2`) is the person it was made from, drawn as one."""
    return np.array([measured_name(row["listener"]) for row in rows])


def results_of(rows: Sequence[Row], plan: Plan, judges: Judges, resamples: int, seed: int = 0) -> dict[str, Any]:
    """Everything bench.json holds; rows as `with_seen` gives them, in any order."""
    counting = _Counting(rows, judges, resamples, seed)
    return {
        "version": BENCH_VERSION,
        "judges": judges.names,
        "class_names": judges.class_names,
        "questions": {name: QUESTIONS[name] for name in counting.answers.questions},
        "temperature": judges.temperature,
        "sets": None if judges.sets is None else judges.sets.as_record(),
        "resamples": resamples,
        "settings": settings_of(plan, judges),
        "skipped": plan.skipped,
        "fewer_listeners": plan.fewer,
        "encoders": {c: codecs.encoder(c) for c in codecs_of(plan)},
        "left_out": [str(problem) for problem in plan.problems],
        "seen": _seen(plan, judges),
        "basis": counting.basis_name,
        "confusion": counting.confusions(),
        "figures": counting.table(plan),
    }


def codecs_of(plan: Plan) -> list[str]:
    """The codecs among a plan's conditions, each once."""
    return list(dict.fromkeys(codec[0] for c in plan.conditions if (codec := codec_of(c)) is not None))


def _seen(plan: Plan, judges: Judges) -> dict[str, Any]:
    """What training had, and which of the benchmark's listeners and programmes are among it."""
    met = judges.seen.programmes(programme.name for programme in plan.programmes)
    return {
        "origin": judges.seen.origin,
        "statement": judges.seen.statement,
        "counts": {name: None if of is None else dict(of) for name, of in judges.seen.counts.items()},
        "listeners": judges.seen.heads(plan.listeners, plan.layouts),
        "programmes": None if met is None else sorted(met),
    }


class _Counting:
    """Figures of chosen rows; a choice is a mask over all rows."""

    def __init__(self, rows: Sequence[Row], judges: Judges, resamples: int, seed: int) -> None:
        self.rows, self.resamples, self.seed = rows, resamples, seed
        names = judges.class_names
        tables = {judge: probabilities(rows, judge, names) for judge in judges.names}
        self.answers = Answers(
            names,
            np.array([names.index(row["label"]) for row in rows]),
            np.array([row["programme"] for row in rows]),
            persons(rows),
            tables,
            {} if judges.sets is None else {MODEL: judges.sets.of(tables[MODEL])},
        )
        seen = self.column("seen")
        self.met = (seen != "") & (seen != NOT_KNOWN)
        known = not (seen == NOT_KNOWN).all()
        self.basis = ~self.met if (~self.met).any() else np.ones(len(rows), bool)
        apart = UNSEEN if (~self.met).any() else SEEN
        self.basis_name = apart if known else f"{NOT_KNOWN} whether met in training"
        self.clean = self.column("condition") == CLEAN.name

    def column(self, name: str) -> np.ndarray:
        return np.array([row[name] for row in self.rows])

    def entry(self, factor: str, value: str, chosen: np.ndarray, **more: Any) -> dict[str, Any]:
        found = figures(self.answers.of(chosen), self.resamples, self.seed)
        return {"factor": factor, "value": value, **more, **found}

    def table(self, plan: Plan) -> list[dict[str, Any]]:
        """One entry a value of every factor; the first is over all of the basis, clean."""
        base, entries = self.clean & self.basis, []
        entries.append(self.entry("all", self.basis_name, base))
        if (apart := self.clean & self.met & ~self.basis).any():
            entries.append(self.entry("all", SEEN, apart))
        conditions = self.column("condition")
        for condition in plan.conditions:
            chosen = self.basis & (conditions == condition.name)
            if chosen.any():
                entries.append(self.entry("condition", condition.name, chosen, title=condition.title))
                if condition != CLEAN:
                    here, there = self.answers.of(chosen), self.answers.of(base)
                    entries[-1]["change"] = change(here, there, self.resamples, self.seed)
        for factor in BY:
            values = self.column(factor)
            of = self.clean if factor == "listener" else base
            for value in sorted(set(values[of])):
                chosen = of & (values == value)
                more: dict[str, Any] = {}
                if factor == "listener":
                    whose = printable(self.column("laboratory")[chosen][0]) or NOT_KNOWN
                    more = {"laboratory": whose, "seen": bool(self.met[chosen].all())}
                entries.append(self.entry(factor, printable(value) or NOT_KNOWN, chosen, **more))
        return entries

    def confusions(self) -> dict[str, list[list[int]]]:
        """judge -> counts of the clean items of the basis, one row a true class."""
        answers = self.answers.of(self.clean & self.basis)
        count = len(answers.class_names)
        return {
            judge: confusion_matrix(answers.labels, table.argmax(axis=1), count).tolist()
            for judge, table in answers.judges.items()
        }
