"""What the cues of a mosaic are at the right moments, and which of them move together.

A room answers after the loudspeaker: at an onset, and while the ears agree, a cue is nearer to that of the direct
sound (Faller and Merimaa, Source localization in complex listening situations: selection of binaural cues based on
interaural coherence, JASA 116(5), 2004). So every row of a tile gets the mean that onsets weigh and the mean that
coherence weighs, relative to the plain one; and for some pairs of cues every row gets their correlation over time.
What needs a tile that an arrangement does not have is left out. Nothing is learned here.
"""

from collections.abc import Sequence

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
    boxes = {tile.name: grey[:, tile.rows, tile.columns] for tile in tiles if tile.horizontal == "time"}
    by_name = {tile.name: tile for tile in tiles}
    found = []
    for name, box in boxes.items():
        for weights in (_of_onsets(by_name[name], boxes, by_name), _of_coherence(by_name[name], boxes, by_name)):
            if weights is not None:
                found.append((box * weights).sum(2) - box.mean(2))
    if set(LEVEL) <= boxes.keys():
        boxes["level"] = boxes[LEVEL[0]] + boxes[LEVEL[1]]
    return found + [correlation(boxes[one], boxes[other]) for one, other in PAIRS if {one, other} <= boxes.keys()]


def correlation(one: Tensor, other: Tensor) -> Tensor:
    """Of two boxes [B, rows, time], row by row: [B, rows] in -SCALE..SCALE, 0 where either stands still."""
    one, other = one - one.mean(2, keepdim=True), other - other.mean(2, keepdim=True)
    powers = (one * one).mean(2) * (other * other).mean(2)
    return SCALE * (one * other).mean(2) / (powers + STILL).sqrt()


def _of_onsets(tile: Tile, boxes: dict[str, Tensor], by_name: dict[str, Tile]) -> Tensor | None:
    """Weights over time that sum to 1: of the same rows where the tiles have them in common, else of all rows."""
    if ONSETS not in boxes or tile.name == ONSETS:
        return None
    onsets = boxes[ONSETS]
    if same_rows(tile, by_name[ONSETS]):
        return _shares(onsets + 1)
    moments = onsets.mean(1, keepdim=True)
    return _shares(moments - moments.amin(2, keepdim=True) + 1e-3)


def _of_coherence(tile: Tile, boxes: dict[str, Tensor], by_name: dict[str, Tile]) -> Tensor | None:
    """Weights over time that sum to 1, of tiles with the same rows only."""
    if COHERENCE not in boxes or not same_rows(tile, by_name[COHERENCE]):
        return None
    return _shares((boxes[COHERENCE] / 255) ** 2 + 1e-3)


def same_rows(one: Tile, other: Tile) -> bool:
    """Whether the k-th row of both is the same band."""
    axes = [(tile.vertical, tile.vertical_low, tile.vertical_high, tile.height) for tile in (one, other)]
    return axes[0] == axes[1]


def _shares(weights: Tensor) -> Tensor:
    return weights / weights.sum(2, keepdim=True)
