"""ADM masters of a few kilobytes, written by hand: chunks of BW64, `chna` rows and the XML of beds and objects."""

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

RATE = 48_000
BED_514 = (1, 2, 3, 4, 5, 6, 0xD, 0xF, 0x10, 0x12)  # AC_000100xx of the common definitions, as `layouts` orders them


def chunk(name: bytes, content: bytes) -> bytes:
    return name + struct.pack("<I", len(content)) + content + bytes(len(content) % 2)


def chna(rows: Sequence[tuple[int, str, str, str]]) -> bytes:
    """Rows of (channel from 1, audioTrackUID, reference to a track or channel format, pack)."""
    tracks = len({row[0] for row in rows})
    packed = [struct.pack("<H12s14s11sx", index, *(t.encode() for t in texts)) for index, *texts in rows]
    return struct.pack("<HH", tracks, len(rows)) + b"".join(packed)


def bed_rows(channels: Sequence[int] = BED_514, first: int = 1) -> list[tuple[int, str, str, str]]:
    return [
        (first + k, f"ATU_{first + k:08x}", f"AT_{0x10000 + c:08x}_01", "AP_00010005") for k, c in enumerate(channels)
    ]


def object_row(index: int, number: int = 0x1001) -> tuple[int, str, str, str]:
    return index, f"ATU_{index:08x}", f"AC_0003{number:04x}", f"AP_0003{number:04x}"


def block(rtime: float, duration: float, inside: str) -> str:
    """An audioBlockFormat from `rtime` on, in seconds."""
    return (
        f'<audioBlockFormat audioBlockFormatID="AB_1" rtime="{clock(rtime)}" duration="{clock(duration)}">'
        f"{inside}</audioBlockFormat>"
    )


def clock(seconds: float) -> str:
    return f"{int(seconds // 3600):02d}:{int(seconds // 60 % 60):02d}:{seconds % 60:08.5f}"


def polar(azimuth: float, elevation: float = 0.0) -> str:
    return (
        f'<position coordinate="azimuth">{azimuth}</position><position coordinate="elevation">{elevation}</position>'
    )


def cartesian(x: float, y: float, z: float = 0.0) -> str:
    said = zip("XYZ", (x, y, z), strict=True)
    return "<cartesian>1</cartesian>" + "".join(f'<position coordinate="{a}">{v}</position>' for a, v in said)


def channel(blocks: str, number: int = 0x1001, kind: str = "Objects", label: str = "0003") -> str:
    return (
        f'<audioChannelFormat audioChannelFormatID="AC_{label}{number:04x}" audioChannelFormatName="Flute" '
        f'typeDefinition="{kind}" typeLabel="{label}">{blocks}</audioChannelFormat>'
    )


def axml(formats: str = "", tracks: Sequence[int] = (), attributes: str = "", version: str | None = None) -> bytes:
    """One programme, one content, one audioObject that holds the tracks with these numbers."""
    said = f' version="{version}"' if version else ""
    held = "".join(f"<audioTrackUIDRef>ATU_{k:08x}</audioTrackUIDRef>" for k in tracks)
    return (
        '<?xml version="1.0" encoding="UTF-8"?><ebuCoreMain xmlns="urn:ebu:metadata-schema:ebucore"><coreMetadata>'
        f"<format><audioFormatExtended{said}>"
        '<audioProgramme audioProgrammeID="APR_1001"><audioContentIDRef>ACO_1001</audioContentIDRef></audioProgramme>'
        '<audioContent audioContentID="ACO_1001"><audioObjectIDRef>AO_1001</audioObjectIDRef></audioContent>'
        f'<audioObject audioObjectID="AO_1001" audioObjectName="All" {attributes}>{held}</audioObject>'
        f"{formats}</audioFormatExtended></format></coreMetadata></ebuCoreMain>"
    ).encode()


def write_bw64(
    path: Path,
    samples: np.ndarray,
    chunks: Sequence[bytes] = (),
    kind: bytes = b"BW64",
    bits: int = 32,
    rate: int = RATE,
) -> Path:
    """`samples` [N, C] as 32-bit float, or as integers of 16 or 24 bits; `chunks` follow the samples."""
    path.parent.mkdir(parents=True, exist_ok=True)
    count, channels = samples.shape
    if bits == 32:
        data, tag = samples.astype("<f4").tobytes(), 3
    else:
        whole = np.round(samples * 2 ** (bits - 1)).astype("<i4")
        data, tag = whole.reshape(-1, 1).view("u1")[:, : bits // 8].tobytes(), 1
    frame = channels * bits // 8
    fmt = chunk(b"fmt ", struct.pack("<HHIIHH", tag, channels, rate, rate * frame, frame, bits))
    after = b"".join(chunks)
    if kind == b"RIFF":
        body = fmt + chunk(b"data", data) + after
        path.write_bytes(b"RIFF" + struct.pack("<I", 4 + len(body)) + b"WAVE" + body)
        return path
    body = fmt + b"data" + struct.pack("<I", 0xFFFFFFFF) + data + bytes(len(data) % 2) + after
    sizes = chunk(b"ds64", struct.pack("<QQQI", 4 + 36 + len(body), len(data), count, 0))
    path.write_bytes(kind + struct.pack("<I", 0xFFFFFFFF) + b"WAVE" + sizes + body)
    return path


def write_master(path: Path, samples: np.ndarray, rows: Sequence[tuple[int, str, str, str]], xml: bytes = b"") -> Path:
    """An ADM master in BW64: its samples, `chna` and `axml`."""
    return write_bw64(path, samples, [chunk(b"chna", chna(rows)), *([chunk(b"axml", xml)] if xml else [])])
