"""What is drawn upon a picture in training: crop, flip, rotation, colour, blur, erasing; on the batch, on its device.

In go uint8 pictures and their keys, out come float32 pictures in 0..1. Every draw comes from a counter-based generator
keyed by (seed, view, sample): what a sample looks like does not depend on its batch, its worker, its process, or on
whether the run was resumed. Crop, flip and rotation are one affine warp, so a picture is interpolated once.

So that this holds to the bit, nothing here adds up pixels in an order that the size of the batch could change: the
grid is made pixel by pixel (a batched matrix product may round by its batch, and in bf16 under autocast), the mean
that contrast turns about is a sum of integers, and a blur is done sample by sample. Grey pictures, which mosaics are,
go through as one channel: hue and saturation are nothing to them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from spatial_swin.errors import Problem
from spatial_swin.keyed_random import keyed_uniforms

View = int | Sequence[int]  # which draw: of the whole batch, or of each sample
DRAWS = 24  # uniforms per sample; each operation has its own columns, so switching one off changes no other
AREA, RATIO, RIGHT, DOWN, MIRROR, ANGLE = range(6)
BRIGHTNESS, CONTRAST, SATURATION, HUE = range(6, 10)
BLURRED, SIGMA, ERASED, ERASED_AREA, ERASED_RATIO, ERASED_TOP, ERASED_LEFT = range(10, 17)

BLUR_KERNEL = 13  # pixels: three standard deviations of the widest blur on either side
ERASED_TO = (0.485, 0.456, 0.406)  # the ImageNet mean: nothing, after normalisation
ERASED_RATIOS = (0.3, 3.3)  # width over height, as in Zhong et al. 2020
MEAN_STEPS = 1 << 16  # grey steps in which the mean is counted: 256 to each of the 8-bit picture's


def key(default: Any, help: str) -> Any:
    """A recipe key with its default and its sentence in `--help`."""
    make = {"default_factory": lambda: list(default)} if isinstance(default, list) else {"default": default}
    return field(**make, metadata={"help": help})


@dataclass
class AugmentationArguments:
    """The picture augmentations of the reference study, each with its switch (0, or 1.0 1.0, is off) and values."""

    augmentation: bool = key(True, "Switch of all picture augmentations below.")
    crop_scale: list[float] = key(
        [0.8, 1.0], "Random resized crop: least and greatest share of the area; 1.0 1.0 is off."
    )
    crop_ratio: list[float] = key([0.9, 1.1], "Random resized crop: least and greatest width over height.")
    horizontal_flip: float = key(
        0.5, "Probability of a horizontal flip (on a mosaic it reverses time and moves tiles)."
    )
    rotation_degrees: float = key(15.0, "Rotation by up to so many degrees either way; 0 is off.")
    colour_jitter: list[float] = key(
        [0.2, 0.2, 0.2, 0.1], "Strength of brightness, contrast, saturation, hue; 0 is off."
    )
    blur_probability: float = key(0.1, "Probability of a Gaussian blur.")
    blur_sigma: list[float] = key([0.1, 2.0], "Standard deviation of the blur, in pixels, least and greatest.")
    erasing_probability: float = key(0.25, "Probability of erasing a rectangle.")
    erasing_area: list[float] = key([0.02, 0.33], "Share of the area that is erased, least and greatest.")


def augmentation_problems(arguments: AugmentationArguments) -> list[Problem]:
    """Values of the recipe that cannot be drawn from, one Problem a key."""
    problems = []
    for name in ("horizontal_flip", "blur_probability", "erasing_probability"):
        if not 0 <= getattr(arguments, name) <= 1:
            problems.append(Problem(name, f"is {getattr(arguments, name)}", "give a probability from 0 to 1"))
    bounds = {
        "crop_scale": (0.01, 1.0),
        "crop_ratio": (0.1, 10.0),
        "blur_sigma": (0.01, 10.0),
        "erasing_area": (0.0, 1.0),
    }
    for name, (low, high) in bounds.items():
        values = getattr(arguments, name)
        if len(values) != 2 or not low <= values[0] <= values[1] <= high:
            advice = f"give two numbers from {low:g} to {high:g}, the lesser first"
            problems.append(Problem(name, f"is {values}", advice))
    if not 0 <= arguments.rotation_degrees <= 180:
        problems.append(Problem("rotation_degrees", f"is {arguments.rotation_degrees}", "give degrees from 0 to 180"))
    jitter = arguments.colour_jitter
    if len(jitter) != 4 or not all(0 <= value <= limit for value, limit in zip(jitter, (1, 1, 1, 0.5), strict=False)):
        advice = "give four numbers: brightness, contrast and saturation from 0 to 1, hue from 0 to 0.5"
        problems.append(Problem("colour_jitter", f"is {jitter}", advice))
    return problems


def draw(sample_keys: Sequence[int], view: View, seed: int, purpose: str = "picture") -> np.ndarray:
    """Uniforms [B, DRAWS] for one view of each sample (the epoch is the view when no number of views is set)."""
    views = views_of(sample_keys, view)
    return keyed_uniforms(
        DRAWS, [(seed, purpose, view, sample) for view, sample in zip(views, sample_keys, strict=True)]
    )


def views_of(sample_keys: Sequence[int], view: View) -> Sequence[int]:
    """The view of each sample, where one number stands for all of them."""
    return [view] * len(sample_keys) if isinstance(view, int) else view


@torch.no_grad()
def augment(
    pixels: torch.Tensor, sample_keys: Sequence[int], view: View, seed: int, arguments: AugmentationArguments
) -> torch.Tensor:
    """uint8 or float [B, 3, S, S] -> float32 [B, 3, S, S] in 0..1, augmented; all switches off gives pixels / 255."""
    if not arguments.augmentation:
        return in_unit(pixels)
    uniforms = draw(sample_keys, view, seed)
    with torch.autocast(pixels.device.type, enabled=False):
        grey = (pixels == pixels[:, :1]).flatten(1).all(dim=1).cpu().numpy()
        if grey.all():
            shown = _shown(pixels[:, :1], uniforms, arguments).expand(-1, 3, -1, -1)
        elif not grey.any():
            shown = _shown(pixels, uniforms, arguments)
        else:
            shown = torch.empty(pixels.shape, dtype=torch.float32, device=pixels.device)
            chosen = torch.from_numpy(grey).to(pixels.device)
            shown[chosen] = _shown(pixels[chosen][:, :1], uniforms[grey], arguments).expand(-1, 3, -1, -1)
            shown[~chosen] = _shown(pixels[~chosen], uniforms[~grey], arguments)
        return erase(shown.contiguous(), uniforms, arguments)


def in_unit(pixels: torch.Tensor) -> torch.Tensor:
    """uint8 as float32 in 0..1; floats as they are."""
    return pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()


def _shown(pixels: torch.Tensor, uniforms: np.ndarray, arguments: AugmentationArguments) -> torch.Tensor:
    """Everything but erasing, on pictures [B, C, S, S] that are all grey (C = 1) or all coloured (C = 3)."""
    pixels = warp(in_unit(pixels), affine(uniforms, arguments))
    pixels = jitter_colours(pixels, uniforms, arguments.colour_jitter)
    return blur(pixels, uniforms, arguments)


def between(uniforms: Any, low: float, high: float) -> Any:
    """Uniforms in 0..1, a number or an array of any shape, stretched to low..high."""
    return low + (high - low) * uniforms


def affine(uniforms: np.ndarray, arguments: AugmentationArguments) -> np.ndarray | None:
    """Matrices float32 [B, 2, 3] from places in the result to places in the picture, both in -1..1; None is off.

    The result is the crop, flipped, then turned. The crop's area and log-ratio are uniform, as in torchvision's
    RandomResizedCrop, and cut to fit; what lies outside the picture is black.
    """
    whole = list(arguments.crop_scale) == [1.0, 1.0]
    if whole and arguments.horizontal_flip == 0 and arguments.rotation_degrees == 0:
        return None
    area = between(uniforms[:, AREA], *arguments.crop_scale)
    ratio = np.ones_like(area) if whole else np.exp(between(uniforms[:, RATIO], *np.log(arguments.crop_ratio)))
    width = np.minimum(np.sqrt(area * ratio), 1.0)
    height = np.minimum(np.sqrt(area / ratio), 1.0)
    shift_x = (1 - width) * between(uniforms[:, RIGHT], -1, 1)
    shift_y = (1 - height) * between(uniforms[:, DOWN], -1, 1)
    mirror = np.where(uniforms[:, MIRROR] < arguments.horizontal_flip, -1.0, 1.0)
    angle = np.deg2rad(arguments.rotation_degrees) * between(uniforms[:, ANGLE], -1, 1)
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = [width * mirror * cosine, -width * mirror * sine, shift_x, height * sine, height * cosine, shift_y]
    return np.stack(rows, axis=1).reshape(-1, 2, 3).astype(np.float32)


def warp(pixels: torch.Tensor, matrices: np.ndarray | None) -> torch.Tensor:
    """One bilinear interpolation per picture; None leaves the pixels as they are."""
    if matrices is None:
        return pixels
    size = pixels.shape[-1]
    assert pixels.shape[-2] == size, "a rotation in -1..1 is one only of square pictures"
    centres = (torch.arange(size, dtype=torch.float32, device=pixels.device) * 2 + 1) / size - 1
    terms = torch.from_numpy(matrices).to(pixels.device)[:, None, None]  # [B, 1, 1, 2, 3]
    grid = terms[..., 0] * centres[:, None] + (terms[..., 1] * centres[:, None, None] + terms[..., 2])
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def jitter_colours(pixels: torch.Tensor, uniforms: np.ndarray, strengths: Sequence[float]) -> torch.Tensor:
    """Brightness, contrast, saturation by a factor in 1 ± strength, hue by ± strength of a turn; in this order."""
    # imported here, as in `blur`: whoever only judges a recording waits for nothing that this needs
    from kornia.enhance import adjust_brightness_accumulative, adjust_hue, adjust_saturation_with_gray_subtraction

    brightness, contrast, saturation, hue = strengths

    def deviation(column: int, strength: float) -> torch.Tensor:
        values = between(uniforms[:, column], -strength, strength)
        return torch.tensor(values, dtype=torch.float32, device=pixels.device)

    if brightness:
        pixels = adjust_brightness_accumulative(pixels, 1 + deviation(BRIGHTNESS, brightness))
    if contrast:
        mean = exact_mean(pixels)
        factor = (1 + deviation(CONTRAST, contrast)).view(-1, 1, 1, 1)
        pixels = ((pixels - mean) * factor + mean).clamp(0, 1)
    if pixels.shape[1] == 1:
        return pixels
    if saturation:
        pixels = adjust_saturation_with_gray_subtraction(pixels, 1 + deviation(SATURATION, saturation))
    if hue:
        pixels = adjust_hue(pixels, 2 * math.pi * deviation(HUE, hue))
    return pixels


def exact_mean(pixels: torch.Tensor) -> torch.Tensor:
    """Mean luminance of pictures [B, C, S, S] in 0..1: float32 [B, 1, 1, 1], the same in a batch of any size.

    Counted in whole steps: a sum of integers is the same in every order, a sum of floats is not.
    """
    if pixels.shape[1] == 3:
        pixels = pixels[:, :1] * 0.299 + pixels[:, 1:2] * 0.587 + pixels[:, 2:] * 0.114  # ITU-R BT.601
    steps = (pixels * MEAN_STEPS).to(torch.int32).sum(dim=(2, 3), keepdim=True, dtype=torch.int64)
    return (steps.double() / (MEAN_STEPS * pixels.shape[2] * pixels.shape[3])).float()


def blur(pixels: torch.Tensor, uniforms: np.ndarray, arguments: AugmentationArguments) -> torch.Tensor:
    """Gaussian blur of the chosen samples, one by one: a batched convolution may round by the size of its batch."""
    chosen = np.flatnonzero(uniforms[:, BLURRED] < arguments.blur_probability)
    if not len(chosen):
        return pixels
    from kornia.filters import gaussian_blur2d

    pixels = pixels.clone()
    sigmas = between(uniforms[:, SIGMA], *arguments.blur_sigma)
    for index in chosen:
        sigma = torch.full((1, 2), float(sigmas[index]), device=pixels.device)
        one = pixels[index : index + 1]
        pixels[index : index + 1] = gaussian_blur2d(one, (BLUR_KERNEL, BLUR_KERNEL), sigma)
    return pixels


def erase(pixels: torch.Tensor, uniforms: np.ndarray, arguments: AugmentationArguments) -> torch.Tensor:
    """Set a rectangle of the chosen samples to the mean colour; it never covers more than its share of the area."""
    chosen = np.flatnonzero(uniforms[:, ERASED] < arguments.erasing_probability)
    if not len(chosen):
        return pixels
    pixels = pixels.clone()
    rows, columns = pixels.shape[-2:]
    colour = torch.tensor(ERASED_TO, device=pixels.device).view(3, 1, 1)
    area = between(uniforms[:, ERASED_AREA], *arguments.erasing_area)
    ratio = np.exp(between(uniforms[:, ERASED_RATIO], *np.log(ERASED_RATIOS)))
    for index in chosen:
        height = min(rows, int(rows * math.sqrt(area[index] / ratio[index])))
        width = min(columns, int(columns * math.sqrt(area[index] * ratio[index])))
        top = int(uniforms[index, ERASED_TOP] * (rows - height + 1))
        left = int(uniforms[index, ERASED_LEFT] * (columns - width + 1))
        pixels[index, :, top : top + height, left : left + width] = colour
    return pixels
