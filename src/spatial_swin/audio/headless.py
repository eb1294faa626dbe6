"""Two-channel sound that no head has heard: what a detector of binaural recordings must not be asked about.

In goes a `Scene`, out comes float32 [2, N]. The kinds of FITTED are what people have most: loudspeaker stereo, mono
copied to both ears, and what engineers and faults make of them. Those of UNSEEN are another class of renderer, pairs
of microphones, the telephone: a detector is tested on them and never fitted to them. Every draw comes from the
generator that is given. Nothing here knows a score or a model.
"""

from collections.abc import Callable, Mapping

import numpy as np
from scipy import fft, signal

from spatial_swin.audio.render import Scene, loudspeaker_signals
from spatial_swin.audio.sounds import Draw
from spatial_swin.audio.upmix import ambience_of
from spatial_swin.layouts import LAYOUTS

EAR_DELAY = 0.00066  # s, the longest between two ears: what a simple renderer delays by
TELEPHONE = (300.0, 3400.0)  # Hz
Maker = Callable[[Draw, Scene], np.ndarray]


def stereo(draw: Draw, scene: Scene) -> np.ndarray:
    """The stereo mix of the scene, as for two loudspeakers, with its LFE at both sides."""
    return _with_lfe(loudspeaker_signals(scene, LAYOUTS["200"]), scene)


def mono_copied(draw: Draw, scene: Scene) -> np.ndarray:
    """The mono mix, the same in both channels."""
    return np.repeat(_with_lfe(loudspeaker_signals(scene, LAYOUTS["100"]), scene), 2, axis=0)


def narrow(draw: Draw, scene: Scene) -> np.ndarray:
    """Stereo with its sides turned down by 6 to 20 dB."""
    return _sides(stereo(draw, scene), 10 ** (-draw.uniform(6, 20) / 20))


def wide(draw: Draw, scene: Scene) -> np.ndarray:
    """Stereo with its sides turned up by 3 to 9 dB, as wideners do."""
    return _sides(stereo(draw, scene), 10 ** (draw.uniform(3, 9) / 20))


def spacious(draw: Draw, scene: Scene) -> np.ndarray:
    """Stereo with 3 to 12 dB more of what does not cohere, as in a reverberant mix."""
    mix = stereo(draw, scene)
    return mix + np.float32(10 ** (draw.uniform(3, 12) / 20) - 1) * ambience_of(mix)


def inverted(draw: Draw, scene: Scene) -> np.ndarray:
    """Stereo with one channel of the wrong polarity."""
    return stereo(draw, scene) * np.array([[1], [-1]], np.float32)


def one_sided(draw: Draw, scene: Scene) -> np.ndarray:
    """Stereo with one channel 6 to 30 dB below the other."""
    gains = np.array([[1], [10 ** (-draw.uniform(6, 30) / 20)]], np.float32)
    return stereo(draw, scene) * (gains if draw.random() < 0.5 else gains[::-1])


def delays(draw: Draw, scene: Scene) -> np.ndarray:
    """Another class of renderer: sources panned by a delay and a level between the ears, without a head's colour."""
    ears = np.zeros((2, len(scene.stems[0].signal)), np.float32)
    for stem in scene.stems:
        side = float(np.mean(np.sin(np.deg2rad(stem.azimuth)) * np.cos(np.deg2rad(stem.elevation))))
        for ear, towards in enumerate((side, -side)):
            later = _later(stem.signal, EAR_DELAY * (1 - towards) / 2, scene.sample_rate)
            ears[ear] += np.float32(10 ** (4 * towards / 20)) * later
    return _with_lfe(ears, scene)


def crossfeed(draw: Draw, scene: Scene) -> np.ndarray:
    """Stereo with each channel fed to the other, low-passed and later, as headphone amplifiers do."""
    mix = stereo(draw, scene)
    low = signal.butter(1, draw.uniform(600, 900), fs=scene.sample_rate, output="sos")
    crossed = signal.sosfilt(low, mix[::-1], axis=1).astype(np.float32)
    crossed = np.stack([_later(one, draw.uniform(0.00025, 0.0004), scene.sample_rate) for one in crossed])
    return mix + np.float32(10 ** (-draw.uniform(4, 9.5) / 20)) * crossed


def spaced_pair(draw: Draw, scene: Scene) -> np.ndarray:
    """The scene before two omnidirectional microphones 0.2 to 1 m apart: delays, hardly a level difference."""
    apart = draw.uniform(0.2, 1.0) / 343
    ears = np.zeros((2, len(scene.stems[0].signal)), np.float32)
    for stem in scene.stems:
        side = float(np.mean(np.sin(np.deg2rad(stem.azimuth))))
        for ear, towards in enumerate((side, -side)):
            ears[ear] += _later(stem.signal, apart * (1 - towards) / 2, scene.sample_rate)
    return _with_lfe(ears, scene)


def coincident_pair(draw: Draw, scene: Scene) -> np.ndarray:
    """The scene before two cardioids at one place, 45 to 65 degrees to either side: levels, no delay."""
    turned = draw.uniform(45, 65)
    ears = np.zeros((2, len(scene.stems[0].signal)), np.float32)
    for stem in scene.stems:
        for ear, axis in enumerate((turned, -turned)):
            gain = np.mean(0.5 + 0.5 * np.cos(np.deg2rad(stem.azimuth - axis)) * np.cos(np.deg2rad(stem.elevation)))
            ears[ear] += np.float32(gain) * stem.signal
    return _with_lfe(ears, scene)


def decorrelated(draw: Draw, scene: Scene) -> np.ndarray:
    """Mono made wide by another all-pass of random phases in each channel (pseudo-stereo)."""
    mono = mono_copied(draw, scene)[0]
    length = round(draw.uniform(0.005, 0.03) * scene.sample_rate)
    channels = []
    for _ in range(2):
        phases = draw.uniform(-np.pi, np.pi, length // 2 + 1)
        phases[[0, -1]] = 0
        taps = np.roll(fft.irfft(np.exp(1j * phases), length), length // 2)
        channels.append(signal.oaconvolve(mono, taps)[: len(mono)])
    return np.stack(channels).astype(np.float32)


def telephone(draw: Draw, scene: Scene) -> np.ndarray:
    """The mono mix in the band of a telephone, copied."""
    band = signal.ellip(8, 0.5, 60, TELEPHONE, "band", fs=scene.sample_rate, output="sos")
    return signal.sosfilt(band, mono_copied(draw, scene), axis=1).astype(np.float32)


FITTED: Mapping[str, Maker] = {
    "loudspeaker stereo": stereo,
    "mono copied": mono_copied,
    "narrow stereo": narrow,
    "wide stereo": wide,
    "spacious stereo": spacious,
    "one channel inverted": inverted,
    "one channel low": one_sided,
}
UNSEEN: Mapping[str, Maker] = {
    "delays and levels": delays,
    "crossfeed": crossfeed,
    "spaced microphones": spaced_pair,
    "coincident microphones": coincident_pair,
    "decorrelated mono": decorrelated,
    "telephone band": telephone,
}


def _with_lfe(channels: np.ndarray, scene: Scene) -> np.ndarray:
    if scene.lfe is None:
        return channels
    low = signal.butter(4, 120.0, fs=scene.sample_rate, output="sos")
    return channels + (0.5 * signal.sosfilt(low, scene.lfe)).astype(np.float32)


def _sides(stereo_mix: np.ndarray, gain: float) -> np.ndarray:
    middle, side = stereo_mix.mean(axis=0), (stereo_mix[0] - stereo_mix[1]) / 2 * np.float32(gain)
    return np.stack([middle + side, middle - side]).astype(np.float32)


def _later(sound: np.ndarray, seconds: float, sample_rate: int) -> np.ndarray:
    """Sound [N] later by a time that need not be whole samples; its end is lost."""
    size = fft.next_fast_len(len(sound) + round(seconds * sample_rate) + 64, real=True)
    turn = np.exp(-2j * np.pi * np.fft.rfftfreq(size) * seconds * sample_rate)
    return fft.irfft(fft.rfft(sound, size) * turn, size)[: len(sound)].astype(np.float32)
