"""Make the detector that ships: from measured heads to a finished run folder, in one command that can be stopped.

    python scripts/make_detector.py --learn sofa/learn --choose sofa/choose --test sofa/test \\
        --soundfont FluidR3_GM.sf2 --output_dir made [--seed 44] [--share 1] [--list]

Three folders of SOFA files, none in two of them: heads to learn from, people to choose by, and heads to test on. The
commands below render the material, join it, train the Swin (recipe `detector`), fit the network that is its second
opinion, and calibrate and test both; `--list` only prints them. Each runs in the output folder and is noted in
made/steps.json with its seconds when it is done; the same command line continues with the first that is not. What it
makes is made/runs/detector; `python scripts/ship_detector.py made/runs/detector --steps made/steps.json` puts it into
the package.

With better material, change the tables below: more heads, real masters (`render --programmes`), rooms that were
measured. `--share 0.1` makes a tenth of every number, to see that all fits together before it takes hours.
"""

import argparse
import json
import shlex
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from spatial_swin import files
from spatial_swin.audio import conditions, fluidsynth
from spatial_swin.audio.hrtf import expand_listeners
from spatial_swin.audio.kinds import KINDS
from spatial_swin.errors import AudioError, Problem, SpatialSwinError, raise_problems

SCRIPTS = Path(__file__).parent
STEPS = "steps.json"  # in the output folder: {name: {"command", "seconds"}}, in the order in which they were done
RUN = "runs/detector"
MATERIAL_SEED = 16  # of programmes and songs; --seed is of the training
SONGS, SONGS_TO_CHOOSE_BY = 120, 24
TO_CHOOSE_BY = "songs_to_choose_by"  # their folder
ANY = ("room", "codec", "noise", "tilt", "moved", "lfe", "rate")  # factors, each as often as another
ROOMS = ("room:0.15", "room:0.3")
CODED = ("codec", "noise")
FEWEST = len(KINDS)  # programmes of a folder, whatever the share


@dataclass(frozen=True)
class Folder:
    """`count` synthetic programmes from number `first` on, of all kinds in turn, and who hears them how.

    of: whose heads. virtual: changed heads of every measured one; modelled: parametric ones beside them; each: heads
    of a programme. share: of what is rendered in one of the `heard` conditions.
    """

    name: str
    count: int
    first: int
    heard: tuple[str, ...] = ()
    share: float = 0.5
    of: str = "learn"
    virtual: int = 0
    modelled: int = 0
    each: int = 1


# What the Swin learns from, and the network too ...
BOTH_LEARN = (
    Folder("clean", 2000, 0, virtual=3, modelled=40),
    Folder("spoilt", 443, 3000, ANY, virtual=3, modelled=40),
    Folder("rooms", 1200, 7000, ("room",), virtual=3, modelled=40),
    Folder("more", 631, 10000, virtual=6, modelled=80),
    Folder("more_rooms", 1500, 12000, ("room",), virtual=6, modelled=80),
    Folder("codecs", 700, 14000, CODED, virtual=6, modelled=80),
)
# ... and what the network alone learns from, beside composed songs.
NETWORK_LEARNS = (
    Folder("codecs2", 500, 18000, CODED, 1, virtual=6, modelled=80),
    Folder("codecs3", 700, 27000, ("codec", "noise:20", "noise:30"), 1, virtual=6, modelled=80),
    Folder("codecs4", 500, 36000, ("codec:aac-64", "codec:aac-96", "codec:aac-128"), 1, virtual=6, modelled=160),
    Folder("rooms20000", 900, 20000, ROOMS, 1, virtual=6, modelled=80),
    Folder("rooms22000", 900, 22000, ROOMS, 1, virtual=6, modelled=80),
    Folder("rooms24000", 893, 24000, ROOMS, 1, virtual=6, modelled=80),
    Folder("rooms30000", 2000, 30000, ("room:0.3",), 1, virtual=6, modelled=160),
    Folder("rooms33000", 1500, 33000, ROOMS, 1, virtual=6, modelled=160),
)
CHOSEN_BY = (
    Folder("people", 60, 5000, ANY, of="choose", each=2),
    Folder("people_in_rooms", 60, 5100, ("room", "codec", "noise"), of="choose", each=2),
    Folder("people_in_rooms2", 50, 5200, ROOMS, 1, of="choose", each=2),
    Folder("people_coded", 50, 5300, CODED, 1, of="choose", each=2),
)
TESTED_BY = (Folder("elsewhere", 60, 6000, ANY, of="test", each=3),)
SYNTHETIC = (*BOTH_LEARN, *NETWORK_LEARNS, *CHOSEN_BY, *TESTED_BY)


@dataclass(frozen=True)
class Step:
    """One command, in the words with which it is started."""

    name: str
    words: tuple[str, ...]


def said(words: Sequence[str]) -> str:
    """A command as people write it: without the interpreter, and with the names of files instead of their paths."""
    program = (
        ["spatial-swin", *words[3:]] if words[1] == "-m" else ["python", f"scripts/{Path(words[1]).name}", *words[2:]]
    )
    return shlex.join(Path(word).name if word.startswith("/") else word for word in program)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--learn", type=Path, required=True, help="folder of SOFA files of heads to learn from")
    parser.add_argument("--choose", type=Path, required=True, help="of people who choose epoch, temperature and sets")
    parser.add_argument("--test", type=Path, required=True, help="of other laboratories, who say what came out")
    parser.add_argument("--soundfont", type=Path, required=True, help="instruments of the songs")
    parser.add_argument("--output_dir", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=44, help="of the training")
    parser.add_argument("--share", type=float, default=1.0, help="of all numbers of programmes and songs (1)")
    parser.add_argument("--list", action="store_true", help="print the commands and do nothing")
    options = parser.parse_args()
    if not 0 < options.share <= 1:
        parser.error(f"--share {options.share:g} is not above 0 and at most 1")
    steps = list(steps_of(options))
    if options.list:
        print(*(f"# {step.name}\n{shlex.join(step.words)}" for step in steps), sep="\n")
        return 0
    try:
        raise_problems(SpatialSwinError, list(problems_of(options)), "Nothing was begun")
        return make(steps, options.output_dir)
    except SpatialSwinError as error:
        print(error, file=sys.stderr)
        return error.exit_code


def problems_of(options: argparse.Namespace) -> Iterator[Problem]:
    """What would stop a later step, before the first begins."""
    places: dict[str, Path] = {}
    for folder in (options.learn, options.choose, options.test):
        heads = heads_of(folder)
        if not heads:
            yield Problem(str(folder), "holds no SOFA file", "give a folder of measured heads")
        for head in heads:
            if (twin := places.setdefault(files.sha256_of(head), head)) is not head:
                yield Problem(str(head), f"is the same head as {twin}", "leave it in one of the folders")
    yield from fluidsynth.missing(options.soundfont)
    words = sorted({word for folder in SYNTHETIC for word in folder.heard})
    missing = {why for one in conditions.of_one_length(words) if (why := conditions.unavailable(one))}
    for why in sorted(missing):
        yield Problem("codecs", why, "install what is missing")


def heads_of(folder: Path) -> list[Path]:
    """The SOFA files that `render --hrtf` takes from a folder; none of one that is not there."""
    if not folder.is_dir():
        return []
    with suppress(AudioError):  # there is none
        return [Path(name) for name in expand_listeners([str(folder)])]
    return []


def steps_of(options: argparse.Namespace) -> Iterator[Step]:
    """All commands in order. Folders that they make are named as seen from the output folder, in which they run."""

    def python(name: str, script: str, *words: object) -> Step:
        return Step(name, (sys.executable, str((SCRIPTS / script).resolve()), *map(str, words)))

    def spatial_swin(name: str, *words: object) -> Step:
        return Step(name, (sys.executable, "-m", "spatial_swin", *map(str, words)))

    def scaled(count: int, least: int) -> int:
        return max(least, round(count * options.share))

    def render(folder: Folder) -> Step:
        hrtf = getattr(options, folder.of).resolve()
        words: list[object] = ["--synthetic", scaled(folder.count, FEWEST), "--first_programme", folder.first]
        words += ["--kinds", *KINDS, *common, "--hrtf", hrtf, "--listeners_each", folder.each]
        if folder.virtual:
            words += ["--virtual_heads", folder.virtual]
        if folder.modelled:
            words += ["--listeners", f"parametric:1-{folder.modelled}"]
        if folder.heard:
            words += ["--conditions", *folder.heard, "--conditions_share", folder.share]
        return spatial_swin(folder.name, "render", *words, "--output_dir", folder.name)

    common = ["--seed", MATERIAL_SEED, "--size", 192, "--sound", "false"]
    play = ["--soundfont", options.soundfont.resolve(), "--song_seconds", 40, "--seconds", 3, "--hop_seconds", 9]
    play += [*common, "--listeners_each", 2]
    learn = ["--hrtf", options.learn.resolve(), "--virtual_heads", 6, "--listeners", "parametric:1-80"]
    learn += ["--conditions", *ROOMS, "codec", "--conditions_share", 0.3]
    choose = ["--hrtf", options.choose.resolve()]

    yield from map(render, SYNTHETIC)
    for name, count, first in (("songs", scaled(SONGS, 2), 0), (TO_CHOOSE_BY, scaled(SONGS_TO_CHOOSE_BY, 1), SONGS)):
        words = ["--songs", count, "--first_song", first, "--seed", MATERIAL_SEED]
        yield python(name, "compose_songs.py", *words, "--output_dir", name)
    yield spatial_swin("played", "render", "--midi", "songs", *play, *learn, "--output_dir", "played")
    yield spatial_swin("people_play", "render", "--midi", TO_CHOOSE_BY, *play, *choose, "--output_dir", "people_play")

    judges = [*(folder.name for folder in CHOSEN_BY), "people_play"]
    parts = [f"train={folder.name}" for folder in BOTH_LEARN] + [f"validation={name}" for name in judges]
    parts += [f"test={folder.name}" for folder in TESTED_BY]
    yield python("join", "join_data.py", *parts, "--output_dir", "all")
    words = ["--data_dir", "all/pictures", "--split_file", "all/split.csv", "--seed", options.seed]
    yield spatial_swin("swin", "train", "--config", "detector", *words, "--output_dir", RUN)
    learnt = [folder.name for folder in (*BOTH_LEARN, *NETWORK_LEARNS)] + ["played"]
    words = ["--learn", *learnt, "--judge", *judges, "--beside", RUN, "--seeds", options.seed, "--says", 0.8, 0.9, 1]
    words += ["--dry", 0.5]
    yield python("network", "pooled_network.py", *words, "--save", "--output_dir", "runs/pooled")
    yield spatial_swin("evaluate", "evaluate", RUN, "--repredict", "true", "--domain_score", "true")


def make(steps: list[Step], output: Path) -> int:
    """Run the steps that are not done; return the exit code of the first that fails, else 0."""
    try:
        output.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise files.cannot_write(output, error) from None
    done = read_steps(output, steps)
    for number, step in enumerate(steps, start=1):
        if step.name in done:
            continue
        print(f"\n[{number}/{len(steps)}] {step.name}\n{shlex.join(step.words)}", flush=True)
        began = time.monotonic()
        if code := run(step.words, output):
            print(f"{step.name} ended with exit code {code}; the same command line goes on from here", file=sys.stderr)
            return code
        done[step.name] = {"command": list(step.words), "seconds": round(time.monotonic() - began, 1)}
        files.write_json(output / STEPS, done)
    took = sum(one["seconds"] for one in done.values())
    print(f"\nall {len(steps)} steps took {took / 60:.1f} minutes; open {output / RUN}")
    return 0


def run(words: Sequence[str], folder: Path) -> int:
    """The exit code of a command in a folder, as shells count it; it is told to stop when this process is."""
    with subprocess.Popen(words, cwd=folder) as process:
        before = signal.signal(signal.SIGTERM, lambda *_: process.terminate())
        try:
            code = process.wait()
        except KeyboardInterrupt:  # the terminal has told both
            code = process.wait()
        finally:
            signal.signal(signal.SIGTERM, before)
    return code if code >= 0 else 128 - code


def read_steps(output: Path, steps: list[Step]) -> dict[str, dict]:
    """What earlier command lines did. Raises SpatialSwinError when they had other options, or the file is damaged."""
    path = output / STEPS
    if not path.is_file():
        return {}
    try:
        done = dict(json.loads(path.read_text(encoding="utf-8")))
        begun = {name: list(one["command"]) for name, one in done.items()}
    except (ValueError, TypeError, KeyError):
        raise SpatialSwinError(f"{path}: is damaged; remove it, and finished steps are only looked through") from None
    other = [step.name for step in steps if begun.get(step.name, list(step.words)) != list(step.words)]
    if other:
        raise SpatialSwinError(
            f"{output} was begun with other options ({', '.join(other)} would differ); use the same ones, or another "
            "--output_dir"
        )
    return done


if __name__ == "__main__":
    sys.exit(main())
