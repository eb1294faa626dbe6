"""Pictures of sound: shape, fixed scales, orientation, exact ear swap, same bytes, and what is refused."""

import numpy as np
import pytest
import torch
from mosaics import crop, swapped_ears

from spatial_swin.audio import mosaic as mosaics
from spatial_swin.audio.mosaic import cue_maps, mosaic, tile_map
from spatial_swin.audio.tiles import ARRANGEMENTS, CUES
from spatial_swin.errors import AudioError

RATE = 48_000


def scene(seconds: float = 2.0, seed: int = 0, clips: int = 1) -> torch.Tensor:
    """Noise bursts from the left with a diffuse part: [clips, 2, N]."""
    generator = torch.Generator().manual_seed(seed)
    count = int(seconds * RATE)
    source = torch.randn(clips, count, generator=generator) * (torch.arange(count) % 12_000 < 6_000)
    diffuse = 0.02 * torch.randn(clips, 2, count, generator=generator)
    return 0.1 * torch.stack([source, 0.6 * source.roll(15, -1)], dim=1) + diffuse


def tone(frequency: float, seconds: float = 1.0) -> torch.Tensor:
    time = torch.arange(int(seconds * RATE)) / RATE
    return 0.1 * torch.sin(2 * torch.pi * frequency * time).expand(1, 2, -1)


@pytest.mark.parametrize(("arrangement", "size"), [("4x4", 384), ("4x4", 224), ("4x4", 192), ("4x6", 384)])
def test_exchanged_ears_are_the_tile_maps_transformation(arrangement, size):
    sound = scene()
    picture = mosaic(sound, RATE, arrangement, size)
    assert picture.dtype == torch.uint8
    assert picture.shape == (1, size, size)
    expected = swapped_ears(tile_map(arrangement, size, RATE, 2.0), picture.numpy()).astype(int)
    swapped = mosaic(sound.flip(1), RATE, arrangement, size).numpy().astype(int)
    assert np.abs(swapped - expected).max() <= 1
    assert np.abs(swapped - picture.numpy()).max() > 100


def test_a_clip_looks_the_same_alone_and_in_a_batch():
    sound = scene(clips=3)
    together = mosaic(sound, RATE).int()
    alone = torch.cat([mosaic(clip[None], RATE) for clip in sound]).int()
    assert (together - alone).abs().max() <= 1


def test_every_cue_stays_on_the_device_of_its_sound():
    """The meta device stands for a GPU: a table that was left on the CPU would be refused."""
    mosaic(scene(), RATE, "4x4")  # tables are in their caches, as they are after the first clip
    clip = mosaics._Clip(torch.empty(2, 2, 2 * RATE, device="meta"), RATE, 96, 96)
    for name in CUES:
        assert mosaics._MAPS[name](clip).is_meta, name


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("arrangement", ["4x4", "4x6"])
def test_a_gpu_draws_the_same_picture(arrangement):
    sound = scene(clips=2)
    on_gpu = mosaic(sound.cuda(), RATE, arrangement)
    assert on_gpu.is_cuda
    apart = (on_gpu.cpu().int() - mosaic(sound, RATE, arrangement).int()).abs()
    assert float((apart > 1).float().mean()) < 1e-3


def test_the_same_sound_gives_the_same_bytes():
    assert torch.equal(mosaic(scene(), RATE), mosaic(scene(), RATE))


def test_low_frequency_is_at_the_bottom_and_time_runs_to_the_right():
    tiles = tile_map("4x4", 384, RATE, 2.0)
    low = crop(tiles, mosaic(tone(200), RATE)[0].numpy(), "magnitude_left").astype(float)
    high = crop(tiles, mosaic(tone(10_000), RATE)[0].numpy(), "magnitude_left").astype(float)
    assert low.mean(1).argmax() > 70
    assert high.mean(1).argmax() < 25
    late = torch.cat([torch.zeros(1, 2, RATE), tone(1_000)], dim=-1)
    level = crop(tiles, mosaic(late, RATE)[0].numpy(), "magnitude_left").astype(float)
    assert level[:, 50:].mean() > level[:, :46].mean() + 10


def test_a_delay_of_the_right_ear_lies_above_the_middle_of_the_lag_axis():
    source = 0.1 * torch.randn(RATE, generator=torch.Generator().manual_seed(0))
    sound = torch.stack([source, source.roll(24)])[None]  # 0.5 ms: a quarter of the tile from its top
    tiles = tile_map("4x4", 384, RATE, 1.0)
    lags = crop(tiles, mosaic(sound, RATE)[0].numpy(), "gcc_phat").astype(float).mean(1)
    assert lags.argmax() == pytest.approx(24, abs=1)


def test_scales_are_fixed_whatever_else_is_in_the_picture():
    """Half the amplitude is 6 dB down on the level tiles and changes no interaural tile."""
    sound = scene()
    tiles = tile_map("4x4", 384, RATE, 2.0)
    loud, quiet = (mosaic(s, RATE)[0].numpy().astype(int) for s in (sound, sound / 2))
    for name in ("magnitude_left", "mid", "long_term_right"):
        step = 255 * 20 * np.log10(2) / (tiles[name].high - tiles[name].low)
        inside = (crop(tiles, quiet, name) > 0) & (crop(tiles, loud, name) < 255)
        change = (crop(tiles, loud, name) - crop(tiles, quiet, name))[inside]
        assert np.abs(change - step).max() <= 1.01
    for name in ("ild", "ipd_sine", "msc_2048", "msc_4096", "iacc", "gcc_phat", "correlogram", "laterality"):
        assert np.abs(crop(tiles, loud, name) - crop(tiles, quiet, name)).max() <= 1, name


def test_mono_and_diffuse_sound_look_as_they_should():
    mono = 0.1 * torch.randn(1, 1, 2 * RATE, generator=torch.Generator().manual_seed(0)).expand(1, 2, -1)
    apart = 0.1 * torch.randn(1, 2, 2 * RATE, generator=torch.Generator().manual_seed(0))
    names = ("msc_2048", "msc_4096", "iacc", "laterality", "ild")
    one, many = (cue_maps(s, RATE, names) for s in (mono, apart))
    for name in ("msc_2048", "msc_4096", "iacc"):
        assert float(one[name].min()) > 0.999
        assert float(many[name].mean()) < 0.7
    assert float(one["laterality"].max()) < 1e-6
    assert float(many["laterality"].mean()) == pytest.approx(0.5, abs=0.05)
    assert float(one["ild"].abs().max()) == 0


def test_coherence_does_not_start_at_one():
    """Smoothing that starts from a single frame shows a bright edge that is no property of the sound."""
    sound = 0.1 * torch.randn(1, 2, 3 * RATE, generator=torch.Generator().manual_seed(0))
    for name, values in cue_maps(sound, RATE, ("msc_2048", "msc_4096")).items():
        assert float(values[..., 0].mean()) < 1.5 * float(values.mean()), name


def test_silence_is_a_picture_without_invented_cues():
    maps = cue_maps(torch.zeros(1, 2, RATE), RATE, tuple(CUES))
    for name, values in maps.items():
        assert bool(torch.isfinite(values).all()), name


@pytest.mark.parametrize("name", [name for name in CUES])
def test_every_cue_of_a_scene_moves_and_mostly_stays_within_its_range(name):
    values = cue_maps(scene(), RATE, (name,))[name]
    tile = CUES[name]
    assert values.shape == (1, 96, 96)
    assert float(values.std()) > 0.001 * (tile.high - tile.low)
    outside = ((values < tile.low - 1e-4) | (values > tile.high + 1e-4)).float().mean()
    assert float(outside) < 0.1


@pytest.mark.parametrize("rate", [32_000, 44_100, 96_000])
def test_other_sample_rates_work(rate):
    assert mosaic(scene(1.0), rate, "4x4", 192).shape == (1, 192, 192)


def test_a_clip_with_fewer_frames_than_columns_works():
    assert mosaic(scene(0.3), RATE).shape == (1, 384, 384)


@pytest.mark.parametrize(
    ("sound", "rate", "words"),
    [
        (torch.zeros(1, 1, RATE), RATE, "two ears"),
        (torch.zeros(1, 6, RATE), RATE, "two ears"),
        (torch.zeros(2, RATE), RATE, "two ears"),
        (torch.zeros(1, 2, RATE), 16_000, "16000 Hz"),
        (torch.zeros(1, 2, 1_000), RATE, "0.021 s"),
        (torch.full((1, 2, RATE), float("nan")), RATE, "NaN"),
        (torch.full((1, 2, RATE), float("inf")), RATE, "infinite"),
    ],
)
def test_what_cannot_become_cues_is_refused_with_its_value(sound, rate, words):
    with pytest.raises(AudioError, match=words):
        mosaic(sound, rate)


def test_both_arrangements_show_the_same_cue_alike():
    sound = scene()
    shared = set(ARRANGEMENTS["4x4"].cues) & set(ARRANGEMENTS["4x6"].cues)
    assert len(shared) >= 12
    square, wide = (tile_map(name, 384, RATE, 2.0) for name in ("4x4", "4x6"))
    first, second = mosaic(sound, RATE, "4x4")[0].numpy(), mosaic(sound, RATE, "4x6")[0].numpy()
    for name in shared - {"correlogram"}:
        assert abs(crop(square, first, name).mean() - crop(wide, second, name).mean()) < 3, name
