"""The audioBlockFormats of an object become a `Motion`: where it stands over time, and how loud.

In go elements of ITU-R BS.2076, out come seconds, degrees and factors. Polar positions are taken as they are;
Cartesian ones, in a room of -1 to 1, are directions by the rule of BS.2127 (section 10), so that the corners of the
room are loudspeakers of 5.1.4. Distance and extent are passed by: an object is a point.
"""

import math
import re
from dataclasses import dataclass
from itertools import pairwise
from xml.etree.ElementTree import Element

from spatial_swin.audio.tracks import Motion

TIME = re.compile(r"(\d{1,4}):([0-5]?\d):([0-5]?\d)(?:\.(\d{1,12}))?(?:S(\d{1,9}))?")
JUMP = 1e-6  # s; a jump in no time, and shorter than a sample
OVERLAP = 1e-3  # s by which rounded times of blocks may overlap
# Azimuth, and where it lies in the room (x to the right, y to the front): BS.2127, table of section 10.
CORNERS = ((0.0, 0.0, 1.0), (-30.0, 1.0, 1.0), (-110.0, 1.0, -1.0), (110.0, -1.0, -1.0), (30.0, -1.0, 1.0))
TOP, TOP_IN_ROOM = 30.0, 45.0  # degrees of elevation of the upper layer, and of where it stands in the room


@dataclass(frozen=True)
class Block:
    """start and end in seconds of the object; degrees; a factor; ramp: seconds to get there, None for all of it."""

    start: float
    end: float
    azimuth: float
    elevation: float
    gain: float
    ramp: float | None


def seconds_of(text: str) -> float:
    """`00:01:02.50000` or, of BS.2076-2, `00:01:02.24000S48000` -> 62.5. Raises ValueError for another form."""
    match = TIME.fullmatch(text.strip())
    if not match:
        raise ValueError(f"{text.strip()!r} is not a time such as 00:00:01.50000")
    hours, minutes, seconds, fraction, unit = match.groups()
    part = 0.0
    if fraction and unit:
        if not 0 <= int(fraction) < int(unit):
            raise ValueError(f"{text.strip()!r} has {fraction} of {unit} samples of a second")
        part = int(fraction) / int(unit)
    elif fraction:
        part = float(f"0.{fraction}")
    return 3600 * int(hours) + 60 * int(minutes) + int(seconds) + part


def number_of(text: str | None, low: float, high: float) -> float:
    """A number from `low` to `high`. Raises ValueError for anything else."""
    try:
        value = float(text or "")
    except ValueError:
        value = math.nan
    if not low <= value <= high:
        raise ValueError(f"{(text or '').strip()!r} is not a number from {low:g} to {high:g}")
    return value


def gain_of(element: Element | None) -> float:
    """A factor: 1 where nothing is said. BS.2076-2 also has gains in dB."""
    if element is None:
        return 1.0
    if element.get("gainUnit", "linear").lower() == "db":
        return float(10 ** (number_of(element.text, -1000, 60) / 20))
    return number_of(element.text, 0, 1000)


def block_of(element: Element) -> Block:
    """An audioBlockFormat of type Objects. Raises ValueError naming what is wrong with it."""
    start = seconds_of(element.get("rtime", element.get("start", "00:00:00")))
    duration = element.get("duration")
    end = math.inf if duration is None else start + seconds_of(duration)
    ramp = None
    jump = element.find("jumpPosition")
    if jump is not None and (jump.text or "").strip() in ("1", "true"):
        ramp = number_of(jump.get("interpolationLength", "0"), 0, 86_400)
    return Block(start, end, *direction_of(element), gain_of(element.find("gain")), ramp)


def direction_of(element: Element) -> tuple[float, float]:
    """(azimuth, elevation) in degrees of a block. Raises ValueError when it has no position."""
    said = {
        position.get("coordinate", "").lower(): position.text
        for position in element.findall("position")
        if position.get("bound") is None
    }
    if "azimuth" in said:
        return number_of(said["azimuth"], -360, 360), number_of(said.get("elevation", "0"), -90, 90)
    if "x" in said and "y" in said:
        x, y, z = (number_of(said.get(axis, "0"), -1e3, 1e3) for axis in "xyz")
        return direction_in_room(x, y, z)
    raise ValueError("has no position, neither azimuth nor X and Y")


def direction_in_room(x: float, y: float, z: float) -> tuple[float, float]:
    """(azimuth, elevation) of a point of the room, x to the right, y to the front, z upwards (BS.2127, section 10)."""
    if math.hypot(x, y) < 1e-10:
        return 0.0, (math.copysign(90.0, z) if abs(z) > 1e-10 else 0.0)
    for corner, following in zip(CORNERS, CORNERS[1:] + CORNERS[:1], strict=True):
        (first, *left), (second, *right) = corner, following
        size = left[0] * right[1] - left[1] * right[0]
        a, b = (x * right[1] - y * right[0]) / size, (left[0] * y - left[1] * x) / size
        if a >= -1e-9 and b >= -1e-9:  # the point lies between these two: a and b are their shares
            break
    span = (second - first + 180) % 360 - 180
    left_gain, right_gain = (f(b / (a + b) * math.pi / 2) for f in (math.cos, math.sin))
    share = 2 * (right_gain / (left_gain + right_gain) - 0.5)
    azimuth = first + span / 2 + math.degrees(math.atan(share * math.tan(math.radians(span / 2))))
    tilt = math.degrees(math.atan2(abs(z), a + b))
    if tilt < TOP_IN_ROOM:
        elevation = tilt * TOP / TOP_IN_ROOM
    else:
        elevation = TOP + (90 - TOP) * (tilt - TOP_IN_ROOM) / (90 - TOP_IN_ROOM)
    return (azimuth + 180) % 360 - 180, math.copysign(elevation, z)


def check_order(blocks: list[Block], length: float) -> None:
    """Raise ValueError for no blocks, blocks that overlap, or one that begins after `length` seconds, the end."""
    if not blocks:
        raise ValueError("has no audioBlockFormat, so it stands nowhere")
    for before, after in pairwise(blocks):
        if after.start < before.end - OVERLAP:
            end = "no end" if before.end == math.inf else f"{before.end:.3f} s as its end"
            raise ValueError(f"the block at {after.start:.3f} s begins within the one before, which has {end}")
    if blocks[-1].start >= length:
        begins = f"the block at {blocks[-1].start:.3f} s begins when the file has ended"
        raise ValueError(f"{begins}, {length:.3f} s after the object began")


def motion_of(blocks: list[Block], start: float, end: float) -> Motion:
    """Blocks of an object, heard from `start` to `end` in seconds of the programme, as knots (BS.2076, section 10).

    The first block rests. Every other one goes from where the one before ended to its own place, over all its time or
    over its ramp, and then rests. Before the first and after the last one nothing is heard.
    """
    knots: list[tuple[float, float, float, float]] = []

    def stand(seconds: float, block: Block, gain: float) -> None:
        after, here = knots[-1][0] + JUMP if knots else -math.inf, (block.azimuth, block.elevation, gain)
        if len(knots) > 1 and knots[-1][1:] == knots[-2][1:] == here:
            knots.pop()  # resting on: masters repeat a block many times a second
        knots.append((max(seconds, after), *here))

    first, end = blocks[0], min(end, start + blocks[-1].end)
    stand(start + first.start - JUMP, first, 0.0)
    stand(start + first.start, first, first.gain)
    before = first
    for block in blocks[1:]:
        there = block.end if block.ramp is None else min(block.end, block.start + block.ramp)
        if start + block.start < end:
            stand(start + block.start, before, before.gain)
            stand(min(start + there, end), block, block.gain)
            before = block
    stand(end, before, before.gain)
    stand(end + JUMP, before, 0.0)
    return Motion(*(tuple(values) for values in zip(*knots, strict=True)))
