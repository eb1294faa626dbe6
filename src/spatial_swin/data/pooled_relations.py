"""What the cues of a mosaic are at the right moments, and which of them move together.

A room answers after the loudspeaker: at an onset, and while the ears agree, a cue is nearer to that of the direct
sound (Faller and Merimaa, Source localization in complex listening situations: selection of binaural cues based on
interaural coherence, JASA 116(5), 2004). So every row of a tile gets the mean that onsets weigh and the mean that
coherence weighs, relative to the plain one; and for some pairs of cues every row gets their correlation over time.
What needs a tile that an arrangement does not have is left out. Nothing is learned here.
"""

from collections.abc import Callable, Sequence

from torch import Tensor

from spatial_swin.audio.tiles import Tile

ONSETS, COHERENCE = "pcen", "msc_4096"
LEVEL = ("magnitude_left", "magnitude_right")  # whose sum moves with other cues
PAIRS = (
    LEVEL,
    ("mid", "side"),
    ("level", "ild"),
    ("level", "laterality"),
    ("level", "iacc"),
    ("pcen", "iacc"),
    ("pcen", "ild"),
)
STILL = 4.0  # grey levels, to the fourth power: rows that hardly move correlate with nothing
SCALE = 40.0  # of a correlation of 1, so that it is of the size of grey levels


def relations(grey: Tensor, tiles: Sequence[Tile]) -> list[Tensor]:
    """Of mosaics float32 [B, S, S]: tensors [B, rows of a tile], on the scale of grey levels."""
    timed = {tile.name: tile for tile in tiles if tile.horizontal == "time"}
    boxes = {name: grey[:, tile.rows, tile.columns] for name, tile in timed.items()}
    found, moments = [], _moments(timed, boxes)
    for name, box in boxes.items():
        mean = box.mean(2)
        found += [(box * weights).sum(2) - mean for concerns, weights in moments if concerns(timed[name])]
    if set(LEVEL) <= boxes.keys():
        boxes["level"] = boxes[LEVEL[0]] + boxes[LEVEL[1]]
    return found + [correlation(boxes[one], boxes[other]) for one, other in PAIRS if {one, other} <= boxes.keys()]


def _moments(timed: dict[str, Tile], boxes: dict[str, Tensor]) -> list[tuple[Callable[[Tile], bool], Tensor]]:
    """Weights [B, rows or 1, time] that sum to 1 over time, and which tiles they concern.

    Onsets weigh row by row where a tile has the rows of theirs, and all rows alike where it has others.
    """
    weights: list[tuple[Callable[[Tile], bool], Tensor]] = []
    if ONSETS in boxes:
        onsets = boxes[ONSETS]
        all_rows = onsets.mean(1, keepdim=True)
        all_rows = all_rows - all_rows.amin(2, keepdim=True) + 1e-3
        weights.append((lambda tile: tile.name != ONSETS and same_rows(tile, timed[ONSETS]), _shares(onsets + 1)))
        weights.append((lambda tile: not same_rows(tile, timed[ONSETS]), _shares(all_rows)))
    if COHERENCE in boxes:
        coherent = (boxes[COHERENCE] / 255) ** 2 + 1e-3
        weights.append((lambda tile: same_rows(tile, timed[COHERENCE]), _shares(coherent)))
    return weights


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Of two boxes [B, rows, time], row by row: [B, rows] in -SCALE..SCALE, 0 where either stands still."""
    one, other = one - one.mean(2, keepdim=True), other - other.mean(2, keepdim=True)
    powers = (one * one).mean(2) * (other * other).mean(2)
    return SCALE * (one * other).mean(2) / (powers + STILL).sqrt()


def same_rows(one: Tile, other: Tile) -> bool:
    """Whether the k-th row of both is the same band."""
    axes = [(tile.vertical, tile.vertical_low, tile.vertical_high, tile.height) for tile in (one, other)]
    return axes[0] == axes[1]


def _shares(weights: Tensor) -> Tensor:
    return weights / weights.sum(2, keepdim=True)
