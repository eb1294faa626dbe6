"""How high a recording reaches: the frequency above which its long-term spectrum holds nothing.

In goes an open `Sound`, out comes what a look at its first minute shows. Two things end a spectrum: it falls off a
cliff to nearly nothing, as the low-pass of a lossy codec or of a resampler leaves it; or it sinks FLOOR_DB below its
strongest band. One that falls off gently to the noise of a microphone ends with the file's own rate. The end
is found to within three bands, rather too low than too high. It changes no sound and knows no model.
"""

from dataclasses import dataclass

import numpy as np

from spatial_swin.audio.sound_files import Sound

LONGEST = 60.0  # s that are looked at: a codec has one low-pass for all of a file
WINDOW = 4096  # samples
BAND = 250.0  # Hz
CLIFF_DB = 20.0  # within CLIFF_HZ
CLIFF_HZ = 750.0
NEARLY_NOTHING_DB = 60.0  # below the strongest band: what may lie beyond a cliff
FLOOR_DB = 100.0  # below the strongest band there is nothing

# Hz; the lowest end of a spectrum behind the codecs of `audio.codecs` that end it below 17 kHz, of three synthetic
# programmes of 3 s (scene, instruments, speech; 5.1.4, KEMAR), with libsndfile, 2026-11-25, and ffmpeg, 2026-11-26.
LEFT_BY = {
    "mp3-64": 11_250.0,
    "mp3-96": 15_000.0,
    "mp3-128": 15_750.0,
    "vorbis-64": 15_500.0,
    "vorbis-96": 16_500.0,
    "aac-64": 10_500.0,
    "aac-96": 15_000.0,
    "aac-128": 16_500.0,
}


@dataclass(frozen=True)
class Surveyed:
    """sample_rate in Hz; seconds: of sound, None when there is more than a minute; bandwidth in Hz, None for
    silence, at most half the sample rate."""

    sample_rate: int
    seconds: float | None
    bandwidth: float | None


def survey(sound: Sound) -> Surveyed:
    """What the first minute of a sound shows; reads its blocks. Raises BadSound as they do."""
    power, count, most = np.zeros(WINDOW // 2 + 1), 0, round(LONGEST * sound.sample_rate)
    window = np.hanning(WINDOW)[:, None]
    for block in sound.blocks:
        for start in range(0, len(block) - WINDOW + 1, WINDOW):
            spectrum = np.fft.rfft(block[start : start + WINDOW] * window, axis=0)
            power += (spectrum.real**2 + spectrum.imag**2).sum(axis=1)
        count += len(block)
        if count > most:
            break
    seconds = count / sound.sample_rate if count <= most else None
    return Surveyed(sound.sample_rate, seconds, end_of(power, sound.sample_rate) if power.any() else None)


def end_of(power: np.ndarray, sample_rate: int) -> float:
    """The frequency in Hz above which a spectrum of powers [WINDOW / 2 + 1] holds nothing."""
    per_band = max(1, round(BAND / (sample_rate / WINDOW)))
    count = len(power) // per_band
    levels = 10 * np.log10(power[: count * per_band].reshape(count, per_band).mean(axis=1) + 1e-30)
    edges = (np.arange(count) + 1) * per_band * sample_rate / WINDOW
    there = np.flatnonzero(levels > levels.max() - FLOOR_DB)
    ends = [float(edges[there[-1]])] if there[-1] + 1 < count else []
    if (cliff := _cliff(levels, round(CLIFF_HZ / BAND))) is not None:
        ends.append(float(edges[cliff]))
    return min([*ends, sample_rate / 2])


def _cliff(levels: np.ndarray, reach: int) -> int | None:
    """The last band before the lowest cliff, None without one.

    All bands from `reach` further on lie CLIFF_DB or more below it, and are nearly nothing.
    """
    above = np.maximum.accumulate(levels[::-1])[::-1]  # the loudest from each band on
    drops = levels[:-reach] - above[reach:]
    steep = np.flatnonzero((drops >= CLIFF_DB) & (above[reach:] <= levels.max() - NEARLY_NOTHING_DB))
    if not steep.size:
        return None
    # several bands stand at the edge of one cliff: the one from which it falls the furthest
    first = steep[0]
    near = steep[steep <= first + reach]
    return int(near[np.argmax(drops[near])])
