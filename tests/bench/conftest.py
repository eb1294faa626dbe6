"""A run folder whose model is tiny and whose training pictures are of one listener, made once."""

from collections.abc import Iterator

import pytest
from model_folders import make_model_folder

from spatial_swin.audio.clips import Cut
from spatial_swin.audio.manifest import read_rows
from spatial_swin.audio.paired import Settings
from spatial_swin.audio.paired_folder import Order, fill
from spatial_swin.evaluation import baseline
from spatial_swin.files import sha256_of
from spatial_swin.reporting import bench_page, style
from spatial_swin.runs import RunFolder, Sample

SECONDS = 0.5  # of a window, as `make_model_folder` has it


@pytest.fixture(scope="package", autouse=True)
def quick() -> Iterator[None]:
    """Coarse figures and few trees: what is judged here is the benchmark, not the judges."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(style.RC, "savefig.dpi", 40)
        patch.setattr(baseline, "ITERATIONS", 2)
        yield


@pytest.fixture(autouse=True)
def without_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """No figures, which take longer than the judging, but for what a module makes for all its tests."""
    monkeypatch.setattr(bench_page, "write", lambda results, output: None)


@pytest.fixture(scope="session")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    """Six programmes of seed 0, heard by `kemar` in four layouts; the last is the test part."""
    top = tmp_path_factory.mktemp("bench")
    settings = Settings(Cut(SECONDS, SECONDS, SECONDS), size=192)
    layouts = ("100", "200", "510", "514")
    order = Order(top / "data", settings, layouts, ["kemar"], synthetic=range(6), sound=False, workers=1)
    fill(order)
    run = RunFolder(top / "run")
    make_model_folder(run.model)
    run.write_recipe({"Model": {}, "Data": {"data_dir": str(order.pictures)}, "Trainer": {}})
    rows = read_rows(order.pictures / "manifest.csv")
    run.write_split(
        [
            Sample(
                row.path,
                row.label,
                row.recording,
                "test" if row.programme.endswith("5") else "train",
                sha256_of(order.pictures / row.path),
                {"listener": row.listener, "laboratory": row.laboratory, "programme": row.programme},
            )
            for row in rows
        ]
    )
    return run
