"""What the package says about itself is said once, and the same everywhere."""

import re
import tomllib
from pathlib import Path

import yaml

import spatial_swin

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
CITATION = yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


def test_version_is_written_in_one_place() -> None:
    assert "version" not in PROJECT["project"]
    assert PROJECT["tool"]["hatch"]["version"]["path"] == "src/spatial_swin/__init__.py"
    assert re.fullmatch(r"\d+\.\d+\.\d+(\.dev\d+)?", spatial_swin.__version__)


def test_citation_and_changelog_have_the_version_authors_and_licence_of_the_package() -> None:
    project = PROJECT["project"]
    assert CITATION["version"] == spatial_swin.__version__
    assert [author["name"] for author in CITATION["authors"]] == [author["name"] for author in project["authors"]]
    assert CITATION["license"] == project["license"]
    assert f"## {spatial_swin.__version__}" in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")


def test_every_pinned_version_satisfies_its_floor() -> None:
    pins = dict(re.findall(r"^([\w-]+)==(\d+(?:\.\d+)*)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE))
    pins = {name.lower(): version for name, version in pins.items()}
    extras = PROJECT["project"]["optional-dependencies"].values()
    requirements = PROJECT["project"]["dependencies"] + [line for extra in extras for line in extra]
    floors = dict(match.groups() for line in requirements if (match := re.match(r"([\w-]+)>=([\d.]+)", line.lower())))
    assert set(floors) <= set(pins), "constraints.txt pins every direct requirement"
    for name, floor in floors.items():
        assert _numbers(pins[name]) >= _numbers(floor), name


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in version.split("."))


def test_the_space_has_the_gradio_that_the_tests_have() -> None:
    pinned = re.search(r"^gradio==(\S+)", (ROOT / "constraints.txt").read_text("utf-8"), re.MULTILINE)
    _, front, _ = (ROOT / "space" / "README.md").read_text("utf-8").split("---\n", 2)
    assert pinned is not None
    assert yaml.safe_load(front)["sdk_version"] == pinned[1]
    assert f"gradio=={pinned[1]} " in (ROOT / "space" / "requirements.txt").read_text("utf-8")


def test_every_dependency_is_on_the_page_of_licences() -> None:
    page = (ROOT / "docs" / "licences.md").read_text(encoding="utf-8")
    listed = dict(re.findall(r"^\| ([\w.-]+) \| [^|]+ \| ([^|]+) \|$", page, re.MULTILINE))
    extras = PROJECT["project"]["optional-dependencies"].values()
    lines = [*PROJECT["project"]["dependencies"], *(line for extra in extras for line in extra)]
    lines += PROJECT["build-system"]["requires"]
    named = {re.match(r"[\w.-]+", line)[0] for line in lines} - {PROJECT["project"]["name"]}  # type: ignore[index]
    assert named == set(listed) - {"package"}, "run scripts/licences.py"
    assert all(licence.strip() for licence in listed.values())


def test_the_image_is_built_from_what_is_there() -> None:
    lines = (ROOT / "Dockerfile").read_text(encoding="utf-8").splitlines()
    copied = [name for line in lines if line.startswith("COPY ") for name in line.split()[1:-1]]
    needed = {"pyproject.toml", "constraints.txt", "recipes", "src", PROJECT["project"]["readme"], "LICENSE"}
    assert set(copied) == needed
    assert all((ROOT / name).exists() for name in copied)
    sent = (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines()
    assert {line[1:] for line in sent if line.startswith("!")} == needed
    (declared,) = (line for line in lines if "pip install" in line)
    extras = re.search(r"\.\[([\w,]+)\]", declared)
    assert extras is not None
    assert set(extras[1].split(",")) <= set(PROJECT["project"]["optional-dependencies"])


def test_readme_stays_short_and_its_links_lead_somewhere() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 120
    links = [link.split("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]
    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []
