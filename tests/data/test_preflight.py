"""Every file is decoded once, and every problem of every file is in one list."""

import hashlib
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatial_swin.data.folder import scan_folder
from spatial_swin.data.preflight import preflight, usable_pictures
from spatial_swin.errors import DataError


@pytest.fixture
def folder(pictures: Path) -> Path:
    return pictures


def check(folder: Path) -> dict[str, str]:
    return preflight(scan_folder(folder), workers=2)


def test_the_hash_is_of_the_files_bytes(folder: Path) -> None:
    hashes = check(folder)
    assert len(hashes) == 40
    path, value = next(iter(hashes.items()))
    assert value == hashlib.sha256((folder / path).read_bytes()).hexdigest()


@pytest.mark.parametrize("mode", ["L", "RGB", "1", "P", "CMYK", "RGBA", "LA"])
def test_pictures_that_convert_without_loss_pass(folder: Path, mode: str) -> None:
    Image.new("L", (32, 32), 77).convert(mode).save(folder / "100" / ("new.tif" if mode == "CMYK" else "new.png"))
    assert len(check(folder)) == 41


def bad_zero(path: Path) -> None:
    path.write_bytes(b"")


def bad_text(path: Path) -> None:
    path.write_text("not a picture")


def bad_truncated(path: Path) -> None:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64), dtype=np.uint8)).save(path)
    path.write_bytes(path.read_bytes()[:-600])


def bad_deep(path: Path) -> None:
    Image.fromarray(np.full((8, 8), 40_000, dtype=np.uint16)).save(path)


def bad_deep_colours(path: Path) -> None:
    """A PNG of 16 bits a colour, which Pillow opens as if it had 8."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    rows = b"".join(b"\0" + struct.pack(">12H", *range(1000, 1012)) for _ in range(4))
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunks)
    assert Image.open(path).mode == "RGB"


def bad_float(path: Path) -> None:
    Image.fromarray(np.full((8, 8), 0.5, dtype=np.float32)).save(path, format="TIFF")


def bad_transparent_palette(path: Path) -> None:
    picture = Image.fromarray(np.arange(64, dtype=np.uint8).reshape(8, 8)).convert("P")
    picture.save(path, transparency=3)


def bad_transparent(path: Path) -> None:
    Image.new("RGBA", (8, 8), (1, 2, 3, 100)).save(path)


def bad_animated(path: Path) -> None:
    frames = [Image.new("L", (8, 8), value) for value in (0, 255)]
    frames[0].save(path, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    ("spoil", "said"),
    [
        (bad_zero, "is empty"),
        (bad_text, "not a picture"),
        (bad_truncated, "is damaged"),
        (bad_animated, "animated"),
        (bad_deep, "16 or 32 bits"),
        (bad_deep_colours, "16 or 32 bits"),
        (bad_float, "16 or 32 bits"),
        (bad_transparent, "transparent places"),
        (bad_transparent_palette, "transparent places"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(folder: Path, spoil: object, said: str) -> None:
    spoil(folder / "100" / "bad.png")  # type: ignore[operator]
    with pytest.raises(DataError, match=rf"100/bad\.png: .*{said}"):
        check(folder)


def test_a_decompression_bomb_is_not_decoded(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.new("L", (400, 400)).save(folder / "100" / "bomb.png")
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 50_000)
    with pytest.raises(DataError, match=r"bomb\.png: claims more than 50,000 pixels"):
        check(folder)


def test_all_problems_come_at_once(folder: Path) -> None:
    bad_zero(folder / "100" / "a.png")
    bad_text(folder / "200" / "b.png")
    bad_deep(folder / "514" / "c.png")
    with pytest.raises(DataError, match=r"(?s)3 problems.*a\.png.*b\.png.*c\.png"):
        check(folder)


def test_bad_pictures_can_be_left_out_and_are_counted(folder: Path, capsys: pytest.CaptureFixture) -> None:
    bad_zero(next((folder / "100").iterdir()))
    bad_text(folder / "514" / "new.png")
    left, sha256 = usable_pictures(scan_folder(folder), workers=2, skip_bad=True)
    assert len(left.pictures) == len(sha256) == 39
    assert {picture.path for picture in left.pictures} == sha256.keys()
    printed = capsys.readouterr().out
    assert "left out (2 of 41 pictures)" in printed
    assert "514/new.png: is not a picture" in printed


def test_a_class_must_keep_enough_pictures(folder: Path) -> None:
    for path in sorted((folder / "200").iterdir())[2:]:
        bad_zero(path)
    with pytest.raises(DataError, match=r"Too few pictures are left of 200.*\(8 problems\)"):
        usable_pictures(scan_folder(folder), workers=2, skip_bad=True)
