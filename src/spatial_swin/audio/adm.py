"""ADM masters (ITU-R BS.2076 in BW64, BS.2088): beds and objects become tracks, as every other programme has them.

In goes a WAV file with a `chna` chunk, out comes a `Track` for each channel of a bed and each object of the first
audioProgramme. What is not understood (another version, HOA, Matrix, Binaural) is refused by its name, and everything
wrong with a file is said at once. It reads no samples.
"""

import math
from collections.abc import Iterator
from pathlib import Path
from xml.etree.ElementTree import Element

from spatial_swin.audio import bw64
from spatial_swin.audio.adm_blocks import Block, block_of, check_order, gain_of, motion_of, seconds_of
from spatial_swin.audio.adm_document import SILENT_TRACK, Document, TrackUid, named, read_document, references
from spatial_swin.audio.adm_names import COMMON_CHANNELS, name_of_label, place_of
from spatial_swin.audio.tracks import Track
from spatial_swin.errors import AudioError, Problem

TYPES = {"0001": "DirectSpeakers", "0002": "Matrix", "0003": "Objects", "0004": "HOA", "0005": "Binaural"}
BED, OBJECT = "DirectSpeakers", "Objects"
LFE_HIGHEST = 200.0  # Hz; a channel with a low-pass at most there is an LFE (BS.2127)
WHOLE = 1e-3  # s; what lasts to the end but for this lasts to the end


class BadMaster(AudioError):
    """A master with metadata that cannot be used, as Problems."""

    def __init__(self, problems: list[Problem]) -> None:
        self.problems = problems
        super().__init__(*map(str, problems))


def find_master(path: Path) -> bw64.Chunks | None:
    """The chunks of a file that is an ADM master: one with `chna`; None for every other. Raises BadSound."""
    if not bw64.is_wave(path):
        return None
    chunks = bw64.read_chunks(path)
    return chunks if b"chna" in chunks.places else None


def read_tracks(chunks: bw64.Chunks, channels: int, length: float) -> tuple[Track, ...]:
    """The tracks of a master of so many channels and seconds, in the order of the metadata; muted ones left out.

    Raises BadMaster with everything that is wrong, BadSound for chunks that are too large.
    """
    document = read_document(chunks, channels, length)
    tracks: list[Track] = []
    if not document.problems:
        for row, holder in _heard(document):
            try:
                track = _track(row, holder, document)
                tracks += [track] if track.gain else []
            except ValueError as error:
                document.wrong(str(error))
    if not tracks and not document.problems:
        document.wrong("its metadata leave no channel of it to be heard")
    if document.problems:
        raise BadMaster(document.problems)
    return tuple(tracks)


def _heard(document: Document) -> Iterator[tuple[TrackUid, Element | None]]:
    """Tracks and the audioObjects that hold them; without any audioObject, every track of `chna`."""
    if not document.objects:
        yield from ((row, None) for row in document.uids.values())
    for holder in document.objects:
        for name in references(holder, "audioTrackUIDRef"):
            if name in document.uids:
                yield document.uids[name], holder
            elif name != SILENT_TRACK:
                document.wrong(f"{named(holder)} refers to {name}, which its chunk 'chna' does not have")


def _track(row: TrackUid, holder: Element | None, document: Document) -> Track:
    """The track of a channel of the file within an audioObject. Raises ValueError naming what is wrong."""
    name = document.channel_id(row)
    channel = document.elements.get(name)
    kind = TYPES.get(name[3:7], repr(name[3:7]))
    if channel is not None:
        kind = channel.get("typeDefinition") or TYPES.get(channel.get("typeLabel", ""), kind)
    if kind not in (BED, OBJECT):
        raise ValueError(f"{row.uid} is of type {kind}; only {BED} and {OBJECT} are supported")
    if channel is None and name not in COMMON_CHANNELS:
        raise ValueError(f"{row.uid} refers to {name}, which is neither there nor in the common definitions")
    start, end, gain = _window(holder, document)
    if kind == OBJECT and channel is not None:
        return _object(row, channel, (start, end), gain, document)
    label = COMMON_CHANNELS[name] if channel is None else _label(channel)
    azimuth, elevation, lfe = place_of(label)
    still = None
    if not _always(start, end, document):
        still = motion_of([Block(0, math.inf, azimuth, elevation, 1.0, None)], start, end)
    return Track(document.path, row.channel, azimuth, elevation, lfe, gain, label, still)


def _window(holder: Element | None, document: Document) -> tuple[float, float, float]:
    """When an audioObject is heard, in seconds of the programme, and its gain, 0 when it is muted."""
    if holder is None:
        return 0.0, document.length, 1.0
    try:
        if holder.find("positionOffset") is not None:
            raise ValueError("has a positionOffset, which is not supported")
        start = seconds_of(holder.get("start", "00:00:00"))
        duration = holder.get("duration")
        end = document.length if duration is None else min(document.length, start + seconds_of(duration))
        if start >= document.length:
            raise ValueError(f"starts at {start:.3f} s, and the file ends at {document.length:.3f} s")
        muted = (holder.findtext("mute") or "0").strip() in ("1", "true")
        return start, end, 0.0 if muted else gain_of(holder.find("gain"))
    except ValueError as error:
        raise ValueError(f"{named(holder)}: {error}") from None


def _always(start: float, end: float, document: Document) -> bool:
    return start <= WHOLE and end >= document.length - WHOLE


def _label(channel: Element) -> str:
    """The loudspeaker of a channel of a bed. Raises ValueError for a label of none, and for one that changes."""
    labels = dict.fromkeys((label.text or "").strip() for label in channel.iter("speakerLabel"))
    names = {label: name_of_label(label) for label in labels}
    if any(_is_lfe(frequency) for frequency in channel.findall("frequency")):
        return next((name for name in names.values() if name and name.startswith("LFE")), "LFE1")
    if len(set(names.values())) == 1 and (name := next(iter(names.values()))):
        return name
    said = ", ".join(map(repr, labels)) or "none"
    if len(labels) > 1 and all(names.values()):
        raise ValueError(f"{named(channel)}: goes from loudspeaker to loudspeaker ({said}), which is not supported")
    raise ValueError(
        f"{named(channel)}: its speakerLabel ({said}) is no loudspeaker of BS.2051, such as M+030 or RC_L"
    )


def _is_lfe(frequency: Element) -> bool:
    try:
        return frequency.get("typeDefinition") == "lowPass" and 0 < float(frequency.text or "") <= LFE_HIGHEST
    except ValueError:
        return False


def _object(row: TrackUid, channel: Element, window: tuple[float, float], gain: float, document: Document) -> Track:
    start, end = window
    blocks = []
    for element in channel.findall("audioBlockFormat"):
        try:
            blocks.append(block_of(element))
        except ValueError as error:
            block = element.get("audioBlockFormatID", "")
            raise ValueError(f"{named(channel)}: its block {block} {error}") from None
    try:
        check_order(blocks, document.length - start)
    except ValueError as error:
        raise ValueError(f"{named(channel)}: {error}") from None
    first = blocks[0]
    rests = len({(b.azimuth, b.elevation, b.gain) for b in blocks}) == 1
    if rests and _always(start + first.start, min(end, start + blocks[-1].end), document):
        return Track(document.path, row.channel, first.azimuth, first.elevation, gain=gain * first.gain)
    motion = motion_of(blocks, start, end)
    return Track(document.path, row.channel, first.azimuth, first.elevation, gain=gain, motion=motion)
