"""Loudspeaker layouts as data: where the loudspeakers of a code stand. The one place to add a layout.

Azimuth in degrees, positive to the left; elevation in degrees, positive upwards. Loudspeakers are named as in ITU-R
BS.2051 (M+030: middle layer, 30 degrees left; U: upper layer). Order: L, R, C, LFE, surrounds, tops. It knows
nothing of sound.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from spatial_swin.errors import AudioError


@dataclass(frozen=True)
class Loudspeaker:
    name: str
    azimuth: float
    elevation: float
    lfe: bool = False


@dataclass(frozen=True)
class Layout:
    """A code (the class label), a title for people, and the loudspeakers in channel order."""

    code: str
    title: str
    loudspeakers: tuple[Loudspeaker, ...]

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(speaker.name for speaker in self.loudspeakers)

    @property
    def placed(self) -> tuple[Loudspeaker, ...]:
        """All loudspeakers that stand in a direction: all but the LFE."""
        return tuple(speaker for speaker in self.loudspeakers if not speaker.lfe)

    @property
    def has_heights(self) -> bool:
        return any(speaker.elevation > 0 for speaker in self.loudspeakers)

    @property
    def has_surrounds(self) -> bool:
        return any(abs(speaker.azimuth) > 60 for speaker in self.placed)


def loudspeaker(name: str) -> Loudspeaker:
    """The loudspeaker of a BS.2051 name. Raises AudioError for a name that is not one."""
    if name == "LFE1":
        return Loudspeaker(name, 0.0, 0.0, lfe=True)
    layers = {"M": 0.0, "U": 30.0}
    layer, azimuth = name[:1], name[1:]
    if layer not in layers or len(azimuth) != 4 or azimuth[0] not in "+-" or not azimuth[1:].isdigit():
        raise AudioError(f"{name!r} is not the name of a loudspeaker; names are LFE1 or like M+030, M-110, U+030")
    return Loudspeaker(name, float(azimuth), layers[layer])


def _layout(code: str, title: str, names: str) -> Layout:
    return Layout(code, title, tuple(loudspeaker(name) for name in names.split()))


_FIVE = "M+030 M-030 M+000 LFE1 M+110 M-110"
_SEVEN = "M+030 M-030 M+000 LFE1 M+090 M-090 M+135 M-135"

LAYOUTS = {
    layout.code: layout
    for layout in (
        _layout("100", "1.0.0 mono", "M+000"),
        _layout("200", "2.0.0 stereo", "M+030 M-030"),
        _layout("300", "3.0.0", "M+030 M-030 M+000"),
        _layout("400", "4.0.0 quad", "M+045 M-045 M+135 M-135"),
        _layout("510", "5.1.0", _FIVE),
        _layout("710", "7.1.0", _SEVEN),
        _layout("202", "2.0.2", "M+030 M-030 U+030 U-030"),
        _layout("302", "3.0.2", "M+030 M-030 M+000 U+030 U-030"),
        _layout("402", "4.0.2", "M+045 M-045 M+135 M-135 U+045 U-045"),
        _layout("404", "4.0.4", "M+045 M-045 M+135 M-135 U+045 U-045 U+135 U-135"),
        _layout("512", "5.1.2", f"{_FIVE} U+030 U-030"),
        _layout("514", "5.1.4", f"{_FIVE} U+030 U-030 U+110 U-110"),
        _layout("712", "7.1.2", f"{_SEVEN} U+045 U-045"),
        _layout("714", "7.1.4", f"{_SEVEN} U+045 U-045 U+135 U-135"),
    )
}
DEFAULT_LAYOUTS = ("100", "200", "510", "514")

# What people call the channels of 5.1.4 and 7.1.4 in file names. Ls and Rs are the surrounds of 5.1.
ALIASES = {
    "L": "M+030",
    "R": "M-030",
    "C": "M+000",
    "LFE": "LFE1",
    "Ls": "M+110",
    "Rs": "M-110",
    "Ltf": "U+030",
    "Rtf": "U-030",
    "Ltr": "U+110",
    "Rtr": "U-110",
    "Lss": "M+090",
    "Rss": "M-090",
    "Lrs": "M+135",
    "Rrs": "M-135",
}


def find_layouts(codes: Iterable[str]) -> tuple[Layout, ...]:
    """The layouts of `codes`, each once. Raises AudioError naming every code that there is not, and for none."""
    wanted = list(dict.fromkeys(codes))
    unknown = [code for code in wanted if code not in LAYOUTS]
    if unknown or not wanted:
        found = f"there is no layout {', '.join(map(repr, unknown))}" if unknown else "no layout was named"
        raise AudioError(f"{found}; the layouts are {', '.join(sorted(LAYOUTS))}")
    return tuple(LAYOUTS[code] for code in wanted)


def title_of(label: str) -> str:
    """`514` -> `5.1.4`; a label that is no layout is its own title."""
    return LAYOUTS[label].title if label in LAYOUTS else label


def spelled(label: str) -> str:
    """`514` -> `514, 5.1.4`, for figures and tables; a label that is no layout stays as it is."""
    return f"{label}, {LAYOUTS[label].title}" if label in LAYOUTS else label


def all_directions() -> tuple[tuple[float, float], ...]:
    """Every (azimuth, elevation) in which some layout has a loudspeaker, sorted."""
    return tuple(sorted({(s.azimuth, s.elevation) for layout in LAYOUTS.values() for s in layout.placed}))
