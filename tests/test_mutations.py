"""Damaged files of every kind that is read: each is used or refused in the package's own words, and nothing else.

Every case is named by its seed, so that one that fails can be repeated alone. A kind has SECONDS for its cases.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import sofar
import soundfile
import yaml
from PIL import Image

from spatial_swin.audio import hrtf
from spatial_swin.audio.clips import Cut, Recording, clips, judge
from spatial_swin.audio.hrtf import load_listener
from spatial_swin.config import load_recipe
from spatial_swin.data.folder import Picture, PictureFolder
from spatial_swin.data.pictures import read_pixels
from spatial_swin.data.preflight import preflight
from spatial_swin.errors import SpatialSwinError
from spatial_swin.keyed_random import keyed_generator
from spatial_swin.layouts import all_directions

pytestmark = pytest.mark.slow
SECONDS = 15.0  # a kind: a minute in all
CASES = 7_000  # a kind at most, so that a fast machine meets what slower ones have met, and nothing else
RATE = 48_000
TOKENS = (
    *(b"null", b"[]", b"{}", b"[1, 2]", b"nan", b".inf", b"-1", b"1e999", b"true", b"''", b"'", b": :", b"\t", b"? "),
    *(b"!!python/object/apply:os.system [x]", b"&a [*a]", b"*nowhere", b"<<: {}", b"\x00", b"\x1b[2J", b"\xff\xfe"),
)


def mutated(content: bytes, kind: str, seed: int) -> bytes:
    """One to four changes: bits, cuts, repeats, numbers at their limits, and what YAML takes for something."""
    draw = keyed_generator("mutation", kind, seed)
    data = bytearray(content)
    for _ in range(int(draw.integers(1, 5))):
        if not data:
            break
        # half of the changes fall into the first part, where headers are
        at = int(draw.integers(len(data) if draw.random() < 0.5 else min(len(data), 200)))
        length = int(draw.integers(1, 1 + min(64, len(data) - at)))
        match int(draw.integers(6)):
            case 0:
                data[at] ^= 1 << int(draw.integers(8))
            case 1:
                del data[at:]
            case 2:
                del data[at : at + length]
            case 3:
                data[at:at] = data[at : at + length] * int(draw.integers(1, 50))
            case 4:
                limit = (b"\xff\xff\xff\xff", b"\x00\x00\x00\x00", b"\x7f\xff\xff\xff", b"\x80\x00\x00\x00")
                data[at : at + 4] = limit[int(draw.integers(4))]
            case 5:
                data[at : at + length] = TOKENS[int(draw.integers(len(TOKENS)))]
    return bytes(data)


def cases(kind: str, whole: dict[str, bytes]) -> Iterator[tuple[int, str, bytes]]:
    """(seed, name, damaged content) in turn over the files of `whole`, as long as time and CASES allow."""
    names = sorted(whole)
    end = time.monotonic() + SECONDS
    seed = 0
    while time.monotonic() < end and seed < CASES:
        name = names[seed % len(names)]
        yield seed, name, mutated(whole[name], kind, seed)
        seed += 1


def used_or_refused(kind: str, whole: dict[str, bytes], tmp_path: Path, use: Callable[[Path], object]) -> None:
    """Write and use every case; fail with the seed when anything but the package's own error comes."""
    refused = count = 0
    for seed, name, content in cases(kind, whole):
        path = tmp_path / name
        path.write_bytes(content)
        count += 1
        try:
            use(path)
        except SpatialSwinError as error:
            refused += 1
            raw = [line for line in str(error).split("\n") if not line.isprintable()]
            if raw:
                pytest.fail(f"{kind}, seed {seed}: a terminal would obey {raw}")
        except BaseException as error:
            pytest.fail(f"{kind}, seed {seed} ({name}): {type(error).__name__}: {error}")
    assert 0 < refused <= count


def test_recipes(tmp_path: Path, write_recipe: Callable[..., Path]) -> None:
    whole = write_recipe(crop_scale=[0.8, 1.0], factors="(?P<recording>.+)_chunk").read_bytes()
    used_or_refused("recipe", {"recipe.yaml": whole}, tmp_path, load_recipe)


def test_recipes_of_odd_shapes(tmp_path: Path, write_recipe: Callable[..., Path]) -> None:
    recipe = yaml.safe_load(write_recipe().read_text())
    odd = (None, [], {}, [None], {"a": [1]}, float("nan"), "\x1b[31m", -(2**70), True, "", [[1, [2]]], "2026-01-01")
    wrong = []
    for section, values in recipe.items():
        for key in values:
            for value in odd:
                path = tmp_path / "odd.yaml"
                path.write_text(yaml.safe_dump({**recipe, section: {**values, key: value}}))
                try:
                    load_recipe(path)
                except SpatialSwinError:
                    continue
                except Exception as error:
                    wrong.append(f"{key}: {value!r} gave {type(error).__name__}: {error}")
    assert not wrong, "\n".join(wrong)


def test_pictures(tmp_path: Path) -> None:
    noise = keyed_generator("pictures").integers(0, 256, (40, 40, 3), dtype=np.uint8)
    whole = {}
    for number, mode in enumerate(("L", "RGB", "P", "RGBA")):
        for ending in ("png", "tif", "webp", "gif", "bmp", *(["jpg"] if mode in ("L", "RGB") else [])):
            path = tmp_path / f"{number}.{ending}"
            Image.fromarray(noise).convert(mode).save(path)
            whole[path.name] = path.read_bytes()

    def use(path: Path) -> None:
        preflight(PictureFolder(tmp_path, ["a"], [Picture(path.name, "a")]), 1)
        assert read_pixels(path, 32).shape == (3, 32, 32)  # what passes the check can be trained on

    used_or_refused("picture", whole, tmp_path, use)


def test_sounds(tmp_path: Path) -> None:
    sound = 0.1 * keyed_generator("sounds").standard_normal((RATE // 2, 2))
    whole = {}
    for ending, subtype in (
        ("wav", "PCM_16"),
        ("wav", "FLOAT"),
        ("flac", "PCM_24"),
        ("ogg", None),
        ("aiff", "PCM_16"),
    ):
        path = tmp_path / f"{subtype}.{ending}"
        soundfile.write(path, sound, RATE, subtype=subtype)
        whole[path.name] = path.read_bytes()
    cut = Cut(0.25, 0.25, 0.25, RATE)

    def use(path: Path) -> None:
        recording = Recording(path, "a", path.stem, path.name)
        if (problem := judge(recording, cut)) is not None:
            raise SpatialSwinError(str(problem))
        for clip in clips(recording, cut):
            assert np.isfinite(clip.sound).all()

    used_or_refused("sound", whole, tmp_path, use)


def test_sofa_files(tmp_path: Path) -> None:
    places = np.array(all_directions())
    sofa = sofar.Sofa("SimpleFreeFieldHRIR")
    sofa.Data_IR = keyed_generator("sofa").standard_normal((len(places), 2, 64))
    sofa.Data_SamplingRate = float(RATE)
    sofa.SourcePosition = np.column_stack([places % 360, np.full(len(places), 1.5)])
    sofar.write_sofa(str(tmp_path / "made.sofa"), sofa)
    whole = (tmp_path / "made.sofa").read_bytes()

    def use(path: Path) -> None:
        hrtf._measured.cache_clear()
        load_listener(str(path), RATE)

    used_or_refused("sofa", {"made.sofa": whole}, tmp_path, use)
