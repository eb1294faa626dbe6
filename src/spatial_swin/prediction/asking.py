"""Whether the model should be asked about a recording at all: its pictures in, a score and the likely reason out.

The score says how far pooled cues are from those of training (`evaluation.domain_score`), positive when outside; the
reason is read off the tiles where it can be told: equal ears, one ear without sound, opposite polarity, a narrow band,
silence. Nothing here looks at the network or its answer.
"""

from collections import Counter
from dataclasses import dataclass, field

import numpy as np

from spatial_swin.audio.tiles import Tile, TileMap
from spatial_swin.data.pooled_tiles import pooled_picture, same_channels
from spatial_swin.evaluation.domain_score import DomainScore

PRESENT = 45.0  # dB below the loudest band; what is softer is not there
NARROW = 5_000.0  # Hz; with nothing above it a recording has the band of a telephone or less
ONE_EAR = 18.0  # dB between the ears, in the mean over the whole picture
OPPOSITE = 0.9  # of the power in the difference of the ears
SILENT = "silence: nothing in it is above -50 LUFS"


@dataclass(frozen=True)
class Asked:
    """score: None where the model has none, or there is nothing to hear; inside: False when the model should not be
    asked, None when that is not known; reason: why, in words, where it can be told; windows: score of each, float64
    [W].
    """

    score: float | None
    inside: bool | None
    reason: str
    windows: np.ndarray | None = None

    @property
    def sentence(self) -> str:
        """What a person should know, empty where there is nothing to say."""
        if self.inside is not False:
            return f"take care: {self.reason}" if self.inside and self.reason else ""
        above = "" if self.score is None else f" (domain score {self.score:+.2f}, above 0)"
        why = (
            f": {self.reason}" if self.reason else "; it is unlike the binaural recordings that the model learnt from"
        )
        return f"this should not be asked of the model{above}{why}"


NOT_KNOWN = Asked(None, None, "")


@dataclass
class Asking:
    """Sees the pictures of a recording one after the other, and keeps of each what is needed: no picture."""

    score: DomainScore | None
    tiles: TileMap | None
    features: list[np.ndarray] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)  # whether both channels are the same
    reasons: list[str] = field(default_factory=list)

    def see(self, picture: np.ndarray) -> None:
        """Take in the next window: grey pixels uint8 [H, W]."""
        if self.score is not None and self.tiles is not None:
            self.features.append(pooled_picture(picture, self.tiles))
            self.same.append(same_channels(picture, self.tiles))
            self.reasons.append(reason_of(picture, self.tiles))

    def answer(self, heard: np.ndarray) -> Asked:
        """What the windows come to; heard: bool [W], which of them have a say. The score is their median."""
        if self.score is None or not self.features:
            return NOT_KNOWN
        if not heard.any():
            return Asked(None, False, SILENT)
        windows = self.score.of(np.stack(self.features), np.array(self.same))
        middle = float(np.median(windows[heard]))
        told = Counter(reason for reason, say in zip(self.reasons, heard, strict=True) if say)
        reason, count = told.most_common(1)[0]
        return Asked(middle, middle <= 0, reason if 2 * count > heard.sum() else "", windows)


def reason_of(picture: np.ndarray, tiles: TileMap) -> str:
    """What can be told of grey pixels [H, W] that may keep a model from knowing them; empty when nothing can."""
    names = {tile.name for tile in tiles}
    if not {"magnitude_left", "magnitude_right"} <= names or picture.shape != tiles.size:
        return ""
    left, right = (_in_units(picture, tiles[name]) for name in ("magnitude_left", "magnitude_right"))
    reasons = []
    difference = float(left.mean() - right.mean())
    if abs(difference) > ONE_EAR:
        reasons.append(f"there is hardly any sound in the {'right' if difference > 0 else 'left'} channel")
    elif same_channels(picture, tiles):
        reasons.append("both channels are the same, as when mono is copied to both ears")
    elif "laterality" in names and _opposite(_in_units(picture, tiles["laterality"])):
        reasons.append("the channels are of opposite polarity")
    highest = _highest(np.maximum(left, right), tiles["magnitude_left"])
    if highest < NARROW:
        reasons.append(f"there is hardly any sound above {highest / 1000:.1f} kHz, as on a telephone")
    return " and ".join(reasons)


def _opposite(side: np.ndarray) -> bool:
    """Whether nearly all power that is there lies in the difference of the ears."""
    return bool((side > 0).any() and np.median(side[side > 0]) > OPPOSITE)


def _in_units(picture: np.ndarray, tile: Tile) -> np.ndarray:
    """A tile's values [rows, columns], the lowest frequency first."""
    grey = picture[tile.rows, tile.columns][::-1].astype(np.float32)
    return tile.low + grey * ((tile.high - tile.low) / 255)


def _highest(levels: np.ndarray, tile: Tile) -> float:
    """The highest frequency in Hz with sound: levels in dB [rows, columns] on the ERB scale."""
    rows = np.quantile(levels, 0.9, axis=1)
    last = int(np.flatnonzero(rows >= rows.max() - PRESENT).max())
    low, high = (21.4 * np.log10(1 + 0.00437 * f) for f in (tile.vertical_low, tile.vertical_high))
    rate = low + (high - low) * (last + 1) / len(rows)
    return float((10 ** (rate / 21.4) - 1) / 0.00437)
