"""Write docs/licences.md: every dependency that pyproject.toml names, what for, and its licence by its own metadata.

    python scripts/licences.py

Run it in an environment with all extras after a dependency is added; a test compares the page with pyproject.toml.
What stands behind those dependencies is not listed: `pip-licenses` or `pip inspect` do that for an environment.
"""

import re
import tomllib
from importlib import metadata
from pathlib import Path

from spatial_swin import files

ROOT = Path(__file__).parents[1]
PAGE = ROOT / "docs" / "licences.md"
NAME = re.compile(r"[\w.-]+")
UNSPECIFIC = {"License :: OSI Approved", "License :: DFSG approved"}
HEAD = """# Licences of the dependencies

Spatial Swin is MIT. The packages that it and its extras import are listed here with the licence that the metadata of
each gives; `scripts/licences.py` writes this page. The KEMAR responses, the people of CIPIC and the composed songs in
the package have their own terms, in `src/spatial_swin/assets`: `kemar_layouts.md`, `people/NOTICE.md` and
`songs/NOTICE.md`. FFmpeg and FluidSynth, where they are installed, are programs that are
called, not libraries that are linked.

| package | needed for | licence |
|---|---|---|
"""


def main() -> None:
    rows = [f"| {name} | {use} | {licence_of(name)} |" for name, use in sorted(requirements().items(), key=str)]
    files.write_text(PAGE, HEAD + "\n".join(rows) + "\n")
    print(f"{len(rows)} packages: open {PAGE.relative_to(ROOT)}")


def requirements() -> dict[str, str]:
    """{name: what it is needed for}, of pyproject.toml."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    found = dict.fromkeys(map(name_of, project["project"]["dependencies"]), "everything")
    for extra, lines in project["project"]["optional-dependencies"].items():
        for line in lines:
            found.setdefault(name_of(line), f"the extra {extra}")
    found.pop(project["project"]["name"], None)
    for line in project["build-system"]["requires"]:
        found[name_of(line)] = "building the wheel"
    return found


def name_of(requirement: str) -> str:
    match = NAME.match(requirement)
    assert match, requirement
    return match[0]


def licence_of(name: str) -> str:
    """The licence in a package's metadata: its expression, else its classifiers, else the first line of its text."""
    try:
        about = metadata.metadata(name)
    except metadata.PackageNotFoundError:
        raise SystemExit(f"{name}: not installed, so its licence is not known here; install all extras") from None
    if expression := about.get("License-Expression"):
        return expression
    classified = [line for line in about.get_all("Classifier") or () if line.startswith("License ::")]
    if named := [line.rpartition(" :: ")[2] for line in classified if line not in UNSPECIFIC]:
        return ", ".join(named)
    text = (about.get("License") or "").strip().splitlines()
    return text[0][:80] if text else "not in its metadata; see its repository"


if __name__ == "__main__":
    main()
