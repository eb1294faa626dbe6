"""Known-answer sets: each planted defect raises its alarm and no other, the clean twin raises none."""

import csv
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from spatial_swin import files
from spatial_swin.audio.tiles import Tile, tile_map
from spatial_swin.cli import main
from spatial_swin.data.factors import Factors, find_factors
from spatial_swin.data.folder import scan_folder
from spatial_swin.data.preflight import preflight
from spatial_swin.data.splits import split_samples
from spatial_swin.keyed_random import keyed_generator

CLASSES = ("100", "200", "510", "514")
SIDE = 64
# the contents of the reference study, class by class: 100 and 200 share theirs, 510 and 514 have their own
STUDY = {"100": (1, 2, 3), "200": (1, 2, 3), "510": (4, 5), "514": (6, 7, 8, 9, 10, 11)}
PAIRED = dict.fromkeys(CLASSES, (1, 2, 3, 4, 5, 6))

Alter = Callable[[np.ndarray, str], np.ndarray]


def picture(label: str, *key: str | int) -> np.ndarray:
    """A mosaic in small: a pattern of the recording and chunk, and one of the class that has no level of its own."""
    generator = keyed_generator("picture", *key)
    blocks = np.kron(generator.uniform(60, 190, (8, 8)), np.ones((8, 8)))
    waves = 25 * np.sin(2 * np.pi * (2 + CLASSES.index(label)) * np.arange(SIDE) / SIDE)
    return blocks + waves + generator.normal(0, 5, (SIDE, SIDE))


def write(path: Path, pixels: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)


def name_of(listener: str, content: int, chunk: int) -> str:
    return f"binaural_audio_{listener}_48K_24bit_0.3s_FIR_SOFA_ac{content:02d}-globo-1_0_chunk{chunk:04d}.png"


def make(
    root: Path,
    contents: dict[str, tuple[int, ...]] = PAIRED,
    alter: Alter | None = None,
    chunks: int = 2,
    listeners: dict[str, tuple[str, ...]] | None = None,
) -> Path:
    for label in CLASSES:
        for listener in (listeners or {}).get(label, ("D1", "H3")):
            for content in contents[label]:
                for chunk in range(chunks):
                    pixels = picture(label, label, listener, content, chunk)
                    pixels = alter(pixels, label) if alter else pixels
                    write(root / label / name_of(listener, content, chunk), pixels)
    return root


def audit(root: Path, *options: str) -> tuple[int, dict[str, str]]:
    """Exit code of a strict audit, and its alarms: {check: text}."""
    output = root.parent / "audit"
    code = main(["audit", str(root), "--strict", "true", "--output_dir", str(output), *options])
    with open(output / "audit.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    return code, {row["check"]: row["text"] for row in rows if row["alarm"] == "True"}


def test_a_paired_set_raises_no_alarm(tmp_path: Path) -> None:
    assert audit(make(tmp_path / "data")) == (0, {})


def test_the_layout_of_the_reference_study_raises_the_confound_alarm(tmp_path: Path) -> None:
    everyone = dict.fromkeys(CLASSES, ("D1", "D2", "H3", "H4"))
    code, alarms = audit(make(tmp_path / "data", STUDY, chunks=1, listeners=everyone))
    assert code == 3
    assert {"factor content", "factor names"} <= set(alarms)
    assert "a model that hears the content scores without layouts" in alarms["factor content"]
    guessed = float(re.search(r"balanced accuracy ([\d.]+)", alarms["factor names"])[1])  # type: ignore[index]
    assert 0.5 <= guessed <= 0.75  # 510 and 514 are known for sure, 100 and 200 are at best a coin each
    assert not {"level", "silence", "bandwidth", "format"} & set(alarms)


def test_programmes_of_one_recording_each_are_said_to_be_unpaired_without_an_alarm(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    alone = dict.fromkeys(CLASSES, ("D1",))
    own = {label: tuple(range(10 * k, 10 * k + 6)) for k, label in enumerate(CLASSES)}
    for contents in (STUDY, own):
        root = make(tmp_path / str(len(contents["514"] + contents["100"])) / "data", contents, listeners=alone)
        _, alarms = audit(root)
        assert not {"factor content", "factor names"} & set(alarms), "an alarm would contradict its own number, V = 0"
        said = next(line for line in capsys.readouterr().out.splitlines() if "no paired set" in line)
        assert "ok" in said
        assert "Cramer's V 0.00" in said
        assert "occurs in one class only" in said
    assert audit(make(tmp_path / "paired" / "data", listeners=alone)) == (0, {})


def test_a_folder_of_uniquely_named_recordings_raises_no_alarm(tmp_path: Path) -> None:
    root = tmp_path / "data"
    for label in CLASSES:
        for number in range(6):
            write(root / label / f"song {label}{number} of its own name.png", picture(label, label, number))
    assert audit(root) == (0, {})


def test_without_strict_an_alarm_is_told_and_the_exit_code_is_0(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = make(tmp_path / "data", STUDY, chunks=1)
    assert main(["audit", str(root), "--output_dir", str(tmp_path / "audit")]) == 0
    assert "ALARM  confound   content" in capsys.readouterr().out


def test_a_bare_strict_is_taken_as_true(tmp_path: Path) -> None:
    root = make(tmp_path / "data", STUDY, chunks=1)
    assert main(["audit", str(root), "--output_dir", str(tmp_path / "audit"), "--strict"]) == 3


def test_a_listener_of_its_own_for_every_class_is_a_confound(tmp_path: Path) -> None:
    own = {"100": ("D1",), "200": ("D2",), "510": ("H3",), "514": ("H4",)}
    _, alarms = audit(make(tmp_path / "data", listeners=own))
    assert set(alarms) == {"factor listener", "factor names"}
    assert "listener determines the class" in alarms["factor listener"]


def brighter(pixels: np.ndarray, label: str) -> np.ndarray:
    return pixels * 0.6 + 20 * CLASSES.index(label)


def silent(pixels: np.ndarray, label: str) -> np.ndarray:
    """Silence of the same length everywhere, but twice as long in 514; the level of what sounds is the same."""
    pixels = pixels.copy()
    pixels[:, : 16 if label == "514" else 8] = 0
    return pixels


def narrow(pixels: np.ndarray, label: str) -> np.ndarray:
    """The upper rows (high frequencies) are missing in 100."""
    pixels = pixels.copy()
    pixels[: 20 if label == "100" else 4] = 0
    return pixels


def larger(pixels: np.ndarray, label: str) -> np.ndarray:
    return np.pad(pixels, ((0, 4), (0, 4)), mode="edge") if label == "510" else pixels


@pytest.mark.parametrize(
    ("alter", "check"),
    [(brighter, "level"), (silent, "silence"), (narrow, "bandwidth"), (larger, "format")],
    ids=["level", "silence", "bandwidth", "format"],
)
def test_a_planted_shortcut_is_named_and_not_taken_for_content(tmp_path: Path, alter: Alter, check: str) -> None:
    code, alarms = audit(make(tmp_path / "data", alter=alter))
    assert code == 3
    assert check in alarms
    assert f"a shortcut on {check}, not spatial content" in alarms[check]
    assert not {name for name in alarms if name.startswith(("factor", "groups", "identical", "near"))}


def quieter_everywhere(pixels: np.ndarray, label: str) -> np.ndarray:
    pixels = pixels * 0.6
    pixels[:4] = 0
    pixels[:, :8] = 0
    return pixels


def test_the_same_level_silence_and_bandwidth_in_all_classes_is_no_shortcut(tmp_path: Path) -> None:
    assert audit(make(tmp_path / "data", alter=quieter_everywhere)) == (0, {})


def brighter_in_one_tile(pixels: np.ndarray, label: str) -> np.ndarray:
    pixels = pixels * 0.6
    pixels[:32, 32:] += 25 * CLASSES.index(label)
    return pixels


def test_a_cue_that_follows_the_layout_in_its_own_tile_is_content_and_no_alarm(tmp_path: Path) -> None:
    assert audit(make(tmp_path / "data", alter=brighter_in_one_tile)) == (0, {})


def test_level_is_looked_for_where_the_tile_map_shows_magnitude(tmp_path: Path) -> None:
    tiles = tile_map("4x4", SIDE, 48_000, 3.0)
    magnitude = next(tile for tile in tiles if tile.name == "magnitude_left")
    other = next(tile for tile in tiles if tile.name == "ild")

    def lift(tile: Tile) -> Alter:
        def alter(pixels: np.ndarray, label: str) -> np.ndarray:
            pixels = pixels * 0.6
            pixels[tile.rows, tile.columns] += 25 * CLASSES.index(label)
            return pixels

        return alter

    planted = make(tmp_path / "planted" / "data", alter=lift(magnitude))
    clean = make(tmp_path / "clean" / "data", alter=lift(other))
    for root in (planted, clean):
        tiles.write(root / "tiles.json")
    _, alarms = audit(planted)
    assert set(alarms) == {"level"}
    assert "from the magnitude tiles" in alarms["level"]
    assert audit(clean) == (0, {})


def write_manifest(root: Path, loudness: dict[str, float]) -> None:
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    noise = keyed_generator("loudness").normal(0, 0.1, len(paths))
    rows = ["path,label,programme,listener,recording,loudness_before,loudness_after"]
    for path, jitter in zip(paths, noise, strict=True):
        label, name = path.split("/")
        listener, content = re.search(r"([DH]\d+)_.*(ac\d+)", name).groups()  # type: ignore[union-attr]
        before, after = -30 - 3 * CLASSES.index(label), loudness[label] + jitter
        rows.append(f"{path},{label},{content},{listener},{label}/{content}_{listener},{before},{after}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")


def test_measured_loudness_after_matching_is_what_counts_as_level(tmp_path: Path) -> None:
    matched = make(tmp_path / "matched" / "data")
    write_manifest(matched, dict.fromkeys(CLASSES, -23.0))  # before matching it differed by class: no alarm
    assert audit(matched) == (0, {})
    unmatched = make(tmp_path / "unmatched" / "data")
    write_manifest(unmatched, {"100": -35.0, "200": -30.0, "510": -24.0, "514": -23.0})
    _, alarms = audit(unmatched)
    assert set(alarms) == {"level"}
    assert "loudness_after in the manifest" in alarms["level"]


def ready_parts(root: Path, part_of: Callable[[int, int], str]) -> Path:
    """A paired set in train/validation/test folders, part_of(content, chunk)."""
    source = make(root.parent / "source")
    for path in source.rglob("*.png"):
        content, chunk = map(int, re.search(r"ac(\d+)-.*chunk(\d+)", path.name).groups())  # type: ignore[union-attr]
        target = root / part_of(content, chunk) / path.parent.name / path.name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    return root


def test_ready_parts_that_share_recordings_leak_and_parts_by_content_do_not(tmp_path: Path) -> None:
    leaking = ready_parts(tmp_path / "a" / "data", lambda content, chunk: ("train", "test")[chunk])
    code, alarms = audit(leaking)
    assert code == 3
    assert set(alarms) == {"groups across parts"}
    clean = ready_parts(tmp_path / "b" / "data", lambda c, _: {5: "validation", 6: "test"}.get(c, "train"))
    assert audit(clean) == (0, {})


def test_a_split_by_picture_is_told_to_leak(tmp_path: Path) -> None:
    _, alarms = audit(make(tmp_path / "data"), "--split_by", "none")
    assert set(alarms) == {"groups across parts"}


def test_copies_in_two_recordings_leak_and_copies_in_one_recording_do_not(tmp_path: Path) -> None:
    leaking = make(tmp_path / "a" / "data")
    shutil.copy(leaking / "510" / name_of("D1", 1, 0), leaking / "510" / name_of("H3", 4, 1))
    assert set(audit(leaking)[1]) == {"identical pictures"}
    clean = make(tmp_path / "b" / "data")
    shutil.copy(clean / "510" / name_of("D1", 1, 0), clean / "510" / name_of("D1", 1, 1))
    assert audit(clean) == (0, {})


def test_a_slightly_changed_copy_in_another_recording_leaks_and_is_shown(tmp_path: Path) -> None:
    root = make(tmp_path / "data")
    original = root / "514" / name_of("D1", 2, 0)
    pixels = np.asarray(Image.open(original)).astype(float)
    changed = pixels + keyed_generator("change").normal(0, 2, pixels.shape) + 1
    write(root / "514" / name_of("H3", 5, 1), changed)
    _, alarms = audit(root)
    assert set(alarms) == {"near-identical pictures"}
    with open(tmp_path / "audit" / "duplicates.csv", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["path"] for row in rows} == {f"514/{name_of('D1', 2, 0)}", f"514/{name_of('H3', 5, 1)}"}
    assert {row["kind"] for row in rows} == {"near-identical"}


def test_one_picture_with_two_labels_is_an_alarm(tmp_path: Path) -> None:
    root = make(tmp_path / "data")
    shutil.copy(root / "510" / name_of("D1", 1, 0), root / "514" / name_of("D1", 1, 0))
    assert set(audit(root)[1]) == {"identical pictures", "one picture, two labels"}


def test_a_class_with_a_third_of_the_pictures_is_out_of_balance(tmp_path: Path) -> None:
    root = make(tmp_path / "data", chunks=4)
    for path in (root / "514").glob("*chunk000[123].png"):
        path.unlink()
    _, alarms = audit(root)
    assert set(alarms) == {"class balance"}


def test_one_recording_in_a_class_is_told_and_not_divided(tmp_path: Path) -> None:
    contents = {**PAIRED, "514": (1,)}
    root = make(tmp_path / "data", contents, chunks=3, listeners={"514": ("D1",)})
    _, alarms = audit(root)
    assert {"recordings", "split"} <= set(alarms)
    assert "514: 1" in alarms["recordings"]


def test_the_page_carries_its_pictures_and_the_tables_are_written(tmp_path: Path) -> None:
    audit(make(tmp_path / "data", STUDY, chunks=1))
    page = (tmp_path / "audit" / "audit.html").read_text()
    assert page.count("data:image/png;base64,") >= 4 * 3
    assert not re.search(r'(src|href)="(?!data:)', page)
    assert "http" not in page
    assert "ALARM" in page
    with open(tmp_path / "audit" / "factor_tables.csv", newline="") as file:
        rows = {(r["factor"], r["value"], r["label"]): int(r["recordings"]) for r in csv.DictReader(file)}
    assert rows["content", "ac01", "100"] == 2
    assert rows["content", "ac01", "514"] == 0
    with open(tmp_path / "audit" / "statistics.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 28


def test_the_default_output_folder_and_the_title_tell_two_folders_of_pictures_apart(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(make(tmp_path / "a" / "pictures", chunks=1), tmp_path / "b" / "pictures")
    monkeypatch.chdir(tmp_path)
    for place, where in (("a/pictures/", "a"), (str(tmp_path / "b" / "pictures"), "b")):
        main(["audit", place])
        page = (tmp_path / "audits" / f"{where}_pictures" / "audit.html").read_text()
        assert f"<h1>Audit of {where}/pictures</h1>" in page


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--factors", "(?P<a>["], "not a regular expression"),
        (["--factors", "(?P<listener>X\\d+)"], "does not match"),
        (["--split_by", "listner"], "did you mean 'listener'"),
        (["--manifest", "none.csv"], "not readable as CSV"),
    ],
)
def test_what_is_given_wrong_is_told_without_a_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture, options: list[str], said: str
) -> None:
    root = make(tmp_path / "data", chunks=1)
    assert main(["audit", str(root), "--output_dir", str(tmp_path / "audit"), *options]) == 1
    assert said in capsys.readouterr().err
    assert not (tmp_path / "audit").exists()


def test_every_picture_that_cannot_be_read_is_listed(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    root = make(tmp_path / "data", chunks=1)
    broken = [root / "100" / name_of("D1", 1, 0), root / "514" / name_of("H3", 2, 0)]
    broken[0].write_bytes(b"not a picture")
    broken[1].write_bytes(broken[1].read_bytes()[:200])
    assert main(["audit", str(root), "--output_dir", str(tmp_path / "audit")]) == 1
    told = capsys.readouterr().err
    assert all(path.name in told for path in broken)


def test_rendered_pictures_without_their_manifest_are_divided_by_programme(tmp_path: Path) -> None:
    root = tmp_path / "data"
    render = ["render", "--synthetic", "12", "--listeners", "kemar", "parametric:3", "--listeners_each", "1"]
    quick = ["--seconds", "0.5", "--sound", "false", "--size", "192", "--workers", "1", "--output_dir", str(root)]
    assert main([*render, *quick]) == 0
    with_manifest = scan(root)
    (root / "pictures" / "manifest.csv").unlink()
    without = scan(root)
    assert without.column("programme") == with_manifest.column("programme")
    assert without.groups("recording") == with_manifest.groups("recording")
    folder = scan_folder(root)
    split = split_samples(folder, preflight(folder, 1), without, split_by="recording")
    parts = {sample.factors["programme"]: set() for sample in split}
    for sample in split:
        parts[sample.factors["programme"]].add(sample.split)
    assert len(parts) == 12
    assert all(len(seen) == 1 for seen in parts.values())


def scan(root: Path) -> Factors:
    folder = scan_folder(root)
    return find_factors(folder.root, [picture.path for picture in folder.pictures])


def test_values_that_a_terminal_would_obey_or_a_table_would_compute_are_harmless(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    root = make(tmp_path / "data", chunks=1)
    (root / "100").rename(root / "=1+2")
    paths = sorted(path.relative_to(root).as_posix() for path in root.rglob("*.png"))
    listeners = ("=cmd()", "line\nbreak", "\x1b[31mred", "<b>bold</b>")
    rows = [{"path": path, "listener": listeners[k % 4], "recording": path} for k, path in enumerate(paths)]
    files.write_csv(root / "manifest.csv", rows, ["path", "listener", "recording"])
    output = tmp_path / "audit"
    assert main(["audit", str(root), "--output_dir", str(output)]) == 0
    printed = capsys.readouterr().out
    assert "\x1b" not in printed
    assert r"line\nbreak" in printed
    page = (output / "audit.html").read_text()
    assert "<b>bold" not in page
    assert "\x1b" not in page
    for name in ("factor_tables.csv", "audit.csv", "statistics.csv"):
        raw = (output / name).read_text()
        assert not re.search(r"(^|,)=", raw, re.MULTILINE)
    values = {row["value"] for row in files.read_csv(output / "factor_tables.csv")}
    assert set(listeners) <= values
