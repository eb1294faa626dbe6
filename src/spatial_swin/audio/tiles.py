"""Which cue lies where in a picture: the tile map, written once beside the data and read by all that explains a model.

In go the name of an arrangement and the size of a picture, out comes a `TileMap`: for each tile its place in pixels,
its unit, its fixed range, its axes and what happens to it when the ears are exchanged. It computes no cue and needs no
torch, so that reports can read it anywhere.
"""

import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields, replace
from itertools import chain
from pathlib import Path
from typing import Any

from spatial_swin import files
from spatial_swin.audio.manifest import TILES
from spatial_swin.errors import AudioError

VERSION = 1
SIZES = (384, 224, 192)  # multiples of the grid that the models of this project are made for

LOWEST, HIGHEST = 50.0, 16_000.0  # Hz; above 16 kHz lossy codecs leave nothing, below it lives elevation
PINNA_LOW, PINNA_HIGH = 4_000.0, 16_000.0  # Hz; where the pinna writes elevation
PHASE_HIGH = 4_000.0  # Hz; above it the phase of a band turns faster than the ear, or a row, can follow
LAG = 1.0  # ms; a little more than the largest delay between two human ears (0.7-0.8 ms)


@dataclass(frozen=True)
class Tile:
    """One cue in a picture.

    x, y, width, height in pixels, y from the top; low and high are the values that become grey 0 and 255. The
    vertical axis runs from vertical_low at the bottom to vertical_high at the top, on the ERB scale when it is a
    frequency (Hz). ear_swap says what exchanging the ears does: same, negate (255 - value), flip (upside down),
    swap:<name of the tile it changes places with>.
    """

    name: str
    title: str
    row: int
    column: int
    x: int
    y: int
    width: int
    height: int
    unit: str
    low: float
    high: float
    vertical: str = "frequency"
    horizontal: str = "time"
    ear_swap: str = "same"
    vertical_low: float = LOWEST
    vertical_high: float = HIGHEST

    @property
    def rows(self) -> slice:
        return slice(self.y, self.y + self.height)

    @property
    def columns(self) -> slice:
        return slice(self.x, self.x + self.width)


def _cue(name: str, title: str, unit: str, low: float, high: float, ear_swap: str = "same", **axes: Any) -> Tile:
    return Tile(name, title, 0, 0, 0, 0, 0, 0, unit, low, high, ear_swap=ear_swap, **axes)


_LAGS: dict[str, Any] = {"vertical": "lag", "vertical_low": -LAG, "vertical_high": LAG}
_PHASE: dict[str, Any] = {"vertical_high": PHASE_HIGH}
_PINNA: dict[str, Any] = {"vertical_low": PINNA_LOW, "vertical_high": PINNA_HIGH}
_LONG: dict[str, Any] = {**_PINNA, "horizontal": "share of time"}

# Every cue there is, with its fixed scale. dB are relative to a sine of full scale; a clip stands at -23 LUFS, so that
# the ranges below hold nearly all of what music and speech do (measured: see the ranges test).
CUES: Mapping[str, Tile] = {
    tile.name: tile
    for tile in (
        _cue("magnitude_left", "Level, left ear", "dB", -100, -30, "swap:magnitude_right"),
        _cue("magnitude_right", "Level, right ear", "dB", -100, -30, "swap:magnitude_left"),
        _cue("pcen", "Onsets (PCEN), both ears", "", 0, 1.5),
        _cue("pcen_left", "Onsets (PCEN), left ear", "", 0, 1.5, "swap:pcen_right"),
        _cue("pcen_right", "Onsets (PCEN), right ear", "", 0, 1.5, "swap:pcen_left"),
        _cue("ild", "Level difference (ILD)", "dB", -24, 24, "negate"),
        _cue("ipd_sine", "Phase difference, sine", "", -1, 1, "negate", **_PHASE),
        _cue("ipd_cosine", "Phase difference, cosine", "", -1, 1, **_PHASE),
        _cue("msc_2048", "Coherence, 43 ms", "", 0, 1),
        _cue("msc_4096", "Coherence, 85 ms", "", 0, 1),
        _cue("iacc", "Running IACC", "", 0, 1),
        _cue("iacc_lag", "Lag of the IACC", "ms", -LAG, LAG, "negate"),
        _cue("gcc_phat", "GCC-PHAT", "", -0.2, 0.8, "flip", **_LAGS),
        _cue("gcc_phat_low", "GCC-PHAT below 1.5 kHz", "", -0.3, 1, "flip", **_LAGS),
        _cue("correlogram", "Cross-correlation a band", "", -1, 1, "flip", **_LAGS, horizontal="frequency"),
        _cue("laterality", "Side share", "", 0, 1),
        _cue("mid", "Level, mid", "dB", -100, -30),
        _cue("side", "Level, side", "dB", -100, -30),
        _cue("long_term_left", "4-16 kHz over the clip, left", "dB", -100, -40, "swap:long_term_right", **_LONG),
        _cue("long_term_right", "4-16 kHz over the clip, right", "dB", -100, -40, "swap:long_term_left", **_LONG),
        _cue("pinna_left", "Level 4-16 kHz, left", "dB", -100, -40, "swap:pinna_right", **_PINNA),
        _cue("pinna_right", "Level 4-16 kHz, right", "dB", -100, -40, "swap:pinna_left", **_PINNA),
        _cue("pinna_ild", "ILD 4-16 kHz", "dB", -24, 24, "negate", **_PINNA),
        _cue("ild_fluctuation", "Fluctuation of the ILD in 1 s", "dB", 0, 10),
        _cue("ipd_fluctuation", "Fluctuation of the phase in 1 s", "", 0, 1, **_PHASE),
    )
}


@dataclass(frozen=True)
class Arrangement:
    """Which cues a picture shows: equal tiles in a grid, row by row."""

    name: str
    rows: int
    columns: int
    cues: tuple[str, ...]

    def __post_init__(self) -> None:
        assert len(self.cues) == self.rows * self.columns == len(set(self.cues))
        assert CUES.keys() >= set(self.cues)

    def tile_size(self, size: int) -> tuple[int, int]:
        """(height, width) of a tile in pixels. Raises AudioError when the grid does not fit `size`."""
        if size < 4 * max(self.rows, self.columns) or size % self.rows or size % self.columns:
            raise AudioError(
                f"a picture of {size} pixels does not divide into {self.rows} x {self.columns} equal tiles; "
                f"use a size that does, such as {', '.join(map(str, (s for s in SIZES if s % self.columns == 0)))}"
            )
        return size // self.rows, size // self.columns


def _grid(name: str, *rows: str) -> Arrangement:
    cues = [row.split() for row in rows]
    return Arrangement(name, len(cues), len(cues[0]), tuple(chain.from_iterable(cues)))


# At 384 px a tile of 96x96 holds whole attention windows of Swin (48 px in stage 1): no window looks at two cues.
GRID_4X4 = _grid(
    "4x4",
    "magnitude_left magnitude_right pcen ild",
    "ipd_sine ipd_cosine msc_2048 msc_4096",
    "iacc gcc_phat correlogram laterality",
    "mid side long_term_left long_term_right",
)
# The grid of the reference study (tiles of 96 rows and 64 columns), with the cues right.
GRID_4X6 = _grid(
    "4x6",
    "magnitude_left magnitude_right pcen_left pcen_right mid side",
    "ild ild_fluctuation ipd_sine ipd_cosine ipd_fluctuation laterality",
    "msc_2048 msc_4096 iacc iacc_lag gcc_phat gcc_phat_low",
    "correlogram pinna_left pinna_right pinna_ild long_term_left long_term_right",
)
ARRANGEMENTS: Mapping[str, Arrangement] = {grid.name: grid for grid in (GRID_4X4, GRID_4X6)}
DEFAULT_ARRANGEMENT = GRID_4X4


def arrangement_named(name: str | Arrangement) -> Arrangement:
    """The arrangement of that name. Raises AudioError for a name that is not one."""
    if isinstance(name, Arrangement):
        return name
    if name not in ARRANGEMENTS:
        raise AudioError(f"there is no arrangement {name!r}; the arrangements are {', '.join(ARRANGEMENTS)}")
    return ARRANGEMENTS[name]


@dataclass(frozen=True)
class TileMap:
    """All tiles of a picture of `size` (height, width) pixels, made of `seconds` of sound at `sample_rate` Hz."""

    arrangement: str
    size: tuple[int, int]
    sample_rate: int
    seconds: float
    tiles: tuple[Tile, ...]

    def __iter__(self) -> Iterator[Tile]:
        return iter(self.tiles)

    def __getitem__(self, name: str) -> Tile:
        return next(tile for tile in self.tiles if tile.name == name)

    def write(self, path: str | os.PathLike[str]) -> None:
        files.write_json(path, {"version": VERSION, **asdict(self)})

    @classmethod
    def beside(cls, folder: str | os.PathLike[str]) -> "TileMap | None":
        """The tile map of a folder, None where it has none. Raises AudioError for one that cannot be read."""
        return cls.read(folder) if (Path(folder) / TILES).is_file() else None

    @classmethod
    def read(cls, path: str | os.PathLike[str]) -> "TileMap":
        """Read tiles.json, or the one inside a folder. Raises AudioError naming what is wrong with the file."""
        path = Path(path)
        path = path / TILES if path.is_dir() else path
        try:
            stored = json.loads(path.read_text(encoding="utf-8"))
            if stored["version"] != VERSION:
                raise AudioError(f"{path}: written as version {stored['version']}, this program reads {VERSION}")
            known = {field.name for field in fields(Tile)}
            tiles = tuple(Tile(**{key: value for key, value in t.items() if key in known}) for t in stored["tiles"])
            height, width = stored["size"]
            return cls(stored["arrangement"], (height, width), stored["sample_rate"], stored["seconds"], tiles)
        except FileNotFoundError:
            raise AudioError(
                f"{path}: not found; it is written beside the pictures by `spatial-swin mosaic`"
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, KeyError, TypeError, ValueError) as error:
            raise AudioError(f"{path}: not a tile map ({error!r}); make the pictures again") from error


def tile_map(arrangement: str | Arrangement, size: int, sample_rate: int, seconds: float) -> TileMap:
    """The tiles of a `size` x `size` picture. Raises AudioError when the grid does not fit the size."""
    grid = arrangement_named(arrangement)
    height, width = grid.tile_size(size)
    tiles = []
    for index, name in enumerate(grid.cues):
        row, column = divmod(index, grid.columns)
        x, y = column * width, row * height
        tiles.append(replace(CUES[name], row=row, column=column, x=x, y=y, width=width, height=height))
    return TileMap(grid.name, (size, size), sample_rate, seconds, tuple(tiles))
