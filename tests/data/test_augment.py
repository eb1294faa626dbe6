"""A sample looks the same whatever batch, order or process it is drawn in, and off means off."""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest
import torch

from spatial_swin.data.augment import AugmentationArguments, affine, augment, augmentation_problems, draw, exact_mean

OFF = AugmentationArguments(
    crop_scale=[1.0, 1.0],
    horizontal_flip=0,
    rotation_degrees=0,
    colour_jitter=[0, 0, 0, 0],
    blur_probability=0,
    erasing_probability=0,
)
ALL = AugmentationArguments(blur_probability=0.5, erasing_probability=0.5)


@pytest.fixture(params=["cpu", "three threads", pytest.param("cuda", marks=pytest.mark.gpu)])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """Where a batch is augmented; three threads divide it at odd places."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    before = torch.get_num_threads()
    if request.param == "three threads":
        torch.set_num_threads(3)
    yield "cuda" if request.param == "cuda" else "cpu"
    torch.set_num_threads(before)


def batch(count: int = 8, size: int = 48, grey: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return pixels[:, :1].expand(-1, 3, -1, -1).contiguous() if grey else pixels


@pytest.mark.parametrize("size", [48, 97])
@pytest.mark.parametrize("grey", [True, False])
def test_a_sample_does_not_depend_on_its_batch(grey: bool, size: int, device: str) -> None:
    pixels, keys = batch(grey=grey, size=size).to(device), list(range(100, 108))
    whole = augment(pixels, keys, 2, 42, ALL)
    assert torch.equal(whole, augment(pixels, keys, 2, 42, ALL))
    for index, key in enumerate(keys):
        assert torch.equal(augment(pixels[index : index + 1], [key], 2, 42, ALL)[0], whole[index])
    order = [5, 2, 7, 0]
    assert torch.equal(augment(pixels[order], [keys[k] for k in order], 2, 42, ALL), whole[order])


def test_a_grey_sample_does_not_depend_on_coloured_neighbours() -> None:
    pixels = torch.cat([batch(2, grey=True), batch(2)])
    mixed = augment(pixels, [1, 2, 3, 4], 0, 0, ALL)
    assert torch.equal(mixed[:2], augment(pixels[:2], [1, 2], 0, 0, ALL))


@pytest.mark.parametrize("change", [{"view": 3}, {"seed": 43}, {"keys": [7]}])
def test_another_view_seed_or_sample_looks_different(change: dict[str, object]) -> None:
    given: dict[str, object] = {"view": 2, "seed": 42, "keys": [100]}
    first = augment(batch(1), given["keys"], given["view"], given["seed"], ALL)  # type: ignore[arg-type]
    given |= change
    second = augment(batch(1), given["keys"], given["view"], given["seed"], ALL)  # type: ignore[arg-type]
    assert not torch.equal(first, second)


def test_all_switches_off_gives_the_picture() -> None:
    pixels = batch()
    assert torch.equal(augment(pixels, list(range(8)), 0, 0, OFF), pixels.float() / 255)
    assert torch.equal(
        augment(pixels, list(range(8)), 0, 0, AugmentationArguments(augmentation=False)), pixels.float() / 255
    )


def test_the_flip_alone_is_exact() -> None:
    pixels = batch()
    flipped = augment(pixels, list(range(8)), 0, 0, replace(OFF, horizontal_flip=1.0))
    assert torch.allclose(flipped, pixels.flip(-1).float() / 255, atol=1e-5)


def test_half_the_samples_are_flipped() -> None:
    matrices = affine(draw(range(2000), 0, 1), AugmentationArguments(rotation_degrees=0))
    assert matrices is not None
    assert 0.46 < (matrices[:, 0, 0] < 0).mean() < 0.54


def test_crops_keep_their_area_ratio_and_place() -> None:
    matrices = affine(draw(range(5000), 0, 1), AugmentationArguments(rotation_degrees=0, horizontal_flip=0))
    assert matrices is not None
    width, height = matrices[:, 0, 0], matrices[:, 1, 1]
    inside = (width < 1) & (height < 1)  # a crop cut to fit keeps its height, not its ratio
    area, ratio = (width * height)[inside], (width / height)[inside]
    assert 0.79 < area.min() < 0.82
    assert area.max() <= 1.0
    assert 0.895 < ratio.min() < 0.92
    assert 1.08 < ratio.max() < 1.105
    assert (np.abs(matrices[:, :, 2]) <= 1 - np.stack([width, height], 1) + 1e-6).all()


def test_rotation_turns_about_the_centre_by_at_most_its_angle() -> None:
    arguments = AugmentationArguments(crop_scale=[1.0, 1.0], crop_ratio=[1.0, 1.0], horizontal_flip=0)
    matrices = affine(draw(range(2000), 0, 1), arguments)
    assert matrices is not None
    angles = np.degrees(np.arctan2(matrices[:, 1, 0], matrices[:, 0, 0]))
    assert 14 < np.abs(angles).max() <= 15
    assert np.allclose(matrices[:, :, 2], 0)


def test_erasing_covers_at_most_its_share() -> None:
    pixels = torch.ones(200, 3, 32, 32)
    erased = augment(pixels, list(range(200)), 0, 0, replace(OFF, erasing_probability=0.25))
    share = (erased[:, 0] != 1).float().mean(dim=(1, 2))
    assert 0.17 < (share > 0).float().mean() < 0.33
    assert share.max() <= 0.33
    assert share.max() > 0.25


def test_values_stay_between_0_and_1() -> None:
    result = augment(batch(32), list(range(32)), 0, 0, ALL)
    assert result.min() >= 0
    assert result.max() <= 1


def test_autocast_around_a_step_does_not_coarsen_the_picture() -> None:
    plain = augment(batch(), list(range(8)), 0, 0, ALL)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = augment(batch(), list(range(8)), 0, 0, ALL)
    assert inside.dtype == torch.float32
    assert torch.equal(inside, plain)


def test_the_mean_is_the_luminance() -> None:
    pixels = batch(4).float() / 255
    expected = (pixels * torch.tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)).sum(dim=1).mean(dim=(1, 2))
    assert torch.allclose(exact_mean(pixels).flatten(), expected, atol=2e-5)
    assert torch.allclose(exact_mean(pixels[:, :1]).flatten(), pixels[:, 0].mean(dim=(1, 2)), atol=2e-5)


def test_a_grey_picture_stays_grey_until_something_is_erased() -> None:
    shown = augment(batch(grey=True), list(range(8)), 0, 0, replace(ALL, erasing_probability=0))
    assert torch.equal(shown, shown[:, :1].expand(-1, 3, -1, -1))


def test_contrast_turns_about_the_mean_and_brightness_about_black() -> None:
    pixels = torch.randint(80, 170, (16, 3, 32, 32), dtype=torch.uint8)
    level = pixels.float() / 255
    contrast = augment(pixels, list(range(16)), 0, 0, replace(OFF, colour_jitter=[0, 0.2, 0, 0]))
    assert torch.allclose(exact_mean(contrast), exact_mean(level), atol=1e-4)
    brightness = augment(pixels, list(range(16)), 0, 0, replace(OFF, colour_jitter=[0.2, 0, 0, 0]))
    factors = (brightness / level).amax(dim=(1, 2, 3))
    assert torch.allclose(factors, (brightness / level).amin(dim=(1, 2, 3)), atol=1e-5)
    assert 0.8 <= factors.min() < factors.max() <= 1.2


def test_the_defaults_can_be_drawn_from() -> None:
    assert augmentation_problems(AugmentationArguments()) == []


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("crop_scale", [1.0, 0.8]),
        ("crop_scale", [0.8]),
        ("crop_ratio", [0.0, 1.0]),
        ("horizontal_flip", 1.5),
        ("rotation_degrees", -1.0),
        ("colour_jitter", [0.2, 0.2, 0.2]),
        ("colour_jitter", [0.2, 0.2, 0.2, 0.7]),
        ("blur_sigma", [0.0, 2.0]),
        ("erasing_area", [0.1, 1.1]),
        ("erasing_probability", float("nan")),
    ],
)
def test_values_that_cannot_be_drawn_from_are_named(name: str, value: object) -> None:
    problems = augmentation_problems(replace(AugmentationArguments(), **{name: value}))  # type: ignore[arg-type]
    assert [problem.where for problem in problems] == [name]
