"""The metadata of an ADM master: XML of ITU-R BS.2076 and the `chna` chunk, looked up but not yet understood.

In go chunks, out comes a `Document`: elements by identifier, the audioObjects of the first programme, and the channel
of the file that each audioTrackUID is. What is wrong is collected, not raised. XML from others: without DOCTYPE and
entities, of 64 MB at most.
"""

import struct
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from spatial_swin.audio import bw64
from spatial_swin.errors import Problem

VERSIONS = ("ITU-R_BS.2076-0", "ITU-R_BS.2076-1", "ITU-R_BS.2076-2")
SILENT_TRACK = "ATU_00000000"
AGAIN = "export the master again, or correct its metadata"
IDENTIFIERS = (
    "audioProgrammeID",
    "audioContentID",
    "audioObjectID",
    "audioPackFormatID",
    "audioChannelFormatID",
    "audioStreamFormatID",
    "audioTrackFormatID",
    "UID",
)


@dataclass(frozen=True)
class TrackUid:
    """A row of `chna`: the channel of the file (the first is 0), and the track or channel format it refers to."""

    channel: int
    uid: str
    reference: str


@dataclass
class Document:
    """A master of `channels` and `length` seconds. elements: by identifier; uids: by name; problems: each once.

    objects: audioObjects of the first programme, or of all where there is none; streams: audioStreamFormats by the
    audioTrackFormats that they say are theirs.
    """

    path: Path
    channels: int
    length: float
    elements: dict[str, Element] = field(default_factory=dict)
    uids: dict[str, TrackUid] = field(default_factory=dict)
    objects: list[Element] = field(default_factory=list)
    streams: dict[str, Element] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def wrong(self, what: str, do: str = AGAIN) -> None:
        problem = Problem(str(self.path), what, do)
        if problem not in self.problems:
            self.problems.append(problem)

    def channel_id(self, row: TrackUid) -> str:
        """The audioChannelFormat of a track: named by `chna` or the audioTrackUID, or found by track and stream."""
        names = [row.reference]
        if (uid := self.elements.get(row.uid)) is not None:
            names += references(uid, "audioChannelFormatIDRef") + references(uid, "audioTrackFormatIDRef")
        name = next(filter(None, names), "")
        if name.startswith("AC_"):
            return name[:11]
        streams = [self.streams.get(name)]
        if (track := self.elements.get(name)) is not None:
            streams += [self.elements.get(stream) for stream in references(track, "audioStreamFormatIDRef")]
        for stream in streams:
            if stream is not None and (channels := references(stream, "audioChannelFormatIDRef")):
                return channels[0]
        return "AC_" + name[3:11]  # AT_00010001_01 is of AC_00010001 where nothing else is said


def references(element: Element, tag: str) -> list[str]:
    """The identifiers that `element` refers to by elements called `tag`."""
    return [(reference.text or "").strip().upper() for reference in element.findall(tag)]


def named(element: Element) -> str:
    """`audioObject AO_1001 'Voice'`."""
    called = next((value for name, value in element.items() if name.endswith("Name")), None)
    identifier = next((element.get(name) for name in IDENTIFIERS if element.get(name)), "")
    return " ".join(filter(None, [element.tag, identifier, repr(called) if called else ""]))


def read_document(chunks: bw64.Chunks, channels: int, length: float) -> Document:
    """The metadata of a master with so many channels and seconds. Raises BadSound for chunks that are too large."""
    document = Document(chunks.path, channels, length)
    formats = _formats(chunks, document)
    document.elements = {e.get(name, "").upper(): e for e in formats for name in IDENTIFIERS if e.get(name)}
    for stream in formats.findall("audioStreamFormat"):
        document.streams |= dict.fromkeys(references(stream, "audioTrackFormatIDRef"), stream)
    document.uids = {row.uid: row for row in _track_uids(chunks, document)}
    if not document.problems:
        document.objects = list(_objects(formats, document))
    return document


class _Builder(ElementTree.TreeBuilder):
    def doctype(self, name: str, public: str, system: str) -> None:
        raise ValueError("it has a DOCTYPE, and with it room for entities of any size")


def _formats(chunks: bw64.Chunks, document: Document) -> Element:
    """The audioFormatExtended of `axml`, names without their namespaces; an empty one where there is none."""
    empty = Element("audioFormatExtended")
    content = chunks.content(b"axml").rstrip(b"\0")
    if not content and b"bxml" in chunks.places:
        document.wrong("its metadata are compressed (chunk 'bxml'), which is not supported", "export them as 'axml'")
    if not content:
        return empty
    try:
        parser = ElementTree.XMLParser(target=_Builder())
        parser.feed(content)
        root: Element = parser.close()
    except (ElementTree.ParseError, ValueError, LookupError) as error:
        document.wrong(f"its chunk 'axml' cannot be read ({error})")
        return empty
    for element in root.iter():
        element.tag = str(element.tag).rpartition("}")[2]
    found = next(root.iter("audioFormatExtended"), empty)
    version = found.get("version")
    if version is not None and version not in VERSIONS:
        known = ", ".join(VERSIONS)
        document.wrong(f"is of the ADM version {version!r}; known are {known}", "export it in one of these versions")
    return found


def _track_uids(chunks: bw64.Chunks, document: Document) -> Iterator[TrackUid]:
    content = chunks.content(b"chna")
    count = struct.unpack_from("<HH", content)[1] if len(content) >= 4 else 0
    if len(content) < 4 + 40 * count:
        what = f"damaged: its chunk 'chna' of {len(content)} bytes is too small for {count} tracks"
        document.wrong(what, bw64.AGAIN)
        return
    for row in range(count):
        index, *names = struct.unpack_from("<H12s14s11s", content, 4 + 40 * row)
        uid, reference, _ = (name.split(b"\0")[0].decode("latin-1").strip().upper() for name in names)
        if not index and not uid:
            continue  # room kept for tracks to come
        if not 1 <= index <= document.channels:
            document.wrong(f"its chunk 'chna' puts {uid} on channel {index}; the file has {document.channels}")
        else:
            yield TrackUid(index - 1, uid, reference)


def _objects(formats: Element, document: Document) -> Iterator[Element]:
    """The audioObjects of the first programme, nested ones after theirs; all where there is no programme.

    Those that only stand in for others (audioComplementaryObject) are left out, as a renderer does that is not asked.
    """
    every = {e.get("audioObjectID", "").upper(): e for e in formats.findall("audioObject")}
    seen = {name for e in every.values() for name in references(e, "audioComplementaryObjectIDRef")}
    programme = formats.find("audioProgramme")
    if programme is None:
        inner = {name for e in every.values() for name in references(e, "audioObjectIDRef")}
        waiting = [name for name in every if name not in inner]
    else:
        contents = [document.elements.get(name) for name in references(programme, "audioContentIDRef")]
        if None in contents:
            document.wrong(f"{named(programme)} refers to an audioContent that is not there")
        waiting = [name for e in contents if e is not None for name in references(e, "audioObjectIDRef")]
    waiting.reverse()
    while waiting:
        name = waiting.pop()
        if name in seen:
            continue
        seen.add(name)
        if name in every:
            yield every[name]
            waiting += reversed(references(every[name], "audioObjectIDRef"))
        else:
            document.wrong(f"its metadata refer to the audioObject {name}, which is not there")
