"""Fingerprints: statistics of pictures with known answers, copies found, others not, without comparing every pair."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatial_swin.data.fingerprints import COLUMNS, fingerprint, identical, near_identical, same_detail
from spatial_swin.errors import DataError


def statistics_of(root: Path, pixels: np.ndarray, **options: object) -> dict[str, float]:
    Image.fromarray(pixels).save(root / "x.png")
    row = fingerprint(root, ["x.png"], **options).statistics[0]  # type: ignore[arg-type]
    return dict(zip(COLUMNS, row, strict=True))


def test_statistics_of_a_picture_made_by_hand(tmp_path: Path) -> None:
    pixels = np.zeros((40, 20), np.uint8)
    pixels[10:30, 5:] = 200  # nothing above row 10, nothing below row 30, the first quarter silent
    found = statistics_of(tmp_path, pixels)
    assert found["mean_level"] == pytest.approx(200 * 0.5 * 0.75)
    assert found["spread"] == pytest.approx(pixels.std())
    assert (found["minimum"], found["maximum"]) == (0, 200)
    assert found["silent_columns"] == 0.25
    assert found["dark_share"] == pytest.approx(1 - 0.5 * 0.75)
    assert (found["top_row"], found["bottom_row"]) == (0.75, 0.25)
    assert (found["width"], found["height"], found["bits"]) == (20, 40, 8)
    assert found["bytes"] == (tmp_path / "x.png").stat().st_size


def test_only_the_boxes_that_show_level_are_measured(tmp_path: Path) -> None:
    pixels = np.zeros((40, 40), np.uint8)
    pixels[:20, 20:] = 100
    pixels[20:] = 255
    assert statistics_of(tmp_path, pixels, boxes=[(20, 0, 20, 20)], size=(40, 40))["mean_level"] == 100
    other_size = statistics_of(tmp_path, pixels, boxes=[(20, 0, 20, 20)], size=(384, 384))
    assert other_size["mean_level"] == pytest.approx(pixels.mean())


def test_colour_and_16_bit_pictures_are_read_on_the_same_scale(tmp_path: Path) -> None:
    assert statistics_of(tmp_path, np.full((8, 8, 3), 100, np.uint8))["mean_level"] == 100
    assert statistics_of(tmp_path, np.full((8, 8), 100 * 257, np.uint16))["mean_level"] == 100


def test_files_that_cannot_be_read_are_listed_all_at_once(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"(?s)a\.png.*b\.png"):
        fingerprint(tmp_path, ["a.png", "b.png"])


def test_identical_files_are_put_together() -> None:
    assert identical(["a", "b", "a", "c", "b", "a"]) == [[0, 2, 5], [1, 4]]


def random_thumbnails(count: int, seed: int = 0) -> np.ndarray:
    """Pictures that share a strong common layout, as mosaics do."""
    generator = np.random.default_rng(seed)
    layout = generator.uniform(0, 150, 1024)
    return (layout + generator.uniform(0, 100, (count, 1024))).astype(np.uint8)


def test_noisy_and_slightly_lifted_copies_are_found_among_many() -> None:
    thumbnails = random_thumbnails(1500)
    generator = np.random.default_rng(1)
    planted = []
    for copy in range(30):
        noisy = thumbnails[copy].astype(int) + generator.integers(-1, 2, 1024) + 1
        thumbnails[1000 + copy] = noisy.clip(0, 255)
        planted.append((copy, 1000 + copy))
    found = near_identical(thumbnails, [str(row) for row in range(1500)])
    assert [pair[:2] for pair in sorted(found)] == planted
    assert all(0 < difference < 3 for *_, difference in found)


def test_pictures_that_share_only_their_layout_are_not_copies() -> None:
    assert near_identical(random_thumbnails(800), [str(row) for row in range(800)]) == []


def test_copies_within_a_group_are_left_out() -> None:
    thumbnails = np.repeat(random_thumbnails(3), 2, axis=0)
    assert near_identical(thumbnails, ["a", "a", "b", "b", "c", "c"]) == []
    assert [pair[:2] for pair in near_identical(thumbnails, list("abcdef"))] == [(0, 1), (2, 3), (4, 5)]


def test_two_pictures_alone_are_compared() -> None:
    same = np.tile(random_thumbnails(1), (2, 1))
    assert near_identical(same, ["a", "b"]) == [(0, 1, 0.0)]
    assert near_identical(random_thumbnails(2), ["a", "b"]) == []


def test_many_plain_pictures_do_not_take_all_memory() -> None:
    thumbnails = np.full((3000, 1024), 7, np.uint8)
    assert near_identical(thumbnails, ["one"] * 3000) == []


def test_detail_tells_copies_from_pictures_that_only_look_alike_from_afar(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    coarse = np.kron(generator.uniform(50, 200, (4, 4)), np.ones((48, 48)))
    first, second = (coarse + generator.normal(0, 25, (192, 192)) for _ in range(2))
    plain = np.full((192, 192), 90.0)
    for name, pixels in (("a", first), ("b", second), ("copy", first + 3), ("p", plain), ("q", plain + 1)):
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(tmp_path / f"{name}.png")
    Image.open(tmp_path / "a.png").save(tmp_path / "a.jpg", quality=90)
    pairs = [("a.png", "b.png"), ("a.png", "copy.png"), ("a.png", "a.jpg"), ("p.png", "q.png"), ("a.png", "p.png")]
    assert same_detail(tmp_path, pairs) == [False, True, True, True, False]
