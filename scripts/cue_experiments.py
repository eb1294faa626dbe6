"""What carries the answer to heads never heard: every idea tried, against today's cues on the same recordings.

    python scripts/cue_experiments.py --hrtf FOLDER_OF_SOFA_FILES --output_dir runs/cues
    python scripts/cue_experiments.py --hrtf FOLDER --output_dir runs/cues --ideas "virtual heads" network --final true

Learns from the people of CIPIC but those of `--keep`; choosing is for the ones kept out and for LISTEN; with `--final
true` the two KEMAR of MIT are opened too: do that once, at the end. Laboratories are told by how file names begin;
CIPIC 021 and 165 are KEMAR and left out. Programmes are synthetic, of another seed for training and testing, 3 s, in
memory; what is rendered is kept below the output folder. Writes experiments.json and prints a Markdown table: accuracy
of four layouts, of three (5.1 and 5.1.4 as one), of 5.1 against 5.1.4, each with what it is more than today's, 95 %
intervals over programmes and listeners.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import cue_network
import numpy as np
import torch
from cue_features import FEATURES, band_spectra, pooled_picture
from measuring import parser_of
from tqdm import tqdm

from spatial_swin import files
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.audio.loudness import match_loudness
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.synthesis import synthetic_scene
from spatial_swin.evaluation.baseline import boosting
from spatial_swin.evaluation.factorial import QUESTIONS, Answers, figures
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

RATE, SECONDS = 48_000, 3.0
MANNEQUINS = ("CIPIC_021", "CIPIC_165")
KEPT_OUT = ["009", "019", "044", "059", "126", "153"]
TODAY = "today's cues"


@dataclass(frozen=True)
class Recordings:
    """N recordings: pooled [N, F] of today's picture, bands [N, 4, B, T], labels int [N], names [N]."""

    pooled: np.ndarray
    bands: np.ndarray
    labels: np.ndarray
    programmes: np.ndarray
    listeners: np.ndarray

    def joined(self, other: "Recordings") -> "Recordings":
        pairs = zip(vars(self).values(), vars(other).values(), strict=True)
        return Recordings(*(np.concatenate(pair) for pair in pairs))

    def of(self, chosen: np.ndarray) -> "Recordings":
        return Recordings(*(values[chosen] for values in vars(self).values()))


@dataclass(frozen=True)
class Material:
    """real and virtual: to learn from, the same number of programmes each; test: to be judged on."""

    real: Recordings
    virtual: Recordings
    test: Recordings
    epochs: int
    seed: int


Jobs = Sequence[tuple[int, Sequence[str]]]  # number of a programme, who hears it


def recordings_of(path: Path, seed: int, jobs: Jobs) -> Recordings:
    """Render `jobs` in every layout, or read what an earlier call with the same path has kept."""
    if path.is_file():
        with np.load(path) as kept:
            return Recordings(**kept)
    layouts, pooled, bands, programmes, listeners = find_layouts(DEFAULT_LAYOUTS), [], [], [], []
    for number, names in tqdm(jobs, desc=path.stem, unit="programme", disable=None):
        scene = synthetic_scene(seed, number, SECONDS, RATE)
        for name in names:
            listener = load_listener(name, RATE)
            heard = render_layouts(scene, layouts, [listener])
            sound = np.stack([match_loudness(heard[layout.code, listener.name], RATE)[0] for layout in layouts])
            pooled.append(pooled_picture(sound, RATE))
            bands.append(band_spectra(sound, RATE))
            programmes += [scene.name] * len(layouts)
            listeners += [listener.name] * len(layouts)
    labels = np.tile(np.arange(len(layouts)), len(pooled))
    made = Recordings(np.concatenate(pooled), np.concatenate(bands), labels, np.array(programmes), np.array(listeners))
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **vars(made))
    return made


def boosted(train: Recordings, test: Recordings, seed: int, more: Any = None) -> np.ndarray:
    """Probabilities by gradient boosting on today's pooled cues, with the features of `more` beside them."""

    def columns(recordings: Recordings) -> np.ndarray:
        parts = np.array_split(recordings.bands, max(1, len(recordings.bands) // 256)) if more else []
        return np.hstack([recordings.pooled, *([np.concatenate([more(part) for part in parts])] if more else [])])

    return boosting(seed).fit(columns(train), train.labels).predict_proba(columns(test))


def networked(train: Recordings, test: Recordings, m: Material) -> np.ndarray:
    return cue_network.probabilities(cue_network.fit(train.bands, train.labels, m.epochs, m.seed), test.bands)


# Each takes what there is and gives probabilities [N, K] on the test recordings.
IDEAS: dict[str, Callable[[Material], np.ndarray]] = {
    TODAY: lambda m: boosted(m.real, m.test, m.seed),
    **{
        f"with {name}": partial(lambda m, more: boosted(m.real, m.test, m.seed, more), more=more)
        for name, more in FEATURES.items()
    },
    "virtual heads": lambda m: boosted(m.virtual, m.test, m.seed),
    "real and virtual heads": lambda m: boosted(m.real.joined(m.virtual), m.test, m.seed),
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
    parser.add_argument("--final", choices=("true", "false"), default="false", help="open the heads of MIT too")
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
        answers[idea] = IDEAS[idea](material)
        print(f"{idea}: {time.monotonic() - began:.0f} s", flush=True)
    if set(TOGETHER) <= set(answers):
        answers["both averaged"] = np.mean([answers[idea] for idea in TOGETHER], axis=0)
    results = judge(material.test, answers)
    files.write_json(options.output_dir / "experiments.json", results)
    print(markdown(results), options.output_dir / "experiments.json", sep="\n\n")


def render(options: Any, learning: Sequence[str], tests: Sequence[str]) -> Material:
    """What the experiments learn from and are judged on; virtual heads hear programmes of their own."""
    count, seed, out = options.programmes, options.seed, options.output_dir / "recordings"
    drawn = keyed_generator(seed, "heads of the experiments").integers(0, len(learning), count)
    real = [(number, [learning[number % len(learning)]]) for number in range(count)]
    virtual = [(count + number, [f"{learning[head]}~{number}"]) for number, head in enumerate(drawn)]
    test = [(number, tests) for number in range(options.test_programmes)]
    return Material(
        recordings_of(out / f"real_{seed}.npz", 2 * seed, real),
        recordings_of(out / f"virtual_{seed}.npz", 2 * seed, virtual),
        recordings_of(out / f"test_{seed}_final_{options.final}.npz", 2 * seed + 1, test),
        options.epochs,
        seed,
    )


def judge(test: Recordings, answers: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """By laboratory: the figures of all ideas, the first of which is today's."""
    laboratories = np.array([name.split("-")[0] for name in test.listeners])
    results = {}
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
