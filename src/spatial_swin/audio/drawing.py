"""A clip becomes a picture: loudness matched, cues drawn, what was noticed kept as flags.

In goes a `Clip`, out come grey pixels, levels and flags, and the bytes of a PNG. It reads and writes no file.
"""

from dataclasses import dataclass
from io import BytesIO

import numpy as np
import torch
from PIL import Image

from spatial_swin.audio.clips import Clip, Cut, overdriven
from spatial_swin.audio.dereverberation import dereverberated
from spatial_swin.audio.loudness import Level, match_loudness
from spatial_swin.audio.mosaic import mosaic
from spatial_swin.audio.tiles import TileMap, tile_map


@dataclass(frozen=True)
class Settings:
    """What decides the bytes of a picture beside the sound."""

    cut: Cut
    arrangement: str = "4x4"
    size: int = 384

    @property
    def tiles(self) -> TileMap:
        return tile_map(self.arrangement, self.size, self.cut.sample_rate, self.cut.seconds)


@dataclass(frozen=True)
class Drawn:
    """A clip as the model sees it: grey pixels uint8 [H, W], its levels, and what was noticed (Row.flags).

    sound: the same clip, float32 [2, N], its loudness matched.
    """

    picture: np.ndarray
    level: Level
    flags: tuple[str, ...]
    sound: np.ndarray


def draw(clip: Clip, settings: Settings) -> Drawn:
    """The picture of a clip. One gain for both ears; a silent clip is not boosted but flagged."""
    picture, matched, level = _at_one_loudness(clip.sound, settings)
    flags = list(level.flags)
    if overdriven(clip.sound) and "clipped" not in flags:
        flags.append("clipped")
    if clip.short:
        flags.append("short")
    return Drawn(picture, level, tuple(flags), matched)


def draw_dry(drawn: Drawn, settings: Settings) -> np.ndarray:
    """The picture uint8 [H, W] of the same clip with its late reverberation taken away, its loudness matched again."""
    return _at_one_loudness(dereverberated(drawn.sound), settings)[0]


def _at_one_loudness(sound: np.ndarray, settings: Settings) -> tuple[np.ndarray, np.ndarray, Level]:
    """The picture uint8 [H, W] of sound [2, N] when its loudness was matched; that sound, and its levels."""
    rate = settings.cut.sample_rate
    matched, level = match_loudness(sound, rate)
    picture = mosaic(torch.from_numpy(matched)[None], rate, settings.arrangement, settings.size)[0].numpy()
    return picture, matched, level


def encode_png(picture: np.ndarray) -> bytes:
    """The bytes of an 8-bit grey PNG of pixels uint8 [H, W]; the same for the same pixels."""
    buffer = BytesIO()
    Image.fromarray(picture).save(buffer, format="PNG", compress_level=6)
    return buffer.getvalue()
