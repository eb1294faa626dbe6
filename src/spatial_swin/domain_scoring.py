"""The domain score of a run: its training and validation pictures and sound without a head in, a `DomainScore` out.

The pictures are pooled; headless sound, and modelled heads that hear the same programmes, are made on the spot with
the same tile map; so is mono, copied and as the people in the package hear it, for the part of the score that judges
equal channels. A run that began from a model with a score can take that, with a threshold of its own: then nothing
is made. The network has no part in it, the test part is not looked at, nothing is written.
"""

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from spatial_swin.audio import composed, headless
from spatial_swin.audio.hrtf import expand_listeners
from spatial_swin.audio.tiles import TileMap
from spatial_swin.audio.virtual_heads import measured_name
from spatial_swin.data.folder import pictures_of
from spatial_swin.data.headless_pictures import LABORATORY, headless_pictures, mono_pictures
from spatial_swin.data.pooled_tiles import pooled_tiles, pooled_with_channels
from spatial_swin.errors import RunError
from spatial_swin.evaluation.domain_fitting import STRENGTH_OF_SAME, fit_domain_score, with_own_threshold
from spatial_swin.evaluation.domain_score import DomainScore
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.runs import RunFolder
from spatial_swin.shipped import people

MOST_PICTURES = 2000  # of the data; more make it slower and hardly better
PROGRAMMES = 60  # made on the spot
SEED = 12_582_911  # of them; far from the small seeds that people train with
NOT_KNOWN = "not known"


def fit_for_run(run: RunFolder, data_dir: Path | None = None) -> DomainScore:
    """The score of a run whose pictures are at `data_dir` (where the recipe had them when None).

    Raises:
        RunError: nothing says how sound became the pictures.
        DataError: the pictures are gone.
    """
    return fit_for_pictures(pictures_of(run, data_dir), _learnt_from(run))


def inherit_for_run(run: RunFolder, score: DomainScore, data_dir: Path | None = None) -> DomainScore:
    """`score`, of the model that a run began from, with the threshold that the run's own heads ask for.

    It takes a second. The pictures must be made as those of that model, of heads that it had not learnt from.

    Raises:
        DataError: the pictures are gone.
    """
    root, factors = pictures_of(run, data_dir), _learnt_from(run)
    paths = _chosen(sorted(factors))
    features, same = pooled_with_channels(root, paths)
    return with_own_threshold(score, features, *_whose(paths, factors), same)


def _learnt_from(run: RunFolder) -> dict[str, dict[str, str]]:
    """Factors of the training and validation pictures, by path."""
    samples = [sample for sample in run.read_split() if sample.split != "test"]
    return {sample.path: {"listener": sample.group, **sample.factors} for sample in samples}


def fit_for_pictures(
    root: Path, factors: Mapping[str, Mapping[str, str]], programmes: int = PROGRAMMES, workers: int = 0
) -> DomainScore:
    """The score of pictures below `root`: path -> factors, of which listener and laboratory are used.

    programmes: made on the spot, in so many processes (`workers`; as many as there are cores when 0).
    """
    tiles = TileMap.beside(root)
    if tiles is None:
        raise RunError(
            f"{root}: no tiles.json in it, so sound without a head cannot be drawn as its pictures were; make them "
            "with `spatial-swin mosaic` or `render`, or leave --domain_score out"
        )
    paths = _chosen(sorted(factors))
    ours, workers = pooled_tiles(root, paths), workers or len(os.sched_getaffinity(0))
    made = headless_pictures(tiles, programmes, SEED, list(headless.FITTED), workers)
    modelled = [one for one in made if not one.kind]
    heads, laboratories = _whose(paths, factors)
    score = fit_domain_score(
        np.concatenate([ours, np.stack([one.features for one in modelled])]),
        heads + [one.head for one in modelled],
        laboratories + [LABORATORY] * len(modelled),
        np.stack([one.features for one in made if one.kind]),
        {"kinds": list(headless.FITTED), "features": "pooled tiles", "arrangement": tiles.arrangement},
    )
    return replace(score, of_same=fit_for_same_channels(tiles, programmes, workers))


def fit_for_same_channels(tiles: TileMap, programmes: int, workers: int) -> DomainScore:
    """The score of two equal channels: mono copied against mono heard by measured ears, of the same programmes.

    Nobody has two equal ears, so each of a person's stands at both sides in turn. Beside the synthetic `programmes`
    are composed songs, at most as many, where they are as long as a picture: with synthetic ones alone real music is
    not told. Measured ears matter more than many programmes: with modelled heads songs are told far less well.
    """
    music = composed.composed_songs(min(programmes, composed.COUNT)) if tiles.seconds <= composed.SECONDS else []
    made = mono_pictures(tiles, programmes, music, expand_listeners([str(people())]), SEED, workers)
    heard = [one for one in made if not one.kind]
    return fit_domain_score(
        np.stack([one.features for one in heard]),
        [one.head for one in heard],
        [one.laboratory for one in heard],
        np.stack([one.features for one in made if one.kind]),
        {"kinds": ["mono copied"], "programmes": programmes, "songs": len(music)},
        strength=STRENGTH_OF_SAME,
    )


def _whose(paths: Sequence[str], factors: Mapping[str, Mapping[str, str]]) -> tuple[list[str], list[str]]:
    """Head and laboratory of each picture."""
    heads = [measured_name(factors[path].get("listener") or NOT_KNOWN) for path in paths]
    return heads, [factors[path].get("laboratory") or NOT_KNOWN for path in paths]


def _chosen(paths: Sequence[str]) -> list[str]:
    """At most MOST_PICTURES of them, the same for the same names."""
    if len(paths) <= MOST_PICTURES:
        return list(paths)
    order = keyed_generator("pictures of a domain score", len(paths)).permutation(len(paths))
    return [paths[k] for k in sorted(order[:MOST_PICTURES])]
