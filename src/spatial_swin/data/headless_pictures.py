"""Pooled cues of sound without a head, and of the same programmes heard by modelled heads, drawn on the spot.

In goes a tile map (how a model sees sound), out come features and what each is of. Synthetic programmes of all kinds
are made two-channel as `audio.headless` does it; the same programmes through parametric heads stand beside them as
genuine, so that no programme tells the two apart, and mono heard by a head with two equal ears is among the genuine.
For two equal channels alone there are more of those: mono copied, and mono heard by measured ears, one at both sides,
of synthetic programmes and composed songs. Nothing is stored.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from spatial_swin.audio import headless, kinds
from spatial_swin.audio.clips import Clip, Cut
from spatial_swin.audio.drawing import Settings, draw
from spatial_swin.audio.hrtf import Listener, load_listener, usable_listeners
from spatial_swin.audio.programme import Programme
from spatial_swin.audio.render import Scene, render_layouts
from spatial_swin.audio.tiles import TileMap
from spatial_swin.audio.workers import in_processes
from spatial_swin.data.pooled_tiles import pooled_picture, same_channels
from spatial_swin.errors import AudioError, raise_problems
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import DEFAULT_LAYOUTS, find_layouts

FIRST_HEAD = 16_000  # of the parametric ones; far from the small seeds that people train with
LABORATORY = "parametric"


@dataclass(frozen=True)
class Pooled:
    """One picture's features float32 [F]; kind of headless sound, empty for a genuine one; whose head it is, and of
    which laboratory; whether both channels are the same."""

    features: np.ndarray
    kind: str
    head: str
    laboratory: str
    same: bool


@dataclass(frozen=True)
class Making:
    """Makes all pictures of one programme; sent to every process. wanted: kinds of headless sound."""

    tiles: TileMap
    seed: int
    wanted: Sequence[str]
    genuine: bool = True

    def __call__(self, number: int) -> list[Pooled]:
        tiles, makers = self.tiles, {**headless.FITTED, **headless.UNSEEN}
        scene, made = synthetic(number, self.seed, tiles), []
        for name in self.wanted:
            sound = makers[name](keyed_generator(self.seed, "headless", name, number), scene)
            made.append(pooled(sound, tiles, name))
        return made + (self._heard(scene, number) if self.genuine else [])

    def _heard(self, scene: Scene, number: int) -> list[Pooled]:
        """Two layouts heard by a modelled head, and mono by a head whose ears are both its left one."""
        head = load_listener(f"parametric:{FIRST_HEAD + number}", scene.sample_rate)
        codes = [DEFAULT_LAYOUTS[(number + k) % len(DEFAULT_LAYOUTS)] for k in (0, 2)]
        heard = [*render_layouts(scene, find_layouts(codes), [head]).values()]
        heard.append(render_layouts(scene, find_layouts(["100"]), [equal_ears(head)])["100", head.name])
        return [pooled(ears, self.tiles, "", head.name, LABORATORY) for ears in heard]


@dataclass(frozen=True)
class MonoMaking:
    """Makes the pictures of one programme that have two equal channels; sent to every process."""

    tiles: TileMap
    seed: int
    people: Sequence[Listener]

    def __call__(self, programme: int | Programme) -> list[Pooled]:
        """Of a synthetic programme by its number, or of the beginning of another."""
        rate = self.tiles.sample_rate
        if isinstance(programme, int):
            name, scene = str(programme), synthetic(programme, self.seed, self.tiles)
        else:
            name, scene = programme.name, programme.scene(0, round(self.tiles.seconds * rate), rate)
        draw_of = keyed_generator(self.seed, "equal channels", name)
        made = [pooled(headless.mono_copied(draw_of, scene), self.tiles, "mono copied")]
        for one, ear in product(self.people, (0, 1)):
            person = equal_ears(one, ear)
            heard = render_layouts(scene, find_layouts(["100"]), [person])["100", person.name]
            made.append(pooled(heard, self.tiles, "", person.name, person.laboratory))
        return made


def synthetic(number: int, seed: int, tiles: TileMap) -> Scene:
    """A synthetic programme as long as a picture, of all kinds in turn."""
    kind = kinds.KINDS[number % len(kinds.KINDS)]
    return kinds.programme(kind, seed, number, tiles.seconds, tiles.sample_rate)


def pooled(sound: np.ndarray, tiles: TileMap, kind: str, head: str = "", laboratory: str = "") -> Pooled:
    """What is pooled of the picture of sound [2, N]."""
    cut = Cut(tiles.seconds, tiles.seconds, tiles.seconds, tiles.sample_rate)
    picture = draw(Clip(sound, 0, 0.0, False), Settings(cut, tiles.arrangement, tiles.size[0])).picture
    return Pooled(pooled_picture(picture, tiles), kind, head, laboratory, same_channels(picture, tiles))


def equal_ears(listener: Listener, ear: int = 0) -> Listener:
    """The head with one ear's responses at both sides, which is a symmetric head for sources straight ahead."""
    one = listener.impulse_responses[:, ear : ear + 1]
    return replace(listener, impulse_responses=np.repeat(one, 2, axis=1))


def headless_pictures(
    tiles: TileMap, count: int, seed: int, wanted: Sequence[str], workers: int = 1, genuine: bool = True
) -> list[Pooled]:
    """Pictures of `count` programmes in every wanted kind of headless sound, and with `genuine` as heads hear them."""
    making = Making(tiles, seed, wanted, genuine)
    return [one for found in in_processes(making, range(count), workers) for one in found]


def mono_pictures(
    tiles: TileMap, count: int, songs: Sequence[Programme], people: Sequence[str], seed: int, workers: int = 1
) -> list[Pooled]:
    """Pictures with two equal channels of `count` synthetic programmes and of `songs`: copied, and heard by `people`.

    Raises AudioError for people that cannot be read.
    """
    usable, problems = usable_listeners(people, tiles.sample_rate, find_layouts(["100"]))
    raise_problems(AudioError, problems, "No mono was made")
    making = MonoMaking(tiles, seed, list(usable.values()))
    return [one for found in in_processes(making, [*range(count), *songs], workers) for one in found]
