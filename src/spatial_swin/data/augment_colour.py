"""Colours that programmes and heads might have had, added to a mosaic: smooth curves in dB over frequency.

A programme as a whole is brighter or duller, and every head has ears of its own. Neither says which layout was played,
and a model meets programmes and heads that training did not have. In go mosaics and curves at a few frequencies; the
levels and level differences are moved by them in place, the same at all times. What happens to phase and coherence
when a head differs is not modelled.
"""

from collections.abc import Sequence

import numpy as np
import torch

from spatial_swin.audio.spectra import erb_rate
from spatial_swin.audio.tiles import HIGHEST, LOWEST, Tile

KNOTS = 8  # of a curve, evenly spaced on the ERB scale from LOWEST to HIGHEST
LOW_EARS = (
    0.2  # of the ears' own colour at LOWEST, rising to all of it at HIGHEST: heads differ little at low frequencies
)


def colour(pixels: torch.Tensor, both: np.ndarray, ears: np.ndarray, tiles: Sequence[Tile]) -> None:
    """Move the dB tiles of mosaics uint8 [B, C, S, S] in place.

    both: dB that both ears get at the KNOTS, [B, KNOTS]. ears: dB that the level difference gets, [B, KNOTS]; half of
    it is added to the left ear and half taken from the right one. What a scale does not show stays unseen.
    """
    ears = ears * np.linspace(LOW_EARS, 1, KNOTS)
    for tile in tiles:
        curve = _curve_of(tile, both, ears)
        if curve is None:
            continue
        steps = np.rint(curve @ _hats(tile).T * 255 / (tile.high - tile.low)).astype(np.int16)[:, None, :, None]
        box = pixels[..., tile.rows, tile.columns]
        moved = (box + torch.from_numpy(steps).to(pixels.device)).clamp_(0, 255).to(torch.uint8)
        box.copy_(torch.where(box == unseen(tile), box, moved))


def unseen(tile: Tile) -> int:
    """The grey of the value 0 where the tile's scale has it, as an inaudible place is shown; else of its lowest."""
    return round(-255 * tile.low / (tile.high - tile.low)) if tile.low <= 0 <= tile.high else 0


def _curve_of(tile: Tile, both: np.ndarray, ears: np.ndarray) -> np.ndarray | None:
    """What this tile gets of the two colours; None when it shows no level over frequency."""
    if tile.unit != "dB" or tile.vertical != "frequency" or tile.low == 0:  # a fluctuation begins at 0
        return None
    if tile.ear_swap == "negate":
        return ears
    side = {"left": 0.5, "right": -0.5}.get(tile.name.rpartition("_")[2], 0.0)
    return both + side * ears


def _hats(tile: Tile) -> np.ndarray:
    """How much each knot counts in each row, the highest frequency first: float64 [rows, KNOTS], rows sum to 1."""
    ends = torch.tensor([LOWEST, HIGHEST, tile.vertical_low, tile.vertical_high])
    low, high, bottom, top = erb_rate(ends).tolist()
    rates = top + (bottom - top) * (np.arange(tile.height) + 0.5) / tile.height
    at = np.clip((rates - low) / (high - low) * (KNOTS - 1), 0, KNOTS - 1)
    return np.clip(1 - np.abs(at[:, None] - np.arange(KNOTS)), 0, None)
