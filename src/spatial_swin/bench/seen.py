"""What the judges met in training: listeners, laboratories, programmes and their kinds.

In goes the split of a run, or a folder of pictures; out comes a `Seen`, which says of a listener and a programme of
the benchmark whether training had it. What nothing tells is not known, and never taken for unseen.
"""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from spatial_swin.audio.hrtf import KEMAR, Listener, load_listener
from spatial_swin.audio.virtual_heads import measured_name
from spatial_swin.bench.plan import is_same_head
from spatial_swin.data.factors import find_factors
from spatial_swin.errors import AudioError
from spatial_swin.layouts import Layout
from spatial_swin.runs import RunFolder

FACTORS = ("listener", "laboratory", "programme", "kind")
HELD_OUT = "test"  # the part of a split that nothing was chosen by


@dataclass(frozen=True)
class Seen:
    """factor -> {value: pictures}; None for a factor that nothing tells. origin: where this comes from, for people.

    statement: the domain statement of the model, empty for boosting alone.
    """

    counts: Mapping[str, Mapping[str, int] | None]
    origin: str
    statement: str = ""

    def heads(self, listeners: Sequence[Listener], layouts: Sequence[Layout]) -> dict[str, str] | None:
        """Of `listeners`, those that training had: name -> its name there. None when that is not known.

        A listener is known by its name, and a virtual head (`CIPIC-003-v2`) counts as the one it was made from; one of
        the package is known by its responses too, as KEMAR's file of MIT is.
        """
        trained = self.counts["listener"]
        if trained is None:
            return None
        made_from = {measured_name(name): name for name in reversed(list(trained))} | {name: name for name in trained}
        heads = [(listener.name, measured_name(listener.name)) for listener in listeners]
        found = {name: made_from.get(name, made_from.get(base, "")) for name, base in heads if base in made_from}
        for name in trained:
            if (ours := _of_the_package(name, listeners)) is not None:
                same = [one.name for one in listeners if is_same_head(ours, one, layouts)]
                found |= {one: name for one in same if one not in found}
        return found

    def programmes(self, names: Iterable[str]) -> set[str] | None:
        """Of `names`, those that training had; None when that is not known."""
        trained = self.counts["programme"]
        return None if trained is None else {name for name in names if name in trained}


def _of_the_package(name: str, listeners: Sequence[Listener]) -> Listener | None:
    """The listener `kemar` or `parametric0007`, as training called it; None for one of a file."""
    number = name.removeprefix("parametric")
    spec = name if name == KEMAR else f"parametric:{int(number)}" if number != name and number.isdigit() else None
    try:
        return load_listener(spec, listeners[0].sample_rate) if spec and listeners else None
    except AudioError:
        return None


def seen_by_run(run: RunFolder) -> Seen:
    """What the training and validation parts of a run hold; nothing is known of a model folder alone."""
    if not run.split_file.is_file():
        return Seen(dict.fromkeys(FACTORS), "nothing: a model folder has no split.csv")
    rows = [sample.factors for sample in run.read_split() if sample.split != HELD_OUT]
    return Seen(_counts(rows), "split.csv of the run (training and validation)")


def seen_in_folder(root: Path, paths: Sequence[str]) -> Seen:
    """What a folder of pictures holds, all of which are trained on."""
    factors = find_factors(root, paths)
    return Seen(_counts(list(factors.values.values())), factors.origin)


def _counts(rows: Sequence[Mapping[str, str]]) -> dict[str, Mapping[str, int] | None]:
    """Pictures by value of every factor that all rows tell."""
    known = {name: all(row.get(name) for row in rows) and bool(rows) for name in FACTORS}
    return {name: dict(Counter(row[name] for row in rows)) if known[name] else None for name in FACTORS}
