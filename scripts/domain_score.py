"""How well the domain score tells sound without a head from binaural recordings: the table of docs/limits.md.

    python scripts/domain_score.py PICTURES --heads LISTEN_1002.sofa MIT_KEMAR_normal_pinna.sofa --programmes 40
    python scripts/domain_score.py runs/first --heads heads_kept_out

PICTURES is a folder that `spatial-swin render` made, to which a score is fitted as `spatial-swin evaluate` fits it; of
a run the score that is stored is taken. The heads must be none of those. Each programme is heard by every laboratory's
next head in four layouts, and is made two-channel in every kind of `audio.headless`; those under "never fitted" the
score has not seen. The share flagged is at the score's own threshold, which validation gave. Measured on synthetic
programmes: music of other makers may differ.
"""

import argparse
import csv
import time
from itertools import groupby
from pathlib import Path

import numpy as np
from tqdm import tqdm

from spatial_swin.audio import headless, kinds
from spatial_swin.audio.hrtf import Listener, expand_listeners, load_listener
from spatial_swin.audio.manifest import MANIFEST, pictures_folder
from spatial_swin.audio.render import render_layouts
from spatial_swin.audio.tiles import TileMap
from spatial_swin.data.headless_pictures import Making
from spatial_swin.domain_scoring import fit_for_pictures
from spatial_swin.evaluation.domain_score import DomainScore, auroc
from spatial_swin.finished import open_finished
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts
from spatial_swin.runs import RunFolder

SEED = 77  # of the programmes that are judged


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("source", type=Path, help="a folder of pictures, or a run or model with a domain score")
    parser.add_argument("--heads", nargs="+", required=True, help="SOFA files or folders that were not trained on")
    parser.add_argument("--programmes", type=int, default=40)
    arguments = parser.parse_args()
    began = time.monotonic()
    score, tiles = _score(arguments.source)
    print(f"score of {arguments.source}: {score.about} ({time.monotonic() - began:.0f} s)")
    genuine = _heard(tiles, expand_listeners(arguments.heads), arguments.programmes)
    inside = {name: score.of(features) for name, features in genuine.items()}
    everyone = np.concatenate(list(inside.values()))
    print("\n| genuine, of heads not fitted | items | flagged |\n| --- | ---: | ---: |")
    for name, scores in inside.items():
        print(f"| {name} | {len(scores)} | {np.mean(scores > 0):.3f} |")
    print(f"| all of them | {len(everyone)} | {np.mean(everyone > 0):.3f} |")
    print("\n| without a head | | items | AUROC | flagged |\n| --- | --- | ---: | ---: | ---: |")
    making = Making(tiles, SEED, [*headless.FITTED, *headless.UNSEEN], genuine=False)
    made = [one for n in tqdm(range(arguments.programmes), desc="headless", disable=None) for one in making(n)]
    made.sort(key=lambda one: making.wanted.index(one.kind))
    seen: dict[str, list[np.ndarray]] = {"fitted": [], "never fitted": []}
    for kind, members in groupby(made, key=lambda one: one.kind):
        scores = score.of(np.stack([one.features for one in members]))
        which = "fitted" if kind in headless.FITTED else "never fitted"
        seen[which].append(scores)
        print(f"| {kind} | {which} | {len(scores)} | {auroc(everyone, scores):.3f} | {np.mean(scores > 0):.3f} |")
    for which, parts in seen.items():
        scores = np.concatenate(parts)
        print(f"| all | {which} | {len(scores)} | {auroc(everyone, scores):.3f} | {np.mean(scores > 0):.3f} |")
    print(f"\n{time.monotonic() - began:.0f} s")


def _score(source: Path) -> tuple[DomainScore, TileMap]:
    if RunFolder(source).model.is_dir() or (source / "config.json").is_file():
        finished = open_finished(source)
        if finished.domain_score is None or finished.tiles is None:
            raise SystemExit(f"{source}: no domain score; run `spatial-swin evaluate {source} --domain_score true`")
        return finished.domain_score, finished.tiles
    root = pictures_folder(source)
    with (root / MANIFEST).open(newline="", encoding="utf-8") as file:
        factors = {row["path"]: row for row in csv.DictReader(file) if (root / row["path"]).is_file()}
    return fit_for_pictures(root, factors), TileMap.read(root)


def _heard(tiles: TileMap, names: list[str], count: int) -> dict[str, np.ndarray]:
    """laboratory -> features of programmes heard by its heads in turn, in four layouts."""
    by_laboratory: dict[str, list[Listener]] = {}
    for name in names:
        listener = load_listener(name, tiles.sample_rate)
        by_laboratory.setdefault(listener.laboratory or name, []).append(listener)
    making = Making(tiles, SEED, [])
    found: dict[str, list[np.ndarray]] = {name: [] for name in by_laboratory}
    for number in tqdm(range(count), desc="heard", disable=None):
        kind = kinds.KINDS[number % len(kinds.KINDS)]
        scene = kinds.programme(kind, SEED, number, tiles.seconds, tiles.sample_rate)
        for name, heads in by_laboratory.items():
            head = heads[number % len(heads)]
            heard = render_layouts(scene, find_layouts(DEFAULT_LAYOUTS), [head])
            found[name] += [making.features_of(ears) for ears in heard.values()]
    return {name: np.stack(features) for name, features in found.items()}


if __name__ == "__main__":
    main()
