"""Factors: from a pattern, from a manifest, from the names themselves; strays are listed all at once."""

from pathlib import Path

import pytest

from spatial_swin.data.factors import Factors, factor_table, find_factors
from spatial_swin.errors import DataError

FIELD_NAME = "binaural_audio_{}_48K_24bit_0.3s_FIR_SOFA_{}-globo-1_0_chunk{:04d}.png"


def field_paths() -> list[str]:
    return [
        f"{label}/{FIELD_NAME.format(listener, content, chunk)}"
        for label in ("100", "200")
        for listener in ("D1", "H12")
        for content in ("ac01", "ac02")
        for chunk in range(3)
    ]


def write_manifest(path: Path, header: str, *rows: str) -> Path:
    path.write_text("\n".join([header, *rows]) + "\n")
    return path


def test_names_of_the_field_give_listener_content_source_and_recording(tmp_path: Path) -> None:
    paths = field_paths()
    factors = find_factors(tmp_path, paths)
    assert factors.values[paths[0]] == {
        "listener": "D1",
        "content": "ac01",
        "source": "globo",
        "version": "1_0",
        "chunk": "0000",
        "recording": "100/binaural_audio_D1_48K_24bit_0.3s_FIR_SOFA_ac01-globo-1_0",
    }
    assert len(set(factors.groups().values())) == 8  # two classes x two listeners x two contents
    assert set(factors.groups("listener").values()) == {"D1", "H12"}


def rendered_paths(listeners: tuple[str, ...] = ("kemar", "parametric0003")) -> list[str]:
    return [
        f"{layout}/synthetic0-00000{programme}_{listener}_{layout}_chunk0000.png"
        for layout in ("100", "514")
        for programme in range(3)
        for listener in listeners
    ]


def test_rendered_pictures_without_their_manifest_are_grouped_by_programme(tmp_path: Path) -> None:
    paths = rendered_paths()
    factors = find_factors(tmp_path, paths)
    assert factors.names == ["programme", "recording", "listener", "chunk"]
    assert set(factors.groups("listener").values()) == {"kemar", "parametric0003"}
    assert factors.groups("recording") == {path: path[4:21] for path in paths}  # in all layouts, as in the manifest
    assert factors.groups("recording") == factors.groups("programme")
    assert "label" not in factors.values[paths[0]]


def test_layouts_rendered_for_sofa_files_are_one_recording_too(tmp_path: Path) -> None:
    groups = find_factors(tmp_path, rendered_paths(("kemar", "pp1_HRIRs_measured"))).groups()
    assert len(set(groups.values())) == 6
    assert groups["100/synthetic0-000000_kemar_100_chunk0000.png"] == "synthetic0-000000_kemar"


def test_a_code_that_is_not_the_class_says_nothing_of_layouts(tmp_path: Path) -> None:
    groups = find_factors(tmp_path, ["a/x_kemar_100_chunk0000.png", "b/x_kemar_100_chunk0000.png"]).groups()
    assert list(groups.values()) == ["a/x_kemar_100", "b/x_kemar_100"]


def test_chunks_of_one_recording_are_one_group_and_the_same_name_in_two_classes_is_two(tmp_path: Path) -> None:
    factors = find_factors(tmp_path, ["a/x_chunk0001.png", "a/x_chunk0002.png", "b/x_chunk0001.png", "a/y-chunk3.png"])
    assert list(factors.groups().values()) == ["a/x", "a/x", "b/x", "a/y"]


def test_a_recording_keeps_its_name_across_the_folders_of_the_parts(tmp_path: Path) -> None:
    groups = find_factors(tmp_path, ["train/a/x_chunk0001.png", "test/a/x_chunk0002.png"]).groups()
    assert len(set(groups.values())) == 1


def test_a_name_without_a_chunk_is_a_recording_of_its_own_and_is_noted(tmp_path: Path) -> None:
    factors = find_factors(tmp_path, ["a/x_chunk0001.png", "a/holiday.png"])
    assert factors.groups()["a/holiday.png"] == "a/holiday"
    assert "a/holiday.png" in factors.notes[0]


def test_names_that_say_nothing_make_every_picture_its_own_group(tmp_path: Path) -> None:
    factors = find_factors(tmp_path, ["a/x.png", "b/x.png"])
    assert factors.names == []
    assert list(factors.groups().values()) == ["a/x", "b/x"]
    assert "every picture counts as its own recording" in factor_table(factors)


def test_a_pattern_names_the_factors_and_takes_the_chunk_out_of_the_recording(tmp_path: Path) -> None:
    pattern = r"(?P<room>[a-z]+)_(?P<take>\d+)_chunk(?P<chunk>\d+)"
    factors = find_factors(tmp_path, ["1/hall_7_chunk01.png", "1/hall_7_chunk02.png", "1/cell_8_chunk01.png"], pattern)
    assert factors.names == ["room", "take", "chunk", "recording"]
    assert list(factors.groups().values()) == ["1/hall_7", "1/hall_7", "1/cell_8"]


def test_every_name_that_does_not_match_is_listed_at_once(tmp_path: Path) -> None:
    with pytest.raises(DataError) as caught:
        find_factors(tmp_path, ["a/D1_x.png", "a/stray.png", "a/other.png"], r"(?P<listener>D\d+)_")
    assert "a/stray.png" in str(caught.value)
    assert "a/other.png" in str(caught.value)
    assert "D1_x" not in str(caught.value)


@pytest.mark.parametrize(
    ("pattern", "said"),
    [
        ("(?P<a>[", "not a regular expression"),
        ("D\\d+", "names no group"),
        ("(?P<split>[ab])", "'split', which is a column"),
    ],
    ids=["broken", "nameless", "reserved"],
)
def test_a_pattern_that_cannot_work_is_refused(tmp_path: Path, pattern: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        find_factors(tmp_path, ["a/x.png"], pattern)


def test_the_manifest_beside_the_pictures_is_read_and_loudness_is_a_measure(tmp_path: Path) -> None:
    header = "path,label,programme,listener,recording,seed,loudness_before,loudness_after,flags"
    rows = ("a/x.png,a,p1,L1,r1,7,-30.5,-23.0,", "a/y.png,a,p2,L1,r2,7,,-23.0,quiet", "gone.png,a,p1,L1,r1,7,0,0,")
    write_manifest(tmp_path / "manifest.csv", header, *rows)
    factors = find_factors(tmp_path, ["a/x.png", "a/y.png"])
    assert factors.names == ["programme", "listener", "recording"]
    assert factors.groups() == {"a/x.png": "r1", "a/y.png": "r2"}
    assert factors.measures["a/x.png"]["loudness_before"] == -30.5
    assert factors.groups("content") == {"a/x.png": "p1", "a/y.png": "p2"}  # the other name of the programme
    assert "1 rows of manifest.csv have no picture" in factors.notes[0]


def test_a_manifest_elsewhere_may_write_paths_below_its_own_folder(tmp_path: Path) -> None:
    manifest = write_manifest(tmp_path / "m.csv", "path,listener", "data/a/x.png,L1", f"{tmp_path}/data/a/y.png,L2")
    factors = find_factors(tmp_path / "data", ["a/x.png", "a/y.png"], manifest=manifest)
    assert factors.column("listener") == {"a/x.png": "L1", "a/y.png": "L2"}


def test_chunks_in_a_manifest_without_recordings_are_grouped_by_name(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", "path,chunk", "a/x_chunk1.png,1", "a/x_chunk2.png,2")
    groups = find_factors(tmp_path, ["a/x_chunk1.png", "a/x_chunk2.png"]).groups()
    assert set(groups.values()) == {"a/x"}


def test_an_empty_recording_does_not_throw_pictures_together(tmp_path: Path) -> None:
    write_manifest(tmp_path / "manifest.csv", "path,recording", "a/x.png,", "a/y.png,", "a/z.png,r")
    assert len(set(find_factors(tmp_path, ["a/x.png", "a/y.png", "a/z.png"]).groups().values())) == 3


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("file,listener\na/x.png,L1\n", "no column 'path'"),
        ("", "no column 'path'"),
        ("path,listener\na/x.png,L1\n", "a/y.png: has no row"),
        ("path,listener\na/x.png\na/y.png,L1\n", "not as many cells"),
        ("path,listener\na/x.png,L1\na/x.png,L2\na/y.png,L1\n", "second, different row for a/x.png"),
        ("path,loudness_before\na/x.png,loud\na/y.png,1\n", "loudness_before is 'loud'"),
    ],
    ids=["no path", "empty", "missing row", "short row", "contradiction", "not a number"],
)
def test_a_manifest_that_does_not_fit_is_refused(tmp_path: Path, content: str, said: str) -> None:
    (tmp_path / "manifest.csv").write_text(content)
    with pytest.raises(DataError, match=said):
        find_factors(tmp_path, ["a/x.png", "a/y.png"])


def test_a_manifest_that_is_not_there_or_not_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "m.csv").write_bytes(b"\xff\xfe\x00path")
    for manifest in (tmp_path / "none.csv", tmp_path / "m.csv"):
        with pytest.raises(DataError, match="not readable as CSV"):
            find_factors(tmp_path, ["a/x.png"], manifest=manifest)


def test_pattern_and_manifest_together_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="not both"):
        find_factors(tmp_path, ["a/x.png"], "(?P<a>.)", tmp_path / "m.csv")


def test_a_factor_that_does_not_exist_is_answered_with_the_nearest(tmp_path: Path) -> None:
    factors = find_factors(tmp_path, field_paths())
    with pytest.raises(DataError, match="did you mean 'listener'"):
        factors.groups("listner")


def test_two_factors_combine() -> None:
    factors = Factors(["a", "b"], {"x": {"a": "1", "b": "2"}, "y": {"a": "1", "b": "3"}}, "test")
    assert factors.groups("a+b") == {"x": "1+2", "y": "1+3"}


def test_virtual_heads_are_in_the_group_of_the_listener_they_were_made_from() -> None:
    rows = {"x": {"listener": "P12", "programme": "a-v1"}, "y": {"listener": "P12-v2", "programme": "a-v2"}}
    factors = Factors(["listener", "programme"], rows, "test")
    assert factors.groups("listener") == {"x": "P12", "y": "P12"}
    assert factors.groups("listener+programme") == {"x": "P12+a-v1", "y": "P12+a-v2"}  # only listeners are virtual
    assert factors.column("listener") == {"x": "P12", "y": "P12-v2"}  # as written, for counting and for the audit


def test_the_table_shows_every_factor_once(tmp_path: Path) -> None:
    table = factor_table(find_factors(tmp_path, field_paths()))
    assert "listener        2 values: D1 (12), H12 (12)" in table.replace("   listener", "listener")
    assert "recording       8 values" in table
