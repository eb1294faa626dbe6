"""What `cue_experiments.py` does to pooled cues so that the head matters less, and models of heads that are guessed.

In go pooled cues [N, F] of recordings to learn from and to be judged on, out come cues or probabilities; labels of
what is judged are never looked at. `coral` and `centred` read many recordings of the laboratory or head that is
judged, which someone with a single clip does not have. All of it is tried in docs/cue_experiments.md.
"""

from collections.abc import Callable

import numpy as np
from sklearn.cluster import KMeans
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.feature_selection import f_classif

from spatial_swin.audio.tiles import tile_map
from spatial_swin.data.pooled_tiles import BANDS
from spatial_swin.evaluation.baseline import boosting

STATISTICS = 4  # of a band: mean, spread, 10th and 90th percentile
PLACES = [0, 2, 3]  # those that move when a band becomes louder
LEVELS = ("magnitude_left", "magnitude_right", "mid", "side", "long_term_left", "long_term_right", "ild")
KINDS = 4  # of heads
OTHERS = 4  # of the programmes by other kinds of heads, one in so many is learnt from too


def _tiles(pooled: np.ndarray) -> np.ndarray:
    return pooled.reshape(len(pooled), -1, BANDS, STATISTICS).copy()


def without_tile_means(pooled: np.ndarray) -> np.ndarray:
    """Every tile relative to the recording's own mean of it."""
    tiles = _tiles(pooled)
    tiles[..., PLACES] -= tiles[..., :1].mean(2, keepdims=True)
    return tiles.reshape(pooled.shape)


def equalised(pooled: np.ndarray) -> np.ndarray:
    """Levels and ILD of every band relative to the recording's own mean of that band, as another response would be."""
    tiles = _tiles(pooled)
    levels = [number for number, tile in enumerate(tile_map("4x4", 192, 48_000, 3.0)) if tile.name in LEVELS]
    means = np.zeros_like(tiles[..., :1])
    means[:, levels] = tiles[:, levels, :, :1]
    tiles[..., PLACES] -= means
    return tiles.reshape(pooled.shape)


def untelling(pooled: np.ndarray, labels: np.ndarray, listeners: np.ndarray, share: float) -> np.ndarray:
    """The columns that tell listeners apart least, without `share` of all: by the F ratio, layouts' means removed."""
    rest = pooled.astype(np.float64)
    for label in np.unique(labels):
        rest[labels == label] -= rest[labels == label].mean(0)
    ratio = np.nan_to_num(f_classif(rest + 1e-9 * np.random.default_rng(0).standard_normal(rest.shape), listeners)[0])
    return np.sort(ratio.argsort()[: round(len(ratio) * (1 - share))])


def coral(pooled: np.ndarray, judged: np.ndarray) -> np.ndarray:
    """`pooled` with the means and the covariances of `judged` (Sun, Feng and Saenko, AAAI 2016; identity added)."""
    scale = pooled.std(0) + 1e-3

    def root(values: np.ndarray, power: float) -> np.ndarray:
        sizes, axes = np.linalg.eigh(np.cov(values.T / scale[:, None]) + np.eye(values.shape[1]))
        return (axes * sizes**power) @ axes.T

    white = (pooled - pooled.mean(0)) / scale @ root(pooled, -0.5)
    return white @ root(judged, 0.5) * scale + judged.mean(0)


def centred(pooled: np.ndarray, listeners: np.ndarray) -> np.ndarray:
    """Cues relative to the mean of all recordings by the same listener."""
    moved = pooled.copy()
    for name in np.unique(listeners):
        moved[listeners == name] -= pooled[listeners == name].mean(0)
    return moved


def guess_of_head(pooled: np.ndarray, listeners: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """Learns to tell the listeners; what comes back gives probabilities [N, listeners in the order of their names]."""
    mean, scale = pooled.mean(0), pooled.std(0) + 1e-3
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto").fit((pooled - mean) / scale, listeners)
    return lambda judged: model.predict_proba((judged - mean) / scale)


def by_guessed_head(
    pooled: np.ndarray,
    labels: np.ndarray,
    programmes: np.ndarray,
    listeners: np.ndarray,
    judged: np.ndarray,
    seed: int,
) -> np.ndarray:
    """Models of KINDS of heads, each weighted by how likely a recording is one of that kind: probabilities [N, K]."""
    names = np.unique(listeners)
    means = np.stack([pooled[listeners == name].mean(0) for name in names]) / (pooled.std(0) + 1e-3)
    kind_of = KMeans(KINDS, n_init=10, random_state=seed).fit_predict(means)
    some = np.unique(programmes, return_inverse=True)[1] % OTHERS == 0
    likely = guess_of_head(pooled, listeners)(judged)
    answer = np.zeros((len(judged), len(np.unique(labels))))
    for kind in range(KINDS):
        chosen = some | np.isin(listeners, names[kind_of == kind])
        model = boosting(seed).fit(pooled[chosen], labels[chosen])
        answer += likely[:, kind_of == kind].sum(1, keepdims=True) * model.predict_proba(judged)
    return answer


def with_guess(
    pooled: np.ndarray, listeners: np.ndarray, programmes: np.ndarray, judged: np.ndarray
) -> list[np.ndarray]:
    """Both with the logarithms of how likely each known head is; those of `pooled` by other programmes."""
    fold = np.unique(programmes, return_inverse=True)[1] % 4
    names = np.unique(listeners)
    own = np.zeros((len(pooled), len(names)))
    for number in range(4):
        out = fold == number
        own[np.ix_(out, np.isin(names, listeners[~out]))] = guess_of_head(pooled[~out], listeners[~out])(pooled[out])
    guesses = own, guess_of_head(pooled, listeners)(judged)
    return [np.hstack([x, np.log(guess + 1e-6)]) for x, guess in zip((pooled, judged), guesses, strict=True)]
