"""Programmes that need no material: seeded scenes of stems with places and movement, each made in a tenth of a second.

In goes (seed, number, seconds, sample rate), out comes a `Scene`: sounds in front, around and above (some at rest,
some moving, some mixes made for loudspeakers and some for free places), beds of ambience from everywhere, the
diffuse reverberation of the dry sounds, and rumble for the LFE. Nothing here knows of a layout to render. The energy
from the front, from around and from above are drawn shares, none below an eighth, so that no two layouts sound
alike. Every draw is keyed by (seed, number), so programmes never depend on how many are made, or by whom.
"""

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from scipy import fft

from spatial_swin.audio.panning import unit_vectors
from spatial_swin.audio.render import Scene, Stem
from spatial_swin.audio.sounds import KINDS, Draw, ambience, noise, normalised, shaped_noise
from spatial_swin.keyed_random import Key, keyed_generator
from spatial_swin.layouts import LAYOUTS

BED = ((30, 0), (-30, 0), (90, 0), (-90, 0), (145, 0), (-145, 0), (40, 40), (-40, 40), (130, 40), (-130, 40))
KNOTS_PER_SECOND = 10  # of a moving source's path
FRONT, AROUND, ABOVE = GROUPS = ("front", "around", "above")
TAKES = 4  # of a bed's texture; its ten directions begin them at different times


def synthetic_name(seed: int, number: int) -> str:
    return f"synthetic{seed}-{number:06d}"


def synthetic_scene(seed: int, number: int, seconds: float, sample_rate: int) -> Scene:
    """The `number`-th synthetic programme of `seed`."""
    draw = keyed_generator(seed, "synthetic programme", number)
    count = round(seconds * sample_rate)
    on_loudspeakers = (
        draw.random() < 0.4
    )  # mixed for channels, as most films are; else for free places, as objects are
    stems: list[Stem] = []
    for group, most in ((FRONT, 4), (AROUND, 3), (ABOVE, 3)):
        for _ in range(draw.integers(1, most + 1)):
            kind = str(draw.choice(list(KINDS)))
            level = np.float32(10 ** (-draw.uniform(0, 9) / 20))
            signal = level * normalised(KINDS[kind](draw, count, sample_rate))
            stems.append(Stem(signal, *_path(draw, group, seconds, on_loudspeakers), kind=kind))
    dry = np.sum([stem.signal for stem in stems], axis=0)
    stems += ambient_bed(draw, (seed, "colour of the bed", number), count, sample_rate, level_db=-draw.uniform(0, 14))
    stems += _reverberation(draw, dry, sample_rate, level_db=-draw.uniform(3, 18))
    lfe = None
    if draw.random() < 0.5:
        rumble = normalised(shaped_noise(draw, count, sample_rate, 25, 90, 0))
        lfe = np.float32(10 ** (-draw.uniform(0, 12) / 20)) * rumble
    return Scene(synthetic_name(seed, number), sample_rate, shared_out(draw, stems), lfe)


def group_of(stem: Stem) -> str:
    """Where a stem mostly is; the front is 60 degrees to either side."""
    centre = unit_vectors(stem.azimuth, stem.elevation).mean(axis=0)
    if centre[2] > 0.3:
        return ABOVE
    return FRONT if centre[0] > abs(centre[1]) / np.sqrt(3) else AROUND


def energy_shares(stems: tuple[Stem, ...] | list[Stem]) -> dict[str, float]:
    """Share of the energy of stems by group, adding up to 1."""
    energy = dict.fromkeys(GROUPS, 0.0)
    for stem in stems:
        energy[group_of(stem)] += float(np.dot(stem.signal, stem.signal))
    return as_shares(energy)


def as_shares(energy: Mapping[str, float]) -> dict[str, float]:
    """Energies by group as shares that add up to 1."""
    total = sum(energy.values())
    return {group: value / total for group, value in energy.items()}


def group_gains(draw: Draw, drawn: Mapping[str, float]) -> dict[str, np.float32]:
    """One gain per group, so that around and above have new shares of the energy, none below an eighth.

    drawn: the shares that the groups have, which add up to 1: energies would change the level by their sum.
    """
    around, above = draw.uniform(0.13, 0.45), draw.uniform(0.13, 0.4)
    wanted = {FRONT: 1 - around - above, AROUND: around, ABOVE: above}
    return {group: np.float32(np.sqrt(wanted[group] / drawn[group])) for group in GROUPS}


def shared_out(draw: Draw, stems: list[Stem]) -> tuple[Stem, ...]:
    """Stems with the gains of their groups."""
    gain = group_gains(draw, energy_shares(stems))
    return tuple(replace(stem, signal=gain[group_of(stem)] * stem.signal) for stem in stems)


def _path(draw: Draw, group: str, seconds: float, on_loudspeakers: bool) -> tuple[np.ndarray, np.ndarray]:
    """Directions of a source of a group: most rest, some drift or circle, within their group or out of it."""
    if group == FRONT:
        azimuth, elevation = draw.uniform(-55, 55), max(0.0, draw.uniform(-45, 15))
    elif group == AROUND:
        azimuth, elevation = draw.choice([-1, 1]) * draw.uniform(65, 180), 0.0
    else:
        azimuth, elevation = draw.uniform(-180, 180), draw.uniform(25, 80)
    if on_loudspeakers:
        azimuth, elevation = _nearest_loudspeaker(azimuth, elevation)
    if draw.random() < 0.7:
        return np.array([azimuth]), np.array([elevation])
    knots = np.linspace(0, 1, max(2, round(seconds * KNOTS_PER_SECOND)))
    sweep = draw.uniform(-60, 60) * seconds / 3 * (3 if draw.random() < 0.3 else 1)
    rise = draw.uniform(-20, 20) if group == ABOVE else 0.0
    return azimuth + sweep * knots, np.clip(elevation + rise * knots, 0, 85)


def _nearest_loudspeaker(azimuth: float, elevation: float) -> tuple[float, float]:
    placed = LAYOUTS["514"].placed
    directions = np.array([(speaker.azimuth, speaker.elevation) for speaker in placed])
    nearest = placed[
        int((unit_vectors(*directions.T) @ unit_vectors(np.array(azimuth), np.array(elevation))).argmax())
    ]
    return nearest.azimuth, nearest.elevation


def ambient_bed(draw: Draw, colour: tuple[Key, ...], count: int, sample_rate: int, level_db: float) -> list[Stem]:
    """Ambience from everywhere: one texture, decorrelated by direction; `colour` is the key of what it is like.

    A few takes of the texture, begun by the directions at far-apart times: nothing correlates within the millisecond
    that a head can notice, at less than half the cost of a take a direction.
    """
    texture = ambience if draw.random() < 0.6 else noise
    # every take draws the same colour, and its own noise
    takes = [normalised(texture(keyed_generator(*colour), count, sample_rate, draw)) for _ in range(TAKES)]
    level = np.float32(10 ** (level_db / 20) / np.sqrt(len(BED)))
    stems = []
    for number, place in enumerate(BED):
        later = np.roll(takes[number % TAKES], int(draw.uniform(0.05, 0.95) * count))
        stems.append(resting(level * later, place, "bed"))
    return stems


def _reverberation(draw: Draw, dry: np.ndarray, sample_rate: int, level_db: float) -> list[Stem]:
    """Diffuse tails of the dry mix, decorrelated by direction: exponentially decaying noise, 0.2 to 1.6 s long."""
    decay = draw.uniform(0.2, 1.6)
    length = min(round(decay * sample_rate), len(dry))
    size = fft.next_fast_len(len(dry) + length, real=True)
    spectrum = fft.rfft(dry.astype(np.float32), size)
    envelope = np.exp(-6.9 * np.arange(length, dtype=np.float32) / np.float32(decay * sample_rate))
    envelope[: round(0.004 * sample_rate)] = 0
    level = np.float32(10 ** (level_db / 20) / np.sqrt(len(BED)))
    stems = []
    for place in BED:
        tail = draw.standard_normal(length, dtype=np.float32) * envelope
        wet = normalised(fft.irfft(spectrum * fft.rfft(tail, size), size)[: len(dry)])
        stems.append(resting(level * wet, place, "reverberation"))
    return stems


def resting(signal: np.ndarray, place: tuple[float, float], kind: str) -> Stem:
    """A stem that stays at (azimuth, elevation)."""
    return Stem(signal.astype(np.float32, copy=False), np.array([float(place[0])]), np.array([float(place[1])]), kind)
