"""A sample looks the same whatever batch, order or process it is drawn in, and off means off."""

import numpy as np
import pytest
import torch

from spatial_swin.data.augment import AugmentationArguments, affine, augment, draw

OFF = AugmentationArguments(
    crop_scale=[1.0, 1.0], horizontal_flip=0, rotation_degrees=0, colour_jitter=[0, 0, 0, 0], blur_probability=0,
    erasing_probability=0,
)  # fmt: skip
ALL = AugmentationArguments(blur_probability=0.5, erasing_probability=0.5)


def batch(count: int = 8, size: int = 48, grey: bool = False) -> torch.Tensor:
    generator = torch.Generator().manual_seed(3)
    pixels = torch.randint(0, 256, (count, 3, size, size), generator=generator, dtype=torch.uint8)
    return pixels[:, :1].expand(-1, 3, -1, -1).contiguous() if grey else pixels


@pytest.mark.parametrize("grey", [True, False])
def test_a_sample_does_not_depend_on_its_batch(grey: bool) -> None:
    pixels, keys = batch(grey=grey), list(range(100, 108))
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
    from dataclasses import replace

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
    from dataclasses import replace

    pixels = torch.ones(200, 3, 32, 32)
    erased = augment(pixels, list(range(200)), 0, 0, replace(OFF, erasing_probability=0.25))
    share = (erased[:, 0] != 1).float().mean(dim=(1, 2))
    assert 0.17 < (share > 0).float().mean() < 0.33
    assert share.max() <= 0.35


def test_values_stay_between_0_and_1() -> None:
    result = augment(batch(32), list(range(32)), 0, 0, ALL)
    assert result.min() >= 0
    assert result.max() <= 1
