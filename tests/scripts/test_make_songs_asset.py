"""The songs in the package: what the script makes of stems, and what lies there."""

import sys
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
import soundfile

from spatial_swin.audio.composed import COUNT, FOLDER

sys.path.insert(0, str(Path(__file__).parents[2] / "scripts"))
from make_songs_asset import BEGIN, LAYOUT, NOTICE, RATE, SECONDS, master

LFE = LAYOUT.names.index("LFE1")


def decibels(sound: np.ndarray) -> np.ndarray:
    """RMS levels of the channels of [N, C], over the loudest one's."""
    powers = (sound.astype(float) ** 2).mean(0)
    return 10 * np.log10(powers / powers.max() + 1e-12)


@pytest.mark.parametrize("name", ["M+030", "M-110", "U-030", "U+110"])
def test_a_stem_at_a_loudspeaker_is_in_its_channel_alone(name: str, tmp_path: Path) -> None:
    speaker = next(speaker for speaker in LAYOUT.placed if speaker.name == name)
    noise = 0.1 * np.random.default_rng(0).standard_normal(round((BEGIN + SECONDS) * RATE))
    soundfile.write(tmp_path / f"noise_az{speaker.azimuth:+04.0f}_el{speaker.elevation:+03.0f}.wav", noise, RATE)
    sound, rate = soundfile.read(BytesIO(master(tmp_path)))
    assert sound.shape == (round(SECONDS * RATE), len(LAYOUT.names))
    assert rate == RATE
    levels = decibels(sound)
    assert levels.argmax() == LAYOUT.names.index(name)
    assert np.sort(levels)[-2] < -40


def test_the_songs_that_ship_sound_around_and_above() -> None:
    songs = sorted(FOLDER.glob("*.ogg"))
    assert len(songs) == COUNT
    for song in songs:
        sound, rate = soundfile.read(song)
        assert (rate, sound.shape) == (RATE, (round(SECONDS * RATE), len(LAYOUT.names)))
        levels = decibels(sound)
        assert levels[LFE] < -60
        assert levels[4:6].max() > -25, f"{song.name}: nothing around"
        assert levels[6:].max() > -25, f"{song.name}: nothing above"
    assert sum(song.stat().st_size for song in songs) < 4e6


def test_their_notice_names_them_and_the_licence_of_the_instruments() -> None:
    numbers = sorted(int(song.stem.rpartition("-")[2]) for song in FOLDER.glob("*.ogg"))
    said = (FOLDER / "NOTICE.md").read_text(encoding="utf-8")
    assert said == NOTICE.format(count=len(numbers), seed=16, first=numbers[0], last=numbers[-1])
    assert "Frank Wen" in said
