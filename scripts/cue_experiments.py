"""What carries the answer to heads never heard: every idea tried, against today's cues on the same recordings.

    python scripts/cue_experiments.py --hrtf FOLDER_OF_SOFA_FILES --output_dir runs/cues
    python scripts/cue_experiments.py --hrtf FOLDER --output_dir runs/cues --ideas "virtual heads" network --final true

Learns from the people of CIPIC but those of `--keep`; choosing is for the ones kept out and for LISTEN; with `--final
true` the two KEMAR of MIT are judged too: at the end, never for choosing. Laboratories are told by how file names
begin; CIPIC 021 and 165 are KEMAR and left out. Programmes are synthetic, of another seed for training and testing,
3 s, in memory; what is rendered is kept below the output folder. With `--seeds 3` shares are means over three models.
Writes experiments.json and prints a Markdown table: accuracy of four layouts, of three (5.1 and 5.1.4 as one), of 5.1
against 5.1.4, each with what it is more than today's, 95 % intervals over programmes and listeners.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial, reduce
from pathlib import Path
from typing import Any

import cue_alignment as alignment
import cue_network
import numpy as np
import torch
from cue_features import FEATURES
from cue_material import Material, Recordings, render
from measuring import parser_of

from spatial_swin import files
from spatial_swin.evaluation.baseline import boosting
from spatial_swin.evaluation.factorial import QUESTIONS, Answers, figures
from spatial_swin.layouts import DEFAULT_LAYOUTS

MANNEQUINS = ("CIPIC_021", "CIPIC_165")
KEPT_OUT = ["009", "019", "044", "059", "126", "153"]
TODAY = "today's cues"


def boosted(train: Recordings, test: Recordings, seed: int, more: Any = None) -> np.ndarray:
    """Probabilities by gradient boosting on today's pooled cues, with the features of `more` beside them."""

    def columns(recordings: Recordings) -> np.ndarray:
        parts = np.array_split(recordings.bands, max(1, len(recordings.bands) // 256)) if more else []
        return np.hstack([recordings.pooled, *([np.concatenate([more(part) for part in parts])] if more else [])])

    return boosting(seed).fit(columns(train), train.labels).predict_proba(columns(test))


def networked(train: Recordings, test: Recordings, m: Material) -> np.ndarray:
    return cue_network.probabilities(cue_network.fit(train.bands, train.labels, m.epochs, m.seed), test.bands)


def aligned(change: Callable[[np.ndarray], np.ndarray], m: Material) -> np.ndarray:
    return boosting(m.seed).fit(change(m.real.pooled), m.real.labels).predict_proba(change(m.test.pooled))


def without_telling(share: float, m: Material) -> np.ndarray:
    kept = alignment.untelling(m.real.pooled, m.real.labels, m.real.listeners, share)
    return aligned(lambda pooled: pooled[:, kept], m)


def as_the_laboratory(m: Material) -> np.ndarray:
    laboratories, answers = laboratories_of(m.test), np.zeros((len(m.test.labels), len(DEFAULT_LAYOUTS)))
    for name in np.unique(laboratories):
        judged = m.test.pooled[laboratories == name]
        model = boosting(m.seed).fit(alignment.coral(m.real.pooled, judged), m.real.labels)
        answers[laboratories == name] = model.predict_proba(judged)
    return answers


def centred(m: Material) -> np.ndarray:
    model = boosting(m.seed).fit(alignment.centred(m.real.pooled, m.real.listeners), m.real.labels)
    return model.predict_proba(alignment.centred(m.test.pooled, m.test.listeners))


def with_guess(m: Material) -> np.ndarray:
    real = m.real
    learning, judged = alignment.with_guess(real.pooled, real.listeners, real.programmes, m.test.pooled)
    return boosting(m.seed).fit(learning, real.labels).predict_proba(judged)


def by_guessed_head(m: Material) -> np.ndarray:
    real = m.real
    return alignment.by_guessed_head(real.pooled, real.labels, real.programmes, real.listeners, m.test.pooled, m.seed)


def in_turn(recordings: list[Recordings]) -> Recordings:
    """Each programme once: the first as the first of `recordings` has it, the next as the next, and so on."""
    chosen = [r.of(numbers(r) % len(recordings) == place) for place, r in enumerate(recordings)]
    return reduce(Recordings.joined, chosen)


def numbers(recordings: Recordings) -> np.ndarray:
    return np.array([int(name.rpartition("-")[2]) for name in recordings.programmes])


def with_another_laboratory(m: Material) -> np.ndarray:
    """Half of the programmes heard by people of LISTEN, never by the one that is judged; other heads: the mean."""
    theirs = m.also("laboratory")
    people, answers = np.unique(theirs.listeners), []
    for name in people:
        rest = people[people != name]
        turn = rest[numbers(theirs) // 2 % len(rest)]
        answers.append(boosted(in_turn([m.real, theirs.of(theirs.listeners == turn)]), m.test, m.seed))
    return np.select(
        [(m.test.listeners == name)[:, None] for name in people], answers, default=np.mean(answers, axis=0)
    )


def over_windows(m: Material) -> np.ndarray:
    """Every window answered as the mean of all windows of its programme, head and layout."""
    answers = boosted(m.real, m.test, m.seed)
    names = np.char.add(np.char.add(m.test.programmes, m.test.listeners), m.test.labels.astype(str))
    same = np.unique(names, return_inverse=True)[1]
    return np.stack([np.bincount(same, column) / np.bincount(same) for column in answers.T], axis=1)[same]


# Each takes what there is and gives probabilities [N, K] on the test recordings.
IDEAS: dict[str, Callable[[Material], np.ndarray]] = {
    TODAY: lambda m: boosted(m.real, m.test, m.seed),
    **{
        f"with {name}": partial(lambda m, more: boosted(m.real, m.test, m.seed, more), more=more)
        for name, more in FEATURES.items()
    },
    "virtual heads": lambda m: boosted(m.virtual, m.test, m.seed),
    "real and virtual heads": lambda m: boosted(m.real.joined(m.virtual), m.test, m.seed),
    "virtual heads, same programmes": lambda m: boosted(m.also("virtual"), m.test, m.seed),
    "half virtual heads": lambda m: boosted(in_turn([m.real, m.also("virtual")]), m.test, m.seed),
    "real and virtual heads, same programmes": lambda m: boosted(m.real.joined(m.also("virtual")), m.test, m.seed),
    "half parametric": lambda m: boosted(in_turn([m.real, m.also("parametric")]), m.test, m.seed),
    "real, parametric, virtual in turn": lambda m: boosted(
        in_turn([m.real, m.also("parametric"), m.also("virtual")]), m.test, m.seed
    ),
    "another laboratory": with_another_laboratory,
    "tile means removed": partial(aligned, alignment.without_tile_means),
    "own spectrum removed": partial(aligned, alignment.equalised),
    "least telling three quarters": partial(without_telling, 0.25),
    "least telling half": partial(without_telling, 0.5),
    "CORAL": as_the_laboratory,
    "centred by listener": centred,
    "models of guessed heads": by_guessed_head,
    "with guess of the head": with_guess,
    "windows averaged": over_windows,
    "network": lambda m: networked(m.real, m.test, m),
    "network, real and virtual heads": lambda m: networked(m.real.joined(m.virtual), m.test, m),
}
TOGETHER = ("real and virtual heads", "network, real and virtual heads")  # averaged when both were asked for


def main() -> None:
    parser = parser_of(__doc__)
    parser.add_argument("--hrtf", type=Path, required=True, help="folder with SOFA files of CIPIC, LISTEN and MIT")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--programmes", type=int, default=240, help="to learn from, one head each (240)")
    parser.add_argument("--test_programmes", type=int, default=30, help="heard by every test head (30)")
    parser.add_argument("--keep", nargs="+", default=KEPT_OUT, help="subjects of CIPIC kept out of training")
    parser.add_argument("--ideas", nargs="+", choices=IDEAS, default=list(IDEAS))
    parser.add_argument("--epochs", type=int, default=30, help="of the network (30)")
    parser.add_argument("--seed", type=int, default=0, help="of programmes, boosting and network")
    parser.add_argument(
        "--seeds", type=int, default=1, help="models an idea, of this and the next seeds, averaged (1)"
    )
    parser.add_argument("--windows", type=int, default=1, help="of 3 s to judge on, each programme (1)")
    parser.add_argument("--final", choices=("true", "false"), default="false", help="judge the heads of MIT too")
    options = parser.parse_args()
    torch.set_num_threads(1)
    people = sorted(path for path in options.hrtf.rglob("*.sofa") if not path.stem.startswith(MANNEQUINS))
    cipic = {path.stem[6:9]: str(path) for path in people if path.stem.startswith("CIPIC")}
    learning = [name for subject, name in cipic.items() if subject not in options.keep]
    tests = [name for subject, name in cipic.items() if subject in options.keep]
    judged = ("LISTEN", "MIT") if options.final == "true" else ("LISTEN",)
    tests += [str(path) for path in people if path.stem.startswith(judged)]
    if len(learning) < 2 or not tests:
        raise SystemExit(
            f"{options.hrtf}: needs SOFA files called CIPIC_*, of at least two people, and some to test on"
        )
    material = render(options, learning, tests)
    answers: dict[str, np.ndarray] = {}
    for idea in dict.fromkeys([TODAY, *options.ideas]):
        began = time.monotonic()
        models = (replace(material, seed=options.seed + number) for number in range(options.seeds))
        answers[idea] = np.concatenate([IDEAS[idea](model) for model in models])
        print(f"{idea}: {time.monotonic() - began:.0f} s", flush=True)
    if set(TOGETHER) <= set(answers):
        answers["both averaged"] = np.mean([answers[idea] for idea in TOGETHER], axis=0)
    results = judge(material.test.of(np.tile(np.arange(len(material.test.labels)), options.seeds)), answers)
    files.write_json(options.output_dir / "experiments.json", results)
    print(markdown(results), options.output_dir / "experiments.json", sep="\n\n")


def laboratories_of(recordings: Recordings) -> np.ndarray:
    return np.array([name.split("-")[0] for name in recordings.listeners])


def judge(test: Recordings, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """By laboratory: the figures of all ideas, the first of which is today's."""
    laboratories, results = laboratories_of(test), {}
    for laboratory in dict.fromkeys(laboratories):
        chosen = laboratories == laboratory
        names = test.programmes[chosen], test.listeners[chosen]
        judges = {idea: table[chosen] for idea, table in answers.items()}
        results[str(laboratory)] = figures(Answers(DEFAULT_LAYOUTS, test.labels[chosen], *names, judges), 2_000, 0)
    return results


def markdown(results: Mapping[str, Any]) -> str:
    """One line per laboratory and idea; below a share what it is more than today's."""

    def cell(entry: Mapping[str, Any], sign: str = "") -> str:
        if entry["low"] is None:
            return f"{entry['value']:{sign}.3f}"
        return f"{entry['value']:{sign}.3f} [{entry['low']:{sign}.3f}, {entry['high']:{sign}.3f}]"

    lines = [f"| heads | idea | {' | '.join(f'{q} | more than today' for q in QUESTIONS.values())} |"]
    lines.append("|" + "---|" * (2 + 2 * len(QUESTIONS)))
    for laboratory, result in results.items():
        for idea, entry in result.items():
            if isinstance(entry, dict):
                more = entry.get("difference", {})
                cells = [f"{cell(entry[q])} | {cell(more[q], '+') if more else ''}" for q in QUESTIONS]
                lines.append(f"| {laboratory} | {idea} | {' | '.join(cells)} |")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
