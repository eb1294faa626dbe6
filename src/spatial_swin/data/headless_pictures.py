"""Pooled cues of sound without a head, and of the same programmes heard by modelled heads, drawn on the spot.

In goes a tile map (how a model sees sound), out come features and what each is of. Synthetic programmes of all kinds
are made two-channel as `audio.headless` does it; the same programmes through parametric heads stand beside them as
genuine, so that no programme tells the two apart, and mono heard by a head with two equal ears is among the genuine.
Nothing is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from spatial_swin.audio import headless, kinds
from spatial_swin.audio.clips import Clip, Cut
from spatial_swin.audio.drawing import Settings, draw
from spatial_swin.audio.hrtf import Listener, load_listener
from spatial_swin.audio.render import Scene, render_layouts
from spatial_swin.audio.tiles import TileMap
from spatial_swin.audio.workers import in_processes
from spatial_swin.data.pooled_tiles import pooled_picture
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

FIRST_HEAD = 16_000  # of the parametric ones; far from the small seeds that people train with
LABORATORY = "parametric"


@dataclass(frozen=True)
class Pooled:
    """One picture's features float32 [F]; kind of headless sound, empty for a genuine one; whose head it is."""

    features: np.ndarray
    kind: str
    head: str


@dataclass(frozen=True)
class Making:
    """Makes all pictures of one programme; sent to every process. wanted: kinds of headless sound."""

    tiles: TileMap
    seed: int
    wanted: Sequence[str]
    genuine: bool = True

    def __call__(self, number: int) -> list[Pooled]:
        tiles, makers = self.tiles, {**headless.FITTED, **headless.UNSEEN}
        kind = kinds.KINDS[number % len(kinds.KINDS)]
        scene = kinds.programme(kind, self.seed, number, tiles.seconds, tiles.sample_rate)
        made = []
        for name in self.wanted:
            sound = makers[name](keyed_generator(self.seed, "headless", name, number), scene)
            made.append(Pooled(self.features_of(sound), name, ""))
        return made + (self._heard(scene, number) if self.genuine else [])

    def _heard(self, scene: Scene, number: int) -> list[Pooled]:
        """Two layouts heard by a modelled head, and mono by a head whose ears are both its left one."""
        head = load_listener(f"parametric:{FIRST_HEAD + number}", scene.sample_rate)
        codes = [DEFAULT_LAYOUTS[(number + k) % len(DEFAULT_LAYOUTS)] for k in (0, 2)]
        heard = [*render_layouts(scene, find_layouts(codes), [head]).values()]
        heard.append(render_layouts(scene, find_layouts(["100"]), [equal_ears(head)])["100", head.name])
        return [Pooled(self.features_of(ears), "", head.name) for ears in heard]

    def features_of(self, sound: np.ndarray) -> np.ndarray:
        tiles = self.tiles
        cut = Cut(tiles.seconds, tiles.seconds, tiles.seconds, tiles.sample_rate)
        drawn = draw(Clip(sound, 0, 0.0, False), Settings(cut, tiles.arrangement, tiles.size[0]))
        return pooled_picture(drawn.picture, tiles)


def equal_ears(listener: Listener) -> Listener:
    """The head with its left ear's responses at both sides, which is a symmetric head for sources straight ahead."""
    left = listener.impulse_responses[:, :1]
    return replace(listener, impulse_responses=np.repeat(left, 2, axis=1))


def headless_pictures(
    tiles: TileMap, count: int, seed: int, wanted: Sequence[str], workers: int = 1, genuine: bool = True
) -> list[Pooled]:
    """Pictures of `count` programmes in every wanted kind of headless sound, and with `genuine` as heads hear them."""
    making = Making(tiles, seed, wanted, genuine)
    return [one for found in in_processes(making, range(count), workers) for one in found]
