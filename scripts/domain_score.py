"""How well the domain score tells sound without a head from binaural recordings: the table of docs/limits.md.

    python scripts/domain_score.py PICTURES --genuine dev songs --music stems --programmes 12
    python scripts/domain_score.py runs/first --genuine dev songs

PICTURES is a folder that `spatial-swin render` made, to which a score is fitted as `spatial-swin evaluate` fits it; of
a run the score that is stored is taken. --genuine are folders of the same cues and size, rendered with heads and
programmes that are in neither. Sound without a head is made of synthetic programmes, in every kind of
`audio.headless`, and of --music (a folder of stems or masters) as stereo and as mono copied. Kinds under "never
fitted" the score has not seen. The share flagged is at the score's own threshold, which heads not fitted gave.
"""

import argparse
import csv
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spatial_swin.audio import headless
from spatial_swin.audio.manifest import MANIFEST, pictures_folder
from spatial_swin.audio.programme import find_programmes
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.headless_pictures import Making, Pooled, pooled
from spatial_swin.data.pooled_tiles import pooled_with_channels
from spatial_swin.domain_scoring import PROGRAMMES, fit_for_pictures
from spatial_swin.evaluation.domain_score import DomainScore, auroc
from spatial_swin.finished import open_finished
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.runs import RunFolder

SEED = 77  # of the programmes that are judged
OF_MUSIC = ("loudspeaker stereo", "mono copied")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="a folder of pictures, or a run or model with a domain score")
    parser.add_argument("--genuine", nargs="+", type=Path, required=True, help="folders of pictures of other heads")
    parser.add_argument("--music", type=Path, help="a folder of stems or masters")
    parser.add_argument("--programmes", type=int, default=12, help="synthetic ones that are judged")
    parser.add_argument("--fit_programmes", type=int, default=PROGRAMMES, help="synthetic ones that are fitted")
    arguments = parser.parse_args()
    began = time.monotonic()
    score, tiles = _score(arguments.source, arguments.fit_programmes)
    print(f"score of {arguments.source}: {score.about} ({time.monotonic() - began:.0f} s)\n")
    inside = {name: score.of(*found) for folder in arguments.genuine for name, *found in _genuine(folder)}
    print_genuine(inside)
    making = Making(tiles, SEED, [*headless.FITTED, *headless.UNSEEN], genuine=False)
    made: dict[str, list[Pooled]] = defaultdict(list)
    for number in tqdm(range(arguments.programmes), desc="headless", disable=None):
        for one in making(number):
            made[one.kind].append(one)
    if arguments.music is not None:
        for one in _music(making, arguments.music):
            made[f"music, {one.kind}"].append(one)
    outside = {kind: score.of(*_stacked(of_kind)) for kind, of_kind in made.items()}
    print_headless(np.concatenate(list(inside.values())), outside)
    print(f"\n{time.monotonic() - began:.0f} s")


def print_genuine(inside: dict[str, np.ndarray]) -> None:
    """Shares flagged of genuine pictures, by folder and laboratory."""
    print("| genuine, of heads not fitted | pictures | flagged |\n| --- | ---: | ---: |")
    for name, scores in {**inside, "all of them": np.concatenate(list(inside.values()))}.items():
        print(f"| {name} | {len(scores)} | {np.mean(scores > 0):.3f} |")


def print_headless(genuine: np.ndarray, made: dict[str, np.ndarray]) -> None:
    """AUROC against all genuine pictures, and shares flagged, by kind."""
    print("\n| without a head | | pictures | AUROC | flagged |\n| --- | --- | ---: | ---: | ---: |")
    unseen = {kind: scores for kind, scores in made.items() if kind in headless.UNSEEN}
    for kind, scores in {**made, "all kinds never fitted": np.concatenate(list(unseen.values()))}.items():
        which = "never fitted" if kind in unseen or kind not in made else "fitted"
        print(f"| {kind} | {which} | {len(scores)} | {auroc(genuine, scores):.3f} | {np.mean(scores > 0):.3f} |")


def _score(source: Path, programmes: int) -> tuple[DomainScore, TileMap]:
    if RunFolder(source).model.is_dir() or (source / "config.json").is_file():
        finished = open_finished(source)
        if finished.domain_score is None or finished.tiles is None:
            raise SystemExit(f"{source}: no domain score; run `spatial-swin evaluate {source} --domain_score true`")
        return finished.domain_score, finished.tiles
    root = pictures_folder(source)
    return fit_for_pictures(root, _rows(root), programmes), TileMap.read(root)


def _rows(root: Path) -> dict[str, dict[str, str]]:
    with (root / MANIFEST).open(newline="", encoding="utf-8") as file:
        return {row["path"]: row for row in csv.DictReader(file)}


def _stacked(pictures: list[Pooled]) -> tuple[np.ndarray, np.ndarray]:
    return np.stack([one.features for one in pictures]), np.array([one.same for one in pictures])


def _genuine(folder: Path) -> Iterator[tuple[str, np.ndarray, np.ndarray]]:
    """Of a folder of pictures by laboratory: features, and which have two equal channels."""
    root = pictures_folder(folder)
    rows = _rows(root)
    features, same = pooled_with_channels(root, list(rows))
    laboratories = np.array([row["laboratory"] for row in rows.values()])
    for name in np.unique(laboratories):
        chosen = laboratories == name
        yield f"{folder.name}, {name or 'laboratory not known'}", features[chosen], same[chosen]


def _music(making: Making, folder: Path) -> Iterator[Pooled]:
    """The middle of every programme of a folder, without a head."""
    rate, count = making.tiles.sample_rate, round(making.tiles.seconds * making.tiles.sample_rate)
    for programme in tqdm(find_programmes(folder, 0)[0], desc="music", disable=None):
        scene = programme.scene(max(0, (programme.length(rate) - count) // 2), count, rate)
        for kind in OF_MUSIC:
            draw = keyed_generator(making.seed, "headless", kind, programme.name)
            yield pooled(headless.FITTED[kind](draw, scene), making.tiles, kind)


if __name__ == "__main__":
    main()
