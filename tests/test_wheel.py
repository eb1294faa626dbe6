"""The wheel alone is enough: built, installed into an empty environment, used from a folder that is no checkout."""

import importlib.util
import os
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
WAIT = 400  # s

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        importlib.util.find_spec("hatchling") is None, reason="hatchling is not installed; `make install` brings it"
    ),
]


def run(*words: object, cwd: Path) -> str:
    """What a command prints; nothing of this checkout is on its path."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        list(map(str, words)), cwd=cwd, env=environment, capture_output=True, text=True, timeout=WAIT
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(build, cwd=ROOT, check=True, capture_output=True, timeout=WAIT)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs of a new environment with the wheel in it, and beside it the libraries of this one."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    programs = folder / "bin"
    run(programs / "python", "-m", "pip", "install", "--no-deps", "--no-index", wheel, cwd=folder)
    (own,) = folder.glob("lib/python*/site-packages")
    libraries = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "libraries.pth").write_text(
        "\n".join(libraries) + "\n"
    )  # folders alone: an editable install is not followed
    return programs


def test_the_wheel_holds_every_recipe_as_the_repository_has_it(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        held = {name: archive.read(name) for name in archive.namelist() if name.startswith("spatial_swin/recipes/")}
    files = [path for path in (ROOT / "recipes").rglob("*") if path.is_file()]
    assert held == {f"spatial_swin/{path.relative_to(ROOT)}": path.read_bytes() for path in files}


def test_the_demo_runs_from_a_wheel_in_another_folder(environment: Path, tmp_path: Path) -> None:
    where = run(environment / "python", "-c", "import spatial_swin; print(spatial_swin.__file__)", cwd=tmp_path)
    assert Path(where.strip()).is_relative_to(environment.parent)
    out = run(environment / "spatial-swin", "demo", "--short", "--programmes", "12", cwd=tmp_path)
    assert "programmes never heard" in out
    assert (tmp_path / "demo" / "run" / "thesis_results" / "report.html").is_file()
