"""What a master holds against what it is declared to hold: its bed channel by channel, and its levels.

In go a `Programme` and the declared layout, out comes a `MasterReport`, read piece by piece. The bed is judged as it
is stored; silence, loudness and true peak as the master sounds on the loudspeakers of the declared layout, so that
objects count too. It knows no listener.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from scipy import fft

from spatial_swin.audio.levels import LevelMeter, Levels, weight_of
from spatial_swin.audio.programme import Programme
from spatial_swin.audio.render import Scene, loudspeaker_signals
from spatial_swin.audio.sound_files import SILENT_PEAK, open_sound
from spatial_swin.layouts import LAYOUTS, Layout

PIECE = 10.0  # s read at a time
SAME = 0.9999  # correlation above which two channels hold the same
EQUAL_GAIN = 0.1  # dB
SPLIT = 200.0  # Hz; an LFE is band-limited to 120 Hz
FULL_BAND = -10.0  # dB; above it an LFE has more than a tenth of its energy beyond `SPLIT`
Pairs = tuple[tuple[str, str], ...]  # names of loudspeakers
FRONT = frozenset({"M+030", "M-030"})


@dataclass(frozen=True)
class Limits:
    """The highest programme loudness in LKFS and the highest true peak in dBTP that pass."""

    loudness: float = -18.0
    true_peak: float = -1.0

    def exceeded(self, levels: Levels) -> list[str]:
        """What of `levels` is too high, in words. A tenth of a dB is what such meters show."""
        found = []
        if round(levels.loudness, 1) > self.loudness:
            found.append(f"loudness {levels.loudness:.1f} LKFS, limit {self.loudness:g}")
        if round(levels.true_peak, 1) > self.true_peak:
            found.append(f"true peak {levels.true_peak:.1f} dBTP, limit {self.true_peak:g}")
        return found


@dataclass(frozen=True)
class MasterReport:
    """A master against `declared`.

    bed: the loudspeakers of its channels; objects: how many; levels: on the loudspeakers of `declared`. silent:
    loudspeakers of `declared`, and channels of the bed, on which nothing is heard; copied: pairs of channels that hold
    the same, the first named first, at equal gain, `inverted` where one is the other upside down; lfe_above: energy of
    the LFE above 200 Hz in dB below that under 200 Hz, None without LFE or when it is silent.
    """

    declared: Layout
    kind: str
    bed: tuple[str, ...]
    objects: int
    levels: Levels
    silent: tuple[str, ...]
    copied: Pairs
    inverted: Pairs
    lfe_above: float | None

    @property
    def bed_title(self) -> str:
        """`5.1.4` for the bed of a known layout; of another the loudspeakers at ear level, LFEs, and all above."""
        if (
            found := next((x.title for x in LAYOUTS.values() if sorted(x.names) == sorted(self.bed)), None)
        ) is not None:
            return found
        layers = ("M", "L", "UT")  # as the names begin
        return ".".join(str(sum(name[0] in layer for name in self.bed)) for layer in layers)

    @property
    def missing(self) -> tuple[str, ...]:
        """Loudspeakers of the declared layout that the bed lacks; what objects are there for is not missing."""
        return () if self.objects else tuple(name for name in self.declared.names if name not in self.bed)

    @property
    def extra(self) -> tuple[str, ...]:
        """Channels of the bed that the declared layout lacks; with objects, a bed may be another than the delivery."""
        return () if self.objects else tuple(name for name in self.bed if name not in self.declared.names)

    @property
    def all_mid(self) -> bool:
        """Whether left and right hold the same: a stereo that is mono."""
        return any(set(pair) == FRONT for pair in self.copied)

    def failures(self, limits: Limits) -> list[str]:
        """What does not pass, in words. A silent LFE passes: many mixes leave it empty."""
        found = []
        if self.missing or self.extra:
            parts = [
                f"{word} {', '.join(names)}"
                for word, names in (("without", self.missing), ("with", self.extra))
                if names
            ]
            found.append(f"bed is {self.bed_title}, declared {self.declared.title}: {' and '.join(parts)}")
        if silent := [name for name in self.silent if name not in self.missing and not name.startswith("LFE")]:
            found.append(f"silent: {', '.join(silent)}")
        if self.all_mid:
            found.append("all-Mid: M+030 and M-030 hold the same")
        found += [f"copied: {one} and {two} hold the same" for one, two in self.copied if {one, two} != FRONT]
        found += [f"copied: {two} is {one} with its polarity inverted" for one, two in self.inverted]
        if self.lfe_above is not None and self.lfe_above > FULL_BAND:
            found.append(f"full-band LFE: {self.lfe_above:+.1f} dB above 200 Hz against below")
        return found + limits.exceeded(self.levels)


def pieces(programme: Programme, seconds: float = PIECE) -> Iterator[Scene]:
    """A programme from its beginning to its end at its own rate, so many seconds at a time."""
    count = round(seconds * programme.sample_rate)
    for start in range(0, programme.frames, count):
        yield programme.scene(start, min(count, programme.frames - start), programme.sample_rate)


def check_master(programme: Programme, declared: Layout) -> MasterReport:
    """A master against the layout it is declared to be in.

    Raises BadSound when a file of it cannot be read to its end, or holds samples that are not finite.
    """
    for path in sorted({track.path for track in programme.tracks}):
        with open_sound(path) as sound:
            sound.peak()
    bed = _Bed(programme)
    speakers = [*declared.placed, *(speaker for speaker in declared.loudspeakers if speaker.lfe)]
    meter = LevelMeter(programme.sample_rate, [weight_of(speaker) for speaker in speakers])
    peaks = np.zeros(len(speakers))
    for scene in pieces(programme):
        signals = loudspeaker_signals(scene, declared)
        if len(speakers) > len(declared.placed):
            lfe = np.zeros_like(signals[:1]) if scene.lfe is None else scene.lfe[None]
            signals = np.concatenate([signals, lfe])
        bed.add(scene)
        meter.add(signals)
        peaks = np.maximum(peaks, np.abs(signals).max(axis=1))
    quiet = [speaker.name for speaker, peak in zip(speakers, peaks, strict=True) if peak < SILENT_PEAK]
    silent = tuple(dict.fromkeys([*bed.silent(), *quiet]))
    copied, inverted = bed.copies()
    return MasterReport(
        declared,
        programme.kind,
        programme.bed,
        programme.objects,
        meter.levels,
        silent,
        copied,
        inverted,
        bed.lfe_above,
    )


class _Bed:
    """The channels of a bed, as stored: their energies and products, summed piece by piece."""

    def __init__(self, programme: Programme) -> None:
        tracks = [track for track in programme.tracks if not track.lfe]
        self.places = [k for k, track in enumerate(tracks) if track.label]  # among the stems of a scene
        self.names = [tracks[k].label for k in self.places]
        self.peaks = np.zeros(len(self.names))
        self.products = np.zeros((len(self.names), len(self.names)))
        self.low = self.high = self.lfe_peak = 0.0  # energies of the LFE

    def add(self, scene: Scene) -> None:
        if self.places:
            signals = np.stack([scene.stems[k].signal for k in self.places]).astype(float)
            self.peaks = np.maximum(self.peaks, np.abs(signals).max(axis=1))
            self.products += signals @ signals.T
        if scene.lfe is not None:
            self.lfe_peak = max(self.lfe_peak, float(np.abs(scene.lfe).max()))
            power = np.abs(fft.rfft(scene.lfe * np.hanning(len(scene.lfe)))) ** 2
            split = math.ceil(SPLIT * len(scene.lfe) / scene.sample_rate)
            self.low, self.high = self.low + float(power[:split].sum()), self.high + float(power[split:].sum())

    def silent(self) -> list[str]:
        return [name for name, peak in zip(self.names, self.peaks, strict=True) if peak < SILENT_PEAK]

    @property
    def lfe_above(self) -> float | None:
        if self.lfe_peak < SILENT_PEAK:
            return None
        return 10 * math.log10(max(self.high, 1e-12 * self.low) / max(self.low, 1e-12 * self.high))

    def copies(self) -> tuple[Pairs, Pairs]:
        """Pairs of channels that hold the same, and pairs of which one is the other with its polarity inverted."""
        energy = self.products.diagonal()
        same: list[tuple[str, str]] = []
        inverted: list[tuple[str, str]] = []
        heard = [k for k, peak in enumerate(self.peaks) if peak >= SILENT_PEAK]
        for place, one in enumerate(heard):
            for two in heard[place + 1 :]:
                correlation = self.products[one, two] / math.sqrt(energy[one] * energy[two])
                if abs(correlation) > SAME and abs(10 * math.log10(energy[one] / energy[two])) < EQUAL_GAIN:
                    (same if correlation > 0 else inverted).append((self.names[one], self.names[two]))
        return tuple(same), tuple(inverted)
