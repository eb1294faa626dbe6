"""Names that the Audio Definition Model gives to loudspeakers, as those of ITU-R BS.2051.

In goes a speakerLabel or the ID of a channel of the common definitions (BS.2094), out come the name, the place where
`layouts` has that loudspeaker, and whether it is an LFE. It reads no XML.
"""

import re

from spatial_swin.layouts import ALIASES

# AC_00010001 to AC_00010028, in order
_COMMON = """
    M+030 M-030 M+000 LFE1 M+110 M-110 M+022 M-022 M+180 M+090 M-090 T+000 U+030 U+000 U-030
    U+110 U+180 U-110 U+090 U-090 B+000 B+045 B-045 M+060 M-060 M+135 M-135 M+135 M-135 U+135 U-135
    LFE1 LFE2 U+045 U-045 M+SC M-SC M+045 M-045 UH+180
"""
COMMON_CHANNELS = {f"AC_{0x10001 + number:08X}": name for number, name in enumerate(_COMMON.split())}
ROOM_CENTRIC = {"Lts": "U+090", "Rts": "U-090", "Ltm": "U+090", "Rtm": "U-090"}  # beside those of `layouts.ALIASES`
_BY_ALIAS = {alias.lower(): name for alias, name in (ALIASES | ROOM_CENTRIC).items()}
_LAYERS = {"M": 0.0, "U": 30.0, "UH": 45.0, "T": 90.0, "B": -30.0}
_NAME = re.compile(r"(UH|[MUTB])([+-])(\d{3}|SC)")
SCREEN_EDGE = 15.0  # degrees; where M+SC stands when nothing says how wide the screen is


def name_of_label(label: str) -> str | None:
    """`urn:itu:bs:2051:0:speaker:M+030`, `M+030`, `RC_L` or `L` -> `M+030`; None for a label of no loudspeaker."""
    short = label.strip().rsplit(":", 1)[-1].removeprefix("RC_")
    if short.upper() in ("LFE", "LFE1", "LFEL"):
        return "LFE1"
    if short.upper() in ("LFE2", "LFER"):
        return "LFE2"
    return short if _NAME.fullmatch(short) else _BY_ALIAS.get(short.lower())


def place_of(name: str) -> tuple[float, float, bool]:
    """(azimuth, elevation, whether it is an LFE) of a loudspeaker that `name_of_label` or COMMON_CHANNELS named."""
    if name.startswith("LFE"):
        return 0.0, 0.0, True
    match = _NAME.fullmatch(name)
    assert match, name
    layer, sign, degrees = match.groups()
    azimuth = SCREEN_EDGE if degrees == "SC" else float(degrees)
    return (-azimuth if sign == "-" else azimuth), _LAYERS[layer], False
