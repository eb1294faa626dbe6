"""What is drawn upon a picture in training: crop, flip, rotation, colour, blur, erasing; on the batch, on its device.

In go uint8 pictures and their keys, out come float32 pictures in 0..1. Every draw comes from a counter-based generator
keyed by (seed, view, sample): what a sample looks like does not depend on its batch, its worker, its process, or on
whether the run was resumed. Crop, flip and rotation are one affine warp, so a picture is interpolated once.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import kornia
import numpy as np
import torch
from torch.nn import functional

from spatial_swin.keyed_random import keyed_uniforms

DRAWS = 24  # uniforms a sample; each operation has its own, so switching one off changes no other
BLUR_KERNEL = 9  # pixels; covers two standard deviations of the widest blur on either side
ERASED_TO = (0.485, 0.456, 0.406)  # the ImageNet mean: nothing, after normalisation


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


def draw(sample_keys: Sequence[int], view: int, seed: int, purpose: str = "picture") -> np.ndarray:
    """Uniforms [B, DRAWS] for one view of each sample (the epoch is the view when nothing is cached)."""
    return keyed_uniforms(DRAWS, [(seed, purpose, view, sample) for sample in sample_keys])


def augment(
    pixels: torch.Tensor, sample_keys: Sequence[int], view: int, seed: int, arguments: AugmentationArguments
) -> torch.Tensor:
    """uint8 or float [B, 3, S, S] -> float32 [B, 3, S, S] in 0..1, augmented; all switches off gives pixels / 255."""
    floats = pixels.float() / 255 if pixels.dtype == torch.uint8 else pixels.float()
    if not arguments.augmentation:
        return floats
    uniforms = draw(sample_keys, view, seed)
    floats = warp(floats, affine(uniforms, arguments))
    floats = jitter_colours(floats, uniforms, arguments.colour_jitter)
    floats = blur(floats, uniforms, arguments)
    return erase(floats, uniforms, arguments)


def between(uniforms: np.ndarray, low: float, high: float) -> np.ndarray:
    return low + (high - low) * uniforms


def affine(uniforms: np.ndarray, arguments: AugmentationArguments) -> np.ndarray | None:
    """Matrices float32 [B, 2, 3] from output to input coordinates in -1..1: crop after flip after rotation; None is
    off.

    The crop's area and log-ratio are uniform (as in torchvision's RandomResizedCrop), cut to fit; the rest is black.
    """
    whole = list(arguments.crop_scale) == [1.0, 1.0]
    if whole and arguments.horizontal_flip == 0 and arguments.rotation_degrees == 0:
        return None
    area = between(uniforms[:, 0], *arguments.crop_scale)
    ratio = np.ones_like(area) if whole else np.exp(between(uniforms[:, 1], *np.log(arguments.crop_ratio)))
    width = np.minimum(np.sqrt(area * ratio), 1.0)
    height = np.minimum(np.sqrt(area / ratio), 1.0)
    shift_x = (1 - width) * between(uniforms[:, 2], -1, 1)
    shift_y = (1 - height) * between(uniforms[:, 3], -1, 1)
    mirror = np.where(uniforms[:, 4] < arguments.horizontal_flip, -1.0, 1.0)
    angle = np.deg2rad(arguments.rotation_degrees) * between(uniforms[:, 5], -1, 1)
    cosine, sine = np.cos(angle), np.sin(angle)
    rows = [width * mirror * cosine, -width * mirror * sine, shift_x, height * sine, height * cosine, shift_y]
    return np.stack(rows, axis=1).reshape(-1, 2, 3).astype(np.float32)


def warp(pixels: torch.Tensor, matrices: np.ndarray | None) -> torch.Tensor:
    """One bilinear interpolation a picture; None leaves the pixels as they are."""
    if matrices is None:
        return pixels
    grid = functional.affine_grid(
        torch.from_numpy(matrices).to(pixels.device), list(pixels.shape), align_corners=False
    )
    return functional.grid_sample(pixels, grid, mode="bilinear", padding_mode="zeros", align_corners=False)


def jitter_colours(pixels: torch.Tensor, uniforms: np.ndarray, strengths: Sequence[float]) -> torch.Tensor:
    """Brightness, contrast, saturation by a factor in 1 ± strength, hue by ± strength of a turn; in this order."""
    brightness, contrast, saturation, hue = strengths

    def factor(column: int, strength: float) -> torch.Tensor:
        values = between(uniforms[:, column], -strength, strength)
        return torch.tensor(values, dtype=torch.float32, device=pixels.device)

    if brightness:
        pixels = kornia.enhance.adjust_brightness_accumulative(pixels, 1 + factor(6, brightness))
    if contrast:
        pixels = kornia.enhance.adjust_contrast_with_mean_subtraction(pixels, 1 + factor(7, contrast))
    if saturation:
        grey = kornia.color.rgb_to_grayscale(pixels)
        amount = (1 + factor(8, saturation)).view(-1, 1, 1, 1)
        pixels = (amount * pixels + (1 - amount) * grey).clamp(0, 1)
    if hue:  # a grey picture has no hue to turn, and the way there and back would cost it some rounding
        coloured = (pixels != pixels[:, :1]).flatten(1).any(dim=1)
        if bool(coloured.any()):
            turned = kornia.enhance.adjust_hue(pixels[coloured], 2 * math.pi * factor(9, hue)[coloured])
            pixels = pixels.masked_scatter(coloured.view(-1, 1, 1, 1), turned)
    return pixels


def blur(pixels: torch.Tensor, uniforms: np.ndarray, arguments: AugmentationArguments) -> torch.Tensor:
    """Gaussian blur of the chosen samples, one by one: a batched convolution may round by the size of its batch."""
    chosen = np.flatnonzero(uniforms[:, 10] < arguments.blur_probability)
    if not len(chosen):
        return pixels
    pixels = pixels.clone()
    sigmas = between(uniforms[:, 11], *arguments.blur_sigma)
    for index in chosen:
        sigma = torch.full((1, 2), float(sigmas[index]), device=pixels.device)
        one = pixels[index : index + 1]
        pixels[index : index + 1] = kornia.filters.gaussian_blur2d(one, (BLUR_KERNEL, BLUR_KERNEL), sigma)
    return pixels


def erase(pixels: torch.Tensor, uniforms: np.ndarray, arguments: AugmentationArguments) -> torch.Tensor:
    """Set a rectangle of the chosen samples to the mean colour; its width over height is log-uniform in 0.3..3.3."""
    chosen = np.flatnonzero(uniforms[:, 12] < arguments.erasing_probability)
    if not len(chosen):
        return pixels
    pixels = pixels.clone()
    rows, columns = pixels.shape[-2:]
    colour = torch.tensor(ERASED_TO, device=pixels.device).view(3, 1, 1)
    area = between(uniforms[:, 13], *arguments.erasing_area)
    ratio = np.exp(between(uniforms[:, 14], math.log(0.3), math.log(3.3)))
    for index in chosen:
        height = min(rows, max(1, round(rows * math.sqrt(area[index] / ratio[index]))))
        width = min(columns, max(1, round(columns * math.sqrt(area[index] * ratio[index]))))
        top, left = (
            int(u * (size + 1))
            for u, size in ((uniforms[index, 15], rows - height), (uniforms[index, 16], columns - width))
        )
        pixels[index, :, top : top + height, left : left + width] = colour
    return pixels
